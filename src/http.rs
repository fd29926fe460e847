//! Metrics and health over HTTP.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig, get};
use actix_web::{App, HttpResponse, HttpServer};
use greenroom_actors::inherited::{self, Handed, Inherited};
use greenroom_actors::settings::Address;
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
pub fn serve(bound: Bound, metrics: PrometheusHandle, ready: Ready) -> io::Result<Server> {
    let sources = Sources { metrics, ready };
    let server = HttpServer::new(move || {
        let sources = sources.clone();
        App::new().configure(|config| pages(config, sources))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(SHUTDOWN_SECONDS);
    Ok(bound.sockets.into_iter().try_fold(server, HttpServer::listen)?.run())
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
