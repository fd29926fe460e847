//! Serving a command, in memory that the worker lends.
//!
//! What a session needs while a command is under way is several times what it needs while it waits for one. Kept inside
//! the session it would be there for ever, so it is lent, like a buffer: a session that is idle owns none.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::conversation::Conversation;
use crate::end::SessionEnd;

/// Places that a worker keeps; what is over goes back to the allocator.
const SPARE: usize = 256;

/// The session comes back with what its command came to.
type Served = (Box<Conversation>, Result<(), SessionEnd>);

thread_local! {
    static POOL: RefCell<Vec<Pin<Box<dyn Place>>>> = const { RefCell::new(Vec::new()) };
}

/// Where one command at a time can be served.
trait Place: Future<Output = Served> {
    fn begin(self: Pin<&mut Self>, talk: Box<Conversation>);
    fn clear(self: Pin<&mut Self>);
}

pin_project! {
    struct Desk<Serve, Serving> {
        serve: Serve,
        #[pin]
        serving: Option<Serving>,
    }
}

impl<Serve, Serving> Place for Desk<Serve, Serving>
where
    Serve: Fn(Box<Conversation>) -> Serving,
    Serving: Future<Output = Served>,
{
    fn begin(self: Pin<&mut Self>, talk: Box<Conversation>) {
        let mut this = self.project();
        let serving = (this.serve)(talk);
        this.serving.set(Some(serving));
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().serving.set(None);
    }
}

impl<Serve, Serving: Future<Output = Served>> Future for Desk<Serve, Serving> {
    type Output = Served;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Served> {
        self.project().serving.as_pin_mut().map_or(Poll::Pending, |serving| serving.poll(cx))
    }
}

async fn serve(mut talk: Box<Conversation>) -> Served {
    let served = talk.command().await;
    (talk, served)
}

/// Serves the command whose head has arrived.
pub(super) async fn work(talk: Box<Conversation>) -> Served {
    let spare = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    let mut place = spare.unwrap_or_else(|| Box::pin(Desk { serve, serving: None }));
    place.as_mut().begin(talk);
    let served = place.as_mut().await;
    place.as_mut().clear();
    // As with buffers, a thread that is ending keeps nothing.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < SPARE {
            pool.push(place);
        }
    });
    served
}
