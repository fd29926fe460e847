//! The running service: the cast, its HTTP listener, and what the operator's signals do to them.

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use greenroom_actors::inherited::{Handed, Inherited};
use greenroom_actors::settings::Settings;
use greenroom_actors::{Office, Running};
use greenroom_otlp::Exporter;
use rustix::process::{Resource, getrlimit, setrlimit};
use slog::{Logger, error, info, warn};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::config::{Effect, Inventory, Loaded, Sources, load};
use crate::handover::{self, Successor};
use crate::http::{self, Pages};
use crate::manager::Manager;
use crate::office::{Process, Request};
use crate::signals::{Signal, Signals};
use crate::telemetry::log::Threshold;
use crate::telemetry::prometheus;

/// How often it is looked whether the last client has left, or the process that took over has ended.
const LOOK: Duration = Duration::from_millis(100);

/// How much longer than it drains itself a process that stops waits for the one before it, which drains as well.
const PREDECESSOR_FAREWELL: Duration = Duration::from_secs(1);

/// How long a process that stops waits for the collector of spans.
const COLLECTOR_FAREWELL: Duration = Duration::from_secs(2);

/// What runs, and what it runs by.
struct Service {
    running: Running,
    manager: Manager,
    sources: Sources,
    inventory: Inventory,
    upgrade_timeout: Option<Duration>,
    drain_timeout: Duration,
    page: Option<Page>,
    process: Arc<Process>,
    /// Where statements go that belong to a trace.
    spans: Option<Arc<Exporter>>,
    /// From administrators.
    requests: UnboundedReceiver<Request>,
    logger: Logger,
}

/// The pages over HTTP.
struct Page {
    sockets: Vec<Handed>,
    server: ServerHandle,
}

/// How the last clients are let go.
#[derive(Debug, Clone, Copy)]
struct Farewell {
    /// They have however long open transactions take.
    patient: bool,
    /// The operator has told the process to stop, so that a signal more ends it at once.
    told: bool,
    /// By a signal, which a service manager sends to every process of the service.
    signalled: bool,
}

impl Farewell {
    const SIGNALLED: Self = Self { patient: false, told: true, signalled: true };

    /// As an administrator has asked.
    fn asked(patient: bool) -> Self {
        Self { patient, told: true, signalled: false }
    }
}

/// Why the service ends.
enum End {
    /// It was told to.
    Stopped(Farewell),
    /// A new process has taken over.
    Succeeded(Successor),
}

/// Runs until it is told to stop.
///
/// # Errors
/// When something cannot be started.
pub fn run(
    loaded: Loaded,
    sources: Sources,
    inherited: Inherited,
    logger: Logger,
    threshold: Threshold,
) -> anyhow::Result<()> {
    // Never dropped: that would wait for a name that is being looked up, which may take minutes.
    let system = ManuallyDrop::new(actix_rt::System::new());
    system.block_on(async {
        let mut signals = Signals::new().context("signals cannot be handled")?;
        let mut service = Service::start(loaded, sources, inherited, logger, threshold)?;
        // Kept to the end: the new process sees by it whether this one still lives.
        let end = service.serve(&mut signals).await?;
        let farewell = match &end {
            End::Stopped(farewell) => {
                info!(service.logger, "stopping"; "clients" => service.running.clients());
                service.manager.stopping();
                *farewell
            }
            End::Succeeded(successor) => service.see_off(&mut signals, successor).await,
        };
        service.drain(&mut signals, farewell).await;
        if let Some(spans) = &service.spans {
            spans.flush(COLLECTOR_FAREWELL).await;
        }
        Ok(())
    })
}

