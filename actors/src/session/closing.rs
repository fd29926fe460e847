//! A client that has closed its writing end: gone, or still listening for what it is owed?
//!
//! TCP shows the same of both until something is sent. Servers run what was sent whole, and answer it (measured); here
//! a statement of a client that has gone is to be killed. So nobody waits for ever: a client that had sent more than the
//! command under way when it closed may well listen, and is given some seconds for each answer to come; any other is
//! given a moment.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::conversation::Client;
use crate::stream::PeerEnd;

/// How long a server may have nothing to say to a client that had sent more.
const LONG: Duration = Duration::from_secs(10);

/// How long to any other.
const SHORT: Duration = Duration::from_millis(500);

/// The writing end is closed.
pub(super) struct Closing {
    end: Pin<Box<Sleep>>,
    patience: Duration,
}

impl Closing {
    fn new(patience: Duration) -> Self {
        Self { end: Box::pin(sleep(patience)), patience }
    }
}

impl Client {
    /// A command is about to be served; `more`: something lies behind it.
    pub(super) fn note_more(&mut self, more: bool) {
        let ahead = std::mem::replace(&mut self.more, more);
        // The last of several: whoever has closed by now did so behind all of them.
        if ahead && !more && self.closing.is_none() && self.stream.peer_end() == PeerEnd::Closed {
            self.closing = Some(Closing::new(LONG));
        }
    }

    /// Whether it has gone, looked at until it is seen to send instead (`look`): that stays in its socket.
    pub(super) fn vanished(&mut self, look: &mut bool, cx: &mut Context<'_>) -> bool {
        if *look && self.stream.poll_readable(cx).is_ready() {
            *look = false;
            match (self.stream.peer_end(), &mut self.closing) {
                (PeerEnd::Broken, _) => return true,
                (PeerEnd::Open, _) => {}
                (PeerEnd::Closed, None) => self.closing = Some(Closing::new(if self.more { LONG } else { SHORT })),
                // It has been given something since, and has not refused it.
                (PeerEnd::Closed, Some(closing)) => closing.end.as_mut().reset(Instant::now() + closing.patience),
            }
        }
        self.closing.as_mut().is_some_and(|closing| closing.end.as_mut().poll(cx).is_ready())
    }
}
