//! What statements are watched for: counted by their shapes, and logged where they are slow. While nothing is to be watched
//! a session has no watch, and all of this is a look at that.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::command::Command;
use greenroom_protocol::sql::PinSet;
use greenroom_protocol::sql::shape::normalise;

use super::conversation::Conversation;
use super::trace::Trace;
use super::turn::Turn;
use crate::queries::{Key, Outcome, Place};

/// A statement's shape; empty where nobody can tell it for certain.
pub(super) type Shape = Arc<[u8]>;

/// What is noted of the command under way.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// It is a statement, or fetches rows of one.
    runs: bool,
    /// It fetches rows.
    is_fetch: bool,
    arrived: Option<Instant>,
    /// When it got its connection, unless the session had one.
    granted: Option<Instant>,
    /// How long it waited for that.
    waited: Duration,
    /// When it went to the server.
    sent: Option<Instant>,
    /// When the reply began.
    answered: Option<Instant>,
    /// When the reply had come to its end.
    ended: Option<Instant>,
    /// Where it is counted.
    place: Option<Place>,
    /// Its shape, where no row has it and somebody may ask for it.
    shape: Option<Shape>,
    /// The shape of the text that it prepares.
    drafted: Option<Shape>,
    /// Pins that have begun with it.
    pins: PinSet,
    /// The error of Greenroom's own that its client was given.
    error: Option<u16>,
    /// The trace that it belongs to.
    trace: Option<Box<Trace>>,
}

/// How a statement's time was spent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) whole: Duration,
    /// For a connection.
    pub(super) wait: Duration,
    /// From there until it went to the server.
    pub(super) adapt: Duration,
    /// From there to the beginning of the reply.
    pub(super) server: Duration,
    /// From there to its end.
    pub(super) relay: Duration,
    /// When these began, since its arrival; the wait ended with the first.
    pub(super) granted: Option<Duration>,
    pub(super) sent: Option<Duration>,
    pub(super) answered: Option<Duration>,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) parts: Parts,
    pub(super) rows: u64,
    pub(super) affected: u64,
    pub(super) error: Option<u16>,
    /// The session is over.
    pub(super) broke: bool,
}

impl Watch {
    fn of(arrived: Instant) -> Self {
        Self { arrived: Some(arrived), ..Self::default() }
    }

    /// A pin may have begun.
    pub(super) fn note_pins(&mut self, before: PinSet, now: PinSet) {
        self.pins = self.pins.union(now.difference(before));
    }

    /// Greenroom has told its client of an error.
    pub(super) fn note_error(&mut self, code: u16) {
        self.error = Some(code);
    }

    pub(super) fn arrived(&self) -> Option<Instant> {
        self.arrived
    }

    pub(super) fn pins(&self) -> PinSet {
        self.pins
    }

    fn parts(&self, ended: Instant) -> Parts {
        let between = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map_or(Duration::ZERO, |(from, to)| to.saturating_duration_since(from))
        };
        Parts {
            whole: between(self.arrived, Some(ended)),
            wait: self.waited,
            adapt: between(self.granted, self.sent),
            server: between(self.sent, self.answered.or(Some(ended))),
            relay: between(self.answered, Some(ended)),
            granted: self.granted.map(|_| between(self.arrived, self.granted)),
            sent: self.sent.map(|_| between(self.arrived, self.sent)),
            answered: self.answered.map(|_| between(self.arrived, self.answered)),
        }
    }
}

/// Whether a command is a statement, or fetches rows of one.
fn runs(command: Command) -> bool {
    matches!(command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute | Command::StmtFetch)
}

impl Conversation {
    /// A command has arrived.
    pub(super) fn begin_watch(&mut self) {
        match (&mut self.watch, self.stage.watching.any()) {
            (None, false) => {}
            (Some(watch), true) => **watch = Watch::of(self.clock),
            (None, true) => self.watch = Some(Box::new(Watch::of(self.clock))),
            (Some(_), false) => self.watch = None,
        }
    }

