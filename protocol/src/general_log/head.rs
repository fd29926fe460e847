//! The first line of an entry: time, thread, command.

use super::Deed;

/// How a log writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `2026-11-27T17:40:15.123456Z`, with every entry.
    Iso,
    /// `261127 17:40:15`, where the second is another one.
    Compact,
}

/// An entry's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// `None` where it goes by the entry before.
    pub(super) at: Option<i64>,
    pub(super) style: Option<Style>,
    pub(super) thread: u64,
    pub(super) deed: Deed,
}

/// What the start of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// An entry begins; its text begins so far into the line.
    Head { head: Head, text: usize },
    /// What servers write when they open a log.
    Banner { mariadb: bool },
    /// Anything else.
    Text,
}

impl Style {
    /// In microseconds.
    pub(super) const fn resolution(self) -> i64 {
        match self {
            Self::Iso => 1,
            Self::Compact => 1_000_000,
        }
    }
}

/// The names of commands, in the letters of both servers, and what they are here.
const DEEDS: [(&str, Deed); 42] = [
    ("Query", Deed::Query),
    ("Execute", Deed::Execute),
    ("Prepare", Deed::Prepare),
    ("Close stmt", Deed::CloseStatement),
    ("Connect", Deed::Connect),
    ("Quit", Deed::Quit),
    ("Init DB", Deed::InitDb),
    ("Statistics", Deed::Statistics),
    ("Field List", Deed::FieldList),
    ("Change user", Deed::ChangeUser),
    ("Reset connection", Deed::Reset),
    ("Reset Connection", Deed::Reset),
    ("Register Slave", Deed::Replication),
    ("Register Replica", Deed::Replication),
    ("Binlog Dump", Deed::Replication),
    ("Binlog Dump GTID", Deed::Replication),
    ("Table Dump", Deed::Replication),
    ("Bulk_execute", Deed::Execute),
    ("Bulk Execute", Deed::Execute),
    ("Sleep", Deed::Other),
    ("Create DB", Deed::Other),
    ("Drop DB", Deed::Other),
    ("Refresh", Deed::Other),
    ("Shutdown", Deed::Other),
    ("Processlist", Deed::Other),
    ("Kill", Deed::Other),
    ("Debug", Deed::Other),
    ("Ping", Deed::Other),
    ("Time", Deed::Other),
    ("Delayed insert", Deed::Other),
    ("Connect Out", Deed::Other),
    ("Long Data", Deed::Other),
    ("Reset stmt", Deed::Other),
    ("Set option", Deed::Other),
    ("Fetch", Deed::Other),
    ("Daemon", Deed::Other),
    ("Error", Deed::Other),
    ("Unimpl get tid", Deed::Other),
    ("Slave_worker", Deed::Other),
    ("Slave_IO", Deed::Other),
    ("Slave_SQL", Deed::Other),
    ("clone", Deed::Other),
];

/// What a line is that starts so, in a log that writes times in this way, if that is known yet.
pub(super) fn find(line: &[u8], style: Option<Style>) -> Found {
    if let Some(mariadb) = banner(line) {
        return Found::Banner { mariadb };
    }
    head(line, style).map_or(Found::Text, |(head, text)| Found::Head { head, text })
}

/// The three lines at the beginning of a log; whether the first names MariaDB.
fn banner(line: &[u8]) -> Option<bool> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let has = |part: &[u8]| memchr::memmem::find(line, part).is_some();
    let started = has(b", Version: ") && line.ends_with(b"started with:");
    let columns = line.starts_with(b"Time ") || line.starts_with(b"Time\t");
    let columns = columns && has(b"Id Command") && line.trim_ascii_end().ends_with(b"Argument");
    (started || columns).then(|| has(b"MariaDB"))
}

fn head(line: &[u8], style: Option<Style>) -> Option<(Head, usize)> {
    let (at, found, time) = match style {
        Some(Style::Iso) => iso(line)?,
        Some(Style::Compact) => compact(line).or_else(|| same_second(line))?,
        None => iso(line).or_else(|| compact(line))?,
    };
    let rest = line.get(time..)?;
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let digits = rest.get(blanks..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let thread = number(rest.get(blanks..blanks + digits)?)?;
    let named = rest.get(blanks + digits..)?.strip_prefix(b" ")?;
    let tab = memchr::memchr(b'\t', named)?;
    let name = named.get(..tab)?;
    let known = DEEDS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, deed)| *deed);
    // A server may know more commands than these.
    let like_one = name.len() > 2 && name.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'_'));
    let deed = known.or((at.is_some() && like_one).then_some(Deed::Other))?;
    let head = Head { at, style: found, thread, deed };
    Some((head, time + blanks + digits + 1 + tab + 1))
}

/// A time, how it is written, and how many bytes it takes.
type Time = (Option<i64>, Option<Style>, usize);

/// MariaDB: the time is that of the entry before.
fn same_second(line: &[u8]) -> Option<Time> {
    line.starts_with(b"\t").then_some((None, None, 1))
}

fn iso(line: &[u8]) -> Option<Time> {
    let tab = memchr::memchr(b'\t', line.get(..40.min(line.len()))?)?;
    let time = line.get(..tab)?;
    let (date, clock) = (time.get(..10)?, time.get(11..19)?);
    let day = match date {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => {
            days(number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?
        }
        _ => return None,
    };
    let seconds = clock_of(clock)?;
    if time.get(10) != Some(&b'T') {
        return None;
    }
    let rest = time.get(19..)?;
    let fraction =
        rest.strip_prefix(b".").map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let micros = match fraction {
        0 => 0,
        1..=6 => number(rest.get(1..=fraction)?)? as i64 * 10_i64.pow(6 - fraction as u32),
        _ => return None,
    };
    let zone = rest.get(if fraction > 0 { fraction + 1 } else { 0 }..)?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[*h1, *h2])? as i64 * 60 + number(&[*m1, *m2])? as i64;
            if *sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        _ => return None,
    };
    Some((Some((day * 86_400 + seconds - offset) * 1_000_000 + micros), Some(Style::Iso), tab))
}

fn compact(line: &[u8]) -> Option<Time> {
    let (date, clock) = (line.get(..6)?, line.get(7..15)?);
    if line.get(6) != Some(&b' ') || line.get(15) != Some(&b'\t') {
        return None;
    }
    let [y1, y2, m1, m2, d1, d2] = date else { return None };
    let day = days(2000 + number(&[*y1, *y2])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?;
    Some((Some((day * 86_400 + clock_of(clock)?) * 1_000_000), Some(Style::Compact), 15))
}

/// Seconds since midnight.
fn clock_of(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    // MariaDB writes a blank before an hour of one digit.
    let hour = number(&[if *h1 == b' ' { b'0' } else { *h1 }, *h2])?;
    let (minute, second) = (number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    (hour < 24 && minute < 60 && second < 61).then_some((hour * 3600 + minute * 60 + second) as i64)
}

/// Days since 1970-01-01, in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    let before = 365 * year + year / 4 - year / 100 + year / 400;
    Some((before + in_year) as i64 - 719_468)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
