//! Opening a connection: dial, log in, switch the trackers on, see what it is like.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::answer::Answer;
use greenroom_protocol::capability::{self, Capabilities};
use greenroom_protocol::command::Command;
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::PAYLOAD_LIMIT;
use greenroom_protocol::login::attributes::Attributes;
use greenroom_protocol::login::client::{Identity, NodeLogin, NodeLoginError, NodeStep};
use greenroom_protocol::login::greeting::{Greeting, Opening};
use greenroom_protocol::proxy_header::Route;
use greenroom_protocol::secret::Secret;
use greenroom_protocol::state::{Charset, SessionState, Variable};
use greenroom_protocol::statement::Cache;
use tokio::time::timeout;

use super::clean::{GTIDS, TRACKERS, WHOAMI, Whoami};
use super::defaults;
use super::encrypt::encrypt;
use super::exchange::Batch;
use super::introduction::{explain, introduce};
use crate::account::Account;
use crate::end::BackendEnd;
use crate::local::Local;
use crate::node::{Facts, Node, Permit};
use crate::packets::Packets;
use crate::pool::{Refusal, Ticket};
use crate::quota::Place;
use crate::settings::{NodeSettings, PoolMode};
use crate::stream::{Crated, Stream};
use crate::wire::{Birth, Card, Wire};

/// What a connection is to be like.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) account: Arc<Account>,
    pub(crate) database: Option<Box<[u8]>>,
    /// Collation id for the handshake.
    pub(crate) collation: u16,
    /// Those of the client that the server fixes at login.
    pub(crate) capabilities: Capabilities,
    pub(crate) mode: PoolMode,
    /// It is to tell the GTIDs of its writes.
    pub(crate) gtids: bool,
    /// The connection attributes of the client, where the connection is its own to the end.
    pub(crate) attributes: Option<Arc<Attributes>>,
    /// From where the client comes, where the server is told it.
    pub(crate) route: Option<Route>,
}

impl Blueprint {
    /// The connection that fits a session best.
    pub(crate) fn of(ticket: &Ticket) -> Self {
        Self {
            account: Arc::clone(&ticket.account),
            // A replica may lack it yet.
            database: ticket.state.database().map(Box::from).filter(|_| !ticket.may_be_behind()),
            collation: ticket.collation,
            capabilities: ticket.key.capabilities,
            mode: ticket.key.mode,
            gtids: ticket.key.gtids,
            attributes: ticket.attributes.clone(),
            route: ticket.route,
        }
    }
}

/// How a connection comes to be.
pub(crate) enum Start {
    /// It is opened.
    Open {
        /// Its place under the node's limit.
        permit: Permit,
        /// Its place among those of its account.
        place: Place,
        /// What it is to be like.
        blueprint: Box<Blueprint>,
    },
    /// It comes from another worker.
    Adopt {
        /// Its socket.
        crated: Crated,
        /// All that is known of it.
        card: Box<Card>,
    },
}

impl Start {
    /// Whose it is.
    pub(crate) fn account(&self) -> Arc<Account> {
        match self {
            Self::Open { blueprint, .. } => Arc::clone(&blueprint.account),
            Self::Adopt { card, .. } => Arc::clone(&card.account),
        }
    }

    /// The server's id of it, where it is open already.
    pub(crate) fn thread_id(&self) -> Option<u32> {
        match self {
            Self::Open { .. } => None,
            Self::Adopt { card, .. } => Some(card.thread_id),
        }
    }

    /// The database that it is opened with.
    pub(crate) fn database(&self) -> Option<&[u8]> {
        match self {
            Self::Open { blueprint, .. } => blueprint.database.as_deref(),
            Self::Adopt { .. } => None,
        }
    }
}

/// Why there is no connection: how its actor ends, and what its session is told.
pub(super) type Failure = (BackendEnd, Refusal);

