//! owns: which client session has which virtual connection id.
//! is told: `Enrol`, `Retire`, `Find`, `DrainAll`.
//! tells: client sessions `Drain`.
//! ends when: the process does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix::{Actor, Addr, Context, Handler, Message, MessageResult};
use rustc_hash::FxHashMap;

use crate::session::{ClientSession, Drain};
use crate::stage::Stage;

/// The first virtual id. Servers count their connections from 1; here no server's count comes in a lifetime,
/// so that a KILL of a virtual id can never hit a server connection that happens to have the same number.
pub(crate) const FIRST_ID: u32 = 0x4000_0000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The next virtual id. They come round again after a thousand million sessions.
pub(crate) fn next_id() -> u32 {
    FIRST_ID | (NEXT.fetch_add(1, Ordering::Relaxed) & (FIRST_ID - 1))
}

/// Virtual id to session.
#[derive(Default)]
pub(crate) struct Directory {
    sessions: FxHashMap<u32, Addr<ClientSession>>,
}

/// A session is there.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Enrol {
    pub(crate) id: u32,
    pub(crate) session: Addr<ClientSession>,
}

/// A session is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Retire {
    pub(crate) id: u32,
}

/// Who has this id?
#[derive(Message)]
#[rtype(result = "Option<Addr<ClientSession>>")]
pub(crate) struct Find {
    pub(crate) id: u32,
}

/// Everybody is to end at the next opportunity.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DrainAll;

/// Keeps a session in the directory for as long as it lives, however it ends.
pub(crate) struct Enrolment {
    id: u32,
    stage: Arc<Stage>,
}

impl Enrolment {
    /// Enters a session.
    pub(crate) fn new(id: u32, session: Addr<ClientSession>, stage: Arc<Stage>) -> Self {
        if let Some(main) = stage.main() {
            main.directory.do_send(Enrol { id, session });
        }
        Self { id, stage }
    }
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        if let Some(main) = self.stage.main() {
            main.directory.do_send(Retire { id: self.id });
        }
    }
}

impl Actor for Directory {
    type Context = Context<Self>;
}

impl Handler<Enrol> for Directory {
    type Result = ();

    fn handle(&mut self, enrol: Enrol, _: &mut Context<Self>) {
        self.sessions.insert(enrol.id, enrol.session);
    }
}

impl Handler<Retire> for Directory {
    type Result = ();

    fn handle(&mut self, retire: Retire, _: &mut Context<Self>) {
        self.sessions.remove(&retire.id);
    }
}

impl Handler<Find> for Directory {
    type Result = MessageResult<Find>;

    fn handle(&mut self, find: Find, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.sessions.get(&find.id).cloned())
    }
}

impl Handler<DrainAll> for Directory {
    type Result = ();

    fn handle(&mut self, _: DrainAll, _: &mut Context<Self>) {
        for session in self.sessions.values() {
            session.do_send(Drain);
        }
    }
}
