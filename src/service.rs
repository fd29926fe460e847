//! The running service: the cast, its HTTP listener, and what the operator's signals do to them.

use std::sync::Arc;

use anyhow::Context;
use greenroom_actors::Running;
use greenroom_actors::settings::Settings;
use rustix::process::{Resource, getrlimit, setrlimit};
use slog::{Logger, info, warn};

use crate::config::{Loaded, Sources, load};
use crate::http;
use crate::signals::{Signal, Signals};
use crate::telemetry::prometheus;

/// Runs until it is told to stop.
///
/// # Errors
/// When something cannot be started.
pub fn run(loaded: Loaded, sources: Sources, logger: Logger) -> anyhow::Result<()> {
    let system = actix_rt::System::new();
    system.block_on(serve(loaded, sources, logger))
}

async fn serve(loaded: Loaded, sources: Sources, logger: Logger) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("signals cannot be handled")?;
    let metrics = prometheus::install().context("metrics cannot be recorded")?;
    greenroom_actors::metrics::describe();
    crate::telemetry::log::report_panics(&logger);
    actix_rt::spawn(prometheus::upkeep(metrics.clone()));
    make_room(&loaded.settings, &logger);
    // Before the endpoints: a second process of the same configuration must fail here, and not take clients first.
    let page = match loaded.settings.http {
        Some(listen) => Some((listen, http::bind(listen).with_context(|| format!("http cannot listen on {listen}"))?)),
        None => None,
    };
    let running = greenroom_actors::start(loaded.settings, logger.clone())?;
    if let Some((listen, bound)) = page {
        let cast = running.clone();
        let server = http::serve(bound, metrics, Arc::new(move || cast.ready()));
        actix_rt::spawn(server.with_context(|| format!("http cannot listen on {listen}"))?);
        info!(logger, "http listens"; "address" => %listen);
    }
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = running.broken() => anyhow::bail!("a part that everything depends on has failed; see the log"),
        };
        match signal {
            Signal::Reload => reload(&running, &sources, &logger),
            Signal::Stop => break,
        }
    }
    info!(logger, "stopping"; "clients" => running.clients());
    running.drain().await;
    info!(logger, "stopped");
    Ok(())
}

/// Descriptors besides those of clients and servers: listeners, epoll, logs, scrapes.
const SPARE_DESCRIPTORS: u64 = 64;

/// Takes as many file descriptors as the system allows, and says so where they are fewer than the limits promise.
fn make_room(settings: &Settings, logger: &Logger) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(logger, "the limit on open files could not be raised"; "reason" => %error);
    }
    let servers: usize = settings.nodes.iter().map(|node| node.max_connections).sum();
    let wanted = (settings.server.max_clients + servers) as u64 + SPARE_DESCRIPTORS;
    if let Some(granted) = getrlimit(Resource::Nofile).current.filter(|granted| *granted < wanted) {
        warn!(logger, "max_clients and max_connections want more open files than the system allows (ulimit -n, LimitNOFILE)";
            "wanted" => wanted, "allowed" => granted);
    }
}

/// A configuration with a mistake in it changes nothing.
fn reload(running: &Running, sources: &Sources, logger: &Logger) {
    match load(sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                warn!(logger, "configuration: {warning}");
            }
            running.reload(loaded.settings);
        }
        Err(errors) => {
            for problem in errors.problems() {
                warn!(logger, "the configuration was not reloaded: {problem}");
            }
        }
    }
}
