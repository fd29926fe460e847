//! Query attributes: what stands before the text of a `COM_QUERY` where both sides have `CLIENT_QUERY_ATTRIBUTES`.

use mysql_common::constants::ColumnType;
use mysql_common::io::ParseBuf;

/// The block that says that there are none: no parameters, in one set.
pub const NONE: [u8; 2] = [0, 1];

/// `PARAMETER_COUNT_AVAILABLE`, of the flags of `COM_STMT_EXECUTE`.
const COUNTED: u8 = 8;

/// Types of texts.
const TEXTS: [ColumnType; 3] =
    [ColumnType::MYSQL_TYPE_VARCHAR, ColumnType::MYSQL_TYPE_VAR_STRING, ColumnType::MYSQL_TYPE_STRING];

/// Where the text begins in what follows the command byte. `None` where the block ends too soon, or is one that
/// MySQL refuses with error 1835.
#[must_use]
pub fn text_at(argument: &[u8]) -> Option<usize> {
    if argument.starts_with(&NONE) {
        return Some(NONE.len());
    }
    let mut rest = ParseBuf(argument);
    let count = usize::try_from(rest.checked_eat_lenenc_int()?).ok()?;
    let sets = rest.checked_eat_lenenc_int()?;
    if sets != 1 {
        return None;
    }
    values(&mut rest, count, |_, _, _| ())?;
    Some(argument.len() - rest.len())
}

/// The value of the attribute of that name before a text, where it is a text itself; of an argument of `COM_QUERY`.
#[must_use]
pub fn of_query<'a>(argument: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if argument.starts_with(&NONE) {
        return None;
    }
    let mut rest = ParseBuf(argument);
    let count = usize::try_from(rest.checked_eat_lenenc_int()?).ok()?;
    rest.checked_eat_lenenc_int()?;
    named(rest, count, name)
}

/// The same among the parameters of an argument of `COM_STMT_EXECUTE`, to a statement of `params` parameters. A client that
/// does not name the types again names no attributes either.
#[must_use]
pub fn of_execute<'a>(argument: &'a [u8], params: u16, name: &[u8]) -> Option<&'a [u8]> {
    if params == 0 && argument.get(4)? & COUNTED == 0 {
        return None;
    }
    let mut rest = ParseBuf(argument.get(9..)?);
    let count = match argument.get(4)? & COUNTED {
        0 => usize::from(params),
        _ => usize::try_from(rest.checked_eat_lenenc_int()?).ok()?,
    };
    named(rest, count, name)
}

fn named<'a>(mut rest: ParseBuf<'a>, count: usize, name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    values(&mut rest, count, |own, kind, mut value| {
        if found.is_none() && own == name && TEXTS.contains(&kind) {
            found = value.checked_eat_lenenc_str();
        }
    })?;
    found
}

/// Goes through nulls, types with names, and values; shows each that is not NULL, with what its value begins.
fn values<'a>(
    rest: &mut ParseBuf<'a>,
    count: usize,
    mut show: impl FnMut(&'a [u8], ColumnType, ParseBuf<'a>),
) -> Option<()> {
    let nulls = rest.checked_eat(count.div_ceil(8))?;
    // A block with values must name their types: there is no earlier one that has.
    if count > 0 && rest.checked_eat_u8()? != 1 {
        return None;
    }
    let mut kinds = *rest;
    for _ in 0..count {
        rest.checked_eat_u16_le()?;
        rest.checked_eat_lenenc_str()?;
    }
    for index in 0..count {
        let [kind, _] = kinds.checked_eat_u16_le()?.to_le_bytes();
        let name = kinds.checked_eat_lenenc_str()?;
        if nulls.get(index / 8)? & 1 << (index % 8) == 0 {
            let kind = ColumnType::try_from(kind).ok()?;
            show(name, kind, *rest);
            skip_value(rest, kind)?;
        }
    }
    Some(())
}

