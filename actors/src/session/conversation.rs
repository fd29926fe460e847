//! A client session's life: everything that it owns, and the loop that it runs.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use greenroom_protocol::constants::{CapabilityFlags, MariadbCapabilities, StatusFlags};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::attributes::Attributes;
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::scramble::{SCRAMBLE_LENGTH, Scramble};
use greenroom_protocol::packet;
use greenroom_protocol::proxy_header::Route;
use greenroom_protocol::reply::{LASTING, Summary};
use greenroom_protocol::sql::PinSet;
use greenroom_protocol::state::{Charset, SessionState};
use greenroom_protocol::track::ClientTrackers;

use super::belongings::Belongings;
use super::census::Attendance;
use super::closing::Closing;
use super::control::Control;
use super::hold::Hold;
use super::insight::Insight;
use super::introduction;
use super::observe::Watch;
use super::previous::Previous;
use super::shadow::Shadow;
use super::shape::UnderWay;
use super::split::Split;
use super::statements::Statements;
use super::work::work;
use super::{Arrival, ClientSession};
use crate::account::Account;
use crate::buffer::Buffer;
use crate::end::SessionEnd;
use crate::endpoint::Endpoint;
use crate::grant::Grant;
use crate::limits::Counted;
use crate::local::Local;
use crate::observed::{Activity, Presence};
use crate::pool::BackendId;
use crate::settings::{Pinning, PoolMode};
use crate::stage::{Seat, Stage};
use crate::stream::Stream;
use crate::tally::{ClientGauge, ClientState, EndpointTally};

/// How long a client that broke the protocol may go on sending what nobody wants, so that it sees its error.
const LINGER: Duration = Duration::from_secs(2);

/// The client's end.
pub(super) struct Client {
    pub(super) stream: Stream,
    pub(super) peer: Option<IpAddr>,
    /// A proxy speaks for it.
    pub(super) is_proxied: bool,
    /// From where it came to where; `None` on a Unix socket.
    pub(super) route: Option<Route>,
    /// Bytes read and not yet used; none while idle.
    pub(super) inlet: Option<Buffer>,
    /// More lies there than the command that is served.
    pub(super) more: bool,
    /// It has closed its writing end.
    pub(super) closing: Option<Closing>,
    pub(super) capabilities: CapabilityFlags,
    /// MariaDB's further ones.
    pub(super) further: MariadbCapabilities,
    /// What it said of itself, where its connection is its own to the end.
    pub(super) attributes: Option<Arc<Attributes>>,
    /// What its last login was challenged with.
    pub(super) scramble: Scramble,
    /// By which it has logged in.
    pub(super) plugin: Plugin,
    /// What it wants to hear of its session's state.
    pub(super) trackers: Arc<ClientTrackers>,
    /// No server has said yet what that is for who has not asked.
    pub(super) trackers_presumed: bool,
}

impl Client {
    fn new(stream: Stream, peer: Option<IpAddr>, route: Option<Route>) -> Self {
        Self {
            stream,
            peer,
            is_proxied: false,
            route,
            inlet: None,
            more: false,
            closing: None,
            scramble: [0; SCRAMBLE_LENGTH],
            plugin: Plugin::Native,
            capabilities: CapabilityFlags::empty(),
            further: MariadbCapabilities::empty(),
            attributes: None,
            trackers: Arc::new(ClientTrackers::everything()),
            trackers_presumed: false,
        }
    }
}

/// What has to be asked of the server before the connection may go to somebody else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Debts {
    /// `LAST_INSERT_ID()` may have changed: the OK packet also names ids that the client chose itself.
    pub(super) insert_id: bool,
    /// Character sets have changed: servers report only part of them (measured).
    pub(super) charset: bool,
    /// The server's character set and collation in this session, of which only one is reported.
    pub(super) server_collation: bool,
    /// `max_join_size` and `sql_big_selects`, of which only one is reported.
    pub(super) join_limits: bool,
    /// The statement had no warnings, but MariaDB keeps those before it while no statement with a table comes (measured).
    pub(super) warnings: bool,
    /// Variables may have been set that MariaDB does not report.
    pub(super) unreported: bool,
    /// One of them may be `sql_mode`.
    pub(super) sql_mode: bool,
    /// One of them may be `character_set_client`.
    pub(super) client: bool,
    /// A statement that may have run a routine failed: MySQL tells with the next OK what it left behind.
    pub(super) suspicion: bool,
    /// That statement changed rows, so triggers may have run, and no other has succeeded since.
    pub(super) failed_dml: bool,
    /// MariaDB never tells: whether a trigger ran is asked.
    pub(super) triggers: bool,
    /// User variables whose values no text tells.
    pub(super) user_variables: bool,
    /// A statement failed that may have written: no server tells where.
    pub(super) position: bool,
}

