//! One command's whole reply, from a server that speaks `DEPRECATE_EOF` to a client that may not.
//!
//! The machine looks at headers and first bytes, reads whole only the packets that decide something
//! (OK, ERR, column counts, prepare replies), and leaves rows where they lie. For a client of today the
//! reply goes out in place; tracker entries that it did not ask for are cut out of the OK. A client
//! without `DEPRECATE_EOF` gets the EOF packets it waits for, and sequence ids to match.
//!
//! ```text
//!           ┌── OK with more results ──┐
//!           v                          │
//!  start ─ Head ── column count ─ Columns ─ FirstRow ─ Rows ─ closing OK ─┐
//!           ├── OK, ERR, bare string ─────────────────────────────────────┤
//!           ├── 0xFB ─ Infile ─ infile_sent ─ Head                        ├─ Done
//!           └── prepare-OK ─ Params ─ ParamsEnd ─ Columns… ─ ColumnsEnd ──┤
//!  fetch ── Rows ─────────────────────────────────────────────────────────┤
//!  field list ── Fields ── closing OK ────────────────────────────────────┘
//!  an ERR ends all of them
//! ```

mod dump;
mod emit;
mod eof;
mod error_packet;
mod infile;
mod ok;
mod prepare;
mod result_set;
mod summary;
mod violation;

use emit::Emit;
use mysql_common::constants::{CapabilityFlags, StatusFlags};

use crate::{
    command::Expect,
    flavor::Flavor,
    packet::{HEADER, Header, MAX_PAYLOAD, header},
    track::ClientTrackers,
};

pub use dump::{Dump, Dumped};
pub use eof::LASTING;
pub use infile::{Upload, Uploaded};
pub(crate) use prepare::parse as parse_prepared;
pub use summary::{Prepared, ServerError, Summary, TEXT_MAX};
pub use violation::Violation;

/// The longest payload of a packet that must be seen whole, in bytes. Real ones are far shorter: an OK holds at
/// most the values of all system variables.
pub const WHOLE_MAX: usize = 1 << 20;

/// What the two sides have agreed on, each with Greenroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Legs {
    /// With the server. `DEPRECATE_EOF` is taken for granted. `OPTIONAL_RESULTSET_METADATA` and MariaDB's further
    /// capabilities must be the same on both legs.
    pub server: CapabilityFlags,
    /// With the client.
    pub client: CapabilityFlags,
    /// Where servers differ in what they send to old clients.
    pub flavor: Flavor,
}

/// What may be done with the bytes that [`Reply::advance`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the buffer that are done with, once forwarded.
    pub used: usize,
    /// What the client is to get.
    pub forward: Forward,
    /// Whose turn it is.
    pub boundary: Boundary,
}

/// Where the bytes for the client are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// That many bytes at the start of the buffer: at most `used`, fewer when an OK was shortened.
    InPlace(usize),
    /// In `out`, behind what was there before.
    Copied,
}

/// Where the reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// It goes on. Bytes after `used` are the start of a packet: keep them and offer them again with more behind.
    More,
    /// It is complete. Bytes after `used` are not part of it.
    Done,
    /// The server wants a file, and waits for the client: see [`Reply::upload`].
    InfileRequested,
}

/// The machine. One per command; it holds no buffer.
#[derive(Debug, Clone)]
pub struct Reply {
    phase: Phase,
    expect: Expect,
    /// The client waits for EOF packets.
    legacy: bool,
    /// The server puts session state into its OK packets.
    tracked: bool,
    /// The client knows session state in OK packets.
    tracks: bool,
    /// The client sends files.
    files: bool,
    flavor: Flavor,
    /// The id of the server's next packet.
    seq: u8,
    /// What to add to the server's ids for the client, modulo 256: packets inserted so far.
    shift: u8,
    /// Bytes of the packet under way that pass unseen.
    skip: usize,
    /// The packet under way, or the last one, was full: the next one continues it.
    continued: bool,
    /// Status flags as last told, for EOF packets of our own.
    status: StatusFlags,
    /// By which id the client is to know the statement that is prepared.
    statement: Option<u32>,
}

/// What the next packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first of the reply, or of a further result.
    Head,
    /// A column definition of a result set.
    Columns { left: u64 },
    /// A row or the end, and a legacy client still lacks the EOF after its columns.
    FirstRow,
    /// A row or the end.
    Rows,
    /// A parameter definition of a prepared statement.
    Params { left: u16, columns: u16 },
    /// None: the last parameter definition is through.
    ParamsEnd { columns: u16, definitions: bool },
    /// A column definition of a prepared statement.
    StatementColumns { left: u16 },
    /// None: the last column definition is through.
    StatementColumnsEnd,
    /// A column definition of a field list, or the end.
    Fields,
    /// None: the client sends.
    Infile,
    /// None: the server has broken the protocol.
    Broken(Violation),
    /// None.
    Done,
}

