//! An endpoint that splits: which side a statement goes to, and what becomes of a replica's connection that the session still
//! has.
//!
//! ```text
//!                     ┌─ plain read, READ ONLY transaction ──> replica ── not usable, or behind ──┐
//!   nothing held ─────┤                                                                           v
//!                     └─ anything else ────────────────────────────────────────────────────> primary
//! ```
//!
//! Whatever holds the session to a connection of the primary keeps all that follows there. To one of a replica only a READ
//! ONLY transaction holds it, and the warnings of its last read.

use std::time::{Duration, Instant};

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::sql::route::is_of_server;
use greenroom_protocol::sql::{Doubt, Facts, Kind, Mode, PinReason, PinSet, Wish};
use greenroom_protocol::track::Changes;

use super::command::Incoming;
use super::conversation::{Conversation, Debts};
use super::digest::Effects;
use super::hold::Hold;
use super::kill::virtual_id;
use super::statements::Statement;
use super::turn::Turn;
use super::written::Written;
use crate::end::SessionEnd;
use crate::endpoint::{Endpoint, Side};
use crate::grant::Condition;
use crate::node::Node;
use crate::pool::BackendId;
use crate::settings::Role;
use crate::tally::Why;
use crate::wire::Card;

/// The user variable by which a session says where it wants to read.
const SWITCH: &[u8] = b"greenroom_route";

/// In these a read is more than that: it locks, or sees what nobody else does yet.
const ISOLATED: [&[u8]; 2] = [b"SERIALIZABLE", b"READ-UNCOMMITTED"];

/// How long a session leaves replicas alone after none was good enough: each further read would wait as long again.
const SHUNNED: Duration = Duration::from_secs(10);

/// The cursor flags of `COM_STMT_EXECUTE`.
const CURSORS: u8 = 7;

/// What a session of such an endpoint knows beside the rest.
#[derive(Debug)]
pub(super) struct Split {
    /// What the next lease is for.
    pub(super) side: Side,
    /// The connection at hand is a replica's.
    pub(super) reading: bool,
    /// The replica's connection that it had last.
    pub(super) last: Option<BackendId>,
    /// Its own writes, where its reads must see them.
    pub(super) written: Option<Written>,
    /// Until then it reads from the primary.
    shunned: Option<Instant>,
    /// Why the statement under way goes where it goes.
    why: Why,
}

/// What a command means to a replica's connection that the session has.
enum Stand {
    /// It may go there.
    Stays,
    /// It goes elsewhere.
    Leaves,
    /// It is refused; what is open stays open.
    Refused(SqlError),
    /// The server says that a transaction that only reads may not do that.
    ReadOnly,
    /// So it is, and the session is over: what it has there can be had nowhere else.
    Bound(SqlError),
}

impl Split {
    /// Of a session that begins.
    pub(super) fn of(endpoint: &Endpoint) -> Option<Box<Self>> {
        let written = endpoint.settings.causal_timeout.map(|_| Written::default());
        let split = Self { side: Side::Primary, reading: false, last: None, written, shunned: None, why: Why::Write };
        endpoint.splits().then(|| Box::new(split))
    }
}

impl Conversation {
    /// What the next lease is for.
    pub(super) fn side(&self) -> Side {
        self.split.as_ref().map_or_else(|| self.endpoint.side(), |split| split.side)
    }

    /// Whether the connection at hand is a replica's that may only be read from.
    pub(super) fn is_reading(&self) -> bool {
        self.split.as_ref().is_some_and(|split| split.reading && self.grant.is_some())
    }

    /// There is no connection any more: the next is the primary's unless a statement says otherwise.
    pub(super) fn stop_reading(&mut self) {
        if let Some(split) = self.split.as_mut() {
            (split.side, split.reading) = (Side::Primary, false);
        }
    }