/// Makes the connection.
///
/// # Errors
/// [`Failure`]; nothing is left open.
pub(crate) async fn begin(start: Start, local: Rc<Local>) -> Result<Box<Wire>, Failure> {
    match start {
        Start::Adopt { crated, card } => {
            let stream = crated.unpack().map_err(|error| failed(error.to_string()))?;
            Ok(Box::new(Wire { stream, card: *card }))
        }
        Start::Open { permit, place, blueprint } => {
            let settings = permit.node().settings();
            let begun = Instant::now();
            let wire = timeout(settings.connect_timeout, open((permit, place), &blueprint, &settings)).await;
            let wire = wire.unwrap_or_else(|_| {
                let (name, limit) = (&settings.name, settings.connect_timeout);
                Err(failed(format!("node '{name}' did not answer within {limit:?} (connect_timeout)")))
            })?;
            local.tally.opened(begun.elapsed());
            wire.card.permit.node().note_account(&blueprint.account);
            local.note_charset(wire.card.permit.node(), &wire.card.birth);
            Ok(wire)
        }
    }
}

/// Asks a node what it is, without logging in.
///
/// # Errors
/// What the network or the server said.
pub(crate) async fn probe(node: &Arc<Node>) -> Result<(), String> {
    let settings = node.settings();
    let greet = async {
        let mut stream = Stream::connect(&settings.address).await.map_err(|error| error.to_string())?;
        introduce(&mut stream, &settings, None).await.map_err(|(_, refusal)| refusal.to_string())?;
        greeting(&mut Packets::new(&mut stream), node).await.map_err(|(_, refusal)| refusal.to_string())
    };
    match timeout(settings.connect_timeout, greet).await {
        Ok(greeting) => greeting.map(drop),
        Err(_) => Err(format!("no answer within {:?}", settings.connect_timeout)),
    }
}

async fn open(
    (permit, place): (Permit, Place),
    blueprint: &Blueprint,
    settings: &NodeSettings,
) -> Result<Box<Wire>, Failure> {
    match attempt(&permit, blueprint, settings).await {
        Err(Attempt::StaleKey) => attempt(&permit, blueprint, settings).await,
        done => done,
    }
    .map_err(Attempt::failure)
    .and_then(|(stream, card)| finish(stream, card, (permit, place)))
}

/// How an attempt to log in failed.
enum Attempt {
    /// The node's RSA key has changed; it is forgotten now, and another attempt may do.
    StaleKey,
    Failed(Failure),
}

impl Attempt {
    fn failure(self) -> Failure {
        match self {
            Self::StaleKey => failed("the node's RSA key changes with every login".to_owned()),
            Self::Failed(failure) => failure,
        }
    }

    fn explained(self, settings: &NodeSettings) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(explain(failure, settings)),
            stale => stale,
        }
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What is known of a connection before its permit becomes part of it.
struct Draft {
    greeting: Greeting,
    capabilities: CapabilityFlags,
    whoami: Whoami,
    defaults: Box<[Variable]>,
    collation: u16,
    tracked: bool,
    gtids: bool,
    retire: Option<Instant>,
    account: Arc<Account>,
}

async fn attempt(permit: &Permit, blueprint: &Blueprint, settings: &NodeSettings) -> Result<(Stream, Draft), Attempt> {
    let connected = Stream::connect(&settings.address).await;
    let mut stream =
        connected.map_err(|error| failed(format!("connecting to {} failed: {error}", settings.address)))?;
    introduce(&mut stream, settings, blueprint.route).await?;
    let mut packets = Packets::new(&mut stream);
    let greeting = greeting(&mut packets, permit.node()).await?;
    let ahead = packets.into_rest();
    if capability::misshapen(greeting.capabilities, blueprint.capabilities) {
        return Err((BackendEnd::Refused, Refusal::Server(too_old(&settings.name))).into());
    }
    let capabilities = capability::backend(greeting.capabilities, blueprint.capabilities);
    let mut identity = identity(blueprint, capabilities, settings);
    let node = permit.node();
    let (seq, ahead) = encrypt(&mut stream, &greeting, &mut identity, ahead, settings).await?;
    let secure = stream.is_private();
    let mut packets = Packets::resume(&mut stream, ahead, seq);
    let begun = NodeLogin::new(&greeting, identity.clone(), secure, node.rsa_key());
    login(&mut packets, begun, node).await.map_err(|attempt| attempt.explained(settings))?;
    if identity.charset > u16::from(u8::MAX) {
        packets.renumber();
        let begun = NodeLogin::again(&greeting, identity, secure, node.rsa_key());
        login(&mut packets, begun, node).await?;
    }
    blueprint.account.proven.note();
    let tracked = blueprint.mode == PoolMode::Transaction;
    let flavor = Facts::of(&greeting).flavor;
    let gtids = blueprint.gtids && flavor == Flavor::MySql;
    let trackers: &[&[u8]] = match (tracked, gtids) {
        (false, _) => &[],
        (true, false) => &[TRACKERS],
        (true, true) => &[TRACKERS, GTIDS],
    };
    let (whoami, defaults) = look(&mut stream, capabilities.flags, trackers, flavor, permit.node()).await?;
    let retire = settings.max_lifetime.map(|age| Instant::now() + spread(age, greeting.thread_id));
    let (collation, account) = (blueprint.collation, Arc::clone(&blueprint.account));
    let capabilities = capabilities.flags;
    Ok((stream, Draft { greeting, capabilities, whoami, defaults, collation, tracked, gtids, retire, account }))
}

