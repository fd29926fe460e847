//! owns: one administrator's connection.
//! is told: nothing; all is in its conversation.
//! tells: every shard `ShowPool`, `ShowClients`, `ShowQueries`, `Unrest`, `Regate`; sessions `Kill`; the supervisor `Change`, `Current`; monitors
//!     `Probe`.
//! ends when: its client leaves, is not let in, or breaks the protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use greenroom_protocol::command::Command as Byte;
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet;
use greenroom_protocol::table::{Table, done, eof};

use super::command::{Command, parse};
use super::look::Looker;
use super::office::Office;
use super::talk::{self, Guest};
use super::{DATABASE, edit, pause, tables};
use crate::buffer::Buffer;
use crate::packets::{Packets, PacketsError};
use crate::session::{Felled, What, fell};
use crate::settings::AdminSettings;
use crate::stage::Stage;
use crate::stream::Stream;

/// The longest command.
const COMMAND_LIMIT: usize = 1 << 20;

/// Nothing is ever open, and nothing is not committed.
const STATUS: StatusFlags = StatusFlags::SERVER_STATUS_AUTOCOMMIT;

/// What a session of the console needs.
pub(super) struct Visit {
    pub(super) stream: Stream,
    pub(super) peer: Option<SocketAddr>,
    pub(super) id: u32,
    pub(super) settings: Arc<AdminSettings>,
    pub(super) stage: Arc<Stage>,
    pub(super) office: Arc<dyn Office>,
    /// Counts it while it is there.
    pub(super) seat: Rc<()>,
}

/// One administrator's connection.
pub(super) struct ConsoleSession(Option<Visit>);

impl ConsoleSession {
    pub(super) fn new(visit: Visit) -> Self {
        Self(Some(visit))
    }
}

impl Actor for ConsoleSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(visit) = self.0.take() else { return };
        let stage = Arc::clone(&visit.stage);
        ctx.spawn(Talk::hold(visit).into_actor(self).map(move |end, _, ctx| {
            slog::debug!(stage.log, "console session ended"; "reason" => %end);
            ctx.stop();
        }));
    }
}

/// Why a session of the console is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// It said so, or was closed.
    #[error("closed")]
    Closed,
    /// It was not let in.
    #[error("refused")]
    Refused,
    /// It took too long to log in.
    #[error("login_timeout")]
    Late,
    /// It broke the protocol.
    #[error("{0}")]
    Violation(PacketsError),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<PacketsError> for Ended {
    fn from(error: PacketsError) -> Self {
        match error {
            PacketsError::Closed | PacketsError::Io(_) => Self::Closed,
            PacketsError::TooLong(_) | PacketsError::OutOfOrder => Self::Violation(error),
        }
    }
}

/// What a command is answered with.
enum Reply {
    Line(String),
    Table(Table),
}

/// The conversation.
pub(super) struct Talk {
    pub(super) stream: Stream,
    pub(super) inlet: Option<Buffer>,
    pub(super) peer: Option<IpAddr>,
    pub(super) guest: Guest,
    pub(super) capabilities: CapabilityFlags,
    pub(super) stage: Arc<Stage>,
    office: Arc<dyn Office>,
}

impl Talk {
    async fn hold(visit: Visit) -> Ended {
        let Visit { stream, peer, id, settings, stage, office, seat: _seat } = visit;
        let peer = peer.map(|peer| peer.ip().to_canonical());
        let host = peer.map_or_else(|| "localhost".to_owned(), |peer| peer.to_string());
        let guest = Guest { user: String::new(), host, id, port: settings.listen.port() };
        let capabilities = CapabilityFlags::empty();
        let mut talk = Self { stream, inlet: None, peer, guest, capabilities, stage, office };
        let limit = talk.stage.login_timeout();
        let logged_in = tokio::time::timeout(limit, talk.login(&settings)).await;
        let end = match logged_in {
            Ok(Ok(())) => loop {
                if let Err(end) = talk.command().await {
                    break end;
                }
            },
            Ok(Err(end)) => end,
            Err(_) => Ended::Late,
        };
        if let Ended::Violation(PacketsError::TooLong(_)) = end {
            let _ = talk.send_error(1, &SqlError::packet_too_large()).await;
            talk.stream.linger(Duration::from_secs(1)).await;
        }
        talk.stream.part();
        end
    }

    /// Reads one command and answers it.
    async fn command(&mut self) -> Result<(), Ended> {
        let mut packets = Packets::resume(&mut self.stream, self.inlet.take(), 0);
        let read = packets.read(COMMAND_LIMIT).await;
        self.inlet = packets.into_rest();
        let payload = read?;
        let (first, argument) = payload.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        match Byte::from_byte(first) {
            Some(Byte::Quit) => Err(Ended::Closed),
            Some(Byte::Query) => self.query(&String::from_utf8_lossy(argument)).await,
            Some(Byte::Ping | Byte::ResetConnection) => self.send_ok(1, "").await,
            Some(Byte::InitDb) => self.answer(use_database(&String::from_utf8_lossy(argument))).await,
            Some(Byte::SetOption) => self.send_end(1).await,
            // Clients that complete names ask for the columns of each table.
            Some(Byte::FieldList) => {
                let table = argument.split(|byte| *byte == 0).next().unwrap_or_default();
                let table = tables::shape(&String::from_utf8_lossy(table));
                Ok(self.stream.write_all(&table.encode_fields(STATUS, 1)).await?)
            }
            Some(Byte::Statistics) => self.send(1, b"Greenroom's console").await,
            Some(Byte::ProcessKill) => {
                let id = argument.first_chunk::<4>().map_or(0, |id| u32::from_le_bytes(*id));
                let killed = self.kill(What::Connection, u64::from(id)).await;
                self.answer(killed).await
            }
            Some(Byte::StmtClose | Byte::StmtSendLongData) => Ok(()),
            // Drivers that get this send the statement as text.
            Some(Byte::StmtPrepare) => {
                let text = "This command is not supported in the prepared statement protocol yet";
                self.send_error(1, &SqlError::new(1295, *b"HY000", text)).await
            }
            _ => self.send_error(1, &SqlError::unknown_command()).await,
        }
    }

