//! owns: one server connection, except while a session has it on lease; its pins.
//! is told: `Lend`, `Return`, `Lost`, `Pin`, `Unpin`, `Expire`, `Move`.
//! tells: its shard `Ready`, `Gone`, `Pinned`, `Unpinned`; another shard `Adopt`.
//! ends when: its socket is closed, by whichever end, or moves to another worker.

mod aside;
pub(crate) mod clean;
mod connect;
mod defaults;
mod encrypt;
pub(crate) mod exchange;
mod introduction;
mod kill;
mod messages;
mod report;
mod survey;
mod watch;

pub(crate) use self::aside::{Aside, Bystander, aside};
pub(crate) use self::clean::names;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use greenroom_protocol::sql::PinSet;

pub(crate) use self::connect::{Blueprint, Start, UNABLE, probe};
pub(crate) use self::kill::kill;
pub(crate) use self::messages::{Expire, Lend, Lost, Move, Pin, Return, Unpin};
pub(crate) use self::report::{Heard, ask};
use crate::end::BackendEnd;
use crate::grant::{Condition, Grant, Home};
use crate::local::Local;
use crate::node::Permit;
use crate::pool::{Adopt, BackendId, Gone, Pinned, PoolShard, Ready, Refusal, Rest, Unpinned};
use crate::stage::Stage;
use crate::wire::Wire;

/// One server connection.
pub(crate) struct BackendConnection {
    id: BackendId,
    shard: Addr<PoolShard>,
    local: Rc<Local>,
    stage: Arc<Stage>,
    /// How it comes to be; taken when it starts.
    start: Option<Start>,
    /// There while nobody has it on lease.
    wire: Option<Box<Wire>>,
    /// There since it was first lent.
    home: Option<Arc<Home>>,
    pins: PinSet,
    ended: bool,
}

impl BackendConnection {
    /// A connection that will be opened, or taken over, when it starts.
    pub(crate) fn new(
        id: BackendId,
        start: Start,
        shard: Addr<PoolShard>,
        local: Rc<Local>,
        stage: Arc<Stage>,
    ) -> Self {
        Self {
            id,
            shard,
            local,
            stage,
            start: Some(start),
            wire: None,
            home: None,
            pins: PinSet::default(),
            ended: false,
        }
    }

    fn ready(&mut self, wire: Box<Wire>, opened: Option<u16>, ctx: &mut Context<Self>) {
        let rest = Rest::of(&wire.card.state);
        let (retire, thread_id) = (wire.card.retire, wire.card.thread_id);
        self.wire = Some(wire);
        // The watch had its turn in this round, with nothing to look at: this makes another round.
        ctx.spawn(actix::fut::ready(()));
        self.shard.do_send(Ready { backend: self.id, rest, thread_id, opened, retire });
    }

    /// Closes the socket and tells the shard; the first reason stands.
    fn end(&mut self, end: BackendEnd, refusal: Option<Refusal>, ctx: &mut Context<Self>) {
        // The socket goes first: the shard may open another the moment it hears of this.
        let permit = self.wire.take().map(|wire| wire.card.permit);
        self.finish(end, refusal, permit, ctx);
    }

    fn finish(&mut self, end: BackendEnd, refusal: Option<Refusal>, permit: Option<Permit>, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.ended, true) {
            slog::debug!(self.stage.log, "backend connection ended"; "backend" => self.id.slot, "reason" => end.name());
            self.unpin_all();
            self.shard.do_send(Gone { backend: self.id, end, refusal, permit });
        }
        ctx.stop();
    }

    fn unpin_all(&mut self) {
        for reason in std::mem::take(&mut self.pins).iter() {
            self.shard.do_send(Unpinned { reason });
        }
    }

    fn clean(&mut self, wire: Box<Wire>, ctx: &mut Context<Self>) {
        let log = self.stage.log.clone();
        let cleaning = async move {
            let mut wire = clean::reset(wire).await?;
            wire.card.found_rows = None;
            survey::survey(&mut wire, &log).await?;
            Ok::<_, clean::Unclean>(wire)
        };
        ctx.spawn(cleaning.into_actor(self).map(|cleaned, this, ctx| match cleaned {
            Ok(wire) => this.ready(wire, None, ctx),
            Err(fault) => {
                slog::debug!(this.stage.log, "backend connection could not be reset"; "reason" => %fault);
                this.end(BackendEnd::Uncleanable, None, ctx);
            }
        }));
    }

    /// Says good-bye, and ends.
    fn retire(&mut self, wire: Box<Wire>, end: BackendEnd, ctx: &mut Context<Self>) {
        let farewell = clean::farewell(wire).into_actor(self);
        ctx.spawn(farewell.map(move |permit, this, ctx| this.finish(end, None, Some(permit), ctx)));
    }

    fn is_past(wire: &Wire) -> bool {
        wire.card.retire.is_some_and(|at| at <= Instant::now())
    }
}