    /// It is about to run.
    pub(super) fn observe(&mut self, turn: &Turn) {
        if self.watch.is_none() {
            return;
        }
        let (runs, counts) = (runs(turn.command), self.stage.watching.counts());
        let place = (runs && counts).then(|| self.counted_in(turn));
        let drafted = (turn.command == Command::StmtPrepare).then(|| self.shape_of(turn));
        let trace = if runs && self.stage.watching.traces() { self.trace_of(turn) } else { None };
        // The text of one that is streamed is gone when somebody asks for it; the slow log may be switched on until then.
        let streamed = runs && !turn.incoming.scanned.complete;
        let shape = (streamed || trace.is_some()).then(|| self.shape_of(turn));
        if let Some(watch) = &mut self.watch {
            (watch.runs, watch.is_fetch) = (runs, turn.command == Command::StmtFetch);
            (watch.place, watch.drafted, watch.shape, watch.trace) = (place, drafted, shape, trace);
        }
    }

    /// The time, where it is to be known.
    pub(super) fn watch_clock(&self) -> Option<Instant> {
        self.watch.is_some().then(Instant::now)
    }

    /// There is a connection, or none to be had; `asked`: since when it waited.
    pub(super) fn note_granted(&mut self, asked: Option<Instant>) {
        if let (Some(watch), Some(asked)) = (&mut self.watch, asked) {
            let now = Instant::now();
            watch.waited += now.saturating_duration_since(asked);
            watch.granted = Some(now);
        }
    }

    /// It goes to the server.
    pub(super) fn note_sent(&mut self) {
        if let Some(watch) = &mut self.watch {
            (watch.sent, watch.answered) = (Some(Instant::now()), None);
            if let Some(trace) = &mut watch.trace {
                let card = self.grant.as_ref().and_then(|grant| grant.card());
                trace.server = card.map(|card| card.permit.node().settings());
            }
        }
    }

