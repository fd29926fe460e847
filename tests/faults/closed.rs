//! Connections that the server closes because nobody used them: `wait_timeout`.

use greenroom::demo::server::{Options, Server};

use super::{CREW, WIDTH, bed};
use crate::support::{
    crew::Crew,
    observe::{Root, until},
    proxy::Proxy,
    servers::{Tenant, each_private_server},
    wire::{Reply, WireError},
};

/// Connections of Greenroom's, before a server that closes them after a second.
fn hasty(label: &str, test: impl Fn(&Server, &Tenant, &Proxy, &mut Root)) {
    each_private_server(&Options::default(), |server| {
        Root::on(&server).0.ok("SET GLOBAL wait_timeout = 1");
        let mut root = Root::on(&server);
        root.0.ok("SET SESSION wait_timeout = 1000");
        let (tenant, proxy) = bed(&server, server.address(), label, &[], &["lease_timeout = \"5s\""]);
        test(&server, &tenant, &proxy, &mut root);
    });
}

#[test]
fn idle_connections_are_replaced_silently() {
    hasty("idle", |_, tenant, proxy, root| {
        let mut wire = tenant.connect(proxy.address());
        wire.ok("SET time_zone = '+03:00'");
        for round in 0..4 {
            wire.ok(&format!("INSERT INTO crew (tag) VALUES ('{round}')"));
            root.wait_for(&tenant.name, 0);
            assert_eq!(wire.scalar("SELECT @@time_zone").as_deref(), Some("+03:00"));
            root.wait_for(&tenant.name, 0);
        }
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM crew").as_deref(), Some("4"));
        assert!(!proxy.log().contains("node is down"), "{}", proxy.log());
        drop(wire);
        until("rest", || proxy.is_at_rest());
        // Some work all the time, others' connections close meanwhile.
        let crew = Crew::new(tenant, proxy, CREW, WIDTH, &[]);
        crew.work(|| {
            for _ in 0..5 {
                crew.goes_on("nobody notices");
            }
        });
        crew.leaves_nothing(WIDTH);
    });
}

#[test]
fn a_transaction_that_idles_too_long_is_lost_and_its_session_goes_on() {
    hasty("open", |_, tenant, proxy, root| {
        let mut wire = tenant.connect(proxy.address());
        for _ in 0..2 {
            wire.ok("START TRANSACTION");
            wire.ok("INSERT INTO crew (tag) VALUES ('lost')");
            root.wait_for(&tenant.name, 0);
            let error = wire.err("INSERT INTO crew (tag) VALUES ('lost')");
            assert_eq!(error.code, 1180, "{error}");
            assert!(!wire.ok_ping().in_transaction());
            assert_eq!(wire.scalar("SELECT COUNT(*) FROM crew").as_deref(), Some("0"));
        }
        drop(wire);
        until("rest", || proxy.is_at_rest());
    });
}

#[test]
fn a_pinned_session_that_idles_too_long_is_told_and_ended() {
    hasty("pinned", |_, tenant, proxy, root| {
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TEMPORARY TABLE mine (a INT)");
        root.wait_for(&tenant.name, 0);
        match wire.query("INSERT INTO mine VALUES (1)") {
            Ok(replies) => assert!(matches!(replies.as_slice(), [Reply::Err(_)]), "{replies:?}"),
            Err(error) => assert!(matches!(error, WireError::Io(_)), "{error}"),
        }
        assert!(wire.query("SELECT 1").is_err(), "what it had there is gone, and it is over");
        let mut next = tenant.connect(proxy.address());
        assert_eq!(next.err("SELECT * FROM mine").code, 1146);
        drop((wire, next));
        until("rest", || proxy.is_at_rest());
    });
}
