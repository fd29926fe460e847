//! OK packets: read, and cut down to what the client asked for.
//!
//! Measured on both servers, and unlike the manuals: the info string has its length before it with and without
//! `SESSION_TRACK`, and is left out altogether when it is empty and no session state follows.

use std::ops::Range;

use mysql_common::{constants::StatusFlags, io::ParseBuf};

use super::{
    EOF, Emit, Expect, Notes, Phase, Reply, Step, Summary, Violation,
    eof::{EOF_PAYLOAD, OUT_PARAMS, eof},
    whole,
};
use crate::{
    flavor::Flavor,
    packet::{HEADER, Header, header_bytes},
    track,
};

/// The fields of an OK, and where in its payload the others lie.
pub(super) struct Fields {
    affected_rows: u64,
    last_insert_id: u64,
    pub(super) status: StatusFlags,
    warnings: u16,
    /// Where the status is.
    status_at: usize,
    /// The info string and its length; empty when there is neither.
    info: Range<usize>,
    /// The session state without its length. MySQL also sends an empty one (`COMMIT AND CHAIN`, measured).
    state: Option<Range<usize>>,
}

const MALFORMED: Violation = Violation::Malformed("OK");

impl Fields {
    /// Reads a payload. `tracked`: session state was agreed on with the sender.
    #[inline]
    pub(super) fn parse(payload: &[u8], tracked: bool) -> Result<Self, Violation> {
        let mut fields = Self::parse_fixed(payload)?;
        if tracked && fields.status.contains(StatusFlags::SERVER_SESSION_STATE_CHANGED) {
            let mut rest = ParseBuf(payload.get(fields.info.start..).unwrap_or_default());
            rest.checked_eat_lenenc_str().ok_or(MALFORMED)?;
            fields.info.end = payload.len() - rest.len();
            let data = rest.checked_eat_lenenc_str().ok_or(MALFORMED)?;
            if !rest.is_empty() {
                return Err(MALFORMED);
            }
            fields.state = Some(payload.len() - data.len()..payload.len());
        }
        Ok(fields)
    }

    /// The fields up to the info string, which takes all that follows for now.
    #[inline]
    fn parse_fixed(payload: &[u8]) -> Result<Self, Violation> {
        let (affected_rows, last_insert_id, rest) = match payload {
            [EOF, rest @ ..] if payload.len() == EOF_PAYLOAD => return Self::parse_eof(ParseBuf(rest)),
            // Nearly always two small numbers.
            &[_, affected @ 0..=0xFA, id @ 0..=0xFA, ref rest @ ..] => (affected.into(), id.into(), rest),
            _ => {
                let mut rest = ParseBuf(payload.get(1..).unwrap_or_default());
                let affected_rows = rest.checked_eat_lenenc_int().ok_or(MALFORMED)?;
                (affected_rows, rest.checked_eat_lenenc_int().ok_or(MALFORMED)?, rest.0)
            }
        };
        let &[a, b, c, d, ref info @ ..] = rest else { return Err(MALFORMED) };
        Ok(Self {
            affected_rows,
            last_insert_id,
            status: StatusFlags::from_bits_retain(u16::from_le_bytes([a, b])),
            warnings: u16::from_le_bytes([c, d]),
            status_at: payload.len() - rest.len(),
            info: payload.len() - info.len()..payload.len(),
            state: None,
        })
    }

    /// A real EOF: warnings and status. Servers send it where they know no `DEPRECATE_EOF`.
    fn parse_eof(mut rest: ParseBuf<'_>) -> Result<Self, Violation> {
        let warnings = rest.checked_eat_u16_le().ok_or(MALFORMED)?;
        let status = StatusFlags::from_bits_retain(rest.checked_eat_u16_le().ok_or(MALFORMED)?);
        Ok(Self {
            affected_rows: 0,
            last_insert_id: 0,
            status: status - StatusFlags::SERVER_SESSION_STATE_CHANGED,
            warnings,
            status_at: 3,
            info: EOF_PAYLOAD..EOF_PAYLOAD,
            state: None,
        })
    }

    fn note(&self, summary: &mut Summary) {
        summary.status = self.status;
        summary.affected_rows = self.affected_rows;
        summary.changed_rows = summary.changed_rows.wrapping_add(self.affected_rows);
        summary.last_insert_id = self.last_insert_id;
        summary.warnings = self.warnings;
        summary.warned |= self.warnings > 0;
        if self.last_insert_id != 0 {
            summary.generated_insert_id = Some(self.last_insert_id);
        }
    }

    /// Gives the `kept` bytes at `start`, what is left of the session state, their new and shorter length.
    /// What comes out is the length of the payload.
    fn close_ranks(&self, payload: &mut [u8], start: usize, kept: usize) -> usize {
        if kept > 0 {
            let (prefix, size) = lenenc(kept);
            let at = self.info.end + size;
            put(payload, self.info.end, prefix.get(..size).unwrap_or_default());
            payload.copy_within(start..start + kept, at);
            return at + kept;
        }
        let status = self.status - StatusFlags::SERVER_SESSION_STATE_CHANGED;
        put(payload, self.status_at, &status.bits().to_le_bytes());
        // Its one byte says "no info": without session state, servers leave it out.
        if self.info.len() == 1 { self.info.start } else { self.info.end }
    }

