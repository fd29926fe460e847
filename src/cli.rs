//! The command line.

use std::env;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::advise::AdviseArgs;
use crate::config::Sources;
use crate::explain::Dialect;
use crate::telemetry::log::{Format, LEVELS};

/// A connection-pooling proxy for MySQL and MariaDB.
///
/// Applications connect to Greenroom as if it were the server. Greenroom keeps few server connections busy on behalf
/// of many clients. Without any configuration it listens on 127.0.0.1:6033 in front of the server on 127.0.0.1:3306.
#[derive(Parser)]
#[command(name = "greenroom", version, long_version = BUILD, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients until told to stop (this is what happens without a command)
    ///
    /// SIGTERM and SIGINT let open transactions finish, then end the process; a second one ends it at once. SIGHUP reads
    /// the configuration again. SIGUSR2 starts a new process that takes the listening sockets over.
    Run(Options),
    /// Check the configuration, show what it comes to, and end
    ///
    /// Ends with 0 if the configuration is valid. Otherwise every mistake is listed with its file, line and key,
    /// and the exit code is 64. Nothing is opened and no server is contacted. Passwords are not shown.
    Check(CheckArgs),
    /// Say whether statements pin in a transaction pool, why, for how long, and what to write instead
    ///
    /// By their texts alone: triggers, views and routines of a server are not looked at. Ends with 0 if none of them pins,
    /// with 2 if one does, or may.
    Explain(ExplainArgs),
    /// Recommend a pool mode for each user and database, by a server's general query log
    ///
    /// Says why, how many server connections a transaction pool would need, and which statements pin. Reads logs of any
    /// size, of MySQL from 5.7 on and of MariaDB. Ends with 0 if there is advice, with 1 if a log cannot be read or is
    /// something else.
    Advise(AdviseArgs),
    /// Show Greenroom at work: many clients on few server connections, on this machine alone
    Demo(DemoArgs),
    /// Print a page of the manual, as roff: of greenroom, or of one of its commands
    ///
    /// To read it: greenroom man | man -l -
    Man {
        /// One of the commands
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
    /// Print a script that completes arguments in a shell
    ///
    /// For example: greenroom completions bash > /etc/bash_completion.d/greenroom
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
struct Options {
    /// Read this TOML file; may be repeated, and later files win over earlier ones
    ///
    /// A later file's list of nodes, endpoints or users replaces the whole list of an earlier one.
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set one key, over all files and the environment; may be repeated
    ///
    /// For example --set server.max_clients=500, or --set nodes.0.address=db1:3306 for the first node.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// How log lines look: for people, or one JSON object each (key log.format)
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// The least severe log lines that are written: critical, error, warning, info, debug or trace (key log.level)
    #[arg(long, value_name = "LEVEL", value_parser = LEVELS.map(|(word, _)| word))]
    log_level: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Text, coloured on a terminal
    Human,
    /// One JSON object a line
    Json,
}

/// What to check.
#[derive(Debug, Clone, Args)]
struct CheckArgs {
    #[command(flatten)]
    options: Options,
    /// Show every key with its value and the file and line, variable or option that says so; secrets are hidden
    #[arg(long)]
    print: bool,
}

/// What to explain.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Statements, each in quotes
    #[arg(value_name = "SQL", required = true)]
    pub statements: Vec<String>,
    /// As an endpoint with pinning = "strict" takes them
    #[arg(long)]
    pub strict: bool,
    /// Whose dialect they are in
    #[arg(long, value_enum, value_name = "DIALECT", default_value_t = Dialect::Mysql)]
    pub dialect: Dialect,
}

/// How large the demonstration is.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// How long the load lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Client connections
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub clients: u32,
    /// Server connections at most
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub backends: u32,
    /// Port on 127.0.0.1 that Greenroom listens on
    #[arg(long, value_name = "P", default_value_t = 6033)]
    pub port: u16,
    /// End after the summary instead of serving on until Ctrl-C
    #[arg(long)]
    pub once: bool,
}

/// A command line, understood.
#[derive(Debug)]
pub enum Task {
    /// Serve.
    Run(Sources),
    /// Check the configuration; `print`: show each of its keys.
    Check {
        /// Where it comes from.
        sources: Sources,
        /// Show each key.
        print: bool,
    },
    /// Explain statements.
    Explain(ExplainArgs),
    /// Recommend pool modes.
    Advise(AdviseArgs),
    /// Demonstrate.
    Demo(DemoArgs),
    /// Print a page of the manual: of a command, or of all.
    Man(Option<String>),
    /// Print completions for a shell.
    Completions(Shell),
}