/// Up to a tenth less, so that connections opened together do not all go at once.
fn spread(age: Duration, thread_id: u32) -> Duration {
    age - age / 10 * (thread_id.wrapping_mul(97) & 0xff) / 256
}

async fn greeting(packets: &mut Packets<'_>, node: &Node) -> Result<Greeting, Failure> {
    let payload = packets.read(PAYLOAD_LIMIT).await.map_err(|error| failed(error.to_string()))?;
    match Opening::parse(&payload) {
        Ok(Opening::Greeting(greeting)) => {
            node.learn(&Facts::of(&greeting));
            Ok(greeting)
        }
        Ok(Opening::Refused(error)) => Err(refused(error)),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn identity(blueprint: &Blueprint, capabilities: Capabilities, settings: &NodeSettings) -> Identity {
    Identity {
        user: blueprint.account.backend_user.to_vec(),
        secret: blueprint.account.secret.clone(),
        database: blueprint.database.as_deref().map(<[u8]>::to_vec),
        charset: blueprint.collation,
        capabilities,
        attributes: attributes(blueprint),
        clear_text: settings.clear_text,
    }
}

async fn login(packets: &mut Packets<'_>, begun: (NodeLogin, Vec<u8>), node: &Node) -> Result<(), Attempt> {
    let (mut machine, first) = begun;
    let mut send = Some(Secret::new(first));
    loop {
        if let Some(payload) = send.take() {
            packets.write(payload.expose()).await.map_err(|error| failed(error.to_string()))?;
        }
        let payload = packets.read(PAYLOAD_LIMIT).await.map_err(|error| failed(error.to_string()))?;
        match machine.step(&payload) {
            NodeStep::Send(payload) => send = Some(payload),
            NodeStep::Wait => {}
            NodeStep::Done(_) => {
                if let Some(key) = machine.learned_key() {
                    node.keep_rsa_key(Some(key));
                }
                return Ok(());
            }
            NodeStep::Failed(NodeLoginError::RefusedWithKeptKey(error)) => {
                // A key that is configured is the only one that will do.
                if node.settings().rsa_key.is_some() {
                    return Err(refused(error).into());
                }
                node.keep_rsa_key(None);
                return Err(Attempt::StaleKey);
            }
            NodeStep::Failed(NodeLoginError::Refused(error)) => return Err(refused(error).into()),
            NodeStep::Failed(error) => return Err((BackendEnd::Refused, Refusal::Server(unable(&error))).into()),
        }
    }
}

async fn look(
    stream: &mut Stream,
    agreed: CapabilityFlags,
    trackers: &[&[u8]],
    flavor: Flavor,
    node: &Node,
) -> Result<(Whoami, Box<[Variable]>), Failure> {
    let mut batch = Batch::new(agreed);
    trackers.iter().for_each(|set| batch.add(Command::Query, set));
    batch.add(Command::Query, defaults::query(flavor).as_bytes());
    batch.add(Command::Query, WHOAMI);
    let outcome = batch.run(stream).await.map_err(|error| failed(error.to_string()))?;
    if let Some(Answer::Failed(error)) = outcome.answers.last() {
        return Err(unwelcome(error));
    }
    let values = outcome.answers.iter().rev().nth(1);
    if let Some(limit) = defaults::statement_limit(values) {
        node.limit_statements(limit);
    }
    if let Some(limit) = defaults::connection_limit(values) {
        node.note_server_limit(limit);
    }
    if let Some(writable) = defaults::is_writable(values) {
        node.note_writable(writable);
    }
    if let Some(tells) = defaults::tells_gtids(values, flavor) {
        node.note_gtids(tells);
    }
    if let Some(trackers) = defaults::trackers(values, flavor) {
        node.keep_trackers(trackers);
    }
    let defaults = defaults::read(values, flavor);
    let whoami = Whoami::read(outcome.answers.last());
    if let Some(whoami) = &whoami {
        node.sql_modes().note(&whoami.sql_mode);
    }
    whoami.map(|whoami| (whoami, defaults)).ok_or_else(|| {
        failed("the server does not tell its session's state; is it older than MySQL 8.0 or MariaDB 10.2?".into())
    })
}

fn finish(stream: Stream, draft: Draft, (permit, place): (Permit, Place)) -> Result<Box<Wire>, Failure> {
    let Draft { greeting, capabilities, whoami, defaults, collation, tracked, gtids, retire, account } = draft;
    let state = SessionState::new(whoami.database.as_deref(), Charset::Named(whoami.names));
    let birth =
        Birth { state: state.clone(), collation, defaults, role: whoami.role, init_connect: whoami.init_connect };
    let card = Card {
        permit,
        _place: place,
        thread_id: greeting.thread_id,
        account,
        claim: None,
        capabilities,
        birth: Arc::new(birth),
        state: Arc::new(state),
        last_insert_id: 0,
        statements: Cache::default(),
        tracked,
        gtids,
        triggers: 0,
        found_rows: None,
        tainted: false,
        retire,
    };
    Ok(Box::new(Wire { stream, card }))
}

pub(super) fn failed(reason: String) -> Failure {
    (BackendEnd::ConnectFailed, Refusal::Failed(Arc::from(reason)))
}

/// MySQL's `offline_mode`; a member of a group that was thrown out of it gives itself that (measured).
const OFFLINE: u16 = 3032;

/// Errors of the account end the wait of whoever has it; errors of the server (full, blocked, shutting down)
/// are like those of the network: another attempt may do.
fn refused(error: SqlError) -> Failure {
    const SERVER_TROUBLE: [u16; 7] = [1040, 1053, 1129, 1130, 1152, 1927, OFFLINE];
    if SERVER_TROUBLE.contains(&error.code) {
        return (BackendEnd::ConnectFailed, Refusal::Server(error));
    }
    (BackendEnd::Refused, Refusal::Server(error))
}

/// A server that lets an account in and then answers nothing: it is no fault of the server's.
fn unwelcome(error: &SqlError) -> Failure {
    /// MariaDB lets expired passwords in, to be changed.
    const MUST_CHANGE: u16 = 1820;
    let told = if error.code == MUST_CHANGE { SqlError::password_expired() } else { error.clone() };
    (BackendEnd::Refused, Refusal::Server(told))
}

/// The login can not succeed, and it is not the client's password that is wrong.
pub(crate) const UNABLE: u16 = 1105;

/// A client with these capabilities can not be served by this node, though it was by the one that greeted it.
fn too_old(node: &str) -> SqlError {
    let text = format!("node '{node}' lacks a capability that the session was offered by another node; connect again");
    SqlError::new(UNABLE, greenroom_protocol::error::GENERAL, text)
}

/// Those of the client, and what says that Greenroom stands between.
fn attributes(blueprint: &Blueprint) -> Attributes {
    let mut attributes = blueprint.attributes.as_deref().cloned().unwrap_or_default();
    for (name, value) in [("proxy_name", "greenroom"), ("proxy_version", env!("CARGO_PKG_VERSION"))] {
        // Without room they are left out, as a server leaves out what is too much.
        attributes.push(name, value);
    }
    attributes
}

fn unable(error: &NodeLoginError) -> SqlError {
    SqlError::new(
        UNABLE,
        greenroom_protocol::error::GENERAL,
        format!("greenroom can not log in to the server: {error}"),
    )
}
