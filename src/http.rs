//! Metrics and health over HTTP.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig, get};
use actix_web::{App, HttpResponse, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::telemetry::prometheus;

/// How long a request under way may take after a stop, in seconds: scrapes are short.
const SHUTDOWN_SECONDS: u64 = 1;

/// The media type of Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The media type of the other answers.
const TEXT: &str = "text/plain; charset=utf-8";

/// Says whether clients can be served; if not, why.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the pages are made from.
#[derive(Clone)]
struct Sources {
    metrics: PrometheusHandle,
    ready: Ready,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

/// Takes an address for the pages; from now on nobody else can.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen)
}

/// Serves on one worker thread of its own once the server is awaited or spawned in the actix system.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn serve(bound: TcpListener, metrics: PrometheusHandle, ready: Ready) -> io::Result<Server> {
    let sources = Sources { metrics, ready };
    let server = HttpServer::new(move || {
        let sources = sources.clone();
        App::new().configure(|config| pages(config, sources))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(SHUTDOWN_SECONDS).listen(bound)?.run())
}

fn pages(config: &mut ServiceConfig, sources: Sources) {
    config
        .app_data(Data::new(sources))
        .route("/metrics", get().to(metrics))
        .route("/healthz", get().to(healthz))
        .route("/readyz", get().to(readyz));
}

async fn metrics(sources: Data<Sources>) -> HttpResponse {
    HttpResponse::Ok().content_type(EXPOSITION).body(prometheus::render(&sources.metrics))
}

/// That this answers at all is the answer.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("ok\n")
}

async fn readyz(sources: Data<Sources>) -> HttpResponse {
    match (sources.ready)() {
        Ok(()) => HttpResponse::Ok().content_type(TEXT).body("ready\n"),
        Err(reason) => HttpResponse::ServiceUnavailable().content_type(TEXT).body(format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests;
