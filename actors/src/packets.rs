//! Whole packets, one at a time, for logins: no hurry, strict limits, and nothing left behind, as each may hold a password.

use std::future::poll_fn;
use std::io;

use greenroom_protocol::packet::{self, PacketError};
use zeroize::Zeroizing;

use crate::buffer::{self, Buffer};
use crate::stream::Stream;

/// Why there is no next packet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PacketsError {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer closed it.
    #[error("the connection was closed during the login")]
    Closed,
    /// The packet is longer than the login allows.
    #[error(transparent)]
    TooLong(#[from] PacketError),
    /// The packet's sequence id is not the next.
    #[error("a packet is out of order")]
    OutOfOrder,
}

/// Reads and writes single packets, keeping the sequence.
pub(crate) struct Packets<'a> {
    stream: &'a mut Stream,
    rest: Rest,
    seq: u8,
}

/// What was read and not used, wiped when dropped.
struct Rest(Option<Buffer>);

impl<'a> Packets<'a> {
    pub(crate) fn new(stream: &'a mut Stream) -> Self {
        Self::resume(stream, None, 0)
    }

    /// Goes on with what was read before, at a sequence id.
    pub(crate) fn resume(stream: &'a mut Stream, slot: Option<Buffer>, seq: u8) -> Self {
        Self { stream, rest: Rest(slot), seq }
    }

    /// The next packet's payload.
    pub(crate) async fn read(&mut self, limit: usize) -> Result<Vec<u8>, PacketsError> {
        loop {
            if let Some(buffer) = self.rest.0.as_mut() {
                if let Some(taken) = packet::take(buffer.filled(), limit)? {
                    if taken.seq != self.seq {
                        return Err(PacketsError::OutOfOrder);
                    }
                    self.seq = self.seq.wrapping_add(1);
                    let payload = buffer.filled().get(taken.payload).unwrap_or_default().to_vec();
                    buffer.wipe(taken.used);
                    self.rest.0.take_if(|buffer| buffer.is_empty());
                    return Ok(payload);
                }
                if buffer.is_full() {
                    buffer.reserve_secretly(buffer.filled().len() * 2);
                }
            }
            let (slot, stream) = (&mut self.rest.0, &mut *self.stream);
            if poll_fn(|cx| buffer::poll_fill(slot, stream, cx)).await? == 0 {
                return Err(PacketsError::Closed);
            }
        }
    }

    /// Sends a payload as the next packet.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> Result<(), PacketsError> {
        let mut framed = Zeroizing::new(Vec::with_capacity(payload.len() + packet::HEADER));
        self.seq = packet::frame(&mut framed, self.seq, payload);
        Ok(self.stream.write_all(&framed).await?)
    }

    /// Begins to count anew, as for a command.
    pub(crate) fn renumber(&mut self) {
        self.seq = 0;
    }

    /// What was read beyond the last packet.
    pub(crate) fn into_rest(mut self) -> Option<Buffer> {
        self.rest.0.take()
    }
}

impl Drop for Rest {
    /// Half a packet, where the time was over or the peer went.
    fn drop(&mut self) {
        if let Some(buffer) = self.0.as_mut() {
            buffer.wipe(usize::MAX);
        }
    }
}