/// What one step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// On to the next packet.
    Next,
    /// More bytes are needed.
    Wait,
}

/// Where the machine writes what it learns, and what it filters by.
struct Notes<'a> {
    wants: &'a ClientTrackers,
    summary: &'a mut Summary,
}

impl Reply {
    /// A machine for the reply to a command whose last packet had the sequence id before `seq`
    /// ([`Inbound::next_seq`](crate::command::Inbound::next_seq)). `status`: the server's flags before the command.
    #[must_use]
    pub fn new(expect: Expect, legs: Legs, seq: u8, status: StatusFlags) -> Self {
        let phase = match expect {
            Expect::Nothing => Phase::Done,
            Expect::Rows => Phase::Rows,
            Expect::Fields => Phase::Fields,
            _ => Phase::Head,
        };
        Self {
            phase,
            expect,
            legacy: !legs.client.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF),
            tracked: legs.server.contains(CapabilityFlags::CLIENT_SESSION_TRACK),
            tracks: legs.client.contains(CapabilityFlags::CLIENT_SESSION_TRACK),
            files: legs.client.contains(CapabilityFlags::CLIENT_LOCAL_FILES),
            flavor: legs.flavor,
            seq,
            shift: 0,
            skip: 0,
            continued: false,
            status,
            statement: None,
        }
    }

    /// The same, where the client is to know the statement that is prepared by another id than the server's.
    #[must_use]
    pub fn with_statement(self, id: Option<u32>) -> Self {
        Self { statement: id, ..self }
    }

    /// Looks at `buf`, bytes from the server that were not yet `used`, and says what may be forwarded. Packets in it
    /// may be rewritten in place; `out` gets the client's bytes when packets had to be inserted.
    ///
    /// # Errors
    /// A server that breaks the protocol, and from then on always. Nothing of `buf` may be forwarded then.
    pub fn advance(
        &mut self,
        buf: &mut [u8],
        wants: &ClientTrackers,
        summary: &mut Summary,
        out: &mut Vec<u8>,
    ) -> Result<Progress, Violation> {
        let mut emit = Emit::new(buf, out);
        let mut notes = Notes { wants, summary };
        let boundary = loop {
            if self.skip > 0 {
                self.skip -= emit.pass(self.skip);
                if self.skip > 0 {
                    break Boundary::More;
                }
            }
            match self.phase {
                Phase::Done => break Boundary::Done,
                Phase::Infile => break Boundary::InfileRequested,
                Phase::Broken(violation) => return Err(violation),
                _ => {}
            }
            match self.step(&mut emit, &mut notes) {
                Ok(Step::Next) => {}
                Ok(Step::Wait) => break Boundary::More,
                Err(violation) => self.phase = Phase::Broken(violation),
            }
        };
        Ok(emit.finish(boundary))
    }

    /// After [`Boundary::InfileRequested`]: what carries the client's file to the server.
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload::new(self.seq, self.shift)
    }

    /// The client has sent its file; the server's answer will have the id `next_seq` ([`Upload::next_seq`]).
    pub fn infile_sent(&mut self, next_seq: u8) {
        debug_assert_eq!(self.phase, Phase::Infile, "no file was asked for");
        self.seq = next_seq;
        self.phase = Phase::Head;
    }

    /// The reply is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done && self.skip == 0
    }

    /// The command came in other packets to the server than from the client: the reply's first packet has this id there.
    #[must_use]
    pub fn with_server_seq(mut self, seq: u8) -> Self {
        (self.shift, self.seq) = (self.seq.wrapping_sub(seq), seq);
        self
    }

    /// The sequence id that the client expects next: that of an ERR of our own, should the server be lost.
    #[must_use]
    pub fn client_seq(&self) -> u8 {
        self.seq.wrapping_add(self.shift)
    }

    #[inline]
    fn step(&mut self, emit: &mut Emit<'_>, notes: &mut Notes<'_>) -> Result<Step, Violation> {
        if !self.continued && self.between_definitions(emit) {
            return Ok(Step::Next);
        }
        let Some(head) = header(emit.rest()) else { return Ok(Step::Wait) };
        if head.seq != self.seq {
            return Err(Violation::Sequence { expected: self.seq, got: head.seq });
        }
        if self.continued {
            notes.summary.large_row = true;
            return Ok(self.pass(head, emit));
        }
        let first = match emit.rest().get(HEADER) {
            _ if head.len == 0 => return self.empty(head, emit, notes),
            Some(&first) => first,
            None => return Ok(Step::Wait),
        };
        if first == ERR && self.err_ends(head) {
            return self.error(head, emit, notes);
        }
        match self.phase {
            Phase::Rows => {
                let step = self.row(head, first, emit, notes)?;
                self.whole_rows(emit, notes.summary);
                Ok(step)
            }
            Phase::Columns { left } => Ok(self.column(left, head, emit)),
            Phase::Head => self.head(head, first, emit, notes),
            Phase::FirstRow => self.first_row(head, first, emit, notes),
            Phase::Params { .. } | Phase::StatementColumns { .. } => Ok(self.definition(head, emit)),
            Phase::Fields => self.field(head, first, emit, notes),
            Phase::Broken(violation) => Err(violation),
            Phase::ParamsEnd { .. } | Phase::StatementColumnsEnd | Phase::Infile | Phase::Done => {
                Err(Violation::Unexpected { first, place: "where no packet was due" })
            }
        }
    }

    /// The first packet of a reply or of a further result.
    fn head(&mut self, head: Header, first: u8, emit: &mut Emit<'_>, notes: &mut Notes<'_>) -> Result<Step, Violation> {
        match (self.expect, first) {
            (Expect::Text, _) => self.text(head, emit, notes),
            (Expect::Prepared, OK) => self.prepared(head, emit, notes),
            (Expect::Ok, OK | EOF) | (Expect::Results | Expect::BinaryResults, OK) => self.ok(head, emit, notes),
            (Expect::Results | Expect::BinaryResults, INFILE) if self.files => self.infile(head, emit),
            (Expect::Results | Expect::BinaryResults, INFILE) => {
                Err(Violation::Unexpected { first, place: "for a client that sends no files" })
            }
            (Expect::Results | Expect::BinaryResults, _) => self.column_count(head, emit, notes),
            _ => Err(Violation::Unexpected { first, place: "at the head of a reply" }),
        }
    }

    /// A bare string (`COM_STATISTICS`).
    fn text(&mut self, head: Header, emit: &mut Emit<'_>, notes: &mut Notes<'_>) -> Result<Step, Violation> {
        let Some(text) = whole(head, emit, "text")? else { return Ok(Step::Wait) };
        notes.summary.text = (text.len() <= TEXT_MAX).then(|| Box::from(text));
        self.phase = Phase::Done;
        Ok(self.pass(head, emit))
    }

    /// The name of the file that the server wants.
    fn infile(&mut self, head: Header, emit: &mut Emit<'_>) -> Result<Step, Violation> {
        if whole(head, emit, "file name")?.is_none() {
            return Ok(Step::Wait);
        }
        self.phase = Phase::Infile;
        Ok(self.pass(head, emit))
    }

    fn empty(&mut self, head: Header, emit: &mut Emit<'_>, notes: &mut Notes<'_>) -> Result<Step, Violation> {
        match (self.phase, self.expect) {
            (Phase::Head, Expect::Text) => self.text(head, emit, notes),
            _ => Err(Violation::Empty),
        }
    }

    /// A packet that starts with 0xFF is an error anywhere: no row can start so. A full one would be no ERR,
    /// and no packet of that length is due where an ERR may come but a row.
    fn err_ends(&self, head: Header) -> bool {
        head.len < MAX_PAYLOAD || !matches!(self.phase, Phase::Rows | Phase::FirstRow)
    }

    /// Lets a packet through as it lies, whether all of it is there or not.
    #[inline]
    fn pass(&mut self, head: Header, emit: &mut Emit<'_>) -> Step {
        if self.shift != 0 {
            emit.set_seq(head.seq.wrapping_add(self.shift));
        }
        self.seq = head.seq.wrapping_add(1);
        self.continued = head.len == MAX_PAYLOAD;
        let len = HEADER + head.len;
        self.skip = len - emit.pass(len);
        Step::Next
    }
}

/// First bytes that mean something.
const OK: u8 = 0x00;
const INFILE: u8 = 0xFB;
const EOF: u8 = 0xFE;
const ERR: u8 = 0xFF;

/// The payload of a packet that must be seen whole, if it is there.
fn whole<'a>(head: Header, emit: &'a Emit<'_>, what: &'static str) -> Result<Option<&'a [u8]>, Violation> {
    if head.len > WHOLE_MAX {
        return Err(Violation::TooLong { what, len: head.len });
    }
    Ok(emit.rest().get(HEADER..HEADER + head.len))
}

#[cfg(test)]
mod tests;
