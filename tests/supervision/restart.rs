//! Whole servers that go away and come back.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::Options;

use super::{full_width, setup};
use crate::support::{
    observe::{until, within},
    servers::{Tenant, each_private_server},
    wire::{Reply, WireError},
};

const CLIENTS: usize = 6;

#[test]
fn sessions_survive_their_server_and_use_it_again_when_it_is_back() {
    each_private_server(&Options::default(), |mut server| {
        let tenant = Tenant::new(&server, "restart");
        let proxy = setup(&server, &tenant, 4).start();
        let mut maker = tenant.connect(proxy.address());
        maker.ok("CREATE TABLE t (a INT)");
        for crash in [true, false] {
            let stop = AtomicBool::new(false);
            let good: [AtomicUsize; CLIENTS] = Default::default();
            let bad: [AtomicUsize; CLIENTS] = Default::default();
            thread::scope(|scope| {
                for number in 0..CLIENTS {
                    let (stop, good, bad, tenant, proxy) = (&stop, &good[number], &bad[number], &tenant, &proxy);
                    scope.spawn(move || work(&mut tenant.connect(proxy.address()), stop, good, bad));
                }
                let every = |counts: &[AtomicUsize; CLIENTS], least: usize| {
                    counts.iter().all(|count| count.load(Ordering::Relaxed) >= least)
                };
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    until("everybody works", || every(&good, 5));
                    if crash {
                        server.kill().unwrap()
                    } else {
                        server.stop().unwrap()
                    }
                    until("everybody is told", || every(&bad, 3));
                    until("not ready", || proxy.get("/readyz").0 == 503);
                    let before: Vec<usize> = good.iter().map(|count| count.load(Ordering::Relaxed)).collect();
                    server.restart().unwrap();
                    let took = within(Duration::from_secs(3), "everybody works again", || {
                        good.iter().zip(&before).all(|(count, before)| count.load(Ordering::Relaxed) > before + 3)
                    });
                    println!("all worked again {took:?} after the restart");
                    until("ready", || proxy.get("/readyz").0 == 200);
                }));
                stop.store(true, Ordering::Relaxed);
                if let Err(panic) = outcome {
                    std::panic::resume_unwind(panic);
                }
            });
        }
        full_width(&proxy, &tenant, 4);
        drop(maker);
        until("rest", || proxy.is_at_rest());
    });
}

/// Reads and writes until told to stop; errors of ours are counted, anything else fails.
fn work(wire: &mut crate::support::wire::Wire, stop: &AtomicBool, good: &AtomicUsize, bad: &AtomicUsize) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let sql = if number % 3 == 0 { "INSERT INTO t VALUES (1)" } else { "SELECT 1 FROM DUAL" };
        let begun = Instant::now();
        let replies = wire.query(sql).unwrap_or_else(|error: WireError| panic!("the session is gone: {error}"));
        assert!(begun.elapsed() < Duration::from_secs(8), "an error comes in time");
        match replies.as_slice() {
            [Reply::Ok(_) | Reply::Rows(_)] => drop(good.fetch_add(1, Ordering::Relaxed)),
            // 1429: down; 1105: outcome unknown; 1053, 1927, 1317: what the server itself says when it stops.
            [Reply::Err(error)] if [1429, 1105, 1053, 1927, 1317].contains(&error.code) => {
                bad.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("{other:?}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}
