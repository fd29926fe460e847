//! A client that has closed its writing end: gone, or still listening for what it is owed?
//!
//! TCP shows the same of both until something is sent. Servers run what was sent whole, and answer it (measured); here
//! a statement of a client that has gone is to be killed. So whoever had sent more than the command under way when he
//! closed counts as listening until his end resets the connection; anybody else is gone after a moment.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::conversation::Client;
use crate::stream::{PeerEnd, Stream};

/// How long a client may listen that has closed its writing end behind a single command. Also how often it is looked
/// whether another one has gone meanwhile.
const LISTENING: Duration = Duration::from_millis(500);

/// The writing end is closed.
pub(super) struct Closing {
    look: Pin<Box<Sleep>>,
    listens: bool,
}

impl Closing {
    fn new(stream: &Stream, listens: bool) -> Self {
        if listens {
            stream.probe_often();
        }
        Self { look: Box::pin(sleep(LISTENING)), listens }
    }
}

impl Client {
    /// A command is about to be served; `more`: something lies behind it.
    pub(super) fn note_more(&mut self, more: bool) {
        let ahead = std::mem::replace(&mut self.more, more);
        // The last of several: whoever has closed by now did so behind all of them.
        if ahead && !more && self.closing.is_none() && self.stream.peer_end() == PeerEnd::Closed {
            self.closing = Some(Closing::new(&self.stream, true));
        }
    }

    /// Whether it has gone, looked at until it is seen to send instead (`look`): that stays in its socket.
    pub(super) fn vanished(&mut self, look: &mut bool, cx: &mut Context<'_>) -> bool {
        if *look && self.stream.poll_readable(cx).is_ready() {
            *look = false;
            match self.stream.peer_end() {
                PeerEnd::Broken => return true,
                PeerEnd::Closed if self.closing.is_none() => {
                    self.closing = Some(Closing::new(&self.stream, self.more));
                }
                PeerEnd::Closed | PeerEnd::Open => {}
            }
        }
        let Some(closing) = self.closing.as_mut() else { return false };
        while closing.look.as_mut().poll(cx).is_ready() {
            if !closing.listens || self.stream.peer_end() == PeerEnd::Broken {
                return true;
            }
            closing.look.as_mut().reset(Instant::now() + LISTENING);
        }
        false
    }
}
