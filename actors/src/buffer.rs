//! Read buffers, lent by each worker to whoever has bytes in hand. Who is idle holds none.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::task::{Context, Poll, ready};

use zeroize::{Zeroize, Zeroizing};

use crate::stream::Stream;

/// Size of a buffer: a command up to this is seen whole before it is sent on, a reply up to this goes in one write.
pub(crate) const SIZE: usize = 16 * 1024;

/// Spare buffers that a worker keeps; what is over goes back to the allocator.
const SPARE: usize = 256;

/// How much a scratch may hold to be kept.
const SCRATCH_SIZE: usize = 64 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty vector to make bytes up in, lent by the worker likewise: whoever comes meanwhile begins a new one.
#[derive(Debug)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(SCRATCH.try_with(Cell::take).unwrap_or_default())
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if (1..=SCRATCH_SIZE).contains(&bytes.capacity()) {
            bytes.clear();
            // As with buffers, a thread that is ending keeps nothing.
            let _ = SCRATCH.try_with(|kept| kept.set(bytes));
        }
    }
}

/// Bytes read and not yet used, in a buffer that goes back to its worker when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: Range<usize>,
}

impl Buffer {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        let spare = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Self { bytes: spare.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()), filled: 0..0 }
    }

    /// Bytes that are as good as read.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let filled = 0..bytes.len();
        Self { bytes: bytes.into_boxed_slice(), filled }
    }

    /// What has been read and not used.
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.filled.clone()).unwrap_or_default()
    }

    /// The same, to be rewritten in place.
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled.clone()).unwrap_or_default()
    }

    /// Marks bytes as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.filled.start = (self.filled.start + count).min(self.filled.end);
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
    }

    /// Marks bytes as used and leaves nothing of them: they may have been a password.
    pub(crate) fn wipe(&mut self, count: usize) {
        let used = count.min(self.filled.len());
        self.filled_mut().get_mut(..used).unwrap_or_default().zeroize();
        self.consume(used);
    }

    /// Whether nothing is left in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Whether no more can be read before some is used.
    pub(crate) fn is_full(&self) -> bool {
        self.filled.len() == self.bytes.len()
    }

    /// Makes room for at least `count` unused bytes in all. Only packets that must be seen whole and are
    /// longer than [`SIZE`] need it; a grown buffer is not kept.
    pub(crate) fn reserve(&mut self, count: usize) {
        drop(self.grow(count));
    }

    /// The same, and wipes what the bytes lay in.
    pub(crate) fn reserve_secretly(&mut self, count: usize) {
        drop(self.grow(count).map(Zeroizing::new));
    }

    /// Gives what the bytes lay in, where that was too small.
    fn grow(&mut self, count: usize) -> Option<Box<[u8]>> {
        if count <= self.bytes.len() {
            return None;
        }
        let mut grown = vec![0; count.next_power_of_two()].into_boxed_slice();
        let length = self.filled.len();
        if let Some(start) = grown.get_mut(..length) {
            start.copy_from_slice(self.filled());
        }
        self.filled = 0..length;
        Some(std::mem::replace(&mut self.bytes, grown))
    }

    /// Reads once. `Ok(0)` is the end of the stream (or a full buffer, which the caller must not bring).
    pub(crate) fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.fill_by(|room| stream.poll_read(cx, room))
    }

    /// Reads once from wherever.
    pub(crate) fn fill_by(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.filled.end == self.bytes.len() && self.filled.start > 0 {
            self.bytes.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let room = self.bytes.get_mut(self.filled.end..).unwrap_or_default();
        let count = ready!(read(room))?;
        self.filled.end += count;
        Poll::Ready(Ok(count))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == SIZE {
            let bytes = std::mem::take(&mut self.bytes);
            // A thread that is ending has no pool any more; then the buffer is simply freed.
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < SPARE {
                    pool.push(bytes);
                }
            });
        }
    }
}

/// Waits for bytes without holding a buffer meanwhile: one is taken when there is something to put into it.
pub(crate) fn poll_fill(
    slot: &mut Option<Buffer>,
    stream: &mut Stream,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut buffer = slot.take().unwrap_or_else(Buffer::new);
    let polled = buffer.poll_fill(stream, cx);
    if !buffer.is_empty() {
        *slot = Some(buffer);
    }
    polled
}

#[cfg(test)]
mod tests {
    use super::{Buffer, POOL, SIZE};

    #[test]
    fn nothing_is_left_of_what_is_wiped() {
        let mut buffer = Buffer::holding(b"secret, and more".to_vec());
        buffer.wipe(6);
        assert_eq!((buffer.filled(), &*buffer.bytes), (&b", and more"[..], &b"\0\0\0\0\0\0, and more"[..]));
        buffer.wipe(usize::MAX);
        assert_eq!(*buffer.bytes, [0; 16]);
    }

    #[test]
    fn a_dropped_buffer_is_lent_again_and_a_grown_one_is_not() {
        drop(Buffer::new());
        assert_eq!(POOL.with(|pool| pool.borrow().len()), 1);
        let mut buffer = Buffer::new();
        assert_eq!(POOL.with(|pool| pool.borrow().len()), 0);
        buffer.reserve(SIZE + 1);
        drop(buffer);
        assert_eq!(POOL.with(|pool| pool.borrow().len()), 0);
    }
}
