//! What an idle client in TLS costs.

use std::fs;

use super::{authority, each_server, setup};
use crate::support::{
    observe::until,
    proxy::Proxy,
    servers::Tenant,
    wire::{Tls, Wire},
};

const CLIENTS: usize = 1000;

/// For each, in KiB.
const LIMIT: f64 = 20.0;

/// The proxy's resident memory in KiB.
fn resident(proxy: &Proxy) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

#[test]
fn a_thousand_idle_clients_in_tls_cost_little() {
    each_server(|server| {
        let tenant = Tenant::new(server, "idle");
        let proxy = setup(server, &tenant, &["tls = \"disabled\""]).start();
        let tls = Tls::trusting(&authority().file);
        let connect = || {
            let mut wire = Wire::connect_tls(proxy.address(), &tenant.login(), &tls).unwrap();
            // Each has had long records either way, the longest that there is at last.
            assert_eq!(wire.scalar("SELECT REPEAT('y', 40000)").unwrap().len(), 40_000);
            assert_eq!(wire.scalar(&format!("SELECT LENGTH('{}')", "x".repeat(16_300))).as_deref(), Some("16300"));
            wire
        };
        // What is there once for all.
        let mut wires: Vec<Wire> = (0..50).map(|_| connect()).collect();
        let before = resident(&proxy);
        wires.extend((0..CLIENTS).map(|_| connect()));
        until("all are idle", || proxy.metrics().sum("greenroom_clients", &["state=\"idle\""]) == wires.len() as f64);
        let each = (resident(&proxy) - before) / CLIENTS as f64;
        println!("{each:.1} KiB a client");
        assert!(each < LIMIT, "{each:.1} KiB a client");
        // They live.
        for wire in wires.iter_mut().step_by(100) {
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        }
    });
}