impl Service {
    fn start(
        loaded: Loaded,
        sources: Sources,
        mut inherited: Inherited,
        logger: Logger,
        threshold: Threshold,
    ) -> anyhow::Result<Self> {
        let Loaded { settings, inventory, effective, .. } = loaded;
        let metrics = prometheus::install().context("metrics cannot be recorded")?;
        greenroom_actors::metrics::describe();
        crate::telemetry::log::report_panics(&logger);
        actix_rt::spawn(prometheus::upkeep(metrics.clone()));
        make_room(&settings, &logger)?;
        let (upgrade_timeout, drain_timeout) = (settings.server.upgrade_timeout, settings.server.drain_timeout);
        // Before the endpoints: a second process of the same configuration must fail here, and not take clients first.
        let bound = match settings.http {
            Some(listen) => Some((listen, bind(listen, &mut inherited)?)),
            None => None,
        };
        let spans = settings.tracing.as_ref().map(|it| greenroom_otlp::start(it, logger.clone())).transpose()?;
        if spans.is_some() {
            greenroom_otlp::describe();
        }
        let (process, requests) = Process::new(effective, threshold, metrics.clone(), spans.clone());
        let process = Arc::new(process);
        let office: Arc<dyn Office> = Arc::clone(&process) as _;
        let running = greenroom_actors::start(settings, &mut inherited, logger.clone(), Some(office))?;
        for (name, place) in inherited.unclaimed() {
            warn!(logger, "a socket that was handed over is nobody's, and closed"; "name" => name, "address" => place);
        }
        let mut page = None;
        if let Some((listen, bound)) = bound {
            let sockets = bound.share()?;
            let server = http::serve(bound, metrics, pages(&running));
            let server = server.with_context(|| format!("http cannot listen on {listen}"))?;
            page = Some(Page { sockets, server: server.handle() });
            actix_rt::spawn(server);
            info!(logger, "http listens"; "address" => %listen);
        }
        let manager = Manager::new(logger.clone());
        manager.ready();
        if let Err(error) = handover::announce() {
            warn!(logger, "the process before this one could not be told that this one is ready"; "reason" => %error);
        }
        Ok(Self {
            running,
            manager,
            sources,
            inventory,
            upgrade_timeout,
            drain_timeout,
            page,
            process,
            spans,
            requests,
            logger,
        })
    }