    /// The lease at hand is for this; `None`: the endpoint does not split.
    pub(super) fn note_side(&mut self, backend: BackendId) {
        let role = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node().role());
        match self.split.as_mut() {
            Some(split) if split.side == Side::Replica && role == Some(Role::Replica) => {
                (split.reading, split.last) = (true, Some(backend));
            }
            Some(split) => {
                if split.side == Side::Replica {
                    split.why = Why::NoReplica;
                }
                split.side = Side::Primary;
                self.last = Some(backend);
            }
            None => self.last = Some(backend),
        }
    }

    /// The connection that it had last on the side that the next lease is for.
    pub(super) fn last_there(&self) -> Option<BackendId> {
        match self.split.as_ref() {
            Some(split) if split.side == Side::Replica => split.last,
            _ => self.last,
        }
    }

    /// No replica would do: the primary then, and for a while. `false`: it was the primary that was asked for.
    pub(super) fn turn_to_primary(&mut self, why: Why) -> bool {
        let Some(split) = self.split.as_mut().filter(|split| split.side == Side::Replica) else { return false };
        (split.side, split.why) = (Side::Primary, why);
        split.shunned = Some(Instant::now() + SHUNNED);
        true
    }

    /// A statement is about to run: chooses the side, where the session has no connection. Gives whether it has none.
    pub(super) fn choose_side(&mut self, turn: &Turn) -> bool {
        let bare = self.grant.is_none();
        if self.split.is_some() {
            self.choose(turn, bare);
        }
        bare
    }

    fn choose(&mut self, turn: &Turn, bare: bool) {
        if !bare {
            let reads = if self.hold.is_open() { Why::Transaction } else { Why::Read };
            return self.note_why(if self.is_reading() { reads } else { Why::Held });
        }
        self.look_around();
        let complete = turn.incoming.scanned.complete && turn.reader.is_none() && !turn.unsure;
        let (side, why) = match complete {
            true => self.side_of(turn.command, turn.effects, self.argument(&turn.incoming)),
            false => (Side::Primary, Why::Write),
        };
        if let Some(split) = self.split.as_mut() {
            split.side = side;
        }
        self.note_why(why);
    }

    fn note_why(&mut self, why: Why) {
        if let Some(split) = self.split.as_mut() {
            split.why = why;
        }
    }

    /// Counts where the statement has gone.
    pub(super) fn count_side(&self, command: Command) {
        if let Some(split) = self.split.as_ref().filter(|_| matches!(command, Command::Query | Command::StmtExecute)) {
            self.tally.routed(split.reading, split.why);
        }
    }

    /// Where a command belongs, by what it does.
    fn side_of(&self, command: Command, effects: Effects, argument: &[u8]) -> (Side, Why) {
        let primary = |why| (Side::Primary, why);
        if !matches!(command, Command::Query | Command::StmtExecute) {
            return primary(Why::Write);
        }
        let Some((text, way)) = self.text_of(command, argument) else { return primary(Why::Write) };
        let effects = self.shown(command, effects, argument);
        let wish = self.wish(text);
        if wish == Some(Wish::Primary) {
            return primary(Why::Asked);
        }
        let why = match wish {
            _ if effects.begins_reading() => Why::Transaction,
            Some(_) if effects.only_reads() => Why::Asked,
            _ if effects.is_plain_read() && !self.state.database().is_some_and(is_of_server) => Why::Read,
            _ => return primary(Why::Write),
        };
        if self.opens(command, argument) || self.hides(effects, text, way, why == Why::Read) {
            return primary(Why::Write);
        }
        if !self.is_free_to_read() {
            return primary(Why::Session);
        }
        let Some(split) = self.split.as_ref() else { return primary(Why::Write) };
        if split.written.as_ref().is_some_and(|written| !written.is_known()) {
            return primary(Why::Unknown);
        }
        if split.shunned.is_some_and(|until| until > self.clock) { primary(Why::Behind) } else { (Side::Replica, why) }
    }

    /// Whether an execution would leave something open on its connection, or needs what is.
    fn opens(&self, command: Command, argument: &[u8]) -> bool {
        let statement = argument.first_chunk::<4>().and_then(|id| self.statements.get(u32::from_le_bytes(*id)));
        let cursor = || argument.get(4).is_none_or(|flags| flags & CURSORS != 0);
        command == Command::StmtExecute && (cursor() || statement.is_none_or(Statement::is_open))
    }

    /// What a command does by its text alone: what else was found out may be of the replica that nobody has asked yet.
    fn shown(&self, command: Command, effects: Effects, argument: &[u8]) -> Effects {
        let id = argument.first_chunk::<4>().map(|id| u32::from_le_bytes(*id));
        let statement = id.filter(|_| command == Command::StmtExecute).and_then(|id| self.statements.get(id));
        statement.map_or(effects, Statement::plain)
    }

    /// The text that a command runs, and how it is read.
    fn text_of<'a>(&'a self, command: Command, argument: &'a [u8]) -> Option<(&'a [u8], (Mode, Doubt))> {
        match command {
            Command::Query => return self.split_text(command, argument).map(|(_, text)| (text, self.mode_and_doubt())),
            Command::StmtPrepare => return Some((argument, self.mode_and_doubt())),
            Command::StmtExecute => {}
            _ => return None,
        }
        let id = argument.first_chunk::<4>().map(|id| u32::from_le_bytes(*id))?;
        let statement = self.statements.get(id)?;
        statement.source.as_ref().map(|source| (source.text(), statement.way))
    }

    /// Where the client wants its statement to run: a comment counts before the session's switch.
    fn wish(&self, text: &[u8]) -> Option<Wish> {
        let switch = || self.state.user_variables().text(SWITCH).and_then(|word| Wish::of(&word));
        Wish::of_text(text).or_else(|| if self.state.user_variables().is_empty() { None } else { switch() })
    }

    /// Whether tables or views that it names may run what its text does not show, as far as the primary's survey tells:
    /// a replica's, if there is one, may be older. Or it may read an id that its server has given; or, where it is to be
    /// `plain`, a view may ask what only the server at hand knows.
    fn hides(&self, effects: Effects, text: &[u8], way: (Mode, Doubt), plain: bool) -> bool {
        if effects.facts.contains(Facts::READS_AUTO_IS_NULL) && self.state.variable(b"sql_auto_is_null").is_some() {
            return true;
        }
        let mut shown = effects;
        let primary = self.endpoint.choose().map(|node| node.index);
        let at = self.endpoint.nodes.iter().position(|node| Some(node.index) == primary);
        self.add_hidden_of(at, &mut shown, text, way);
        let server = if plain { Facts::READS_SERVER } else { Facts::NONE };
        let hidden = Facts::MAY_LEAK | Facts::MAY_RUN_ROUTINE | server;
        shown.pins != effects.pins || shown.facts.intersects(hidden)
    }

    /// Whether a plain read would begin a transaction on a replica's connection, without a word of the session's: by the
    /// server's own `autocommit`.
    pub(super) fn begins_by_itself(&self, card: &Card) -> bool {
        let usual = || card.birth.defaults.iter().find(|(name, _)| **name == *b"autocommit");
        self.split.as_ref().is_some_and(|split| split.side == Side::Replica)
            && self.state.variable(b"autocommit").is_none()
            && usual().is_some_and(|(_, value)| value.eq_ignore_ascii_case(b"OFF"))
    }

    /// Whether a read of the session's is no more than that, wherever it runs.
    fn is_free_to_read(&self) -> bool {
        let set = |name: &[u8]| self.state.variable(name);
        let isolated = [&b"transaction_isolation"[..], b"tx_isolation"]
            .iter()
            .any(|name| set(name).is_some_and(|level| ISOLATED.contains(&level)));
        self.status.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT) && !isolated && !self.debts.hide_state()
    }

    /// What the connection shows of a text that nobody knew when the side was chosen: it does not belong there after all.
    fn is_misplaced(&self, turn: &Turn) -> bool {
        self.is_reading()
            && !self.hold.is_open()
            && (!turn.effects.pins.is_empty() || turn.effects.facts.contains(Facts::MAY_RUN_ROUTINE))
            && !turn.effects.asks_of_previous()
    }

    /// As [`Self::reveal`]; `false` where it shows that the statement does not belong on the replica whose connection was
    /// leased for it: it goes to the primary, with nothing sent.
    pub(super) fn reveal_here(&mut self, turn: &mut Turn) -> bool {
        self.note_running();
        self.reveal(turn);
        if !self.is_misplaced(turn) {
            return true;
        }
        self.release(Condition::Used);
        self.note_why(Why::Write);
        false
    }

    /// Before a command is looked at: reads on where its text decides much, and looks where it belongs. Gives it back,
    /// unless the client has been told why it does not run.
    pub(super) async fn look_ahead(
        &mut self,
        command: Command,
        incoming: Incoming,
    ) -> Result<Option<Incoming>, SessionEnd> {
        let gathers = command == Command::Query && !incoming.scanned.complete;
        let incoming = if gathers { self.gather_asking(incoming).await? } else { incoming };
        if self.is_reading() { self.may_stay(command, incoming).await } else { Ok(Some(incoming)) }
    }

    /// The session has a replica's connection, from before: sees to it that nothing goes there that would not do so by
    /// itself. Gives the command back, unless the client has been told why it does not run.
    pub(super) async fn may_stay(
        &mut self,
        command: Command,
        mut incoming: Incoming,
    ) -> Result<Option<Incoming>, SessionEnd> {
        self.look_around();
        let stand = match self.stand(command, &incoming) {
            Stand::Leaves => self.leave_replica().await,
            stand => stand,
        };
        let (error, bound) = match stand {
            Stand::Stays | Stand::Leaves => return Ok(Some(incoming)),
            Stand::ReadOnly => {
                // A replica would say that it takes no writes at all, and MariaDB's then also refuses to commit (measured).
                let answer = Answer::Failed(SqlError::read_only_transaction(self.flavor));
                return self.relay(answer, u32::MAX, self.id, incoming).await.map(|()| None);
            }
            Stand::Refused(error) => (error, false),
            Stand::Bound(error) => (error, true),
        };
        self.skip(&mut incoming).await?;
        self.send_error(incoming.seq(), &error).await?;
        if bound { Err(SessionEnd::BackendLost) } else { Ok(None) }
    }

    fn stand(&self, command: Command, incoming: &Incoming) -> Stand {
        // Data for a statement would stay here with it.
        let sends_data = command == Command::StmtSendLongData && self.hold.is_open();
        if sends_data || is_about_connection(command) {
            return Stand::Stays;
        }
        let argument = self.argument(incoming);
        let text = self.text_of(command, argument).filter(|_| incoming.scanned.complete);
        let effects = match (command, text) {
            (Command::Query | Command::StmtPrepare, Some((text, _))) => self.read(text).verdict,
            (Command::Query | Command::StmtPrepare, None) => Self::unread_effects(),
            _ => self.shown(command, Self::plain_effects(command), argument),
        };
        // Of sessions Greenroom knows, not the server at hand.
        let alone = effects.pins.is_empty() && !effects.facts.contains(Facts::MULTI);
        if alone && matches!(effects.kind, Kind::Kill { id: Some(id), .. } if virtual_id(id).is_some()) {
            return Stand::Stays;
        }
        let hides = || text.is_none_or(|(text, way)| self.hides(effects, text, way, false));
        let asks = effects.asks_of_previous() && command != Command::StmtPrepare && !hides();
        if !self.hold.is_open() {
            let reads = || matches!(self.side_of(command, effects, argument), (Side::Replica, Why::Read | Why::Asked));
            return if asks || text.is_some() && reads() { Stand::Stays } else { Stand::Leaves };
        }
        let ends = matches!(effects.kind, Kind::Commit | Kind::Rollback);
        let refused = effects.is_refused_reading();
        let prepares = command == Command::StmtPrepare;
        // What would stay on this connection is not prepared there.
        let keeps = match prepares {
            true => (effects.is_plain_read() || refused || ends) && !hides(),
            false => effects.keeps_to_reading() && !hides(),
        };
        if refused && !prepares && !hides() {
            return Stand::ReadOnly;
        }
        // What else a client may do there is about its session alone.
        if asks || keeps || matches!(command, Command::InitDb | Command::FieldList) {
            return Stand::Stays;
        }
        // The server would end the transaction that is open before it begins the next.
        let again = effects.kind == Kind::Begin && alone;
        if again && command == Command::Query { Stand::Leaves } else { Stand::Refused(SqlError::not_on_replica()) }
    }

    /// Gives a replica's connection back, with what of a transaction that only reads may be open there, and without the
    /// warnings of the last statement.
    async fn leave_replica(&mut self) -> Stand {
        let warned = self.hold.pins.contains(PinReason::Diagnostics);
        let bound = self.hold.pins.difference(PinSet::of(&[PinReason::Diagnostics]));
        if !bound.is_empty() || self.debts.hide_state() || self.debts.insert_id {
            return Stand::Bound(SqlError::bound_to_replica());
        }
        // Nobody else could tell it later.
        let lost = self.previous.owes() && !self.pay().await;
        let before = self.hold.pins;
        self.hold = Hold::default();
        self.status -= StatusFlags::SERVER_STATUS_IN_TRANS | StatusFlags::SERVER_STATUS_IN_TRANS_READONLY;
        self.tell_pins(before);
        self.warnings_lost |= warned;
        self.debts = Debts::default();
        self.release(if lost { Condition::Spoilt } else { Condition::Used });
        Stand::Leaves
    }
}

