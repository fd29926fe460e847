//! owns: this instance's membership of a fleet: its number, what it holds of each node, its lease in etcd; what it has asked of
//!     other instances.
//! is told: `Call`, `Leave`.
//! tells: sessions `Kill`, for other instances. Nodes have their shares set.
//! ends when: the process does, after `Leave`.

mod etcd;
mod http;
mod membership;
mod record;
mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture};
use tokio::sync::{mpsc, oneshot};

use self::membership::Membership;
pub(crate) use self::record::{Ask, Reply};
use crate::random::{random, random_text};
use crate::settings::FleetSettings;
use crate::stage::Stage;

/// How long another instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The fleet, as the rest of the process knows it.
pub(crate) struct Fleet {
    settings: Arc<FleetSettings>,
    /// Tells this process from every other.
    mark: String,
    /// The number that it asks for where nobody knows which are in use.
    first: u8,
    /// Where its sessions' ids begin.
    begin: u32,
    /// This instance's number; 0 before there is one.
    number: AtomicU8,
    /// It has been decided what it may have of each node.
    decided: AtomicBool,
    kept: Mutex<Kept>,
    shown: Mutex<Vec<Shown>>,
    actor: RwLock<Option<Addr<FleetMember>>>,
}

/// What outlives the actor.
#[derive(Debug, Clone, Default)]
struct Kept {
    lease: Option<String>,
    /// Of each node, by name.
    held: BTreeMap<String, usize>,
    /// Of which nodes it has been told its part, be that nothing.
    decided: BTreeSet<String>,
}

/// What an instance has of a node, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) instance: u8,
    pub(crate) host: String,
    pub(crate) process: u32,
    pub(crate) node: String,
    pub(crate) held: usize,
    pub(crate) whole: usize,
}

/// Speaks with the other instances, through etcd.
pub(crate) struct FleetMember {
    fleet: Arc<Fleet>,
    stage: Arc<Stage>,
    wishes: Option<mpsc::UnboundedSender<Wish>>,
}

/// Asks something of another instance. Nothing comes of it where etcd cannot be reached.
#[derive(Debug, Message)]
#[rtype(result = "Option<Reply>")]
pub(crate) struct Call {
    pub(crate) to: u8,
    pub(crate) ask: Ask,
}

/// The process stops, and has no connections any more: the others may have its share.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

/// What the actor is to do for somebody.
enum Wish {
    Call(Call, oneshot::Sender<Reply>),
    Leave(oneshot::Sender<()>),
}

/// Something that nobody else comes by.
pub(crate) fn mark() -> String {
    random_text::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Fleet {
    pub(crate) fn new(settings: Arc<FleetSettings>) -> Self {
        Self {
            settings,
            mark: mark(),
            first: random::<1>()[0].max(1),
            begin: u32::from_le_bytes(random()),
            number: AtomicU8::new(0),
            decided: AtomicBool::new(false),
            kept: Mutex::default(),
            shown: Mutex::default(),
            actor: RwLock::default(),
        }
    }

    /// This instance's number; 0 before there is one.
    pub(crate) fn number(&self) -> u8 {
        self.number.load(Ordering::Relaxed)
    }

    /// Where its sessions' ids begin among those that its number has.
    pub(crate) fn begin(&self) -> u32 {
        self.begin
    }

    /// Whether it has been decided what it may have of each node.
    pub(crate) fn is_decided(&self) -> bool {
        self.decided.load(Ordering::Relaxed)
    }

    /// What every instance has, as last read.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who speaks for it from now on.
    pub(crate) fn is_served_by(&self, actor: Addr<FleetMember>) {
        *self.actor.write().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }

    fn actor(&self) -> Option<Addr<FleetMember>> {
        self.actor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks something of another instance.
    pub(crate) async fn call(&self, to: u8, ask: Ask) -> Reply {
        let failed = || Reply::Failed(format!("instance {to} of the fleet did not answer"));
        let Some(actor) = self.actor() else { return failed() };
        let told = tokio::time::timeout(PATIENCE, actor.send(Call { to, ask })).await;
        told.ok().and_then(Result::ok).flatten().unwrap_or_else(failed)
    }

    /// Gives the share back.
    pub(crate) async fn leave(&self) {
        if let Some(actor) = self.actor() {
            // Where it does not come to it, the lease ends by itself.
            let _ = tokio::time::timeout(PATIENCE, actor.send(Leave)).await;
        }
    }

    /// Makes the actor panic.
    #[cfg(feature = "faults")]
    pub(crate) fn panic(&self, panic: crate::supervisor::faults::Panic) {
        if let Some(actor) = self.actor() {
            actor.do_send(panic);
        }
    }

    fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, kept: &Kept) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone_from(kept);
    }
}

impl FleetMember {
    pub(crate) fn new(fleet: Arc<Fleet>, stage: Arc<Stage>) -> Self {
        Self { fleet, stage, wishes: None }
    }

    fn wish(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            // Where nobody hears it, whoever waits for the answer is told by its end.
            let _ = wishes.send(wish);
        }
    }
}

impl Actor for FleetMember {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (wishes, asked) = mpsc::unbounded_channel();
        self.wishes = Some(wishes);
        let membership = Membership::new(Arc::clone(&self.fleet), Arc::clone(&self.stage), asked);
        ctx.spawn(membership.live().into_actor(self).map(|(), this, _| this.wishes = None));
    }
}

impl Handler<Call> for FleetMember {
    type Result = ResponseFuture<Option<Reply>>;

    fn handle(&mut self, call: Call, _: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.wish(Wish::Call(call, answer));
        Box::pin(async move { answered.await.ok() })
    }
}

impl Handler<Leave> for FleetMember {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Leave, _: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.wish(Wish::Leave(answer));
        Box::pin(async move {
            let _ = answered.await;
        })
    }
}
