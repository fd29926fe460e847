//! What fails, and that service goes on.

use std::{thread, time::Duration};

use greenroom::demo::server::{Flavor, Options, Server};

use crate::{
    LIMIT,
    load::{Load, Work},
    member, share, some_etcd,
    support::{
        observe::within,
        servers::{Tenant, mariadb},
        wire::Wire,
    },
    wait_for_etcd, wait_for_shares,
};

/// Longer than any lease of these tests.
const LONG: Duration = Duration::from_secs(8);

#[test]
fn without_etcd_each_keeps_its_share_and_with_it_again_all_is_as_before() {
    let mut etcd = some_etcd!();
    let server = Server::start(Flavor::MariaDb, &Options::default()).unwrap();
    let tenant = Tenant::new(&server, "fleet");
    let setup = member(&server, &tenant, 9, &etcd.fleet("web", &[]));
    Load::bounded(&server, &tenant, 9, |load| {
        let (one, mut two) = (setup.start(), setup.start());
        let both = [&one, &two];
        wait_for_shares(&both, &[4, 5]);
        let before = both.map(share);
        let (first, second) = (load.through(&one), load.through(&two));
        let serve = || [&first, &second].into_iter().for_each(Work::goes_on);
        serve();

        println!("etcd says nothing for longer than a lease");
        etcd.freeze();
        wait_for_etcd(&both, false);
        thread::sleep(LONG);
        assert_eq!(both.map(share), before);
        serve();
        etcd.thaw();
        wait_for_etcd(&both, true);
        wait_for_shares(&both, &[4, 5]);
        serve();

        println!("etcd is killed, and knows everything when it is back");
        etcd.kill();
        wait_for_etcd(&both, false);
        thread::sleep(LONG);
        assert_eq!(both.map(share), before);
        serve();
        etcd.restart(false);
        wait_for_etcd(&both, true);
        wait_for_shares(&both, &[4, 5]);
        serve();

        println!("etcd is killed, and knows nothing when it is back");
        etcd.kill();
        wait_for_etcd(&both, false);
        serve();
        etcd.restart(true);
        wait_for_etcd(&both, true);
        wait_for_shares(&both, &[4, 5]);
        serve();

        // All of it still works.
        let three = setup.start();
        let third = load.through(&three);
        wait_for_shares(&[&one, &two, &three], &[3, 3, 3]);
        third.goes_on();
        second.end();
        two.kill();
        wait_for_shares(&[&one, &three], &[4, 5]);
        [one, three]
    });
}

#[test]
fn who_starts_without_etcd_takes_a_careful_part_and_a_fair_one_when_etcd_is_there() {
    let mut etcd = some_etcd!();
    let server = mariadb();
    let tenant = Tenant::new(server, "fleet");
    let setup = member(server, &tenant, 12, &etcd.fleet("web", &["expected_members = 4"]));
    etcd.kill();
    let (one, two) = (setup.start(), setup.start());
    within(LIMIT, "they are ready", || [&one, &two].iter().all(|proxy| proxy.get("/readyz").0 == 200));
    wait_for_shares(&[&one, &two], &[3, 3]);
    let mut wires: Vec<Wire> = (0..3).map(|_| tenant.connect(one.address())).collect();
    wires.iter_mut().for_each(|wire| drop(wire.ok("BEGIN")));
    etcd.restart(false);
    wait_for_shares(&[&one, &two], &[6, 6]);
    wires.iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
}

#[test]
fn an_instance_whose_part_panics_is_the_same_afterwards() {
    let etcd = some_etcd!();
    let server = mariadb();
    let tenant = Tenant::new(server, "fleet");
    let setup = member(server, &tenant, 10, &etcd.fleet("web", &[]));
    let (one, two) = (setup.start(), setup.start());
    wait_for_shares(&[&one, &two], &[5, 5]);
    let mut session = tenant.connect(one.address());
    let number = session.greeting.thread_id >> 22;
    let restarts = || one.metrics().sum("greenroom_actor_restarts_total", &["actor=\"fleet_member\""]);
    // More often than any other part may.
    for count in 1..=8 {
        within(LIMIT, "it is started again", || {
            // Lost where it is not there just then.
            let _ = session.query("greenroom: panic fleet");
            restarts() >= f64::from(count)
        });
        assert_eq!((share(&one), share(&two)), (5, 5));
        assert_eq!(session.scalar("SELECT 1").as_deref(), Some("1"));
    }
    drop(two);
    wait_for_shares(&[&one], &[10]);
    assert_eq!(tenant.connect(one.address()).greeting.thread_id >> 22, number);
}