    /// Serves clients and heeds signals.
    async fn serve(&mut self, signals: &mut Signals) -> anyhow::Result<End> {
        let mut successor: Option<Successor> = None;
        let running = self.running.clone();
        let manager = Manager::new(self.logger.clone());
        let mut watchdog = std::pin::pin!(manager.keep_watchdog(&running));
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                Some(request) = self.requests.recv() => match request {
                    Request::Stop(patient) => return Ok(End::Stopped(Farewell::asked(patient))),
                    Request::Reload(reply) if successor.is_some() => {
                        let _ = reply.send(Err(vec![SUCCESSOR_STARTS.to_owned()]));
                        continue;
                    }
                    Request::Reload(reply) => {
                        // Who asked may be gone.
                        let _ = reply.send(self.reload().await);
                        continue;
                    }
                },
                () = running.broken() => anyhow::bail!("a part that everything depends on has failed; see the log"),
                () = &mut watchdog => continue,
                ready = is_ready(&mut successor) => {
                    match (ready, successor.take()) {
                        (Ok(()), Some(successor)) => return Ok(End::Succeeded(successor)),
                        (Err(reason), _) => error!(self.logger, "the new process does not take over"; "reason" => format!("{reason:#}")),
                        (Ok(()), None) => {}
                    }
                    continue;
                }
            };
            match signal {
                Signal::Stop => return Ok(End::Stopped(Farewell::SIGNALLED)),
                Signal::Reload if successor.is_some() => {
                    warn!(self.logger, "the configuration was not reloaded: {SUCCESSOR_STARTS}")
                }
                // What is wrong has been logged.
                Signal::Reload => drop(self.reload().await),
                Signal::Upgrade if successor.is_some() => warn!(self.logger, "a new process is being started already"),
                Signal::Upgrade => match self.launch().await {
                    Ok(launched) => {
                        info!(self.logger, "a new process is started to take over");
                        successor = Some(launched);
                    }
                    Err(reason) => {
                        error!(self.logger, "no new process could be started"; "reason" => format!("{reason:#}"))
                    }
                },
            }
        }
    }

    async fn launch(&self) -> anyhow::Result<Successor> {
        let mut sockets = self.running.sockets().await.context("the sockets cannot be handed over")?;
        for socket in self.page.iter().flat_map(|page| &page.sockets) {
            sockets.push(Handed { name: socket.name.clone(), socket: socket.socket.try_clone()? });
        }
        Successor::launch(sockets)
    }

    /// A new process has taken over: serves whoever is still here, as long as they stay and may. Says how who is left
    /// then is to be let go.
    async fn see_off(&mut self, signals: &mut Signals, successor: &Successor) -> Farewell {
        self.manager.succeeded_by(successor.id());
        self.running.hand_over().await;
        if let Some(page) = self.page.take() {
            page.server.stop(false).await;
        }
        info!(self.logger, "the new process has taken over; this one serves the clients that it has";
            "pid" => successor.id(), "clients" => self.running.clients());
        let begun = tokio::time::Instant::now();
        let mut told = false;
        while self.running.clients() > 0 {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return Farewell::SIGNALLED,
                    Signal::Reload | Signal::Upgrade => {
                        warn!(self.logger, "another process has taken over: signals are for that one"; "pid" => successor.id());
                    }
                },
                Some(request) = self.requests.recv() => match request {
                    Request::Stop(patient) => return Farewell::asked(patient),
                    Request::Reload(reply) => {
                        let _ = reply.send(Err(vec![format!("process {} has taken over", successor.id())]));
                    }
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            if successor.has_ended() && !std::mem::replace(&mut told, true) {
                error!(self.logger, "the process that had taken over has ended: nobody accepts clients"; "pid" => successor.id());
            }
            if self.upgrade_timeout.is_some_and(|limit| begun.elapsed() >= limit) {
                warn!(self.logger, "upgrade_timeout is over"; "clients" => self.running.clients());
                break;
            }
        }
        Farewell { patient: false, told: false, signalled: false }
    }

    /// Lets transactions end, unless it is told to stop once more.
    async fn drain(&mut self, signals: &mut Signals, Farewell { mut patient, told, signalled }: Farewell) {
        let limit = tokio::time::Instant::now() + self.drain_timeout + PREDECESSOR_FAREWELL;
        let running = self.running.clone();
        let mut drained = std::pin::pin!(running.drain(patient));
        let mut hurry = std::pin::pin!(async {
            for _ in usize::from(told)..2 {
                while signals.next().await != Signal::Stop {}
            }
        });
        loop {
            tokio::select! {
                () = &mut drained => break info!(self.logger, "stopped"),
                () = &mut hurry => {
                    return warn!(self.logger, "stopped at once, by a second signal"; "clients" => running.clients());
                }
                // Administrators are served to the end.
                Some(request) = self.requests.recv() => match request {
                    Request::Stop(long) => {
                        if patient && !long {
                            patient = false;
                            drained.set(running.drain(patient));
                        }
                    }
                    Request::Reload(reply) => {
                        let _ = reply.send(Err(vec!["Greenroom is stopping".to_owned()]));
                    }
                }
            }
        }
        // With the end of this process the service manager cuts off whoever else is of the service.
        if signalled && self.manager.is_there() {
            tokio::select! {
                () = handover::predecessor_ended() => {}
                () = tokio::time::sleep_until(limit) => {}
                () = &mut hurry => {}
            }
        }
    }

    /// A configuration with a mistake in it changes nothing. Gives the warnings, or the mistakes.
    async fn reload(&mut self) -> Result<Vec<String>, Vec<String>> {
        self.manager.reloading();
        match load(&self.sources) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    warn!(self.logger, "configuration: {warning}");
                }
                let (endpoints, nodes) = (loaded.settings.endpoints.len(), loaded.settings.nodes.len());
                let server = &loaded.settings.server;
                let (upgrade_timeout, drain_timeout) = (server.upgrade_timeout, server.drain_timeout);
                if let Err(wrong) = self.running.reload(loaded.settings).await {
                    return Err(self.refuse(wrong.iter().map(ToString::to_string).collect()));
                }
                for change in self.inventory.changes(&loaded.inventory) {
                    match change.effect {
                        Effect::Restart => warn!(self.logger, "reload: {change}"),
                        _ => info!(self.logger, "reload: {change}"),
                    }
                }
                self.inventory = loaded.inventory.succeeding(&self.inventory);
                (self.upgrade_timeout, self.drain_timeout) = (upgrade_timeout, drain_timeout);
                self.process.note(loaded.log.level, loaded.effective);
                info!(self.logger, "configuration reloaded"; "endpoints" => endpoints, "nodes" => nodes);
                self.manager.ready();
                Ok(loaded.warnings.iter().map(ToString::to_string).collect())
            }
            Err(errors) => Err(self.refuse(errors.problems().iter().map(ToString::to_string).collect())),
        }
    }

    /// Says why nothing was changed.
    fn refuse(&mut self, mistakes: Vec<String>) -> Vec<String> {
        for problem in &mistakes {
            warn!(self.logger, "the configuration was not reloaded: {problem}");
        }
        self.manager.refused();
        mistakes
    }
}