impl Debts {
    /// Something that the client has set is known to the server alone.
    pub(super) fn hide_state(&self) -> bool {
        self.charset || self.server_collation || self.join_limits || self.unreported || self.user_variables
    }
}

/// Everything that a session owns.
pub(super) struct Conversation {
    pub(super) stage: Arc<Stage>,
    pub(super) local: Rc<Local>,
    pub(super) control: Rc<Control>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) tally: Rc<EndpointTally>,
    pub(super) gauge: ClientGauge,
    pub(super) client: Client,
    /// The virtual connection id.
    pub(super) id: u32,
    pub(super) account: Option<Arc<Account>>,
    /// By which limits it is counted, if by any.
    pub(super) counted: Option<Box<Counted>>,
    pub(super) flavor: Flavor,
    pub(super) version: u32,
    pub(super) collation: u16,
    pub(super) state: Arc<SessionState>,
    /// The default database, put aside because the server has it no more: the present lease is without one.
    pub(super) adrift: Option<Box<[u8]>>,
    pub(super) last_insert_id: u64,
    pub(super) previous: Previous,
    pub(super) status: StatusFlags,
    pub(super) hold: Hold,
    /// In strict mode, pins that stay to the end.
    pub(super) sticky: PinSet,
    /// What it has by name on its connection.
    pub(super) belongings: Option<Box<Belongings>>,
    /// What the texts that it has prepared by SQL may pin when they are executed.
    pub(super) prepared: PinSet,
    /// One of them may ask about the statement before.
    pub(super) prepared_asks: bool,
    pub(super) debts: Debts,
    /// The user variables that are to be asked for.
    pub(super) computed: Vec<Box<[u8]>>,
    /// The warnings of its last statement, or that there are none, went with a connection that was lost.
    pub(super) warnings_lost: bool,
    /// Where the server refuses its present statement for being read-only, that goes to another.
    pub(super) movable: bool,
    /// Something may be left on the connection that nobody saw: only a reset takes it away.
    pub(super) soiled: bool,
    /// What is stored in the servers, as far as it matters to statements.
    pub(super) insight: Insight,
    /// Where the text of its present command is.
    pub(super) under_way: UnderWay,
    /// Its prepared statements.
    pub(super) statements: Statements,
    pub(super) grant: Option<Grant>,
    pub(super) leased_at: Option<Instant>,
    /// Where what it does is counted, once it has logged in.
    pub(super) presence: Option<Presence>,
    /// Its lease, as it is counted there; where it has a connection of its own, its transaction.
    pub(super) activity: Option<Activity>,
    /// What a transaction pool would do, where that is to be known.
    pub(super) shadow: Option<Box<Shadow>>,
    /// When the present command arrived, or its reply had come to its end.
    pub(super) clock: Instant,
    pub(super) last: Option<BackendId>,
    /// On an endpoint that splits.
    pub(super) split: Option<Box<Split>>,
    pub(super) summary: Summary,
    /// What is noted of the command under way, while anything is to be watched.
    pub(super) watch: Option<Box<Watch>>,
    pub(super) seat: Seat,
    pub(super) attendance: Attendance,
}

impl Conversation {
    /// Talks to a client from its arrival to its end.
    pub(super) async fn hold(arrival: Arrival, control: Rc<Control>, me: Addr<ClientSession>) -> SessionEnd {
        let mut talk = Box::new(Self::new(arrival, control, me));
        // Freed when it is done: the rest of the session's life needs less room.
        let mut outcome = Box::pin(talk.login()).await;
        talk.seat.settle();
        let end = loop {
            if let Err(end) = outcome {
                break end;
            }
            talk.rest();
            outcome = talk.wait_for_command().await;
            if outcome.is_ok() {
                talk.rise();
                (talk, outcome) = work(talk).await;
            }
        };
        talk.leave(end);
        if end == SessionEnd::Violation {
            Box::pin(talk.client.stream.linger(LINGER)).await;
        } else {
            talk.client.stream.part();
        }
        end
    }

