//! What the demo says to the person who watches it.

use std::{io::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    ProxyPlan,
    load::Tally,
    server::{DATABASE, Server},
    status::Backends,
};

/// How anybody else may join in.
pub(super) fn invitation(out: &mut dyn Write, plan: &ProxyPlan, server: &Server) -> std::io::Result<()> {
    let ProxyPlan { listen, max_connections, user, password, .. } = plan;
    let (host, port) = (listen.ip(), listen.port());
    writeln!(
        out,
        "Greenroom listens on {listen}, in front of {} {} on {}, with at most {max_connections} server connections.\n\
         \n\
         Connect with any client, now or later:\n\
         \n    mariadb -h{host} -P{port} -u{user} -p{password} {DATABASE}\
         \n    mysql -h{host} -P{port} -u{user} -p{password} {DATABASE}\n",
        server.flavor(),
        server.version(),
        server.address(),
    )
}

/// How much of the time is over, on standard error where that is a terminal.
pub(super) fn bar(seconds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(seconds), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} s") {
        bar.set_style(style);
    }
    bar
}

/// One line a second.
#[derive(Debug, Default)]
pub(super) struct Progress {
    queries: u64,
    elapsed: Duration,
}

impl Progress {
    /// Prints the line of this second.
    pub(super) fn line(
        &mut self,
        out: &mut dyn Write,
        second: u64,
        tally: &Tally,
        backends: Backends,
    ) -> std::io::Result<()> {
        let passed = tally.elapsed.saturating_sub(self.elapsed).as_secs_f64();
        let rate = (tally.queries - self.queries) as f64 / passed.max(f64::EPSILON);
        (self.queries, self.elapsed) = (tally.queries, tally.elapsed);
        let p99 = milliseconds(tally.quantile(0.99));
        let errors = if tally.errors == 0 { String::new() } else { format!("   {} errors", tally.errors) };
        writeln!(
            out,
            "{second:>4} s   {rate:>7.0} queries/s   p99 {p99:>8} ms   {:>3} server connections{errors}",
            backends.open
        )
    }
}

/// What came of it all.
pub(super) fn summary(out: &mut dyn Write, clients: usize, tally: &Tally, backends: Backends) -> std::io::Result<()> {
    let reuse = tally.transactions as f64 / backends.opened.max(1) as f64;
    let rows = [
        ("queries", tally.queries.to_string()),
        ("errors", tally.errors.to_string()),
        ("p50", format!("{} ms", milliseconds(tally.quantile(0.5)))),
        ("p99", format!("{} ms", milliseconds(tally.quantile(0.99)))),
        ("client connections", clients.to_string()),
        ("server connections", format!("{} open, {} opened in all", backends.open, backends.opened)),
        ("reuse", format!("{reuse:.0} transactions for each server connection opened")),
    ];
    writeln!(out)?;
    for (name, value) in rows {
        writeln!(out, "    {name:<20} {value}")?;
    }
    if let Some(text) = &tally.first_error {
        writeln!(out, "    {:<20} {text}", "the first error")?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}