    /// The server has said something.
    pub(super) fn note_answered(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.answered.get_or_insert_with(Instant::now);
        }
    }

    /// The reply has come to its end, or there will be none; the text is still there.
    pub(super) fn note_ended(&mut self, turn: &Turn) {
        let Some(watch) = &mut self.watch else { return };
        let now = Instant::now();
        watch.ended = Some(now);
        if watch.runs && self.stage.watching.is_slow(watch.parts(now).whole) {
            self.keep_shape(turn);
        }
    }

    /// The text is about to go, and may be asked for.
    pub(super) fn keep_shape(&mut self, turn: &Turn) {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.runs && watch.shape.is_none()) else { return };
        if watch.place.is_none_or(|place| self.local.queries.borrow().name(place).is_none()) {
            let shape = self.shape_of(turn);
            if let Some(watch) = &mut self.watch {
                watch.shape = Some(shape);
            }
        }
    }

    /// A text was prepared: its shape is kept with it.
    pub(super) fn keep_drafted(&mut self) {
        let drafted = self.watch.as_mut().and_then(|watch| watch.drafted.take());
        if let (Some(shape), Some(id)) = (drafted, self.statements.latest)
            && let Some(statement) = self.statements.get_mut(id)
        {
            statement.shape = Some(shape);
        }
    }

    /// It is over; `broke`: and so is the session.
    pub(super) fn observed(&self, broke: bool) {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.runs) else { return };
        let ended = watch.ended.unwrap_or_else(Instant::now);
        // What is in the summary is another statement's, where this one never got to a server.
        let summary = watch.sent.map(|_| &self.summary);
        let result = Ended {
            parts: watch.parts(ended),
            rows: summary.map_or(0, |it| it.rows_before + it.rows),
            affected: summary.map_or(0, |it| it.changed_rows),
            error: watch.error.or_else(|| Some(summary?.error?.code)),
            broke,
        };
        if let Some(place) = watch.place {
            let outcome = Outcome {
                is_fetch: watch.is_fetch,
                time: result.parts.whole,
                wait: result.parts.wait,
                rows: result.rows,
                affected: result.affected,
                failed: broke || result.error.is_some(),
            };
            self.local.queries.borrow_mut().note(place, &outcome, watch.pins.iter(), ended);
        }
        if self.stage.watching.is_slow(result.parts.whole) {
            self.log_slow(&result);
        }
        if let Some(watch) = &self.watch
            && let Some(trace) = &watch.trace
        {
            let shape = String::from_utf8_lossy(watch.shape.as_deref().unwrap_or_default());
            self.export(watch, trace, &result, shape.into_owned());
        }
    }

    fn counted_in(&mut self, turn: &Turn) -> Place {
        let (limit, epoch) = (self.stage.watching.shapes(), self.stage.watching.epoch());
        self.with_shape(turn, |this, shape| {
            let user = this.account.as_ref().map_or(&[][..], |account| &*account.user);
            let database = this.state.database().unwrap_or_default();
            let key = Key { endpoint: &this.endpoint.settings.name, user, database, shape };
            let mut table = this.local.queries.borrow_mut();
            table.renew(epoch);
            table.place(key, limit)
        })
    }

    fn shape_of(&mut self, turn: &Turn) -> Shape {
        self.with_shape(turn, |_, shape| Shape::from(shape))
    }

    /// Shows a command's shape: a prepared statement's own, or written into the worker's room for it.
    fn with_shape<T>(&mut self, turn: &Turn, look: impl FnOnce(&Self, &[u8]) -> T) -> T {
        if let Some(shape) = self.prepared_shape(turn) {
            return look(self, &shape);
        }
        let local = Rc::clone(&self.local);
        let mut room = local.shape_room.take();
        let is_certain = self.write_shape(turn, &mut room);
        let seen = look(self, if is_certain { room.as_slice() } else { &[] });
        local.shape_room.set(room);
        seen
    }

    fn write_shape(&self, turn: &Turn, room: &mut Vec<u8>) -> bool {
        if !matches!(turn.command, Command::Query | Command::StmtPrepare) {
            return false;
        }
        let argument = self.argument(&turn.incoming);
        let Some((_, text)) = self.split_text(turn.command, argument) else { return false };
        let (mode, doubt) = self.mode_and_doubt();
        normalise(text, mode, doubt, room)
    }

    /// Which prepared statement a command is about.
    pub(super) fn executed(&self, turn: &Turn) -> Option<u32> {
        turn.statement.or_else(|| self.statement_id(self.argument(&turn.incoming)))
    }

    /// Read once, when it was prepared; now, where nothing was watched then.
    fn prepared_shape(&mut self, turn: &Turn) -> Option<Shape> {
        if turn.command == Command::Query || !runs(turn.command) {
            return None;
        }
        let id = self.executed(turn)?;
        let statement = self.statements.get_mut(id)?;
        let (mode, doubt) = statement.way;
        let read = |statement: &super::statements::Statement| {
            let mut room = Vec::new();
            let text = statement.source.as_ref().map(|source| source.text());
            let is_certain = text.is_some_and(|text| normalise(text, mode, doubt, &mut room));
            if is_certain { room.into() } else { Shape::default() }
        };
        if statement.shape.is_none() {
            statement.shape = Some(read(statement));
        }
        statement.shape.clone()
    }

    /// One line for a slow statement, if there is room for it in this second. Never its literals.
    fn log_slow(&self, result: &Ended) {
        self.tally.slow();
        let Some(watch) = &self.watch else { return };
        let Some(left_out) = self.stage.watching.pass() else { return };
        let Parts { whole, wait, adapt, server, relay, .. } = result.parts;
        let seconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e6;
        let shown = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let table = self.local.queries.borrow();
        let counted = watch.place.and_then(|place| table.name(place)).map(|name| &*name.shape);
        let pins: Vec<_> = watch.pins.iter().map(|reason| reason.name()).collect();
        slog::info!(self.stage.log, "slow statement";
            "session" => self.id, "endpoint" => &self.endpoint.settings.name,
            "user" => shown(self.account.as_ref().map(|account| &*account.user)),
            "database" => shown(self.state.database()),
            "seconds" => seconds(whole), "wait_seconds" => seconds(wait), "adapt_seconds" => seconds(adapt),
            "server_seconds" => seconds(server), "relay_seconds" => seconds(relay),
            "rows" => result.rows, "affected" => result.affected, "error" => result.error, "cut_off" => result.broke,
            "pinned" => pins.join(","), "left_out" => left_out, "statement" => shown(watch.shape.as_deref().or(counted)));
    }
}
