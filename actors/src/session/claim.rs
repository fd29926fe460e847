//! The right to kill a statement. The session that asks and the one whose statement it is agree on whether it still
//! runs, so that no `KILL QUERY` reaches a connection that serves somebody else by then.
//!
//! ```text
//! open ──the killer sends──> sent ──the server has answered──> answered
//!   │<──the server refuses it──┤
//!   │                          └──nobody knows whether it did──> astray
//!   └──the statement ends──> over
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const OPEN: u8 = 0;
const SENT: u8 = 1;
const ANSWERED: u8 = 2;
const ASTRAY: u8 = 3;
const OVER: u8 = 4;

/// What both sessions hold.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    state: AtomicU8,
    decided: Notify,
}

/// A `KILL QUERY` on its way. Dropped before it was answered, it has gone astray.
#[derive(Debug)]
pub(super) struct Shot(Arc<Claim>);

impl Claim {
    /// The killer is about to send. `None`: the statement is over.
    pub(super) fn fire(self: &Arc<Self>) -> Option<Shot> {
        self.turn(OPEN, SENT).then(|| Shot(Arc::clone(self)))
    }

    /// The statement is over. Waits for the answer to what was sent; says whether nothing can arrive any more.
    pub(super) async fn close(&self) -> bool {
        loop {
            let decided = self.decided.notified();
            if self.turn(OPEN, OVER) {
                return true;
            }
            match self.state.load(Ordering::Acquire) {
                SENT => decided.await,
                state => return state != ASTRAY,
            }
        }
    }

    /// The statement's connection is lost: there is nothing to kill any more.
    pub(super) fn void(&self) {
        self.turn(OPEN, OVER);
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Shot {
    /// The server has answered.
    pub(super) fn answered(self) {
        self.0.turn(SENT, ANSWERED);
    }

    /// The server has refused: another may try.
    pub(super) fn refused(self) {
        self.0.turn(SENT, OPEN);
    }
}

impl Drop for Shot {
    fn drop(&mut self) {
        self.0.turn(SENT, ASTRAY);
        self.0.decided.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::Claim;

    #[test]
    fn a_statement_that_is_over_is_not_killed() {
        let (claim, mut cx) = (Arc::new(Claim::default()), Context::from_waker(Waker::noop()));
        assert_eq!(pin!(claim.close()).poll(&mut cx), Poll::Ready(true));
        assert!(claim.fire().is_none());
    }

    #[test]
    fn who_was_refused_leaves_the_statement_to_others() {
        let (claim, mut cx) = (Arc::new(Claim::default()), Context::from_waker(Waker::noop()));
        claim.fire().unwrap().refused();
        let shot = claim.fire().unwrap();
        let mut closed = pin!(claim.close());
        assert!(closed.as_mut().poll(&mut cx).is_pending());
        shot.refused();
        assert_eq!(closed.poll(&mut cx), Poll::Ready(true));
        assert!(claim.fire().is_none(), "it is over");
    }

    #[test]
    fn a_statement_waits_for_the_answer_to_its_kill() {
        for answered in [true, false] {
            let (claim, mut cx) = (Arc::new(Claim::default()), Context::from_waker(Waker::noop()));
            let shot = claim.fire().unwrap();
            assert!(claim.fire().is_none(), "once is enough");
            let mut closed = pin!(claim.close());
            assert!(closed.as_mut().poll(&mut cx).is_pending());
            if answered {
                shot.answered();
            } else {
                drop(shot);
            }
            assert_eq!(closed.poll(&mut cx), Poll::Ready(answered));
        }
    }
}