    async fn query(&mut self, text: &str) -> Result<(), Ended> {
        let reply = match parse(text, &tables::names(), &edit::SETTINGS) {
            Ok(command) => self.perform(command).await,
            Err(error) => Err(error),
        };
        self.answer(reply).await
    }

    async fn perform(&mut self, command: Command) -> Result<Reply, SqlError> {
        let (stage, office) = (Arc::clone(&self.stage), Arc::clone(&self.office));
        let line = match command {
            Command::Look(look) => {
                let agreed = self.stream.agreed().map(|agreed| (agreed.version, agreed.cipher));
                let looker = Looker { stage: &stage, office: &*office, guest: &self.guest, agreed };
                return looker.look(look).await.map(Reply::Table);
            }
            Command::Help { about } => return Ok(Reply::Table(talk::help(about.as_deref()))),
            Command::Pause { name, wait } => pause::pause(&stage, name.as_deref(), wait).await?,
            Command::Resume { name } => pause::resume(&stage, name.as_deref()).await?,
            Command::Drain { name } => pause::drain(&stage, &name, true).await?,
            Command::Enable { name } => pause::drain(&stage, &name, false).await?,
            Command::Kill { what, id } => return self.kill(what, id).await,
            Command::Reload => self.reload().await?,
            Command::ResetQueries => {
                stage.watching.reset();
                "what statements came to is forgotten".to_owned()
            }
            Command::Set { name, value } => edit::set(&stage, &*office, &name, &value).await?,
            Command::Ignored { unknown: None } => String::new(),
            Command::Ignored { unknown: Some(name) } => {
                format!(
                    "'{name}' is no setting of Greenroom's, and means nothing here; SHOW VARIABLES has those that are"
                )
            }
            Command::Use { database } => return use_database(&database),
            Command::Shutdown { patient } => {
                slog::info!(stage.log, "stopped by an administrator"; "console" => self.guest.id);
                office.stop(patient);
                let how = if patient { "when the last transaction is over" } else { "as by SIGTERM" };
                format!("Greenroom stops, {how}")
            }
        };
        Ok(Reply::Line(line))
    }

    async fn kill(&self, what: What, id: u64) -> Result<Reply, SqlError> {
        let no_such = || SqlError::new(1094, *b"HY000", format!("Unknown thread id: {id}; SHOW CLIENTS has them"));
        let Ok(id) = u32::try_from(id) else { return Err(no_such()) };
        match fell(&self.stage, id, what).await {
            Felled::Done => {
                slog::info!(self.stage.log, "killed by an administrator"; "session" => id, "query" => what == What::Query);
                Ok(Reply::Line(String::new()))
            }
            Felled::Idle => Ok(Reply::Line("it runs no statement".to_owned())),
            Felled::Unknown => Err(no_such()),
            Felled::Failed(reason) => Err(SqlError::new(1105, *b"HY000", format!("its server was not told: {reason}"))),
        }
    }

    async fn reload(&self) -> Result<String, SqlError> {
        match self.office.reload().await {
            Ok(warnings) if warnings.is_empty() => Ok("reloaded".to_owned()),
            Ok(warnings) => Ok(format!("reloaded, with warnings: {}", warnings.join("; "))),
            Err(mistakes) => {
                let text = format!("nothing was changed: {}", mistakes.join("; "));
                Err(SqlError::new(1105, *b"HY000", text))
            }
        }
    }

    async fn answer(&mut self, reply: Result<Reply, SqlError>) -> Result<(), Ended> {
        match reply {
            Ok(Reply::Line(line)) => self.send_ok(1, &line).await,
            Ok(Reply::Table(table)) => {
                let wire = table.encode(self.capabilities, STATUS, 1);
                Ok(self.stream.write_all(&wire).await?)
            }
            Err(error) => self.send_error(1, &error).await,
        }
    }

    pub(super) async fn send(&mut self, seq: u8, payload: &[u8]) -> Result<(), Ended> {
        let mut framed = Vec::with_capacity(payload.len() + packet::HEADER);
        packet::frame(&mut framed, seq, payload);
        Ok(self.stream.write_all(&framed).await?)
    }

    pub(super) async fn send_error(&mut self, seq: u8, error: &SqlError) -> Result<(), Ended> {
        self.send(seq, &error.encode(self.capabilities)).await
    }

    pub(super) async fn send_ok(&mut self, seq: u8, line: &str) -> Result<(), Ended> {
        self.send(seq, &done(STATUS, line)).await
    }

    /// Nothing, where rows or definitions could be.
    async fn send_end(&mut self, seq: u8) -> Result<(), Ended> {
        self.send(seq, &eof(STATUS)).await
    }
}

fn use_database(name: &str) -> Result<Reply, SqlError> {
    match name.eq_ignore_ascii_case(DATABASE) {
        true => Ok(Reply::Line(String::new())),
        false => Err(SqlError::unknown_database(name.as_bytes())),
    }
}