    fn new(arrival: Arrival, control: Rc<Control>, me: Addr<ClientSession>) -> Self {
        let Arrival { stream, peer, seat, endpoint, stage } = arrival;
        let local = Local::here();
        let tally = local.tally.endpoint(&endpoint.settings.name);
        let (shown, kept) = (Rc::clone(&control), Arc::clone(&endpoint));
        let attendance = Attendance::new(Rc::clone(&local), (seat.worker(), &*stage), me, shown, peer, kept);
        let route = introduction::route(peer, endpoint.settings.listen.socket());
        let peer = peer.map(|peer| peer.ip().to_canonical());
        // Whoever comes now has missed the word that everybody is to end.
        if stage.is_draining() {
            control.drain();
        }
        Self {
            local,
            control,
            gauge: tally.enter(ClientState::Login),
            tally,
            client: Client::new(stream, peer, route),
            id: attendance.id(),
            account: None,
            counted: None,
            flavor: Flavor::MySql,
            version: 0,
            collation: 0,
            state: Arc::new(SessionState::new(None, Charset::Handshake(0))),
            adrift: None,
            last_insert_id: 0,
            previous: Previous::default(),
            status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
            hold: Hold::default(),
            sticky: PinSet::EMPTY,
            belongings: None,
            prepared: PinSet::EMPTY,
            prepared_asks: false,
            debts: Debts::default(),
            computed: Vec::new(),
            warnings_lost: false,
            movable: false,
            soiled: false,
            insight: Insight::default(),
            under_way: UnderWay::Nothing,
            statements: Statements::default(),
            grant: None,
            leased_at: None,
            presence: None,
            activity: None,
            shadow: Self::new_shadow(endpoint.settings.shadow, endpoint.settings.pool),
            clock: Instant::now(),
            last: None,
            split: Split::of(&endpoint),
            summary: Summary::default(),
            watch: None,
            endpoint,
            stage,
            seat,
            attendance,
        }
    }

    /// It waits for its client from now on.
    fn rest(&mut self) {
        self.gauge.set(ClientState::Idle);
        self.control.rest(&self.state, self.hold.is_open());
    }

    /// A command has arrived.
    fn rise(&mut self) {
        self.clock = Instant::now();
        self.begin_watch();
        self.control.stir(false);
        self.gauge.set(ClientState::Active);
    }

    pub(super) fn mode(&self) -> PoolMode {
        self.endpoint.settings.pool
    }

    /// Whether connections are shared between sessions while these live.
    pub(super) fn shares(&self) -> bool {
        self.mode() == PoolMode::Transaction
    }

    pub(super) fn is_strict(&self) -> bool {
        self.endpoint.settings.pinning == Pinning::Strict
    }

    /// Sends one packet of Greenroom's own.
    pub(super) async fn send(&mut self, seq: u8, payload: &[u8]) -> Result<(), SessionEnd> {
        let mut framed = Vec::with_capacity(payload.len() + packet::HEADER);
        packet::frame(&mut framed, seq, payload);
        self.tally.to_clients.set(self.tally.to_clients.get() + framed.len() as u64);
        self.client.stream.write_all(&framed).await.map_err(client_failed)
    }

    /// Sends an error of Greenroom's own; the session goes on.
    pub(super) async fn send_error(&mut self, seq: u8, error: &SqlError) -> Result<(), SessionEnd> {
        self.local.tally.error(error.code);
        self.previous.answered(-1);
        if let Some(watch) = &mut self.watch {
            watch.note_error(error.code);
        }
        self.send(seq, &error.encode(self.client.capabilities)).await
    }

    /// Sends an OK of Greenroom's own: nothing changed, nothing to warn of.
    pub(super) async fn send_ok(&mut self, seq: u8) -> Result<(), SessionEnd> {
        self.send_ok_saying(seq, &[]).await
    }

    /// The same with up to 250 bytes for people to read.
    pub(super) async fn send_ok_saying(&mut self, seq: u8, info: &[u8]) -> Result<(), SessionEnd> {
        let [low, high] = (self.status & LASTING).bits().to_le_bytes();
        let head = [0, 0, 0, low, high, 0, 0];
        if info.is_empty() {
            return self.send(seq, &head).await;
        }
        self.send(seq, &[&head[..], &[info.len() as u8], info].concat()).await
    }
}

/// A socket that fails has usually been reset by the client's end.
pub(super) fn client_failed(error: io::Error) -> SessionEnd {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            SessionEnd::ClientClosed
        }
        _ => SessionEnd::ClientFailed,
    }
}
