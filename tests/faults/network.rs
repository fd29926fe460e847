//! Faults between the proxy and its server.

use std::{net::Shutdown, thread::sleep, time::Duration};

use mysql_common::constants::Command;

use super::{
    CREW, WIDTH, bed,
    relay::{Manner, Relay},
};
use crate::support::{
    crew::{Crew, LOSSES, full_width},
    observe::until,
    servers::each_server,
    wire::{Reply, Wire},
};

const NODE: [&str; 2] = ["tls = \"disabled\"", "connect_timeout = \"2s\""];

/// So many connections are struck.
const STRIKES: usize = 25;

#[test]
fn a_slow_server_costs_time_and_nothing_else() {
    each_server(|server| {
        let relay = Relay::before(server.address());
        let (tenant, proxy) = bed(server, relay.address(), "slow", &NODE, &["lease_timeout = \"20s\""]);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &[]);
        crew.work(|| {
            relay.be(Manner::Slow);
            for _ in 0..3 {
                crew.goes_on("slowly");
            }
            relay.be(Manner::Whole);
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// Of a result whose first bytes a client has, the rest can not be had again: its session ends. Others are told, or not even that.
#[test]
fn replies_that_are_cut_short_reach_nobody_else() {
    each_server(|server| {
        let relay = Relay::before(server.address());
        let (tenant, proxy) = bed(server, relay.address(), "cut", &NODE, &["lease_timeout = \"10s\""]);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &LOSSES).who_may_end();
        crew.work(|| {
            relay.be(Manner::Cut);
            until("many replies are cut", || relay.struck() >= STRIKES);
            relay.be(Manner::Whole);
        });
        assert!(crew.errors() + crew.ended() > 0);
        crew.leaves_nothing(WIDTH);
    });
}

/// The server says that it will say no more, and never looks at what is sent.
#[test]
fn connections_that_are_half_closed_are_given_up() {
    each_server(|server| {
        let relay = Relay::before(server.address());
        let (tenant, proxy) = bed(server, relay.address(), "half", &NODE, &["lease_timeout = \"10s\""]);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &LOSSES).who_may_end();
        crew.work(|| {
            relay.be(Manner::HalfClosed);
            until("many connections are half closed", || relay.struck() >= STRIKES);
            relay.be(Manner::Whole);
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// A reply that never comes: who waits for it waits as before the server itself, and who leaves takes nothing with him.
#[test]
fn a_network_that_loses_everything_holds_nobody_who_leaves() {
    each_server(|server| {
        let relay = Relay::before(server.address());
        let (tenant, proxy) = bed(server, relay.address(), "lost", &NODE, &["lease_timeout = \"10s\""]);
        full_width(&proxy, &tenant, WIDTH);
        let (files, before) = (proxy.open_files(), relay.struck());
        relay.be(Manner::Lost);
        // Each asks until no answer comes, and leaves then.
        let mut silent = 0;
        while relay.struck() < before + 2 * WIDTH {
            let Ok(mut wire) = Wire::connect(proxy.address(), &tenant.login()) else { continue };
            wire.set_timeout(Duration::from_millis(300));
            while let Ok(answer) = wire.query("SELECT 'mine'") {
                if matches!(answer.as_slice(), [Reply::Err(_)]) {
                    break;
                }
            }
            silent += 1;
        }
        relay.be(Manner::Whole);
        println!("{silent} clients left without an answer");
        until("rest", || proxy.is_at_rest());
        until("it serves", || {
            Wire::connect(proxy.address(), &tenant.login()).is_ok_and(|mut wire| {
                wire.query("SELECT 1").is_ok_and(|replies| matches!(replies.as_slice(), [Reply::Rows(_)]))
            })
        });
        full_width(&proxy, &tenant, WIDTH);
        until("no more open files than before", || proxy.open_files() <= files);
    });
}

#[test]
fn clients_that_close_their_half_leave_nothing() {
    each_server(|server| {
        let (tenant, proxy) = bed(server, server.address(), "client", &[], &["lease_timeout = \"10s\""]);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &[]);
        crew.work(|| {
            for round in 0..40 {
                let mut wire = tenant.connect(proxy.address());
                if round % 2 == 0 {
                    wire.ok("START TRANSACTION");
                }
                let sql: &[u8] = if round % 3 == 0 { b"SELECT SLEEP(0.05)" } else { b"SELECT 1" };
                wire.send(Command::COM_QUERY, sql).unwrap();
                wire.stream().shutdown(Shutdown::Write).unwrap();
                sleep(Duration::from_millis(10));
                // With or without the answer, the proxy closes in its turn.
                while wire.packet().is_ok() {}
            }
        });
        crew.leaves_nothing(WIDTH);
    });
}