impl Drop for BackendConnection {
    /// A panic must not leave pins behind in the counts.
    fn drop(&mut self) {
        self.unpin_all();
    }
}

impl Actor for BackendConnection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(watch::Watch);
        let Some(start) = self.start.take() else { return };
        let opens = matches!(start, Start::Open { .. });
        let (local, log) = (Rc::clone(&self.local), self.stage.log.clone());
        let begin = async move {
            let mut wire = connect::begin(start, local).await?;
            survey::survey(&mut wire, &log).await.map_err(|fault| connect::failed(fault.to_string()))?;
            Ok(wire)
        };
        ctx.spawn(begin.into_actor(self).map(move |begun, this, ctx| match begun {
            Ok(wire) => {
                let collation = wire.card.birth.collation;
                this.ready(wire, opens.then_some(collation), ctx);
            }
            Err((end, refusal)) => {
                slog::info!(this.stage.log, "no backend connection"; "reason" => %refusal);
                this.end(end, Some(refusal), ctx);
            }
        }));
    }
}

impl Handler<Lend> for BackendConnection {
    type Result = ();

    fn handle(&mut self, lend: Lend, ctx: &mut Context<Self>) {
        match self.wire.take() {
            Some(wire) => {
                let (backend, shard) = (self.id, &self.shard);
                let home = self
                    .home
                    .get_or_insert_with(|| Arc::new(Home { backend, connection: ctx.address(), shard: shard.clone() }));
                let grant = Grant::new(wire, Arc::clone(home));
                // A session that is gone drops the grant, which brings the wire straight back.
                drop(lend.lease.reply.send(Ok(grant)));
            }
            // It ended while the shard chose it; the shard chooses again.
            None => self.shard.do_send(lend.lease),
        }
    }
}

impl Handler<Return> for BackendConnection {
    type Result = ();

    fn handle(&mut self, returned: Return, ctx: &mut Context<Self>) {
        let wire = returned.wire;
        self.unpin_all();
        match returned.condition {
            Condition::Spoilt => self.retire(wire, BackendEnd::Spoilt, ctx),
            _ if wire.card.tainted => self.retire(wire, BackendEnd::Spoilt, ctx),
            _ if Self::is_past(&wire) => self.retire(wire, BackendEnd::Lifetime, ctx),
            Condition::Clean => self.wire = Some(wire),
            Condition::Used => self.clean(wire, ctx),
        }
    }
}

impl Handler<Lost> for BackendConnection {
    type Result = ();

    fn handle(&mut self, _: Lost, ctx: &mut Context<Self>) {
        self.end(BackendEnd::Abandoned, None, ctx);
    }
}

impl Handler<Pin> for BackendConnection {
    type Result = ();

    fn handle(&mut self, pin: Pin, _: &mut Context<Self>) {
        if !self.pins.contains(pin.reason) {
            self.pins.insert(pin.reason);
            self.shard.do_send(Pinned { reason: pin.reason });
        }
    }
}

impl Handler<Unpin> for BackendConnection {
    type Result = ();

    fn handle(&mut self, unpin: Unpin, _: &mut Context<Self>) {
        if self.pins.contains(unpin.reason) {
            self.pins.remove(unpin.reason);
            self.shard.do_send(Unpinned { reason: unpin.reason });
        }
    }
}

impl Handler<Expire> for BackendConnection {
    type Result = ();

    fn handle(&mut self, expire: Expire, ctx: &mut Context<Self>) {
        if let Some(wire) = self.wire.take() {
            self.retire(wire, expire.end, ctx);
        }
    }
}

impl Handler<Move> for BackendConnection {
    type Result = ();

    fn handle(&mut self, order: Move, ctx: &mut Context<Self>) {
        let Some(wire) = self.wire.take() else { return };
        match wire.pack() {
            Ok((crated, card)) => {
                order.to.do_send(Adopt { key: order.key, crated, card });
                self.end(BackendEnd::Transferred, None, ctx);
            }
            Err(_) => self.end(BackendEnd::ServerClosed, None, ctx),
        }
    }
}
