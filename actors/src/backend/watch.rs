//! While a connection is idle: has the server closed it, or said something unasked?

use std::pin::Pin;
use std::task::{Context, Poll};

use actix::ActorFuture;

use super::BackendConnection;
use crate::end::BackendEnd;

/// Looks at the idle socket whenever its actor is woken. It holds nothing: the wire stays in the actor,
/// so that lending it is a move and cancels nothing.
pub(super) struct Watch;

impl ActorFuture<BackendConnection> for Watch {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut BackendConnection,
        ctx: &mut actix::Context<BackendConnection>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(wire) = actor.wire.as_mut() else { return Poll::Pending };
        let mut byte = [0; 1];
        while wire.stream.poll_readable(task).is_ready() {
            let end = match wire.stream.try_read(&mut byte) {
                // Readiness was a leftover of the last reply.
                None => continue,
                // Servers say good-bye with an error packet when they shut down or a timeout strikes.
                Some(Ok(1)) if byte == [0] => BackendEnd::Unexpected,
                Some(_) => BackendEnd::ServerClosed,
            };
            actor.end(end, None, ctx);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
