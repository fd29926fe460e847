//! Where a session's own writes stand in its server's binary log, and how a replica is asked to wait for them.
//!
//! MySQL tells the GTIDs of a session's writes by a tracker of their own (`session_track_gtids`), MariaDB, where it writes a
//! binary log, by the variable `last_gtid`.

use thiserror::Error;

use crate::flavor::Flavor;

/// How many sources, or domains, a session may have written to.
const MOST: usize = 64;

/// How many intervals of numbers are kept of one source.
const MOST_INTERVALS: usize = 32;

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
    /// The first and the last of each interval, in order, none next to another. Of MariaDB's only the last number counts.
    intervals: Vec<(u64, u64)>,
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
    /// (`0-1-5`). Gives whether that is news.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn note(&mut self, flavor: Flavor, told: &[u8]) -> Result<bool, Unreadable> {
        let told = std::str::from_utf8(told).map_err(|_| Unreadable)?;
        match flavor {
            Flavor::MySql => {
                told.split(',').try_fold(false, |news, set| self.note_set(set.trim()).map(|more| news | more))
            }
            Flavor::MariaDb => self.note_last(told),
        }
    }

    /// One UUID's intervals. Not the last alone is waited for: replicas that apply in parallel need not keep the order. Nor what
    /// lies between, which may never come: members of a replication group number what they write from blocks of their own.
    fn note_set(&mut self, set: &str) -> Result<bool, Unreadable> {
        let mut fields = set.split(':');
        let uuid = fields.next().filter(|uuid| is_uuid(uuid)).ok_or(Unreadable)?;
        let (mut source, mut any, mut news) = (uuid.to_owned(), false, false);
        for field in fields.map(str::trim) {
            let (first, last) = field.split_once('-').unwrap_or((field, field));
            match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) if first <= last => {
                    news |= self.add(source.as_bytes(), 0, first, last)?;
                    any = true;
                }
                _ if is_tag(field) => source = format!("{uuid}:{field}"),
                _ => return Err(Unreadable),
            }
        }
        if any { Ok(news) } else { Err(Unreadable) }
    }

    /// Within a domain a replica keeps the order.
    fn note_last(&mut self, gtid: &str) -> Result<bool, Unreadable> {
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

    fn add(&mut self, source: &[u8], server: u32, first: u64, last: u64) -> Result<bool, Unreadable> {
        let full = self.0.len() == MOST;
        match self.0.iter_mut().find(|part| *part.source == *source) {
            Some(part) => Ok(part.add(server, first, last)),
            None if full => Err(Unreadable),
            None => {
                self.0.push(Part { source: source.into(), server, intervals: vec![(first, last)] });
                Ok(true)
            }
        }
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
    fn add(&mut self, server: u32, first: u64, last: u64) -> bool {
        let same = std::mem::replace(&mut self.server, server) == server;
        // What touches the new one becomes part of it.
        let begin = self.intervals.partition_point(|(_, last)| last.saturating_add(1) < first);
        let end = self.intervals.partition_point(|(first, _)| *first <= last.saturating_add(1));
        let touched = self.intervals.get(begin..end).unwrap_or_default();
        let first = touched.first().map_or(first, |(known, _)| first.min(*known));
        let last = touched.last().map_or(last, |(_, known)| last.max(*known));
        if same && touched == [(first, last)] {
            return false;
        }
        self.intervals.splice(begin..end, [(first, last)]);
        if self.intervals.len() > MOST_INTERVALS {
            self.close_a_gap();
        }
        true
    }

    /// Waits for what lies between two intervals as well: between those next to each other, where others have written just
    /// before. Blocks of numbers lie further apart.
    fn close_a_gap(&mut self) {
        let gaps = self.intervals.windows(2).enumerate().filter_map(|(at, pair)| match pair {
            [(_, last), (first, _)] => Some((first - last, at)),
            _ => None,
        });
        let Some((_, at)) = gaps.min() else { return };
        let (_, last) = self.intervals.remove(at + 1);
        if let Some(interval) = self.intervals.get_mut(at) {
            interval.1 = last;
        }
    }

    fn show(&self, flavor: Flavor) -> String {
        let Self { source, server, intervals } = self;
        let source = String::from_utf8_lossy(source);
        match flavor {
            Flavor::MySql => {
                let shown = intervals.iter().map(|(first, last)| format!(":{first}-{last}"));
                format!("{source}{}", shown.collect::<String>())
            }
            Flavor::MariaDb => {
                let last = intervals.last().map_or(0, |(_, last)| *last);
                format!("{source}-{server}-{last}")
            }
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
        for told in told {
            position.note(flavor, told.as_bytes()).unwrap();
        }
        assert!(!position.is_empty());
        String::from_utf8(position.question(flavor, 1500)).unwrap()
    }

    #[test]
    fn a_mysql_is_asked_for_the_very_writes() {
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
                "SELECT CAST(WAIT_FOR_EXECUTED_GTID_SET('{UUID}:3-3:5-5:7-9:11-11,{UUID}:blue:1-2,{other}:8-8', 1.500) AS BINARY) LIMIT 1"
            )
        );
    }

    fn intervals(told: impl IntoIterator<Item = u64>) -> String {
        let told: Vec<String> = told.into_iter().map(|number| format!("{UUID}:{number}")).collect();
        let asked = asked(Flavor::MySql, &told.iter().map(String::as_str).collect::<Vec<_>>());
        asked.split('\'').nth(1).unwrap().replacen(UUID, "", 1)
    }

    #[test]
    fn intervals_grow_together() {
        assert_eq!(intervals([5, 6, 7]), ":5-7");
        let mut position = Position::default();
        let news = [("5", true), ("5", false), ("4-6", true), ("5-6", false), ("6-7", true)];
        for (told, is_news) in news {
            assert_eq!(position.note(Flavor::MySql, format!("{UUID}:{told}").as_bytes()), Ok(is_news), "{told}");
        }
        assert_eq!(intervals([7, 5, 6]), ":5-7");
        assert_eq!(intervals([5, 9, 7]), ":5-5:7-7:9-9");
        assert_eq!(intervals([5, 9, 7, 6, 8]), ":5-9");
        assert_eq!(intervals([u64::MAX, u64::MAX - 1, 1]), format!(":1-1:{}-{}", u64::MAX - 1, u64::MAX));
        let (mut position, wide) = (Position::default(), format!("{UUID}:10-12:20-22:30,{UUID}:11-30"));
        position.note(Flavor::MySql, wide.as_bytes()).unwrap();
        assert!(String::from_utf8(position.question(Flavor::MySql, 0)).unwrap().contains(":10-30'"));
    }

    #[test]
    fn where_there_are_too_many_the_least_gap_is_closed_and_never_that_between_blocks() {
        // A session that writes by turns with others, before and after its primary was another.
        let blocks = [0, 1_000_000, 2_000_000];
        let told = blocks.into_iter().flat_map(|block| (1..=500).map(move |number| block + 2 * number));
        let shown = intervals(told);
        let shown: Vec<&str> = shown.split(':').skip(1).collect();
        assert_eq!(shown.len(), MOST_INTERVALS);
        for block in blocks {
            let of = shown.iter().filter(|one| {
                one.split('-').all(|at| at.parse::<u64>().unwrap().div_euclid(1_000_000) * 1_000_000 == block)
            });
            assert!(of.count() > 0, "{shown:?}");
        }
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
            assert_eq!(many.note(Flavor::MariaDb, format!("{domain}-1-1").as_bytes()), Ok(true));
        }
        assert_eq!(many.note(Flavor::MariaDb, b"64-1-1"), Err(Unreadable));
    }
}
