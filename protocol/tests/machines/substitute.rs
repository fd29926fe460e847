//! Rewriting: everything but the calls stays as it is; a column whose call was replaced may get a name.

use std::collections::BTreeSet;

use greenroom_protocol::sql::{FoundRows, Known, Mode, substitute, substitute_several};

/// Values that no text holds by chance.
const KNOWN: Known = Known {
    row_count: Some(-7_777_777_777),
    found_rows: FoundRows::Rows(8_888_888_888),
    connection_id: Some(9_999_999_999),
};

/// A function's name, and what stands for its call on MySQL and on MariaDB.
const CALLS: [(&[u8], &[u8], &[u8]); 3] = [
    (b"ROW_COUNT", b"CAST('-00000000007777777777' AS SIGNED)", b"COALESCE(-7777777777,ROW_COUNT())"),
    (
        b"FOUND_ROWS",
        b"COALESCE(CAST('000000000008888888888' AS SIGNED),FOUND_ROWS())",
        b"COALESCE(8888888888,FOUND_ROWS())",
    ),
    (
        b"CONNECTION_ID",
        b"CAST('000000000009999999999' AS UNSIGNED)",
        b"COALESCE(CAST(9999999999 AS UNSIGNED),CONNECTION_ID())",
    ),
];

pub fn check(text: &[u8], mode: Mode) {
    let mut several = b"before".to_vec();
    if substitute_several(text, mode, &KNOWN, &mut several).changed {
        assert!(comes_from(&several[6..], text), "{}\n{}", text.escape_ascii(), several.escape_ascii());
    } else {
        assert_eq!(several, b"before", "what is not rewritten is left alone");
    }
    let mut out = b"before".to_vec();
    assert!(!substitute(text, mode, &Known::default(), &mut Vec::new()) || !text.is_empty());
    if !substitute(text, mode, &KNOWN, &mut out) {
        return assert_eq!(out, b"before", "what is not rewritten is left alone");
    }
    let rewritten = out.strip_prefix(b"before").expect("what was there stays");
    assert!(comes_from(rewritten, text), "{}\n{}", text.escape_ascii(), rewritten.escape_ascii());
    // Every column may take its text once more for a name, quotes doubled.
    assert!(rewritten.len() <= text.len() * 64 + 64);
}

/// Whether `out` is `text` with calls replaced and names added: tries every way to read it so.
fn comes_from(out: &[u8], text: &[u8]) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![(0, 0)]);
    while let Some((at, from)) = open.pop() {
        if at == out.len() && from == text.len() {
            return true;
        }
        if !seen.insert((at, from)) {
            continue;
        }
        if at < out.len() && out.get(at) == text.get(from) {
            open.push((at + 1, from + 1));
        }
        if let Some(name) = out[at..].strip_prefix(b" AS `") {
            // Where it ends is not sure: behind it may stand a quote that the text never closes.
            let quotes = name.iter().enumerate().filter(|(_, byte)| **byte == b'`');
            open.extend(quotes.map(|(end, _)| (out.len() - name.len() + end + 1, from)));
        }
        for (function, mysql, maria) in CALLS {
            let value = [mysql, maria].into_iter().find(|value| out[at..].starts_with(value));
            let named = text[from..].get(..function.len()).is_some_and(|name| name.eq_ignore_ascii_case(function));
            if let Some(value) = value.filter(|_| named) {
                let closing = text[from..].iter().enumerate().filter(|(_, byte)| **byte == b')');
                open.extend(closing.map(|(end, _)| (at + value.len(), from + end + 1)));
            }
        }
    }
    false
}
