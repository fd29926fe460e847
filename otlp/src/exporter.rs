//! A thread of its own that sends spans on, in batches: whatever becomes of the collector, sessions do not notice.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::settings::TracingSettings;
use greenroom_actors::spans::{SpanSink, StatementSpan};
use metrics::{counter, describe_counter};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use slog::Logger;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::span::spans;

/// Statements sent to the collector.
const EXPORTED: &str = "greenroom_spans_exported_total";
/// Statements that were not, by `reason` (`queue_full`, `collector`).
const DROPPED: &str = "greenroom_spans_dropped_total";

/// Statements that go together.
const BATCH: usize = 256;

/// How long the first of them waits for others.
const GATHERED_WITHIN: Duration = Duration::from_secs(1);

/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no exporter.
#[derive(Debug)]
pub enum StartError {
    /// Its settings do not make one.
    Exporter(ExporterBuildError),
    /// Its thread or runtime did not start.
    Thread(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exporter(error) => write!(f, "spans cannot be exported: {error}"),
            Self::Thread(error) => write!(f, "the thread that exports spans does not start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

enum Item {
    Span(Box<StatementSpan>),
    /// Send what there is, and say so.
    Flush(oneshot::Sender<()>),
}

/// Where statements wait to be exported.
#[derive(Clone)]
pub struct Exporter(Sender<Item>);

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter")
    }
}

impl SpanSink for Exporter {
    fn offer(&self, span: StatementSpan) {
        match self.0.try_send(Item::Span(Box::new(span))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => dropped("queue_full", 1),
        }
    }
}

impl Exporter {
    /// Comes back when what waits has been sent, or after so long.
    pub async fn flush(&self, limit: Duration) {
        let (done, flushed) = oneshot::channel();
        // Whoever stops waits no longer than this for whatever reason.
        let _ = timeout(limit, async {
            if self.0.send(Item::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        })
        .await;
    }
}

/// Tells the recorder what is counted here.
pub fn describe() {
    describe_counter!(EXPORTED, "Traced statements that were sent to the collector");
    describe_counter!(DROPPED, "Traced statements that were not sent, by reason");
    counter!(EXPORTED).absolute(0);
    dropped("queue_full", 0);
    dropped("collector", 0);
}

fn dropped(reason: &'static str, count: usize) {
    counter!(DROPPED, "reason" => reason).increment(count as u64);
}

/// Starts the thread.
///
/// # Errors
/// [`StartError`].
pub fn start(settings: &TracingSettings, log: Logger) -> Result<Arc<Exporter>, StartError> {
    let (sender, receiver) = channel(settings.span_queue);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let exporter = {
        // Its client looks for the runtime that it is used in.
        let _inside = runtime.enter();
        exporter(settings).map_err(StartError::Exporter)?
    };
    let thread = std::thread::Builder::new().name("spans".to_owned());
    thread.spawn(move || runtime.block_on(run(receiver, exporter, log))).map_err(StartError::Thread)?;
    Ok(Arc::new(Exporter(sender)))
}

fn exporter(settings: &TracingSettings) -> Result<SpanExporter, ExporterBuildError> {
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&settings.otlp_endpoint)
        .with_timeout(PATIENCE)
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let instance = KeyValue::new("process.pid", i64::from(std::process::id()));
    let resource = Resource::builder().with_service_name(settings.service_name.clone());
    exporter.set_resource(&resource.with_attributes([version, instance]).build());
    Ok(exporter)
}

/// Gathers and sends until nobody can offer anything any more.
async fn run(mut waiting: Receiver<Item>, exporter: SpanExporter, log: Logger) {
    let scope = InstrumentationScope::builder("greenroom").with_version(env!("CARGO_PKG_VERSION")).build();
    let mut fails = false;
    loop {
        let Some((batch, flush)) = gather(&mut waiting).await else { return };
        if !batch.is_empty() {
            let count = batch.len();
            let spans = batch.iter().flat_map(|statement| spans(statement, &scope)).collect();
            match timeout(PATIENCE, exporter.export(spans)).await {
                Ok(Ok(())) => {
                    counter!(EXPORTED).increment(count as u64);
                    if std::mem::take(&mut fails) {
                        slog::info!(log, "the collector takes spans again");
                    }
                }
                failed => {
                    dropped("collector", count);
                    // Once for each time that it begins to fail.
                    if !std::mem::replace(&mut fails, true) {
                        let reason = failed.map_or_else(|_| "it does not answer".to_owned(), |it| format!("{it:?}"));
                        slog::warn!(log, "the collector takes no spans; they are dropped"; "reason" => reason);
                    }
                }
            }
        }
        if let Some(done) = flush {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

/// The next batch, and who wants to know that it is sent.
async fn gather(waiting: &mut Receiver<Item>) -> Option<(Vec<Box<StatementSpan>>, Option<oneshot::Sender<()>>)> {
    let mut batch = Vec::new();
    let mut item = waiting.recv().await?;
    let until = Instant::now() + GATHERED_WITHIN;
    loop {
        match item {
            Item::Span(span) => batch.push(span),
            Item::Flush(done) => return Some((batch, Some(done))),
        }
        if batch.len() >= BATCH {
            return Some((batch, None));
        }
        item = match timeout_at(until, waiting.recv()).await {
            Ok(Some(item)) => item,
            Ok(None) | Err(_) => return Some((batch, None)),
        };
    }
}
