//! Column names that texts give.

use crate::sql::mode::Mode;

/// The servers cut off longer names.
const LONGEST_NAME: usize = 250;

/// Writes ` AS` and the quoted name; `None` where the name could not be kept.
pub(super) fn write_alias(text: &[u8], mode: Mode, out: &mut Vec<u8>) -> Option<()> {
    let two_byte = mode.charset.is_multibyte() && !text.is_ascii();
    if text.len() > LONGEST_NAME || two_byte || text.contains(&0) {
        return None;
    }
    out.extend_from_slice(b" AS `");
    for &byte in text {
        if byte == b'`' {
            out.push(b'`');
        }
        out.push(byte);
    }
    out.push(b'`');
    Some(())
}
