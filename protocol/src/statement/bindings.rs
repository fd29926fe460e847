//! Where an execution names the types of its parameters. A client may leave them out after the first time; a server that
//! was not told must be.

use std::ops::Range;

use mysql_common::io::ParseBuf;

/// `PARAMETER_COUNT_AVAILABLE`, of the flags of `COM_STMT_EXECUTE`.
const COUNTED: u8 = 8;

/// `STMT_BULK_FLAG_CLIENT_SEND_TYPES`, of the flags of `COM_STMT_BULK_EXECUTE` (MariaDB).
const SENDS_TYPES: u8 = 128;

/// Where types stand, or would, in what follows the command byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings {
    /// The byte that says whether there are any, and with which bit.
    flag: (usize, u8),
    /// The types; empty where they were left out.
    types: Range<usize>,
}

impl Bindings {
    /// Finds them in an argument of `COM_STMT_EXECUTE` to a statement of `params` parameters. `attributed`: the client
    /// has `CLIENT_QUERY_ATTRIBUTES`. The outer `None`: nobody can tell where they are, the inner one: there are none.
    #[must_use]
    pub fn of_execute(argument: &[u8], params: u16, attributed: bool) -> Option<Option<Self>> {
        let counted = argument.get(4)? & COUNTED != 0;
        if params == 0 && !(attributed && counted) {
            return Some(None);
        }
        let mut rest = ParseBuf(argument.get(9..)?);
        // Where there are parameters their number comes whatever the flag says: Connector/Python sets it only beside attributes,
        // and MySQL reads both alike (measured).
        let count = match attributed {
            true => usize::try_from(rest.checked_eat_lenenc_int()?).ok()?,
            false => usize::from(params),
        };
        if count == 0 {
            return Some(None);
        }
        // Attributes come along: what types the server has been told of by them is anybody's guess.
        if count != usize::from(params) {
            return None;
        }
        rest.checked_eat(count.div_ceil(8))?;
        let flag = argument.len() - rest.len();
        let mut end = flag + 1;
        // MySQL takes any but 0 for a yes, MariaDB refuses all but 0 and 1 (measured).
        if rest.checked_eat_u8()? != 0 {
            for _ in 0..count {
                rest.checked_eat_u16_le()?;
                if attributed {
                    rest.checked_eat_lenenc_str()?;
                }
            }
            end = argument.len() - rest.len();
        }
        Some(Some(Self { flag: (flag, 1), types: flag + 1..end }))
    }

    /// The same of `COM_STMT_BULK_EXECUTE`.
    #[must_use]
    pub fn of_bulk(argument: &[u8], params: u16) -> Option<Option<Self>> {
        let flags = *argument.get(4)?;
        let types = if flags & SENDS_TYPES == 0 { 0 } else { usize::from(params) * 2 };
        argument.get(6..6 + types)?;
        Some(Some(Self { flag: (4, SENDS_TYPES), types: 6..6 + types }))
    }

    /// The types, as they stand in the argument.
    #[must_use]
    pub fn types<'a>(&self, argument: &'a [u8]) -> Option<&'a [u8]> {
        argument.get(self.types.clone()).filter(|types| !types.is_empty())
    }

    /// The first value, where it is a whole number that is not negative, or a text that names one. `types`: those in force.
    #[must_use]
    pub fn first_number(&self, argument: &[u8], types: &[u8]) -> Option<u64> {
        use mysql_common::constants::ColumnType as Kind;
        let is_null = argument.get(9)? & 1 != 0;
        let mut values = ParseBuf(argument.get(self.types.end..).filter(|_| !is_null)?);
        match Kind::try_from(*types.first()?).ok()? {
            Kind::MYSQL_TYPE_TINY => values.checked_eat_u8().map(u64::from),
            Kind::MYSQL_TYPE_SHORT => values.checked_eat_u16_le().map(u64::from),
            Kind::MYSQL_TYPE_LONG | Kind::MYSQL_TYPE_INT24 => values.checked_eat_u32_le().map(u64::from),
            Kind::MYSQL_TYPE_LONGLONG => values.checked_eat_u64_le(),
            Kind::MYSQL_TYPE_VARCHAR | Kind::MYSQL_TYPE_VAR_STRING | Kind::MYSQL_TYPE_STRING => {
                std::str::from_utf8(values.checked_eat_lenenc_str()?).ok()?.parse().ok()
            }
            _ => None,
        }
    }

    /// Writes the argument with the types put in.
    pub fn insert(&self, argument: &[u8], types: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let (before, behind) = argument.split_at(self.types.start.min(argument.len()));
        out.extend_from_slice(before);
        if let Some(flags) = out.get_mut(start + self.flag.0) {
            *flags |= self.flag.1;
        }
        out.extend_from_slice(types);
        out.extend_from_slice(behind);
    }
}