/// Passes over a value of that type, as the binary protocol writes it.
fn skip_value(rest: &mut ParseBuf<'_>, kind: ColumnType) -> Option<()> {
    use ColumnType as Kind;
    let size = match kind {
        Kind::MYSQL_TYPE_NULL => 0,
        Kind::MYSQL_TYPE_TINY => 1,
        Kind::MYSQL_TYPE_SHORT | Kind::MYSQL_TYPE_YEAR => 2,
        Kind::MYSQL_TYPE_LONG | Kind::MYSQL_TYPE_INT24 | Kind::MYSQL_TYPE_FLOAT => 4,
        Kind::MYSQL_TYPE_LONGLONG | Kind::MYSQL_TYPE_DOUBLE => 8,
        Kind::MYSQL_TYPE_DATE | Kind::MYSQL_TYPE_DATETIME | Kind::MYSQL_TYPE_TIMESTAMP | Kind::MYSQL_TYPE_TIME => {
            return rest.checked_eat_u8_str().map(drop);
        }
        _ => return rest.checked_eat_lenenc_str().map(drop),
    };
    rest.checked_eat(size).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{of_execute, of_query, text_at};

    #[test]
    fn the_text_is_found_behind_the_attributes() {
        assert_eq!(text_at(b"\0\x01SELECT 1"), Some(2));
        let one = b"\x01\x01\0\x01\xfe\0\x01k\x03valSELECT 1";
        assert_eq!(one.get(text_at(one).unwrap()..), Some(&b"SELECT 1"[..]));
        // NULL, a BIGINT, a TIME, a DOUBLE.
        let mut four = b"\x04\x01\x01\x01\xfd\0\x01a\x08\x80\x01b\x0b\0\0\x05\0\x01d12345678\x08abcdefgh".to_vec();
        four.extend(b"87654321DO 1");
        assert_eq!(four.get(text_at(&four).unwrap()..), Some(&b"DO 1"[..]));
    }

    #[test]
    fn an_attribute_is_found_by_its_name() {
        let mut four = b"\x04\x01\x01\x01\xfd\0\x01a\x08\x80\x01b\x0b\0\0\xfe\0\x01d12345678\x08abcdefgh".to_vec();
        four.extend(b"\x05valueDO 1");
        assert_eq!(of_query(&four, b"d"), Some(&b"value"[..]));
        assert_eq!(of_query(&four, b"a"), None, "it is NULL");
        assert_eq!(of_query(&four, b"b"), None, "it is a number");
        assert_eq!(of_query(&four, b"c"), None);
        assert_eq!(of_query(b"\0\x01SELECT 1", b"d"), None);
        // One parameter, a BIGINT, and an attribute behind it.
        let execute = b"\x07\0\0\0\x08\x01\0\0\0\x02\0\x01\x08\0\0\xfe\0\x01d12345678\x05value";
        assert_eq!(of_execute(execute, 1, b"d"), Some(&b"value"[..]));
        assert_eq!(of_execute(execute, 1, b""), None);
        assert_eq!(of_execute(b"\x07\0\0\0\0\x01\0\0\0", 0, b"d"), None);
    }

    #[test]
    fn what_the_server_refuses_and_what_is_cut_short_has_no_text() {
        for refused in [&b""[..], b"\0", b"\0\0SELECT 1", b"\0\x02SELECT 1", b"\x01\x01\0\0\xfe\0\x01k\x03val"] {
            assert_eq!(text_at(refused), None, "{}", refused.escape_ascii());
        }
        let one = b"\x01\x01\0\x01\xfe\0\x01k\x03val";
        assert!((0..one.len()).all(|cut| text_at(&one[..cut]).is_none()));
        assert_eq!(text_at(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_text_within_them_or_none(bytes: Vec<u8>) {
            prop_assert!(text_at(&bytes).is_none_or(|at| at <= bytes.len()));
            let _ = (of_query(&bytes, b"a"), of_execute(&bytes, 2, b""));
        }
    }
}
