//! `greenroom demo`: a private server, Greenroom in front of it, and many clients on few server connections, to watch.

mod load;
pub mod proxy;
mod report;
mod schema;
pub mod server;
mod status;

use std::{
    fmt,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use load::Load;
use report::Progress;
use server::{APP, Flavor, Server};
use status::Monitor;

/// What the person who runs the demo may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// How long the load lasts, in seconds.
    pub seconds: u64,
    /// How many client connections make it.
    pub clients: usize,
    /// How many server connections Greenroom may open for them.
    pub backends: u32,
    /// The port on loopback that clients connect to; 0 takes a free one.
    pub port: u16,
    /// Whether to go on serving after the summary, until Ctrl-C.
    pub serve: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { seconds: 10, clients: 200, backends: 8, port: 6033, serve: true }
    }
}

/// The proxy that the demo wants in front of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyPlan {
    /// Where the server listens.
    pub server_address: SocketAddr,
    /// Where the proxy is to listen.
    pub listen: SocketAddr,
    /// The most server connections that it may open.
    pub max_connections: u32,
    /// The user whom clients log in as, who exists on the server.
    pub user: &'static str,
    /// Their password.
    pub password: &'static str,
}

/// A started proxy, stopped by [`ProxyHandle::stop`] or when dropped.
pub struct ProxyHandle {
    stop: Option<Box<dyn FnOnce() -> anyhow::Result<()>>>,
}

impl ProxyHandle {
    /// A handle on whatever `stop` ends; `stop` returns when it has ended.
    pub fn new(stop: impl FnOnce() -> anyhow::Result<()> + 'static) -> Self {
        Self { stop: Some(Box::new(stop)) }
    }

    /// Stops the proxy and waits for its end.
    ///
    /// # Errors
    /// What stopping it gave.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.stop.take().map_or(Ok(()), |stop| stop())
    }
}

impl Drop for ProxyHandle {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Only on the way out of a failure, which is the one worth reporting.
            let _ = stop();
        }
    }
}

impl fmt::Debug for ProxyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHandle").field("running", &self.stop.is_some()).finish()
    }
}

/// Runs the demo to its end, telling its story on standard output.
///
/// `start_proxy` returns when the proxy listens. Everything that was started is gone when this returns.
///
/// # Errors
/// When there is no server to be found or started, the proxy does not start, no client can log in, or a client's statement fails.
pub fn run(
    options: DemoOptions,
    start_proxy: impl FnOnce(&ProxyPlan) -> anyhow::Result<ProxyHandle>,
) -> anyhow::Result<()> {
    let [first, second] = Flavor::ALL;
    let program = first.find().or_else(|error| second.find().map_err(|_| error))?;
    narrate(program.flavor, options, start_proxy, &mut io::stdout())
}

fn narrate(
    flavor: Flavor,
    options: DemoOptions,
    start_proxy: impl FnOnce(&ProxyPlan) -> anyhow::Result<ProxyHandle>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut end = runtime.block_on(async { End::new() })?;
    writeln!(out, "Starting a private {flavor} ...")?;
    let server = Server::start(flavor, &server_options(options))?;
    runtime.block_on(schema::prepare(server.address()))?;
    // Counts from before the proxy starts, so that nothing it opens is overlooked.
    let monitor = runtime.block_on(Monitor::watch(server.address()))?;
    let plan = plan(options, &server)?;
    let proxy = start_proxy(&plan).context("starting Greenroom for the demo")?;
    report::invitation(out, &plan, &server)?;
    let (interrupted, failed) = runtime.block_on(play(options, plan.listen, monitor, &mut end, out))?;
    if options.serve && !interrupted {
        writeln!(out, "\nStill serving on {}. Ctrl-C ends the demo.", plan.listen)?;
        runtime.block_on(end.asked_for());
    }
    proxy.stop()?;
    // The summary has the first one's text.
    anyhow::ensure!(failed == 0, "{failed} statements of the demo's clients failed");
    Ok(())
}

/// Makes the load and reports it; whether the person ended it early, and how many statements failed.
async fn play(
    options: DemoOptions,
    address: SocketAddr,
    mut monitor: Monitor,
    end: &mut End,
    out: &mut dyn Write,
) -> anyhow::Result<(bool, u64)> {
    writeln!(out, "{} clients, at work for {} s:", options.clients, options.seconds)?;
    let load = Load::start(address, options.clients).await?;
    let (mut progress, bar) = (Progress::default(), report::bar(options.seconds));
    let mut interrupted = false;
    for second in 1..=options.seconds {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = end.asked_for() => { interrupted = true; break }
        }
        let (tally, backends) = (load.tally(), monitor.look().await?);
        bar.suspend(|| progress.line(out, second, &tally, backends))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    // Looked at before the clients leave, and their connections with them.
    let backends = monitor.look().await?;
    let tally = load.finish().await;
    report::summary(out, options.clients, &tally, backends)?;
    Ok((interrupted, tally.errors))
}

/// The server takes as many connections as a demo that bypassed the proxy would need.
fn server_options(options: DemoOptions) -> server::Options {
    let most = options.clients.saturating_add(50);
    server::Options { extra_args: vec![format!("--max-connections={most}").into()], ..server::Options::default() }
}

fn plan(options: DemoOptions, server: &Server) -> anyhow::Result<ProxyPlan> {
    let port = if options.port == 0 { server::free_port()? } else { options.port };
    Ok(ProxyPlan {
        server_address: server.address(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        max_connections: options.backends,
        user: APP.user,
        password: APP.password,
    })
}

/// Ctrl-C and SIGTERM, remembered from the start: one that comes while nobody waits still counts.
struct End {
    interrupt: Signal,
    terminate: Signal,
}

impl End {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked_for(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests;
