//! `greenroom advise`: which pool mode suits each user and database, by a server's general query log.

mod json;
mod report;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use greenroom_protocol::advice::{Findings, Options, Study};
use greenroom_protocol::general_log::{Entry, Reader};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thiserror::Error;

use crate::explain::Dialect;
pub use report::Report;

/// Read at once, in bytes.
const PIECE: usize = 256 * 1024;

/// Which logs, and how they are looked at.
#[derive(Debug, Clone, Args)]
pub struct AdviseArgs {
    /// General query logs of MySQL or MariaDB, the oldest first; - is standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// As an endpoint with pinning = "strict" takes statements
    #[arg(long)]
    pub strict: bool,
    /// Whose dialect the statements are in; what the log looks like if not given
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub dialect: Option<Dialect>,
    /// How long statements take on average, which no general log tells
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = humantime::parse_duration)]
    pub statement_time: Duration,
}

/// Why there is no advice.
#[derive(Debug, Error)]
pub enum AdviseError {
    /// A log cannot be read.
    #[error("{log}{}: {cause}", place(*line, cause))]
    Unreadable {
        /// Its name.
        log: String,
        /// The line that could not be read to its end.
        line: u64,
        /// Why not.
        cause: io::Error,
    },
    /// It is something else.
    #[error(
        "{log}:{line}: this is no general query log: there is no line that begins with a time, a thread id and the name of a \
         command"
    )]
    Foreign {
        /// Its name.
        log: String,
        /// The first line that has anything.
        line: u64,
    },
}

/// Where in a log; nowhere, if it could not even be opened.
fn place(line: u64, cause: &io::Error) -> String {
    use io::ErrorKind::{IsADirectory, NotFound, PermissionDenied};
    if matches!(cause.kind(), NotFound | PermissionDenied | IsADirectory) { String::new() } else { format!(":{line}") }
}

/// What a log holds that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The log's name.
    pub log: String,
    /// Where.
    pub line: u64,
    /// What.
    pub what: String,
}

/// Reads the logs, with a progress bar where standard error is a terminal. What went wrong with one of them takes nothing
/// from what the others say.
#[must_use]
pub fn advise(args: &AdviseArgs) -> (Report, Vec<AdviseError>) {
    let bar = bar(&args.logs);
    let mode = args.dialect.map(Dialect::mode);
    let mut study = Study::new(Options { mode, strict: args.strict, statement_time: args.statement_time });
    let (mut remarks, mut errors) = (Vec::new(), Vec::new());
    for log in &args.logs {
        let mut reading = Reading::new(name(log), &mut study, &bar);
        let outcome = match log == Path::new("-") {
            true => reading.read(io::stdin().lock()),
            false => File::open(log).and_then(|file| reading.read(file)),
        };
        errors.extend(reading.finish(outcome, &mut remarks).err());
    }
    bar.finish_and_clear();
    (Report::new(args, study.finish(), remarks), errors)
}

/// One log, while it is read.
struct Reading<'a> {
    name: String,
    study: &'a mut Study,
    bar: &'a ProgressBar,
    reader: Reader,
    entries: u64,
    /// The latest time so far.
    latest: i64,
    /// How often an entry was far behind that, and the line of the first.
    setbacks: (u64, u64),
}

impl<'a> Reading<'a> {
    fn new(name: String, study: &'a mut Study, bar: &'a ProgressBar) -> Self {
        Self { name, study, bar, reader: Reader::new(), entries: 0, latest: i64::MIN, setbacks: (0, 0) }
    }

    fn read(&mut self, mut from: impl Read) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        let read = loop {
            match from.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    self.bar.inc(count as u64);
                    self.feed(piece.get(..count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.feed(None);
        read
    }

    /// Takes the next bytes in; `None`: there are no more.
    fn feed(&mut self, bytes: Option<&[u8]>) {
        let Self { study, reader, entries, latest, setbacks, .. } = self;
        let mut each = |entry: Entry<'_>| {
            *entries += 1;
            // Threads look at the clock before they get to write.
            if entry.at.saturating_add(SLACK) < *latest {
                *setbacks = (setbacks.0 + 1, if setbacks.0 == 0 { entry.line } else { setbacks.1 });
            }
            *latest = entry.at.max(*latest);
            study.note(&entry);
        };
        match bytes {
            Some(bytes) => reader.feed(bytes, &mut each),
            None => reader.finish(&mut each),
        }
    }

    fn finish(self, outcome: io::Result<()>, remarks: &mut Vec<Remark>) -> Result<(), AdviseError> {
        let (log, strays) = (self.name, self.reader.strays());
        if let Err(cause) = outcome {
            return Err(AdviseError::Unreadable { log, line: self.reader.line(), cause });
        }
        if strays.count > 0 && self.entries == 0 {
            return Err(AdviseError::Foreign { log, line: strays.first });
        }
        let mut remark = |line, what| remarks.push(Remark { log: log.clone(), line, what });
        if strays.count > 0 {
            remark(
                strays.first,
                format!("{} before the first entry: a statement's rest, left out", lines(strays.count)),
            );
        }
        if let (times @ 1.., line) = self.setbacks {
            remark(
                line,
                format!("the time goes back from here, in {times} entries: they count as of the latest time before"),
            );
        }
        Ok(())
    }
}

/// Entries of different threads may be out of order by this much, in microseconds.
const SLACK: i64 = 5_000_000;

/// How far it is, or how much has been read where a pipe does not say how much there is to come.
fn bar(logs: &[PathBuf]) -> ProgressBar {
    let size = size(logs);
    // Short enough for a narrow terminal: what wraps at its end is hard to take back.
    let template = if size.is_some() { "{wide_bar} {percent}%, {eta} left" } else { "{bytes} read" };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Bytes in all logs; `None` where one is no plain file. One that is not there has none.
fn size(logs: &[PathBuf]) -> Option<u64> {
    let path = |log: &PathBuf| if log == Path::new("-") { PathBuf::from("/dev/stdin") } else { log.clone() };
    let files = logs.iter().filter_map(|log| path(log).metadata().ok());
    files.map(|file| file.is_file().then_some(file.len())).sum()
}

fn name(log: &Path) -> String {
    if log == Path::new("-") { "standard input".to_owned() } else { log.display().to_string() }
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// Writes a report as it was asked for, and what could not be used.
///
/// # Errors
/// Nobody reads on.
pub fn tell(report: &Report, json: bool, mut out: impl Write, mut errors: impl Write) -> io::Result<()> {
    for Remark { log, line, what } in &report.remarks {
        writeln!(errors, "warning: {log}:{line}: {what}")?;
    }
    if json { writeln!(out, "{:#}", json::of(report)) } else { writeln!(out, "{report}") }
}

impl Report {
    fn new(args: &AdviseArgs, findings: Findings, remarks: Vec<Remark>) -> Self {
        let logs = args.logs.iter().map(|log| name(log)).collect();
        Self { logs, strict: args.strict, statement_time: args.statement_time, findings, remarks }
    }
}
