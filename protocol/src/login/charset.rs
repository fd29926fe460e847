//! Character sets that no client may have: in these not even ASCII is ASCII.

/// The character set of a collation id that servers refuse, at a login or a change of user, before they look at anything
/// else. The same on both (measured). Ids of more than one byte are left to the server.
#[must_use]
pub fn refused(collation: u16) -> Option<&'static str> {
    match collation {
        35 | 90 | 128..=151 | 159 => Some("ucs2"),
        54 | 55 | 101..=124 => Some("utf16"),
        56 | 62 => Some("utf16le"),
        60 | 61 | 160..=183 => Some("utf32"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::refused;

    /// How many collations of each `information_schema` lists, on MySQL 9.7.4 and MariaDB 10.11.14, with ids below 256.
    #[test]
    fn as_many_are_refused_as_there_are() {
        for (name, count) in [("ucs2", 27), ("utf16", 26), ("utf16le", 2), ("utf32", 26)] {
            assert_eq!((0..=u16::MAX).filter(|id| refused(*id) == Some(name)).count(), count, "{name}");
        }
        assert_eq!([0, 8, 33, 45, 63, 224, 255, 310, 2304].map(refused), [None; 9]);
    }
}
