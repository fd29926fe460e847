//! Metrics, health and the status page over HTTP.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig, get};
use actix_web::{App, HttpResponse, HttpServer};
use greenroom_actors::Status;
use greenroom_actors::inherited::{self, Handed, Inherited};
use greenroom_actors::settings::Address;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::status::document;
use crate::telemetry::prometheus;

/// How long a request under way may take after a stop, in seconds: scrapes are short.
const SHUTDOWN_SECONDS: u64 = 1;

/// The media type of Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The media type of the other answers.
const TEXT: &str = "text/plain; charset=utf-8";

/// The status page: one file, with nothing from elsewhere.
const PAGE: &str = include_str!("http/page.html");

/// What a browser may do for that page: its own style and script, and ask where it is from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Says whether clients can be served; if not, why.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Says how things stand.
pub type Shown = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Status>>> + Send + Sync>;

/// Whom the pages ask.
#[derive(Clone)]
pub struct Pages {
    /// Whether clients can be served.
    pub ready: Ready,
    /// How things stand.
    pub status: Shown,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

/// What the pages are made from.
#[derive(Clone)]
struct Sources {
    metrics: PrometheusHandle,
    pages: Pages,
    begun: Instant,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

/// The name that sockets for the pages are handed over by.
pub const SOCKET: &str = "http";

/// The sockets of the pages.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<TcpListener>,
    by_name: bool,
}

/// Takes an address for the pages, with the sockets that were handed over for it; else nobody else can from now on.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(listen: SocketAddr, inherited: &mut Inherited) -> io::Result<Bound> {
    let address = Address::Tcp { host: listen.ip().to_string(), port: listen.port() };
    let (found, by_name) = inherited.claim(SOCKET, &address);
    if found.is_empty() {
        return Ok(Bound { sockets: vec![TcpListener::bind(listen)?], by_name: false });
    }
    let tcp = |socket| match socket {
        inherited::Bound::Tcp(listener) => Ok(listener),
        inherited::Bound::Unix(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the pages are for TCP alone")),
    };
    Ok(Bound { sockets: found.into_iter().map(tcp).collect::<io::Result<_>>()?, by_name })
}

impl Bound {
    /// The sockets once more, to hand them over.
    ///
    /// # Errors
    /// When there are no more file descriptors.
    pub fn share(&self) -> io::Result<Vec<Handed>> {
        let name = if self.by_name { SOCKET } else { "" };
        let share = |socket: &TcpListener| Ok(Handed { name: name.to_owned(), socket: socket.try_clone()?.into() });
        self.sockets.iter().map(share).collect()
    }
}

/// Serves on one worker thread of its own once the server is awaited or spawned in the actix system.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn serve(bound: Bound, metrics: PrometheusHandle, pages: Pages) -> io::Result<Server> {
    let sources = Sources { metrics, pages, begun: Instant::now() };
    let server = HttpServer::new(move || {
        let sources = sources.clone();
        App::new().configure(|config| routes(config, sources))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(SHUTDOWN_SECONDS);
    Ok(bound.sockets.into_iter().try_fold(server, HttpServer::listen)?.run())
}

fn routes(config: &mut ServiceConfig, sources: Sources) {
    config
        .app_data(Data::new(sources))
        .route("/", get().to(page))
        .route("/api/v1/status", get().to(status))
        .route("/metrics", get().to(metrics))
        .route("/healthz", get().to(healthz))
        .route("/readyz", get().to(readyz));
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(PAGE)
}

async fn status(sources: Data<Sources>) -> HttpResponse {
    let status = (sources.pages.status)().await;
    let samples = prometheus::samples(&prometheus::render(&sources.metrics));
    let document = document(&status, &samples, sources.begun.elapsed());
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("cache-control", "no-store"))
        .body(document.to_string())
}

async fn metrics(sources: Data<Sources>) -> HttpResponse {
    HttpResponse::Ok().content_type(EXPOSITION).body(prometheus::render(&sources.metrics))
}

/// That this answers at all is the answer.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("ok\n")
}

async fn readyz(sources: Data<Sources>) -> HttpResponse {
    match (sources.pages.ready)() {
        Ok(()) => HttpResponse::Ok().content_type(TEXT).body("ready\n"),
        Err(reason) => HttpResponse::ServiceUnavailable().content_type(TEXT).body(format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests;
