//! Where a session's own writes stand in its server's binary log, and how a replica is asked to wait for them.
//!
//! MySQL tells the GTIDs of a session's writes by a tracker of their own (`session_track_gtids`), MariaDB, where it writes a
//! binary log, by the variable `last_gtid`.

use thiserror::Error;

use crate::flavor::Flavor;

/// How many sources, or domains, a session may have written to.
const MOST: usize = 64;

/// A session's writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position(Vec<Part>);

/// Its writes of one source: MySQL's server, with a tag or without, or MariaDB's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// As it stands before the numbers: a UUID, and a tag behind a colon; or the number of the domain.
    source: Box<[u8]>,
    /// MariaDB's server.
    server: u32,
    /// The first of them.
    first: u64,
    /// The last.
    last: u64,
}

/// What a server has told is no GTID, or there are too many of them to be kept: where the session's writes stand is not
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("what the server tells of the session's writes makes no sense")]
pub struct Unreadable;

impl Position {
    /// Whether there are no writes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of what a server told of a write: on MySQL a set of GTIDs (`uuid:5`, `uuid:tag:5-7:9`), on MariaDB one
    /// (`0-1-5`).
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn note(&mut self, flavor: Flavor, told: &[u8]) -> Result<(), Unreadable> {
        let told = std::str::from_utf8(told).map_err(|_| Unreadable)?;
        match flavor {
            Flavor::MySql => told.split(',').try_for_each(|set| self.note_set(set.trim())),
            Flavor::MariaDb => self.note_last(told),
        }
    }

    /// One UUID's intervals. What others wrote between two of the session's own is waited for, too: replicas that apply in
    /// parallel need not keep the order.
    fn note_set(&mut self, set: &str) -> Result<(), Unreadable> {
        let mut fields = set.split(':');
        let uuid = fields.next().filter(|uuid| is_uuid(uuid)).ok_or(Unreadable)?;
        let (mut source, mut any) = (uuid.to_owned(), false);
        for field in fields.map(str::trim) {
            let (first, last) = field.split_once('-').unwrap_or((field, field));
            match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) if first <= last => {
                    self.add(source.as_bytes(), 0, first, last)?;
                    any = true;
                }
                _ if is_tag(field) => source = format!("{uuid}:{field}"),
                _ => return Err(Unreadable),
            }
        }
        if any { Ok(()) } else { Err(Unreadable) }
    }

    /// Within a domain a replica keeps the order.
    fn note_last(&mut self, gtid: &str) -> Result<(), Unreadable> {
        let mut fields = gtid.split('-');
        let (Some(domain), Some(server), Some(number), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Unreadable);
        };
        let domain: u32 = domain.parse().map_err(|_| Unreadable)?;
        let (server, number) = (server.parse().map_err(|_| Unreadable)?, number.parse().map_err(|_| Unreadable)?);
        self.add(domain.to_string().as_bytes(), server, number, number)
    }

    fn add(&mut self, source: &[u8], server: u32, first: u64, last: u64) -> Result<(), Unreadable> {
        let full = self.0.len() == MOST;
        match self.0.iter_mut().find(|part| *part.source == *source) {
            Some(part) => {
                (part.first, part.last) = (part.first.min(first), part.last.max(last));
                part.server = server;
            }
            None if full => return Err(Unreadable),
            None => self.0.push(Part { source: source.into(), server, first, last }),
        }
        Ok(())
    }

    /// Asks a replica to wait until it has all of them, for so many milliseconds at most. The answer is 0 where it has.
    #[must_use]
    pub fn question(&self, flavor: Flavor, milliseconds: u128) -> Vec<u8> {
        let parts: Vec<String> = self.0.iter().map(|part| part.show(flavor)).collect();
        let function = match flavor {
            Flavor::MySql => "WAIT_FOR_EXECUTED_GTID_SET",
            Flavor::MariaDb => "MASTER_GTID_WAIT",
        };
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        format!("SELECT CAST({function}('{}', {seconds}.{rest:03}) AS BINARY) LIMIT 1", parts.join(",")).into_bytes()
    }
}

impl Part {
    fn show(&self, flavor: Flavor) -> String {
        let Self { source, server, first, last } = self;
        let source = String::from_utf8_lossy(source);
        match flavor {
            Flavor::MySql => format!("{source}:{first}-{last}"),
            Flavor::MariaDb => format!("{source}-{server}-{last}"),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A letter or an underscore, and up to 31 of these or digits.
fn is_tag(text: &str) -> bool {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn asked(flavor: Flavor, told: &[&str]) -> String {
        let mut position = Position::default();
        assert!(position.is_empty());
        told.iter().for_each(|told| position.note(flavor, told.as_bytes()).unwrap());
        assert!(!position.is_empty());
        String::from_utf8(position.question(flavor, 1500)).unwrap()
    }

    #[test]
    fn a_mysql_is_asked_for_all_from_the_first_to_the_last() {
        let [one, more, tagged] = [
            format!("{UUID}:5"),
            format!("{UUID}:7-9:11"),
            format!("{UUID}:3:blue:1-2,\n{}:8", UUID.replace('3', "4")),
        ];
        let asked = asked(Flavor::MySql, &[&one, &more, &tagged]);
        let other = UUID.replace('3', "4");
        assert_eq!(
            asked,
            format!(
                "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET('{UUID}:3-11,{UUID}:blue:1-2,{other}:8-8', 1.500) AS BINARY) LIMIT 1"
            )
        );
    }

    #[test]
    fn a_mariadb_is_asked_for_the_last_of_each_domain() {
        assert_eq!(
            asked(Flavor::MariaDb, &["0-1-5", "7-1-2", "0-2-6"]),
            "SELECT CAST(MASTER_GTID_WAIT('0-2-6,7-1-2', 1.500) AS BINARY) LIMIT 1"
        );
    }

    #[test]
    fn what_is_no_gtid_is_refused() {
        for told in [
            "",
            "x:1",
            UUID,
            &format!("{UUID}:"),
            &format!("{UUID}:0x1"),
            &format!("{UUID}:5-3"),
            &format!("{UUID}:a'b:1"),
        ] {
            assert_eq!(Position::default().note(Flavor::MySql, told.as_bytes()), Err(Unreadable), "{told}");
        }
        for told in ["", "0-1", "0-1-2-3", "a-1-2", "0-1-'"] {
            assert_eq!(Position::default().note(Flavor::MariaDb, told.as_bytes()), Err(Unreadable), "{told}");
        }
        let mut many = Position::default();
        for domain in 0..64 {
            assert_eq!(many.note(Flavor::MariaDb, format!("{domain}-1-1").as_bytes()), Ok(()));
        }
        assert_eq!(many.note(Flavor::MariaDb, b"64-1-1"), Err(Unreadable));
    }
}