/// Comes back when there is a successor and it listens, or has failed to.
async fn is_ready(successor: &mut Option<Successor>) -> anyhow::Result<()> {
    match successor {
        Some(successor) => successor.ready().await,
        None => std::future::pending().await,
    }
}

fn bind(listen: SocketAddr, inherited: &mut Inherited) -> anyhow::Result<http::Bound> {
    http::bind(listen, inherited).with_context(|| format!("http cannot listen on {listen}"))
}

/// Why nothing is reloaded in that moment: it has read the configuration itself, and would be in the way of new addresses.
const SUCCESSOR_STARTS: &str = "a new process is being started, with the configuration as it is";

/// Descriptors besides those of clients and servers: listeners, epoll, logs, scrapes.
const SPARE_DESCRIPTORS: u64 = 64;

/// Each worker's own (measured), and for each endpoint its socket, twice: to listen on, and to hand it over.
const WORKER_DESCRIPTORS: usize = 4;
const ENDPOINT_DESCRIPTORS: usize = 2;

/// Takes as many file descriptors as the system allows, and says so where they are fewer than the limits promise. Where even the
/// workers themselves cannot do with them, it fails.
fn make_room(settings: &Settings, logger: &Logger) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(logger, "the limit on open files could not be raised"; "reason" => %error);
    }
    let servers: usize = settings.nodes.iter().map(|node| node.max_connections).sum();
    let workers = settings.server.workers.max(1);
    // A Unix socket is one for all workers.
    let shared = settings.endpoints.iter().filter(|endpoint| endpoint.listen.socket().is_none()).count();
    let own = ENDPOINT_DESCRIPTORS * (workers * (settings.endpoints.len() - shared) + shared);
    let needed = (own + workers * WORKER_DESCRIPTORS) as u64 + SPARE_DESCRIPTORS;
    let wanted = (settings.server.max_clients + servers) as u64 + needed;
    let granted = getrlimit(Resource::Nofile).current;
    if let Some(granted) = granted.filter(|granted| *granted < needed) {
        anyhow::bail!(
            "{granted} open files are too few for {workers} workers: allow {needed} (LimitNOFILE, ulimit -Hn), or have fewer workers"
        );
    }
    if let Some(granted) = granted.filter(|granted| *granted < wanted) {
        warn!(logger, "max_clients and max_connections want more open files than the system allows (ulimit -n, LimitNOFILE)";
            "wanted" => wanted, "allowed" => granted);
    }
    Ok(())
}

/// What the pages ask of the cast.
fn pages(running: &Running) -> Pages {
    let (ready, shown) = (running.clone(), running.clone());
    Pages {
        ready: Arc::new(move || ready.ready()),
        status: Arc::new(move || {
            let shown = shown.clone();
            Box::pin(async move { shown.status().await })
        }),
    }
}
