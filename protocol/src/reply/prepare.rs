//! The reply to a prepare: an OK of its own shape, parameter definitions, column definitions.

use mysql_common::{constants::StatusFlags, io::ParseBuf};

use super::{Emit, Notes, Phase, Prepared, Reply, Step, Violation, whole};
use crate::packet::{HEADER, Header};

impl Reply {
    pub(super) fn prepared(
        &mut self,
        head: Header,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        let Some(payload) = whole(head, emit, "prepare reply")? else { return Ok(Step::Wait) };
        let (prepared, definitions) = parse(payload).ok_or(Violation::Malformed("prepare reply"))?;
        if let Some(id) = self.statement
            && let Some(slot) = emit.rest_mut(HEADER + 5).last_chunk_mut::<4>()
        {
            *slot = id.to_le_bytes();
        }
        notes.summary.prepare = Some(prepared);
        notes.summary.warnings = prepared.warnings;
        self.phase = match prepared {
            Prepared { params: 0, columns: 0, .. } => Phase::Done,
            Prepared { params: 0, .. } if !definitions => Phase::StatementColumnsEnd,
            Prepared { columns, .. } if !definitions => Phase::ParamsEnd { columns, definitions },
            Prepared { params: 0, columns, .. } => Phase::StatementColumns { left: columns },
            Prepared { params, columns, .. } => Phase::Params { left: params, columns },
        };
        Ok(self.pass(head, emit))
    }

    pub(super) fn definition(&mut self, head: Header, emit: &mut Emit<'_>) -> Step {
        self.phase = match self.phase {
            Phase::Params { left, columns } if left > 1 => Phase::Params { left: left - 1, columns },
            Phase::Params { columns, .. } => Phase::ParamsEnd { columns, definitions: true },
            Phase::StatementColumns { left } if left > 1 => Phase::StatementColumns { left: left - 1 },
            _ => Phase::StatementColumnsEnd,
        };
        self.pass(head, emit)
    }

    /// Where a list of definitions has ended: an old client gets its EOF (measured: each list that is not empty has
    /// one). False anywhere else.
    #[inline]
    pub(super) fn between_definitions(&mut self, emit: &mut Emit<'_>) -> bool {
        self.phase = match self.phase {
            Phase::ParamsEnd { columns: 0, .. } | Phase::StatementColumnsEnd => Phase::Done,
            Phase::ParamsEnd { definitions: false, .. } => Phase::StatementColumnsEnd,
            Phase::ParamsEnd { columns, .. } => Phase::StatementColumns { left: columns },
            _ => return false,
        };
        if self.legacy {
            self.insert_eof(emit, StatusFlags::empty());
        }
        true
    }
}

/// 0x00, id, columns, parameters, a filler and the warnings, which very old servers leave out. With
/// `OPTIONAL_RESULTSET_METADATA` a last byte says whether definitions follow.
pub(crate) fn parse(payload: &[u8]) -> Option<(Prepared, bool)> {
    let mut rest = ParseBuf(payload.get(1..)?);
    let id = rest.checked_eat_u32_le()?;
    let columns = rest.checked_eat_u16_le()?;
    let params = rest.checked_eat_u16_le()?;
    let warnings = rest.checked_eat_u8().and_then(|_| rest.checked_eat_u16_le()).unwrap_or(0);
    Some((Prepared { id, columns, params, warnings }, rest.0 != [0]))
}
