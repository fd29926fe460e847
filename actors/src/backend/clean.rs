//! Making a used connection as good as new, and closing one politely.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::command::Command;
use greenroom_protocol::state::{AT_LOGIN, Charset, Names, Restore, SessionState, restore};
use tokio::time::timeout;

use super::exchange::{Batch, ExchangeError};
use crate::node::Permit;
use crate::wire::{Birth, Card, Wire};

/// How long a good-bye may wait for the server to close its end.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(100);

/// Why a connection can not be used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unclean {
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The server refused a step.
    #[error("the server refused to reset: {0}")]
    Refused(String),
    /// Something survived the reset.
    #[error("{0} is not what it was after login")]
    Different(&'static str),
}

/// What a connection is asked about itself: its database, role, character sets, and what its texts are read by.
pub(crate) const WHOAMI: &[u8] = b"SELECT DATABASE(), CURRENT_ROLE(), @@character_set_client, \
    @@character_set_results, @@collation_connection, @@init_connect<>'', @@SESSION.sql_mode";

/// The trackers that transaction mode stands on (all measured; see `docs/` for what each reports).
/// They are named last to be set first: what follows in the same statement is then reported too.
pub(crate) const TRACKERS: &[u8] = b"SET @@SESSION.session_track_system_variables='*', \
    @@SESSION.session_track_schema=ON, @@SESSION.session_track_state_change=ON, \
    @@SESSION.session_track_transaction_info='CHARACTERISTICS'";

/// The tracker of the GTIDs of a session's writes, which only MySQL has.
pub(crate) const GTIDS: &[u8] = b"SET @@SESSION.session_track_gtids='OWN_GTID'";

/// What a connection answered to [`WHOAMI`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whoami {
    pub(crate) database: Option<Box<[u8]>>,
    pub(crate) role: Option<Box<[u8]>>,
    pub(crate) names: Names,
    pub(crate) init_connect: bool,
    pub(crate) sql_mode: Box<[u8]>,
}

impl Whoami {
    pub(crate) fn read(answer: Option<&Answer>) -> Option<Self> {
        let Some(Answer::Rows(rows)) = answer else { return None };
        let [row] = &**rows else { return None };
        let [database, role, client, results, connection, init_connect, sql_mode] =
            <&[Option<Box<[u8]>>; 7]>::try_from(&**row).ok()?;
        Some(Self {
            database: database.clone(),
            role: role.clone(),
            names: Names { client: client.clone()?, results: results.clone(), connection: connection.clone()? },
            init_connect: init_connect.as_deref() == Some(b"1"),
            sql_mode: sql_mode.clone()?,
        })
    }
}

/// Reads the character sets back: the last three of a row.
pub(crate) fn names(row: &Row) -> Option<Names> {
    let [client, results, connection] = row.last_chunk::<3>()?;
    Some(Names { client: client.clone()?, results: results.clone(), connection: connection.clone()? })
}

/// Resets a connection and proves that nothing of its last session is left.
///
/// # Errors
/// [`Unclean`]; the connection must be closed.
pub(crate) async fn reset(mut wire: Box<Wire>) -> Result<Box<Wire>, Unclean> {
    if wire.card.birth.init_connect {
        return Err(Unclean::Different("what init_connect had set"));
    }
    let birth = Arc::clone(&wire.card.birth);
    let outcome = batch(&birth, &wire.card).run(&mut wire.stream).await?;
    for answer in &outcome.answers {
        if let Answer::Failed(error) = answer {
            return Err(Unclean::Refused(error.to_string()));
        }
    }
    let whoami = Whoami::read(outcome.answers.last()).ok_or(Unclean::Different("the connection"))?;
    prove(&whoami, &birth)?;
    wire.card.permit.node().sql_modes().note(&whoami.sql_mode);
    wire.card.state = Arc::new(birth.state.clone());
    wire.card.last_insert_id = 0;
    wire.card.statements.clear();
    wire.card.permit.count_statements(0);
    Ok(wire)
}

/// One write: a reset keeps the database and the role, switches the trackers off and forgets, on MySQL, the handshake's
/// character set, on MariaDB what the login set of variables (all measured).
fn batch(birth: &Birth, card: &Card) -> Batch {
    let mut batch = Batch::new(card.capabilities);
    batch.add(Command::ResetConnection, b"");
    if let Some(database) = birth.state.database() {
        batch.add(Command::InitDb, database);
    }
    let mut unknown = SessionState::new(birth.state.database(), Charset::Handshake(birth.collation));
    for (_, name, _) in AT_LOGIN.iter().filter(|(flag, ..)| card.capabilities.contains(*flag)) {
        unknown.set_variable(name, b"");
    }
    if let Ok(Restore { set: Some(set), .. }) = restore(&birth.state, &unknown, &[], card.capabilities, None) {
        batch.add(Command::Query, &set);
    }
    if card.tracked {
        batch.add(Command::Query, TRACKERS);
    }
    if card.gtids {
        batch.add(Command::Query, GTIDS);
    }
    batch.add(Command::Query, WHOAMI);
    batch
}

fn prove(now: &Whoami, birth: &Birth) -> Result<(), Unclean> {
    if now.database.as_deref() != birth.state.database() {
        return Err(Unclean::Different("the default database"));
    }
    if now.role != birth.role {
        return Err(Unclean::Different("the role"));
    }
    if Charset::Named(now.names.clone()) != *birth.state.charset() {
        return Err(Unclean::Different("the character set"));
    }
    Ok(())
}

/// Says good-bye, so that the server does not count the connection as aborted, and waits until the server has let go:
/// another connection opened any sooner would for a moment be one more than the limit there. What is left is the
/// connection's place under the limit.
pub(crate) async fn farewell(mut wire: Box<Wire>) -> Permit {
    let mut quit = Vec::new();
    greenroom_protocol::packet::frame(&mut quit, 0, &[Command::Quit.byte()]);
    let mut rest = [0; 64];
    let parting = async {
        wire.stream.write_all(&quit).await?;
        while poll_fn(|cx| wire.stream.poll_read(cx, &mut rest)).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // A server that does not answer is left without.
    let _ = timeout(FAREWELL_TIMEOUT, parting).await;
    wire.card.permit
}
