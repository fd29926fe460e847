//! The Greenroom that the demo puts before its server: the same cast, on a thread of its own.

use std::sync::mpsc;
use std::thread;

use anyhow::{Context, anyhow};
use greenroom_actors::inherited::Inherited;
use slog::Logger;
use tokio::sync::oneshot;

use super::{ProxyHandle, ProxyPlan};
use crate::config::{Sources, load};

/// Starts it.
///
/// # Errors
/// When it can not listen, or its thread can not start.
pub fn start(plan: &ProxyPlan, logger: Logger) -> anyhow::Result<ProxyHandle> {
    let mut sources = Sources::none();
    sources.sets = settings(plan);
    let loaded = load(&sources).map_err(|errors| anyhow!("{errors}"))?;
    let (started, start) = mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("greenroom".to_owned()).spawn(move || {
        actix_rt::System::new().block_on(async move {
            let running = match greenroom_actors::start(loaded.settings, &mut Inherited::default(), logger, None) {
                Ok(running) => running,
                // Whoever waits for the start takes it.
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(()));
            let _ = stopped.await;
            running.drain(false).await;
        });
    })?;
    start.recv().context("the proxy's thread ended")??;
    Ok(ProxyHandle::new(move || {
        let _ = stop.send(());
        thread.join().map_err(|_| anyhow!("the proxy's thread panicked"))
    }))
}

fn settings(plan: &ProxyPlan) -> Vec<String> {
    vec![
        format!("nodes.0.name={}", "demo"),
        format!("nodes.0.address={}", plan.server_address),
        format!("nodes.0.max_connections={}", plan.max_connections),
        format!("endpoints.0.listen={}", plan.listen),
        format!("endpoints.0.nodes={}", "demo"),
        format!("endpoints.0.pool={}", "transaction"),
        format!("users.0.name={}", plan.user),
        format!("users.0.password={}", plan.password),
        "server.drain_timeout=2s".to_owned(),
    ]
}
