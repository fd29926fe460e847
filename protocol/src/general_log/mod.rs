//! Reading a server's general query log, in pieces of any size and in bounded memory.
//!
//! Formats as MySQL from 5.7 on writes them (`2026-11-27T17:40:15.123456Z`, a tab, the thread id, the command's name, a
//! tab, the argument), and as MariaDB does (`261127 17:40:15`, two tabs in its place where the second is the same as
//! that of the entry before). A statement's lines stand there as they are, so that what looks like an entry's head
//! inside a statement is taken for one: nothing in the log tells the two apart.

mod connect;
mod head;
#[cfg(test)]
mod tests;

pub use connect::{Login, login};
use head::{Found, Head, Style};

use crate::flavor::Flavor;

/// As much of a statement as is kept, in bytes.
pub const LONGEST: usize = 1 << 20;

/// An entry's head is not longer than this.
const HEAD: usize = 128;

/// What a thread did, as the log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Logged in, or was refused.
    Connect,
    /// Left.
    Quit,
    /// Logged in anew on its connection.
    ChangeUser,
    /// Gave its session's state up: `COM_RESET_CONNECTION`.
    Reset,
    /// Selected a database.
    InitDb,
    /// A statement of text.
    Query,
    /// A statement was prepared.
    Prepare,
    /// A prepared statement ran; the text has its values.
    Execute,
    /// A prepared statement was closed.
    CloseStatement,
    /// `COM_STATISTICS`.
    Statistics,
    /// `COM_FIELD_LIST`.
    FieldList,
    /// A replica's command.
    Replication,
    /// Anything else.
    Other,
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// When it was written, in microseconds since 1970; without a time zone where the log has none.
    pub at: i64,
    /// How exact that is, in microseconds.
    pub resolution: i64,
    /// Whose log it is, as far as it shows.
    pub flavor: Flavor,
    /// A server has started, or has opened its log anew, since the entry before.
    pub after_banner: bool,
    /// The server's id of the connection.
    pub thread: u64,
    /// What it did.
    pub deed: Deed,
    /// The argument, or its first [`LONGEST`] bytes.
    pub text: &'a [u8],
    /// How long the argument is.
    pub length: u64,
}

/// The lines that belong to no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strays {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: u64,
}

/// Reads a log.
#[derive(Debug)]
pub struct Reader {
    style: Option<Style>,
    flavor: Option<Flavor>,
    /// The number of the present line.
    line: u64,
    /// What of it may still be a head.
    start: Vec<u8>,
    /// The rest of the line is text.
    in_text: bool,
    pending: Option<Pending>,
    /// The pending entry's text.
    text: Vec<u8>,
    /// When the last entry with a time was written.
    clock: Option<i64>,
    strays: Strays,
    /// The lines at a server's start, or where the log was opened anew, go on.
    in_banner: bool,
    /// They have come since the last entry.
    after_banner: bool,
}

/// An entry whose text may go on.
#[derive(Debug)]
struct Pending {
    line: u64,
    head: Head,
    at: i64,
    length: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// One before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            style: None,
            flavor: None,
            line: 1,
            start: Vec::new(),
            in_text: false,
            pending: None,
            text: Vec::new(),
            clock: None,
            strays: Strays { count: 0, first: 0 },
            in_banner: false,
            after_banner: false,
        }
    }

    /// Takes the next bytes; `each` is shown every entry that has ended.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(Entry<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, ended, after) = match memchr::memchr(b'\n', rest) {
                Some(at) => (rest.get(..at), true, rest.get(at + 1..)),
                None => (Some(rest), false, None),
            };
            self.take(part.unwrap_or_default(), ended, each);
            rest = after.unwrap_or_default();
        }
    }

    /// The log has ended; the last entry with it.
    pub fn finish(&mut self, each: &mut impl FnMut(Entry<'_>)) {
        if !self.in_text && !self.start.is_empty() {
            self.judge(each);
        }
        self.close(each);
    }

    /// The line that has been come to, counted from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// How many lines belong to no entry: a log that was cut begins with a statement's rest.
    #[must_use]
    pub const fn strays(&self) -> Strays {
        self.strays
    }

    fn take(&mut self, part: &[u8], ended: bool, each: &mut impl FnMut(Entry<'_>)) {
        if self.in_text {
            self.add(part);
        } else {
            let room = HEAD.saturating_sub(self.start.len());
            let (start, rest) = part.split_at(part.len().min(room));
            self.start.extend_from_slice(start);
            if ended || self.start.len() == HEAD {
                self.judge(each);
                self.add(rest);
                self.in_text = true;
            }
        }
        if ended {
            self.add(b"\n");
            self.in_text = false;
            self.line += 1;
        }
    }

    /// The start of a line is there: an entry begins, or the one before goes on.
    fn judge(&mut self, each: &mut impl FnMut(Entry<'_>)) {
        let start = std::mem::take(&mut self.start);
        match head::find(&start, self.style) {
            Found::Banner { mariadb } => {
                self.close(each);
                (self.in_banner, self.after_banner) = (true, true);
                // The first of these lines says it, the others say nothing.
                self.flavor = self.flavor.or(mariadb.then_some(Flavor::MariaDb));
            }
            Found::Head { head, text } => {
                self.close(each);
                self.in_banner = false;
                self.style = self.style.or(head.style);
                self.clock = head.at.or(self.clock);
                let at = self.clock.unwrap_or_default();
                self.pending = Some(Pending { line: self.line, head, at, length: 0 });
                self.add(start.get(text..).unwrap_or_default());
            }
            Found::Text if self.in_banner => {}
            Found::Text => {
                if self.pending.is_none() && !start.is_empty() {
                    self.strays.first = if self.strays.count == 0 { self.line } else { self.strays.first };
                    self.strays.count += 1;
                }
                self.add(&start);
            }
        }
        self.start = start;
        self.start.clear();
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(pending) = &mut self.pending else { return };
        pending.length += bytes.len() as u64;
        let room = LONGEST.saturating_sub(self.text.len());
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn close(&mut self, each: &mut impl FnMut(Entry<'_>)) {
        let Some(Pending { line, head, at, length }) = self.pending.take() else { return };
        let whole = self.text.len() as u64 == length;
        let text = if whole { self.text.strip_suffix(b"\n").unwrap_or(&self.text) } else { &self.text };
        let length = if whole { text.len() as u64 } else { length };
        let resolution = self.style.map_or(1, Style::resolution);
        let flavor = self.flavor.unwrap_or(match self.style {
            Some(Style::Compact) => Flavor::MariaDb,
            Some(Style::Iso) | None => Flavor::MySql,
        });
        let after_banner = std::mem::take(&mut self.after_banner);
        let Head { thread, deed, .. } = head;
        each(Entry { line, at, resolution, flavor, after_banner, thread, deed, text, length });
        self.text.clear();
        // One huge statement does not keep its memory.
        self.text.shrink_to(HEAD * HEAD);
    }
}
