//! Load for `benches/proxy`: what sysbench does not do. One line of figures for each run.
//!
//! It does as little for each connection and byte as it can, so that the proxy is what is measured.

mod connect;
mod crowd;
mod idle;
mod result;
mod storm;
mod tls;
mod turns;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// The load of one benchmark.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    target: wire::Target,
    #[command(subcommand)]
    task: Task,
}

/// What the clients do.
#[derive(Subcommand)]
enum Task {
    /// Connect, SELECT 1, quit, over and over. Prints connections, their number a second, p95 and p99 in milliseconds; in TLS
    /// also how many handshakes in a hundred were resumed
    Connect {
        /// Clients at once
        #[arg(long)]
        clients: usize,
        /// How long
        #[arg(long)]
        seconds: u64,
    },
    /// Select over and over, all clients in one thread. Prints when what counts begins and
    /// ends; then queries, their number a second, median
    /// and p99 in milliseconds, CPU of this process in microseconds a query, the least and the most that a client got over the
    /// mean, and Jain's index
    Crowd {
        #[arg(long)]
        clients: usize,
        /// Rows that a query reads; of more than one it sends a count
        #[arg(long, default_value_t = 1)]
        rows: usize,
        /// How long before that
        #[arg(long, default_value_t = 1)]
        warm_up: u64,
        /// How long
        #[arg(long)]
        seconds: u64,
    },
    /// Log in, SELECT 1, stay. Prints how many clients there are and, where not all, why; at the end how many were lost
    Idle {
        /// Clients in the end
        #[arg(long)]
        clients: usize,
        /// Clients of an address, 100 at most
        #[arg(long, default_value_t = 100)]
        of_address: usize,
        /// They leave at the end of standard input, at the latest after so many seconds
        #[arg(long)]
        hold: u64,
    },
    /// Read a result several times over. Prints MB/s
    Result {
        /// The statement
        #[arg(long)]
        sql: String,
        /// How many rows it must give
        #[arg(long)]
        rows: u64,
        /// How often
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Sessions select in turn, one at a time. Prints statements, median and p99 in milliseconds
    Turns {
        #[arg(long)]
        sessions: usize,
        /// Different states that the sessions are in
        #[arg(long, default_value_t = 1)]
        states: usize,
        /// How long
        #[arg(long)]
        seconds: u64,
    },
    /// Clients connect all at once, log in, SELECT 1 and leave. Prints how many were served, in how many milliseconds and why not all
    Storm {
        #[arg(long)]
        clients: usize,
    },
}

fn main() -> ExitCode {
    let Cli { target, task } = Cli::parse();
    let outcome = match task {
        Task::Connect { clients, seconds } => connect::run(&target, clients, Duration::from_secs(seconds)),
        Task::Crowd { clients, rows, warm_up, seconds } => {
            crowd::run(&target, clients, rows, Duration::from_secs(warm_up), Duration::from_secs(seconds))
        }
        Task::Idle { clients, of_address, hold } => idle::run(&target, clients, of_address, Duration::from_secs(hold)),
        Task::Turns { sessions, states, seconds } => {
            turns::run(&target, sessions, states, Duration::from_secs(seconds))
        }
        Task::Storm { clients } => storm::run(&target, clients),
        Task::Result { sql, rows, times } => result::run(&target, &sql, rows, times),
    };
    match outcome.and_then(|line| say(&line)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told where standard error is closed.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A line for whoever runs this.
fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
