//! owns: the console's listening socket, on a thread of the console's own.
//! is told: `Rewrite`, `Drain`.
//! tells: nobody; it starts a `ConsoleSession` for each connection.
//! ends when: a reload takes the console away or moves it, or the process drains.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};

use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet;

use super::office::Office;
use super::session::{ConsoleSession, Visit};
use crate::listener::Drain;
use crate::settings::AdminSettings;
use crate::stage::Stage;
use crate::stream::Socket;

/// Connections at once, logged in or not: many more than administrators open, too few to be a burden.
const CONNECTIONS: usize = 64;

/// Pause after an accept that failed, for want of file descriptors for one.
const PAUSE: Duration = Duration::from_millis(50);

/// The console's listening socket.
pub(crate) struct ConsoleListener {
    bound: Option<std::net::TcpListener>,
    door: Rc<Door>,
}

/// What the accepting needs.
struct Door {
    settings: RefCell<Arc<AdminSettings>>,
    stage: Arc<Stage>,
    office: Arc<dyn Office>,
    /// Sessions so far.
    given: Cell<u32>,
    /// Held by each session that is there.
    seats: Rc<()>,
}

/// Logins from now on are judged by these.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rewrite(pub(crate) Arc<AdminSettings>);

impl ConsoleListener {
    pub(crate) fn new(
        bound: std::net::TcpListener,
        settings: Arc<AdminSettings>,
        stage: Arc<Stage>,
        office: Arc<dyn Office>,
    ) -> Self {
        let door = Door { settings: RefCell::new(settings), stage, office, given: Cell::new(0), seats: Rc::default() };
        Self { bound: Some(bound), door: Rc::new(door) }
    }
}

impl Door {
    async fn accept_all(self: Rc<Self>, listener: tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    // Answers are written whole: there is nothing to wait for.
                    let _ = socket.set_nodelay(true);
                    if Rc::strong_count(&self.seats) > CONNECTIONS {
                        let mut refusal = Vec::new();
                        let text = format!("Too many connections: the console has {CONNECTIONS} at once; close some");
                        let error = SqlError::new(1040, *b"08004", text);
                        packet::frame(&mut refusal, 0, &error.encode(CapabilityFlags::empty()));
                        // A fresh socket's buffer takes it at once.
                        let _ = socket.try_write(&refusal);
                        continue;
                    }
                    self.given.set(self.given.get().wrapping_add(1));
                    let visit = Visit {
                        stream: Socket::Tcp(socket).into(),
                        peer: Some(peer),
                        id: self.given.get(),
                        settings: Arc::clone(&self.settings.borrow()),
                        stage: Arc::clone(&self.stage),
                        office: Arc::clone(&self.office),
                        seat: Rc::clone(&self.seats),
                    };
                    ConsoleSession::new(visit).start();
                }
                Err(error) => {
                    slog::warn!(self.stage.log, "an administrator could not be accepted"; "reason" => %error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Actor for ConsoleListener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(bound) = self.bound.take() else { return };
        match tokio::net::TcpListener::from_std(bound) {
            Ok(listener) => {
                ctx.spawn(Rc::clone(&self.door).accept_all(listener).into_actor(self));
            }
            Err(error) => {
                slog::error!(self.door.stage.log, "the console could not be started"; "reason" => %error);
                ctx.stop();
            }
        }
    }
}

impl Handler<Rewrite> for ConsoleListener {
    type Result = ();

    fn handle(&mut self, rewrite: Rewrite, _: &mut Context<Self>) {
        *self.door.settings.borrow_mut() = rewrite.0;
    }
}

impl Handler<Drain> for ConsoleListener {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