// -- the session's own writes --

impl Conversation {
    /// What to ask the server of a lease before anything is read there.
    pub(super) fn question_of(&self, node: &Node) -> Option<Vec<u8>> {
        let split = self.split.as_ref().filter(|split| split.side == Side::Replica && node.role() == Role::Replica)?;
        let timeout = self.endpoint.settings.causal_timeout?;
        split.written.as_ref()?.question(node.index, self.flavor, timeout)
    }

    /// That server has all that the session has written.
    pub(super) fn note_arrived(&mut self, node: u16) {
        if let Some(written) = self.split.as_mut().and_then(|split| split.written.as_mut()) {
            written.arrived(node);
        }
    }

    /// Takes note of what a statement has written, by what the server reported.
    pub(super) fn note_written(&mut self, command: Command, effects: Effects) {
        if self.is_reading() {
            return;
        }
        let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        let (tells, unawaited) = node.map_or((false, false), |node| (node.tells_gtids(), node.is_unawaited()));
        let Some(written) = self.split.as_mut().and_then(|split| split.written.as_mut()) else { return };
        let told = written.heed(self.flavor, &self.summary.changes);
        let runs = matches!(command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute);
        if !runs || !effects.may_write() {
            return;
        }
        // What is written past the binary log reaches no replica; the string itself may have said so.
        let changes = &self.summary.changes.variables;
        let past = changes.iter().any(|(name, _)| **name == *b"sql_log_bin");
        if past || unawaited || !told && (!tells || self.state.variable(b"sql_log_bin").is_some()) {
            written.lose_track();
        }
        // What a statement wrote before it failed no server tells (measured).
        self.debts.position |= self.summary.error.is_some();
    }

    /// Takes note of what a server told when it was asked for what it had not reported.
    pub(super) fn note_told(&mut self, changes: &Changes, last: Option<&[u8]>) {
        let Some(written) = self.split.as_mut().and_then(|split| split.written.as_mut()) else { return };
        written.heed(self.flavor, changes);
        if let Some(last) = last {
            written.note(self.flavor, last);
        }
    }

    /// What a statement that is lost may have written will never be known.
    pub(super) fn lose_track(&mut self) {
        if self.is_reading() {
            return;
        }
        if let Some(written) = self.split.as_mut().and_then(|split| split.written.as_mut()) {
            written.lose_track();
        }
    }
}

/// Commands about a prepared statement's own cursor, or about the connection alone.
fn is_about_connection(command: Command) -> bool {
    matches!(
        command,
        Command::Ping | Command::Statistics | Command::StmtClose | Command::StmtFetch | Command::StmtReset
    )
}
