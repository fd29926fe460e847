//! ERR packets, and MariaDB's progress reports in their guise.

use mysql_common::constants::StatusFlags;

use super::{Emit, Notes, Phase, Reply, ServerError, Step, Violation, whole};
use crate::packet::Header;

/// The error number of a progress report (MariaDB, with `MARIADB_CLIENT_PROGRESS`): the reply goes on after it.
const PROGRESS: u16 = 0xFFFF;

impl Reply {
    pub(super) fn error(
        &mut self,
        head: Header,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        let Some(payload) = whole(head, emit, "ERR")? else { return Ok(Step::Wait) };
        let error = parse(payload).ok_or(Violation::Malformed("ERR"))?;
        // An old client has seen the end of the columns before it sees a row fail, or hears how far the first has come.
        if self.phase == Phase::FirstRow && self.legacy {
            self.insert_eof(emit, StatusFlags::empty());
            self.phase = Phase::Rows;
        }
        if error.code == PROGRESS {
            return Ok(self.pass(head, emit));
        }
        notes.summary.error = Some(error);
        self.phase = Phase::Done;
        Ok(self.pass(head, emit))
    }
}

/// 0xFF, the number, and normally `#` with the SQLSTATE.
fn parse(payload: &[u8]) -> Option<ServerError> {
    let code = u16::from_le_bytes(*payload.get(1..)?.first_chunk()?);
    let marked = payload.get(3..).unwrap_or_default().strip_prefix(b"#");
    let state = marked.and_then(<[u8]>::first_chunk).copied().unwrap_or(*b"HY000");
    Some(ServerError { code, state })
}