    /// Writes the EOF that a server sends to an old client in place of this OK. An EOF holds no session state: MySQL
    /// would tell it with the next OK, MariaDB never (measured); here it is left out.
    fn become_eof(&self, payload: &mut [u8], flavor: Flavor) -> usize {
        let mut status = self.status - StatusFlags::SERVER_SESSION_STATE_CHANGED;
        // MySQL shows both flags of OUT parameters before their row only (measured); MariaDB before and after.
        if flavor == Flavor::MySql && status.contains(StatusFlags::SERVER_PS_OUT_PARAMS) {
            status -= OUT_PARAMS;
        }
        put(payload, 0, &eof(status, self.warnings));
        EOF_PAYLOAD
    }
}

/// The first number in an info string, which has its length before it: `Rows matched: 2  Changed: 1  Warnings: 0`, in the
/// server's language.
#[inline]
fn first_number(info: &[u8]) -> Option<u64> {
    let (&len, text) = info.split_first()?;
    let text = text.get(..usize::from(len))?;
    let from = text.iter().position(u8::is_ascii_digit)?;
    let mut digits = text.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

impl Reply {
    /// An OK that ends a result, with whatever first byte.
    pub(super) fn ok(&mut self, head: Header, emit: &mut Emit<'_>, notes: &mut Notes<'_>) -> Result<Step, Violation> {
        let Some(payload) = whole(head, emit, "OK")? else { return Ok(Step::Wait) };
        let fields = Fields::parse(payload, self.tracked)?;
        let closing = payload.first() == Some(&EOF);
        let matched_rows = payload.get(fields.info.clone()).and_then(first_number);
        if self.phase == Phase::Head {
            notes.summary.start_result(false);
        }
        self.end_columns(&fields, emit);
        fields.note(notes.summary);
        notes.summary.matched_rows = matched_rows;
        self.status = fields.status;
        self.phase = self.after(fields.status);
        let len = self.trim(&fields, closing, head, emit, notes)?;
        if len == head.len {
            return Ok(self.pass(head, emit));
        }
        self.seq = head.seq.wrapping_add(1);
        put(emit.rest_mut(HEADER), 0, &header_bytes(len, head.seq.wrapping_add(self.shift)));
        emit.shorten(HEADER + len, HEADER + head.len);
        Ok(Step::Next)
    }

    /// Rewrites the packet at the cursor for the client; gives its new payload length.
    #[inline]
    fn trim(
        &self,
        fields: &Fields,
        closing: bool,
        head: Header,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<usize, Violation> {
        let packet = emit.rest_mut(HEADER + head.len);
        let payload = packet.get_mut(HEADER..).unwrap_or_default();
        let mut kept = 0;
        if let Some(range) = &fields.state {
            let wants = self.tracks.then_some(notes.wants);
            let state = payload.get_mut(range.clone()).unwrap_or_default();
            kept = track::sift(state, wants, &mut notes.summary.changes)?;
        }
        Ok(match &fields.state {
            _ if closing && self.legacy => fields.become_eof(payload, self.flavor),
            Some(range) if kept < range.len() || !self.tracks => fields.close_ranks(payload, range.start, kept),
            _ => head.len,
        })
    }

    /// What follows an OK with that status.
    fn after(&self, status: StatusFlags) -> Phase {
        let several = matches!(self.expect, Expect::Results | Expect::BinaryResults);
        if several && status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) { Phase::Head } else { Phase::Done }
    }

    /// Before an old client's first row, or before the end where there is no row, comes the EOF of the columns.
    /// With a cursor there are no rows, and that EOF is the only one (measured on both).
    fn end_columns(&mut self, fields: &Fields, emit: &mut Emit<'_>) {
        let cursor = fields.status.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS);
        if self.phase == Phase::FirstRow && self.legacy && !cursor {
            self.insert_eof(emit, StatusFlags::empty());
        }
    }
}

/// A length-encoded integer and its size, for lengths under [`WHOLE_MAX`](super::WHOLE_MAX).
fn lenenc(value: usize) -> ([u8; 4], usize) {
    let [a, b, c, ..] = value.to_le_bytes();
    match value {
        0..=0xFA => ([a, 0, 0, 0], 1),
        0xFB..=0xFFFF => ([0xFC, a, b, 0], 3),
        _ => ([0xFD, a, b, c], 4),
    }
}

/// Overwrites `bytes.len()` bytes at `at`.
#[inline]
fn put(payload: &mut [u8], at: usize, bytes: &[u8]) {
    let place = payload.get_mut(at..at + bytes.len());
    debug_assert!(place.is_some(), "fields were read from where they are written");
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}