/// What was built from what, by what.
const BUILD: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("GREENROOM_BUILD_COMMIT"),
    "\ncompiler: ",
    env!("GREENROOM_BUILD_COMPILER"),
    "\ntarget: ",
    env!("GREENROOM_BUILD_TARGET")
);

const AFTER_HELP: &str = "\
Environment: GREENROOM__SECTION__KEY sets one key over all files, for example GREENROOM__SERVER__MAX_CLIENTS=500 or
GREENROOM__NODES__0__ADDRESS=db1:3306. Every key is documented in config/default.toml.

Exit codes: 0 after an orderly end, 1 if the service could not start or a log could not be read, 2 if explain has found a
statement that pins, 64 if arguments or configuration are wrong.";

impl Cli {
    /// What the command line asks for, with this process's environment.
    #[must_use]
    pub fn into_task(self) -> Task {
        let Self { command, options } = self;
        match command {
            None => Task::Run(options.into_sources()),
            Some(Command::Run(more)) => Task::Run(options.and(more).into_sources()),
            Some(Command::Check(more)) => {
                Task::Check { sources: options.and(more.options).into_sources(), print: more.print }
            }
            Some(Command::Explain(args)) => Task::Explain(args),
            Some(Command::Advise(args)) => Task::Advise(args),
            Some(Command::Demo(args)) => Task::Demo(args),
            Some(Command::Man { command }) => Task::Man(command),
            Some(Command::Completions { shell }) => Task::Completions(shell),
        }
    }
}

impl Options {
    /// Options before the command's name and options after it are one list.
    fn and(mut self, more: Self) -> Self {
        self.files.extend(more.files);
        self.sets.extend(more.sets);
        self.log_format = more.log_format.or(self.log_format);
        self.log_level = more.log_level.or(self.log_level);
        self
    }

    fn into_sources(self) -> Sources {
        let format = self.log_format.map(|format| match format {
            LogFormat::Human => Format::Human,
            LogFormat::Json => Format::Json,
        });
        let mut sets = self.sets;
        sets.extend(format.map(|format| format!("log.format={format}")));
        sets.extend(self.log_level.map(|level| format!("log.level={level}")));
        Sources { files: self.files, environment: env::vars_os().collect(), sets }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Task};
    use crate::config::Sources;

    fn task(arguments: &[&str]) -> Task {
        let arguments = ["greenroom"].iter().chain(arguments);
        Cli::try_parse_from(arguments).unwrap().into_task()
    }

    fn run(arguments: &[&str]) -> Sources {
        match task(arguments) {
            Task::Run(sources) => sources,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default() {
        assert!(run(&[]).files.is_empty());
        assert!(run(&["run"]).files.is_empty());
    }

    #[test]
    fn options_stand_before_and_after_the_command() {
        let sources =
            run(&["--config", "a", "--set", "log.level=debug", "run", "--config", "b", "--log-level", "trace"]);
        assert_eq!(sources.files, ["a", "b"].map(std::path::PathBuf::from));
        assert_eq!(sources.sets, ["log.level=debug", "log.level=trace"]);
        assert!(
            matches!(task(&["--config", "a", "check"]), Task::Check { sources, print: false } if sources.files.len() == 1)
        );
    }

    #[test]
    fn statements_are_explained() {
        let Task::Explain(args) = task(&["explain", "--strict", "SET @a = 1", "SELECT 1"]) else {
            panic!("another task")
        };
        assert_eq!((args.statements.len(), args.strict), (2, true));
        assert!(matches!(task(&["check", "--print"]), Task::Check { print: true, .. }));
        assert!(Cli::try_parse_from(["greenroom", "explain"]).is_err());
    }

    #[test]
    fn logs_are_named() {
        let Task::Advise(args) = task(&["advise", "--json", "--statement-time", "2ms", "general.log", "-"]) else {
            panic!("another task")
        };
        assert_eq!((args.logs.len(), args.json, args.statement_time.as_millis()), (2, true, 2));
        assert!(Cli::try_parse_from(["greenroom", "advise"]).is_err());
    }

    #[test]
    fn the_demonstration_has_a_size() {
        let Task::Demo(args) = task(&["demo", "--seconds", "5", "--clients", "7", "--backends", "2", "--port", "7000"])
        else {
            panic!("another task")
        };
        assert_eq!((args.seconds, args.clients, args.backends, args.port), (5, 7, 2, 7000));
    }

    #[test]
    fn what_is_not_a_word_is_refused() {
        for wrong in [&["--log-level", "loud"][..], &["--log-format", "xml"], &["demo", "--clients", "0"], &["dance"]] {
            let arguments = ["greenroom"].iter().chain(wrong);
            assert!(Cli::try_parse_from(arguments).is_err(), "{wrong:?}");
        }
    }
}
