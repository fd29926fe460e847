//! EOF packets, for clients without `DEPRECATE_EOF`.

use mysql_common::constants::StatusFlags;

use super::{EOF, Emit, Reply};
use crate::packet::header_bytes;

/// Payload bytes of an EOF.
pub(super) const EOF_PAYLOAD: usize = 5;

/// Flags of the session, not of a statement: they hold before the next one's rows, and for a ping, as they did after
/// the last.
pub const LASTING: StatusFlags = StatusFlags::SERVER_STATUS_IN_TRANS
    .union(StatusFlags::SERVER_STATUS_AUTOCOMMIT)
    .union(StatusFlags::SERVER_STATUS_IN_TRANS_READONLY)
    .union(StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES)
    .union(StatusFlags::SERVER_STATUS_ANSI_QUOTES);

/// What both servers say of OUT parameters, in the EOF of the columns for an old client.
pub(super) const OUT_PARAMS: StatusFlags =
    StatusFlags::SERVER_PS_OUT_PARAMS.union(StatusFlags::SERVER_MORE_RESULTS_EXISTS);

/// The payload of an EOF.
pub(super) fn eof(status: StatusFlags, warnings: u16) -> [u8; EOF_PAYLOAD] {
    let ([a, b], [c, d]) = (warnings.to_le_bytes(), status.bits().to_le_bytes());
    [EOF, a, b, c, d]
}

impl Reply {
    /// Puts an EOF packet of our own before the cursor, with `more` among its flags.
    pub(super) fn insert_eof(&mut self, emit: &mut Emit<'_>, more: StatusFlags) {
        let [a, b, c, seq] = header_bytes(EOF_PAYLOAD, self.client_seq());
        let [d, e, f, g, h] = eof(self.status & LASTING | more, 0);
        emit.insert(&[a, b, c, seq, d, e, f, g, h]);
        self.shift = self.shift.wrapping_add(1);
    }
}
