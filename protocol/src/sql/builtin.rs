//! Names that never call a stored function when a parenthesis follows: the servers' own functions and keywords.
//!
//! Measured: every keyword, function and help topic of MySQL 9.7 and MariaDB 10.11 was called, and the names are
//! kept that the server did not take for an unknown function. A missing name only makes the proxy careful.

use super::mode::Mode;

/// Whether the unquoted, unqualified `name` before a parenthesis is the server's own.
#[must_use]
pub fn is_builtin(name: &[u8], mode: &Mode) -> bool {
    let Ok(at) = NAMES.binary_search_by(|entry| compare(entry.name(), name)) else {
        return false;
    };
    match NAMES[at].whose {
        b'b' => true,
        b'a' => mode.is_mariadb(),
        b'y' => !mode.is_mariadb(),
        b'n' => !mode.is_mariadb() && mode.server_version >= WORDS_OF_MYSQL,
        b'm' => mode.is_mariadb() || mode.server_version >= WORDS_OF_MYSQL,
        _ => mode.is_mariadb() || mode.server_version < HASHES_LEFT_MYSQL,
    }
}

/// Since when `MD5` and `SHA1` are no part of the MySQL server itself.
const HASHES_LEFT_MYSQL: u32 = 90_600;

/// The MySQL whose keywords were measured. Those that came after 8.0.11 name a user's function on a MySQL that does not have
/// them yet, and are no function of the server's on any.
const WORDS_OF_MYSQL: u32 = 90_700;

/// One line of the list: where its name stands, and whose it is (`b`oth, m`y`sql, m`a`riadb, `o`lder mysql and mariadb,
/// `n`ewer mysql, `m`ariadb and newer mysql).
#[derive(Clone, Copy)]
struct Entry {
    at: u16,
    len: u8,
    whose: u8,
}

impl Entry {
    fn name(self) -> &'static [u8] {
        let at = usize::from(self.at);
        LIST.get(at..at + usize::from(self.len)).unwrap_or_default()
    }
}

/// Sorted by byte, one name a line.
static LIST: &[u8] = include_bytes!("builtins.txt");
static NAMES: [Entry; count_lines(LIST)] = parse(LIST);

fn compare(entry: &[u8], name: &[u8]) -> std::cmp::Ordering {
    entry.iter().copied().cmp(name.iter().map(u8::to_ascii_lowercase))
}

const fn count_lines(list: &[u8]) -> usize {
    let (mut at, mut lines) = (0, 0);
    while at < list.len() {
        lines += (list[at] == b'\n') as usize;
        at += 1;
    }
    lines
}

const fn parse<const N: usize>(list: &[u8]) -> [Entry; N] {
    let mut names = [Entry { at: 0, len: 0, whose: 0 }; N];
    let (mut line, mut start, mut at) = (0, 0, 0);
    while at < list.len() {
        if list[at] == b'\n' {
            names[line] = Entry { at: start as u16, len: (at - start - 2) as u8, whose: list[at - 1] };
            (line, start) = (line + 1, at + 1);
        }
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::mode::Flavor;

    #[test]
    fn the_list_is_sorted() {
        assert!(NAMES.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        assert!(NAMES.len() > 1200);
    }

    #[test]
    fn each_server_knows_its_own() {
        let (mysql, maria) = (Mode::new(Flavor::MySql, 90704), Mode::new(Flavor::MariaDb, 101_119));
        for name in ["count", "Now", "VALUES", "json_arrayagg", "zerofill", "abs"] {
            assert!(is_builtin(name.as_bytes(), &mysql) && is_builtin(name.as_bytes(), &maria), "{name}");
        }
        assert!(is_builtin(b"uuid_to_bin", &mysql) && !is_builtin(b"uuid_to_bin", &maria));
        assert!(is_builtin(b"nvl2", &maria) && !is_builtin(b"nvl2", &mysql));
        assert!(is_builtin(b"md5", &maria) && !is_builtin(b"md5", &mysql));
        assert!(is_builtin(b"md5", &Mode::new(Flavor::MySql, 80040)));
        let older = Mode::new(Flavor::MySql, 80_400);
        for name in ["validate", "policy", "url", "library", "header"] {
            assert!(is_builtin(name.as_bytes(), &mysql) && !is_builtin(name.as_bytes(), &older), "{name}");
        }
        assert!(is_builtin(b"replica", &mysql) && is_builtin(b"replica", &maria) && !is_builtin(b"replica", &older));
        assert!(!is_builtin(b"my_func", &mysql) && !is_builtin(b"", &mysql));
    }
}
