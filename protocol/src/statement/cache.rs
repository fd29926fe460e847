//! What is prepared on one server connection.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Source;
use crate::command::Command;
use crate::packet;

/// The most statements that one connection keeps for whoever needs them next.
const SHARED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// One statement that the server has prepared.
#[derive(Debug)]
pub struct Entry {
    /// The server's id for it.
    pub id: u32,
    /// What it was prepared from; `None` where nobody kept the text.
    source: Option<Arc<Source>>,
    /// The types of its parameters that the server was last told, as they stood in the command. `None`: none, or not known.
    pub types: Option<Arc<[u8]>>,
    /// The server may remember types of an earlier execution.
    pub bound: bool,
}

/// The statements of one connection: those that any session may use, the least recently used of which go first, and
/// those that the session at hand has something open on (a cursor, long data) or has to itself, by its own ids.
#[derive(Debug)]
pub struct Cache {
    shared: LruCache<u64, Entry, FxBuildHasher>,
    kept: FxHashMap<u32, Entry>,
    /// Ids that the server may forget; told along with the next command.
    closing: Vec<u32>,
}

impl Default for Cache {
    fn default() -> Self {
        // Without room at first: most connections that never see a prepared statement need none.
        let mut shared = LruCache::unbounded_with_hasher(FxBuildHasher);
        shared.resize(SHARED);
        Self { shared, kept: FxHashMap::default(), closing: Vec::new() }
    }
}

impl Entry {
    fn new(id: u32, source: Option<Arc<Source>>) -> Self {
        Self { id, source, types: None, bound: false }
    }

    fn is_of(&self, source: &Arc<Source>) -> bool {
        self.source.as_ref().is_some_and(|own| Arc::ptr_eq(own, source) || **own == **source)
    }
}

impl Cache {
    /// How many statements the server holds for this connection, but for those that the next command closes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len() + self.kept.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody has the statement of this id on the server to himself.
    #[must_use]
    pub fn keeps_id(&self, id: u32) -> bool {
        self.kept.values().any(|entry| entry.id == id)
    }

    /// The session's statement, if it is prepared here. `own`: the session's id for it.
    pub fn find(&mut self, own: u32, source: Option<&Arc<Source>>) -> Option<&mut Entry> {
        if self.kept.contains_key(&own) {
            return self.kept.get_mut(&own);
        }
        let source = source?;
        self.shared.get_mut(&source.print()).filter(|entry| entry.is_of(source))
    }

    /// The server has prepared it for whoever needs it.
    pub fn share(&mut self, source: Arc<Source>, id: u32) {
        let print = source.print();
        self.put(print, Entry::new(id, Some(source)));
    }

    /// The server has prepared it for this session alone.
    pub fn own(&mut self, own: u32, source: Option<Arc<Source>>, id: u32) {
        if let Some(before) = self.kept.insert(own, Entry::new(id, source)) {
            self.closing.push(before.id);
        }
    }

    /// The session has something open on it: nobody else may use it.
    pub fn keep(&mut self, own: u32, source: Option<&Arc<Source>>) {
        let Some(source) = source.filter(|_| !self.kept.contains_key(&own)) else { return };
        if self.shared.peek(&source.print()).is_some_and(|entry| entry.is_of(source))
            && let Some(entry) = self.shared.pop(&source.print())
        {
            self.kept.insert(own, entry);
        }
    }

    /// The session has nothing open on it any more.
    pub fn release(&mut self, own: u32) {
        let Some(entry) = self.kept.remove(&own) else { return };
        match entry.source.as_ref().map(|source| source.print()) {
            Some(print) => self.put(print, entry),
            None => self.closing.push(entry.id),
        }
    }

    /// The session is done with a statement that it had to itself: gives the server's id, for it to be closed.
    pub fn discard(&mut self, own: u32) -> Option<u32> {
        self.kept.remove(&own).map(|entry| entry.id)
    }

    /// The server has prepared what nobody can use.
    pub fn close(&mut self, id: u32) {
        self.closing.push(id);
    }

    /// Whether some session has a statement to itself here.
    #[must_use]
    pub fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Lets the least recently used one go; `false` where all that is left is in use.
    pub fn evict(&mut self) -> bool {
        let Some((_, entry)) = self.shared.pop_lru() else { return false };
        self.closing.push(entry.id);
        true
    }

    /// Lets the statement go that has this id on the server; `false` where there is none, or somebody has it to himself.
    pub fn evict_id(&mut self, id: u32) -> bool {
        let found = self.shared.iter().find(|(_, entry)| entry.id == id).map(|(print, _)| *print);
        let Some(entry) = found.and_then(|print| self.shared.pop(&print)) else { return false };
        self.closing.push(entry.id);
        true
    }

    /// The server has forgotten them all (a reset).
    pub fn clear(&mut self) {
        self.shared.clear();
        self.kept.clear();
        self.closing.clear();
    }

    /// Writes the commands that close what was let go; they have no reply.
    pub fn close_into(&mut self, bytes: &mut Vec<u8>) {
        for id in self.closing.drain(..) {
            let [a, b, c, d] = id.to_le_bytes();
            packet::frame(bytes, 0, &[Command::StmtClose.byte(), a, b, c, d]);
        }
    }

    /// The same in front of a command that is about to be sent.
    #[must_use]
    pub fn before(&mut self, command: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.close_into(&mut bytes);
        bytes.extend_from_slice(command);
        bytes
    }

    /// Whether something is to be closed.
    #[must_use]
    pub fn has_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    fn put(&mut self, print: u64, entry: Entry) {
        if let Some((_, before)) = self.shared.push(print, entry) {
            self.closing.push(before.id);
        }
    }
}
