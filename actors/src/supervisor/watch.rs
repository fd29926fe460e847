//! Running an actor so that its end is heard of, a panic among them.
//!
//! `actix::Supervisor` dies with the panic of what it guards and restarts the same value without a pause.

use actix::{Actor, Addr, AsyncContext, Context};

/// Starts an actor on this arbiter and calls `ended` once it is over, with whether it panicked.
pub(crate) fn start<A>(actor: A, ended: impl FnOnce(bool) + 'static) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
{
    let ctx = Context::new();
    let addr = ctx.address();
    let task = actix_rt::spawn(ctx.into_future(actor));
    actix_rt::spawn(async move { ended(task.await.is_err_and(|error| error.is_panic())) });
    addr
}
