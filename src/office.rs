//! What the administrators' console needs of the process around the cast.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use greenroom_actors::spans::SpanSink;
use greenroom_actors::{Key, Office, Reloaded, Sample};
use greenroom_otlp::Exporter;
use metrics_exporter_prometheus::PrometheusHandle;
use slog::Level;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::config::Effective;
use crate::telemetry::log::{LEVELS, Threshold, word};
use crate::telemetry::prometheus;

/// What administrators ask of the service.
#[derive(Debug)]
pub enum Request {
    /// Read the configuration again, and tell what came of it.
    Reload(oneshot::Sender<Result<Vec<String>, Vec<String>>>),
    /// Stop; `true`: however long open transactions take.
    Stop(bool),
}

/// The process, as the console may use it.
pub struct Process {
    threshold: Threshold,
    metrics: PrometheusHandle,
    spans: Option<Arc<Exporter>>,
    begun: Instant,
    effective: Mutex<Vec<Effective>>,
    requests: UnboundedSender<Request>,
}

impl Process {
    /// Of a service that is about to start with this configuration, and what administrators will ask of it.
    #[must_use]
    pub fn new(
        effective: Vec<Effective>,
        threshold: Threshold,
        metrics: PrometheusHandle,
        spans: Option<Arc<Exporter>>,
    ) -> (Self, UnboundedReceiver<Request>) {
        let (requests, asked) = unbounded_channel();
        (Self { threshold, metrics, spans, begun: Instant::now(), effective: Mutex::new(effective), requests }, asked)
    }

    /// Another configuration is in force.
    pub fn note(&self, level: Level, effective: Vec<Effective>) {
        self.threshold.set(level);
        *self.effective.lock().unwrap_or_else(PoisonError::into_inner) = effective;
    }
}

impl Office for Process {
    fn version(&self) -> Vec<(String, String)> {
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let facts = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("commit", env!("GREENROOM_BUILD_COMMIT").to_owned()),
            ("build", build.to_owned()),
            ("platform", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)),
            ("pid", std::process::id().to_string()),
            ("uptime_seconds", self.begun.elapsed().as_secs().to_string()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn configuration(&self) -> Vec<Key> {
        let effective = self.effective.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |it: &Effective| Key { key: it.key.clone(), value: it.value.clone(), source: it.source.clone() };
        effective.iter().map(key).collect()
    }

    fn samples(&self) -> Vec<Sample> {
        prometheus::samples(&prometheus::render(&self.metrics))
    }

    fn reload(&self) -> Reloaded {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Reload(reply));
        Box::pin(async move {
            match sent {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(vec!["Greenroom is stopping".to_owned()])),
                Err(_) => Err(vec!["Greenroom is stopping".to_owned()]),
            }
        })
    }

    fn stop(&self, patient: bool) {
        // Where nobody hears it any more, it stops already.
        let _ = self.requests.send(Request::Stop(patient));
    }

    fn spans(&self) -> Option<Arc<dyn SpanSink>> {
        self.spans.as_ref().map(|exporter| Arc::clone(exporter) as _)
    }

    fn log_level(&self) -> String {
        word(self.threshold.level()).to_owned()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        let found = LEVELS.iter().find(|(word, _)| word.eq_ignore_ascii_case(level));
        let Some((_, level)) = found else { return Err(format!("one of {}", LEVELS.map(|(word, _)| word).join(", "))) };
        self.threshold.set(*level);
        Ok(())
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Process")
    }
}
