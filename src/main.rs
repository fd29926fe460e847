//! Greenroom's service binary: understand the command line, load, start, end with the right code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use greenroom::advise::{self, AdviseArgs};
use greenroom::cli::{Cli, DemoArgs, ExplainArgs, Task};
use greenroom::config::{self, ConfigErrors, Loaded, Sources, Summary};
use greenroom::demo::{self, DemoOptions};
use greenroom::explain::Explanation;
use greenroom::telemetry::log::{Format, LogSettings};
use greenroom::{handover, manual, service, telemetry};
use slog::{Level, error, info, warn};

/// Could not start, or ended in failure.
const FAILED: u8 = 1;

/// A statement that was to be explained pins, or may.
const PINS: u8 = 2;

/// Wrong arguments or configuration (`EX_USAGE` of sysexits.h).
const WRONG: u8 = 64;

fn main() -> ExitCode {
    if let Some(ended) = handover::start() {
        return started(ended);
    }
    match Cli::try_parse() {
        Ok(cli) => perform(cli.into_task()),
        Err(refusal) => {
            // Help and version come this way too, for standard output. Where nobody reads, nothing is lost.
            let _ = refusal.print();
            if refusal.use_stderr() { ExitCode::from(WRONG) } else { ExitCode::SUCCESS }
        }
    }
}

fn perform(task: Task) -> ExitCode {
    match task {
        Task::Run(sources) => with_configuration(sources, run),
        Task::Check { sources, print } => with_configuration(sources, |loaded, _| check(&loaded, print)),
        Task::Explain(args) => explain(&args),
        Task::Advise(args) => advise(&args),
        Task::Demo(args) => ended(demonstrate(&args)),
        Task::Man(command) => print_manual(command.as_deref()),
        Task::Completions(shell) => print(&manual::completions(shell)),
    }
}

fn with_configuration(sources: Sources, then: impl FnOnce(Loaded, Sources) -> ExitCode) -> ExitCode {
    match config::load(&sources) {
        Ok(loaded) => then(loaded, sources),
        Err(errors) => refuse(&errors),
    }
}

fn run(loaded: Loaded, sources: Sources) -> ExitCode {
    let inherited = handover::inherited();
    let log = telemetry::log::start(loaded.log);
    info!(log.logger, "greenroom starts"; "version" => env!("CARGO_PKG_VERSION"), "pid" => std::process::id());
    for warning in &loaded.warnings {
        warn!(log.logger, "configuration: {warning}");
    }
    let threshold = log.threshold.clone();
    match inherited.and_then(|inherited| service::run(loaded, sources, inherited, log.logger.clone(), threshold)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(log.logger, "greenroom failed"; "reason" => format!("{failure:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn check(loaded: &Loaded, print: bool) -> ExitCode {
    for warning in &loaded.warnings {
        say(io::stderr(), &format!("warning: {warning}\n"));
    }
    for key in loaded.effective.iter().filter(|_| print) {
        say(io::stdout(), &format!("{} = {}  # {}\n", key.key, key.value, key.source));
    }
    say(io::stdout(), &format!("{}configuration is valid\n", Summary(loaded)));
    ExitCode::SUCCESS
}

fn explain(args: &ExplainArgs) -> ExitCode {
    let all: Vec<_> =
        args.statements.iter().map(|statement| Explanation::of(statement, args.dialect, args.strict)).collect();
    for explanation in &all {
        say(io::stdout(), &explanation.to_string());
    }
    if all.iter().any(Explanation::pins) { ExitCode::from(PINS) } else { ExitCode::SUCCESS }
}

fn advise(args: &AdviseArgs) -> ExitCode {
    let (report, errors) = advise::advise(args);
    // Where nobody reads, nothing is lost.
    let _ = advise::tell(&report, args.json, io::stdout(), io::stderr());
    for error in &errors {
        say(io::stderr(), &format!("error: {error}\n"));
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn refuse(errors: &ConfigErrors) -> ExitCode {
    for problem in errors.problems() {
        say(io::stderr(), &format!("error: {problem}\n"));
    }
    let count = errors.problems().len();
    say(io::stderr(), &format!("{count} {} in the configuration\n", if count == 1 { "error" } else { "errors" }));
    ExitCode::from(WRONG)
}

fn demonstrate(args: &DemoArgs) -> anyhow::Result<()> {
    // The demonstration tells its own story; the log is for what goes wrong.
    let log = telemetry::log::start(LogSettings { level: Level::Warning, format: Format::Human });
    let options = DemoOptions {
        seconds: args.seconds,
        clients: args.clients as usize,
        backends: args.backends,
        port: args.port,
        serve: !args.once,
    };
    demo::run(options, |plan| demo::proxy::start(plan, log.logger.clone()))
}

/// A starter ends as the process that it has started.
fn started(ended: anyhow::Result<Option<i32>>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)),
        Err(failure) => self::ended(Err(failure)),
    }
}

fn print_manual(command: Option<&str>) -> ExitCode {
    match manual::page(command) {
        Ok(Some(page)) => print(&page),
        Ok(None) => {
            let known = manual::commands().join(", ");
            say(io::stderr(), &format!("error: {}: no such command; there are {known}\n", command.unwrap_or_default()));
            ExitCode::from(WRONG)
        }
        Err(error) => ended(Err(error.into())),
    }
}

fn print(bytes: &[u8]) -> ExitCode {
    // A closed pipe is no failure of ours.
    let _ = io::stdout().write_all(bytes);
    ExitCode::SUCCESS
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(io::stderr(), &format!("error: {failure:#}\n"));
            ExitCode::from(FAILED)
        }
    }
}

/// Writes to whoever reads; a closed pipe is no failure of ours.
fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
