//! The advice as people read it.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use greenroom_protocol::advice::{Advice, Findings, Group, PINNED, Pool, Suspect, Why, decide};

use super::Remark;

/// Statements that pin which are shown of a user and database.
const SHOWN: usize = 10;

/// What logs have shown.
#[derive(Debug, Clone)]
pub struct Report {
    /// The logs' names.
    pub logs: Vec<String>,
    /// As `pinning = "strict"` pins.
    pub strict: bool,
    /// What a statement was taken to last.
    pub statement_time: Duration,
    /// What was found.
    pub findings: Findings,
    /// What could not be used.
    pub remarks: Vec<Remark>,
}

/// A moment of a log, as logs write it.
pub(super) fn moment(micros: i64) -> String {
    let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// A time to a precision that people can use.
pub(super) fn short(time: Duration) -> String {
    let step = if time >= Duration::from_secs(10) { 1_000_000_000 } else { 1_000_000 };
    let nanos = time.as_nanos() / step * step;
    humantime::format_duration(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))).to_string()
}

pub(super) fn user(group: &Group) -> String {
    match &group.user {
        _ if group.is_rest => "(others)".to_owned(),
        Some(user) => String::from_utf8_lossy(user).into_owned(),
        None => "(logged in before)".to_owned(),
    }
}

pub(super) fn database(group: &Group) -> String {
    String::from_utf8_lossy(&group.database).into_owned()
}

impl Report {
    /// What of the advice hangs on what a log cannot tell.
    pub(super) fn limits(&self) -> Vec<String> {
        let Findings { unended, cut, .. } = self.findings;
        let time = short(self.statement_time);
        let mut limits = vec![
            format!(
                "How long statements take: the log has only their beginnings. Sizes are an estimate for {time} each \
                 (--statement-time), and beside it for ten times that; inside transactions the log tells the time between \
                 statements. Whether statements are slow was not judged."
            ),
            "Errors and warnings, which keep a session on its connection until its next statement, and what triggers, views \
             and routines do: a statement that runs a routine is shown as one that may pin."
                .to_owned(),
            "Clients that left without a word: a connection without a Quit counts as there until the log's end.".to_owned(),
        ];
        if unended > 0 {
            limits.push(format!("{unended} connections have no end in this log."));
        }
        if cut > 0 {
            limits.push(format!("{cut} statements are longer than 1 MiB: what stands behind that was not read."));
        }
        limits
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { span, entries, groups, all, .. } = &self.findings;
        let Some((from, to)) = span else { return write!(f, "{}: no entries", self.logs.join(", ")) };
        let observed = short(all.traffic.observed);
        writeln!(
            f,
            "{}: {entries} entries, {} to {} ({observed})\n",
            self.logs.join(", "),
            moment(*from),
            moment(*to)
        )?;
        table(f, groups, all)?;
        for group in groups {
            section(f, group, self.strict)?;
        }
        writeln!(f, "\nWhat a general log does not tell")?;
        for (index, limit) in self.limits().iter().enumerate() {
            let end = if index + 1 < self.limits().len() { "\n" } else { "" };
            write!(f, "  - {limit}{end}")?;
        }
        Ok(())
    }
}

fn table(f: &mut fmt::Formatter<'_>, groups: &[Group], all: &Group) -> fmt::Result {
    let head = ["user", "database", "pool", "size", "connections", "at once", "median life", "statements", "pinned"];
    let mut rows = vec![head.map(str::to_owned)];
    let everything = (groups.len() > 1).then_some(all);
    rows.extend(groups.iter().map(|group| row(group, user(group))));
    rows.extend(everything.map(|all| row(all, "(all)".to_owned())));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(group: &Group, user: String) -> [String; 9] {
    let traffic = &group.traffic;
    let pool = decide(traffic).pool;
    // Other pools have as many as there are sessions.
    let size = if pool == Pool::Transaction { traffic.size.to_string() } else { "-".to_owned() };
    [
        user,
        database(group),
        pool.name().to_owned(),
        size,
        traffic.connections.to_string(),
        traffic.peak_connections.to_string(),
        short(traffic.median_life),
        traffic.statements.to_string(),
        format!("{} of {}", traffic.pinned, traffic.sessions),
    ]
}

fn section(f: &mut fmt::Formatter<'_>, group: &Group, strict: bool) -> fmt::Result {
    let (traffic, Advice { pool, why }) = (&group.traffic, decide(&group.traffic));
    let (user, database) = (user(group), database(group));
    let on = if database.is_empty() { String::new() } else { format!(" on {database}") };
    writeln!(f, "\n{user}{on}: pool = \"{}\"\n  {why}", pool.name())?;
    if traffic.statements == 0 {
        return Ok(());
    }
    let (size, most, slow) = (traffic.size, traffic.most, group.size_if_slow);
    writeln!(
        f,
        "  a transaction pool would need {size} server connections (99 of 100 leases find no more out; at most {most}), {slow} \
         if statements take ten times as long"
    )?;
    if group.maybe_pinned > 0 && !matches!(why, Why::Statistics { .. }) {
        writeln!(f, "  routines may pin {} sessions more; from {PINNED} % on the advice changes", group.maybe_pinned)?;
    }
    let suspects = group.suspects.list();
    for suspect in suspects.iter().take(SHOWN) {
        pin(f, suspect, strict)?;
    }
    if suspects.len() > SHOWN {
        writeln!(f, "  and {} more that pin (--json has them all)", suspects.len() - SHOWN)?;
    }
    Ok(())
}

fn pin(f: &mut fmt::Formatter<'_>, suspect: &Suspect, strict: bool) -> fmt::Result {
    let Suspect { reason, may, shape, count } = suspect;
    let (does, shape) = (if *may { "may pin" } else { "pins" }, if shape.is_empty() { "(various)" } else { shape });
    let (until, remedy) = (reason.until(strict), reason.remedy());
    // A statement may have lines; here it has one.
    let shape = shape.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(f, "  {does}, {count} times: {shape}\n    why: {reason}, {until}\n    instead: {remedy}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{moment, short};

    #[test]
    fn times_are_for_people() {
        assert_eq!(moment(1_795_801_215_123_456), "2026-11-27 17:40:15");
        assert_eq!(short(Duration::from_millis(83_400)), "1m 23s");
        assert_eq!(short(Duration::from_micros(1_234_567)), "1s 234ms");
        assert_eq!(short(Duration::ZERO), "0s");
    }
}
