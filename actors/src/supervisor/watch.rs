//! Running an actor so that its end is heard of, a panic among them.
//!
//! `actix::Supervisor` dies with the panic of what it guards and restarts the same value without a pause.

use actix::dev::channel::channel;
use actix::{Actor, Addr, Arbiter, AsyncContext, Context};

/// Messages that wait before a sender that heeds it is held back; actix's own default.
const MAILBOX: usize = 16;

/// Starts an actor on this arbiter and calls `ended` once it is over, with whether it panicked.
pub(crate) fn start<A>(actor: A, ended: impl FnOnce(bool) + 'static) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
{
    run(Context::new(), actor, ended)
}

/// The same with a context whose address is known already.
pub(crate) fn run<A>(ctx: Context<A>, actor: A, ended: impl FnOnce(bool) + 'static) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
{
    let addr = ctx.address();
    let task = actix_rt::spawn(ctx.into_future(actor));
    actix_rt::spawn(async move { ended(task.await.is_err_and(|error| error.is_panic())) });
    addr
}

/// The same on another arbiter, where the actor is made.
pub(crate) fn start_in<A>(
    arbiter: &Arbiter,
    make: impl FnOnce() -> A + Send + 'static,
    ended: impl FnOnce(bool) + Send + 'static,
) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
{
    let (sender, receiver) = channel(MAILBOX);
    // An arbiter that is gone drops the receiver: the address then is of nobody.
    arbiter.spawn_fn(move || {
        run(Context::with_receiver(receiver), make(), ended);
    });
    Addr::new(sender)
}
