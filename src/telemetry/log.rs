//! The root logger, and what a panic leaves in the log.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use slog::{Drain, Level, Logger, Never, OwnedKVList, Record, crit, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_json::Json;
use slog_term::{FullFormat, PlainDecorator, TermDecorator};

use super::one_line::OneLine;

/// Events that may wait for a slow terminal or pipe; what comes on top is dropped and counted in the log itself.
const WAITING_EVENTS: usize = 8192;

/// Panics since the start, of whatever thread or actor.
pub const PANICS: &str = "greenroom_panics_total";

/// The words for levels, the most severe first.
pub const LEVELS: [(&str, Level); 6] = [
    ("critical", Level::Critical),
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

/// What the log is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Time, level, message and values, coloured on a terminal.
    Human,
    /// One JSON object: `ts` (RFC 3339, UTC), `level`, `msg` and the values.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

/// The least severe level that is written, which may change while the log runs.
#[derive(Debug, Clone)]
pub struct Threshold(Arc<AtomicUsize>);

impl Threshold {
    fn new(level: Level) -> Self {
        Self(Arc::new(AtomicUsize::new(level.as_usize())))
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_usize(self.0.load(Ordering::Relaxed)).unwrap_or(Level::Info)
    }

    /// From now on it is this one.
    pub fn set(&self, level: Level) {
        self.0.store(level.as_usize(), Ordering::Relaxed);
    }
}

/// The word for a level.
#[must_use]
pub fn word(level: Level) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("info", |(word, _)| word)
}

/// Lets through what is severe enough.
struct Sieve<D> {
    drain: D,
    threshold: Threshold,
}

impl<D: Drain> Drain for Sieve<D> {
    type Ok = Option<D::Ok>;
    type Err = D::Err;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<Self::Ok, Self::Err> {
        if !self.is_enabled(record.level()) {
            return Ok(None);
        }
        self.drain.log(record, values).map(Some)
    }

    fn is_enabled(&self, level: Level) -> bool {
        level.is_at_least(self.threshold.level())
    }
}

/// A running log. What still waits is written when this is dropped, so it is the last thing to go.
pub struct Log {
    /// The root of all loggers.
    pub logger: Logger,
    /// What it lets through.
    pub threshold: Threshold,
    _writer: AsyncGuard,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("logger", &self.logger).finish_non_exhaustive()
    }
}

/// Starts the log, on standard error. Events are written by a thread of its own: no worker waits for a terminal.
#[must_use]
pub fn start(settings: LogSettings) -> Log {
    match settings.format {
        Format::Human if io::stderr().is_terminal() && !is_plain_wanted() => {
            root(settings.level, human(TermDecorator::new().stderr().build()))
        }
        // Each line at once: while one process takes over from another, two write to the same file.
        Format::Human => root(settings.level, human(PlainDecorator::new(BufWriter::new(io::stderr())))),
        Format::Json => root(settings.level, json(io::stderr())),
    }
}

/// Whether the person at the terminal wants no colours anywhere: `NO_COLOR` is set, and not empty.
fn is_plain_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// From now on a panic is one line in the log and one more in [`PANICS`].
pub fn report_panics(logger: &Logger) {
    metrics::describe_counter!(PANICS, "Panics, each of which ended one session, connection or task");
    metrics::counter!(PANICS).absolute(0);
    let logger = logger.clone();
    panic::set_hook(Box::new(move |info| report(&logger, info)));
}

fn report(logger: &Logger, info: &PanicHookInfo<'_>) {
    metrics::counter!(PANICS).increment(1);
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    crit!(logger, "panic"; "what" => message(info), "at" => place, "thread" => thread);
}

/// The message, if it was fixed when Greenroom was compiled. One made at run time may quote a packet or a password.
fn message<'i>(info: &'i PanicHookInfo<'_>) -> &'i str {
    info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(a message made at run time, not shown)")
}

fn root<D>(level: Level, drain: D) -> Log
where
    D: Drain<Ok = (), Err = Never> + Send + 'static,
{
    let (writer, guard) = Async::new(drain)
        .chan_size(WAITING_EVENTS)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .thread_name("log".to_owned())
        .build_with_guard();
    // A log that cannot be written is no reason to end a session: errors are ignored, not passed on.
    let threshold = Threshold::new(level);
    let sieve = Sieve { drain: writer, threshold: threshold.clone() };
    Log { logger: Logger::root(sieve.ignore_res(), o!()), threshold, _writer: guard }
}

fn human<D: slog_term::Decorator>(decorator: D) -> impl Drain<Ok = (), Err = Never> {
    FullFormat::new(OneLine(decorator)).use_utc_timestamp().use_original_order().build().ignore_res()
}

/// Buffered, because the serialiser writes in small pieces; flushed after each event.
fn json<W: io::Write>(out: W) -> impl Drain<Ok = (), Err = Never> {
    Json::new(BufWriter::new(out)).set_newlines(true).set_flush(true).add_default_keys().build().ignore_res()
}

#[cfg(test)]
mod tests;
