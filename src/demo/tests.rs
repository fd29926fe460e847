//! The whole demo with a stand-in for the proxy: it forwards bytes, one server connection a client.

use std::net::{Shutdown, TcpListener, TcpStream};

use super::*;

fn forwarder(plan: &ProxyPlan) -> anyhow::Result<ProxyHandle> {
    let listener = TcpListener::bind(plan.listen)?;
    let server = plan.server_address;
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            forward(client, TcpStream::connect(server).unwrap());
        }
    });
    Ok(ProxyHandle::new(|| Ok(())))
}

fn forward(client: TcpStream, server: TcpStream) {
    for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

#[test]
fn the_demo_runs_to_its_summary_on_either_server() {
    let options = DemoOptions { seconds: 2, clients: 5, backends: 5, port: 0, serve: false };
    server::tests::each(|flavor| {
        let mut out = Vec::new();
        narrate(flavor, options, forwarder, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("-uapp -papp-secret app"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("queries/s")).count(), 2, "{text}");
        assert!(text.contains("client connections   5\n"), "{text}");
        // Five clients, and the one that tried the way.
        assert!(text.contains("server connections   5 open, 6 opened in all\n"), "{text}");
        assert!(text.contains("errors               0\n"), "{text}");
    });
}

#[test]
fn a_proxy_that_does_not_start_ends_the_demo() {
    let options = DemoOptions { port: 0, ..DemoOptions::default() };
    let error = narrate(Flavor::MariaDb, options, |_| anyhow::bail!("no such luck"), &mut Vec::new()).unwrap_err();
    assert_eq!(format!("{error:#}"), "starting Greenroom for the demo: no such luck");
}

#[test]
fn a_dropped_handle_stops_its_proxy() {
    let stopped = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = std::rc::Rc::clone(&stopped);
    drop(ProxyHandle::new(move || {
        count.set(count.get() + 1);
        Ok(())
    }));
    assert_eq!(stopped.get(), 1);
}
