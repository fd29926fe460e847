use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use greenroom_actors::Status;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{Inherited, Pages, Ready, bind, serve};

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pages_tell_health_readiness_and_metrics() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("greenroom_test_total").increment(7));
    let is_ready = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&is_ready);
    let ready: Ready =
        Arc::new(move || if answer.load(Ordering::SeqCst) { Ok(()) } else { Err("no healthy node".into()) });
    let pages = Pages { ready, status: Arc::new(|| Box::pin(async { Status::default() })) };
    let address = free_address();

    actix_rt::System::new().block_on(async move {
        let server = serve(bind(address, &mut Inherited::default()).unwrap(), recorder.handle(), pages).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        let ask = move |path: &'static str| async move {
            actix_rt::task::spawn_blocking(move || get(address, path)).await.unwrap()
        };

        let health = ask("/healthz").await;
        assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("\r\n\r\nok\n"), "{health}");
        let waiting = ask("/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503") && waiting.ends_with("\r\n\r\nno healthy node\n"), "{waiting}");
        is_ready.store(true, Ordering::SeqCst);
        assert!(ask("/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = ask("/metrics").await;
        assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{metrics}");
        assert!(metrics.contains("greenroom_test_total 7"), "{metrics}");
        let page = ask("/").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("<title>Greenroom</title>"), "{page}");
        assert!(
            !page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org/").count()
        );
        let status = ask("/api/v1/status").await;
        assert!(status.contains("content-type: application/json") && status.contains("\"endpoints\":[]"), "{status}");
        assert!(ask("/elsewhere").await.starts_with("HTTP/1.1 404"));
        handle.stop(true).await;
    });
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bound = bind(taken.local_addr().unwrap(), &mut Inherited::default());
    assert_eq!(bound.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
}
