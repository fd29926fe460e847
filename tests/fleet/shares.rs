//! Each has its part, whoever comes and goes.

use greenroom::demo::server::{Flavor, Options, Server};

use crate::{
    LIMIT, column,
    load::{Load, Work},
    member, share, some_etcd,
    support::{
        observe::{Root, within},
        proxy::{ADMIN_PASSWORD, ADMIN_USER, Setup},
        servers::{Tenant, mariadb},
        wire::{Login, Wire},
    },
    wait_for_shares,
};

#[test]
fn shares_follow_who_comes_and_goes_and_the_server_never_has_more_than_the_whole() {
    let etcd = some_etcd!();
    let server = Server::start(Flavor::MariaDb, &Options::default()).unwrap();
    let tenant = Tenant::new(&server, "fleet");
    let setup = member(&server, &tenant, 11, &etcd.fleet("web", &[]));
    Load::bounded(&server, &tenant, 11, |load| {
        let mut one = setup.start();
        let first = load.through(&one);
        wait_for_shares(&[&one], &[11]);
        first.goes_on();
        // Whoever comes waits until the others have given something up, and they give it up under load.
        let two = setup.start();
        let second = load.through(&two);
        wait_for_shares(&[&one, &two], &[5, 6]);
        second.goes_on();
        let mut three = setup.start();
        let third = load.through(&three);
        wait_for_shares(&[&one, &two, &three], &[3, 4, 4]);
        [&first, &second, &third].into_iter().for_each(Work::goes_on);
        // One dies: its share is free when its lease has ended.
        first.end();
        one.kill();
        wait_for_shares(&[&two, &three], &[5, 6]);
        // One leaves: its share is free at once.
        third.end();
        three.term();
        assert!(three.wait().success());
        wait_for_shares(&[&two], &[11]);
        let four = setup.start();
        let fourth = load.through(&four);
        wait_for_shares(&[&two, &four], &[5, 6]);
        [&second, &fourth].into_iter().for_each(Work::goes_on);
        [two, four]
    });
}

#[test]
fn idle_connections_beyond_a_share_are_closed_first_and_busy_ones_when_they_are_given_back() {
    let etcd = some_etcd!();
    let server = Server::start(Flavor::MariaDb, &Options::default()).unwrap();
    let tenant = Tenant::new(&server, "fleet");
    let setup = member(&server, &tenant, 6, &etcd.fleet("web", &[])).endpoint("idle_timeout = \"10m\"");
    let one = setup.start();
    wait_for_shares(&[&one], &[6]);
    let mut root = Root::on(&server);
    let mut wires: Vec<Wire> = (0..6).map(|_| tenant.connect(one.address())).collect();
    wires.iter_mut().for_each(|wire| drop(wire.ok("BEGIN")));
    let threads = wires.iter_mut().map(|wire| root.backend_of(wire)).collect::<Vec<_>>();
    // Two idle, four are busy: with half the share the idle ones go, and one of the busy.
    wires[..2].iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
    let two = setup.start();
    wait_for_shares(&[&one, &two], &[2, 4]);
    assert_eq!(root.connections(&tenant.name), threads[2..]);
    assert_eq!(
        tenant.connect(two.address()).scalar("SELECT 1").as_deref(),
        Some("1"),
        "what was given up serves others"
    );
    for wire in &mut wires[2..4] {
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"), "a transaction goes on");
    }
    wires[2].ok("COMMIT");
    wait_for_shares(&[&one, &two], &[3, 3]);
    wires[3].ok("COMMIT");
    within(LIMIT, "what is within the share stays", || one.backends("idle") == 1.0 && one.backends("leased") == 2.0);
    // Nobody is turned away for it: two wait for those that are left.
    wires.iter_mut().take(4).for_each(|wire| drop(wire.ok("DO 1")));
}

#[test]
fn a_changed_limit_is_shared_anew_and_the_least_counts() {
    let etcd = some_etcd!();
    let server = mariadb();
    let tenant = Tenant::new(server, "fleet");
    let setup = member(server, &tenant, 10, &etcd.fleet("limits", &[]));
    let (one, two) = (setup.start(), setup.start());
    wait_for_shares(&[&one, &two], &[5, 5]);
    let more = |text: String| text.replace("max_connections = 10", "max_connections = 20");
    one.rewrite(more);
    one.hup();
    within(LIMIT, "it is reloaded", || one.log().contains("configuration reloaded"));
    let mut admin = Wire::connect(one.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD)).unwrap();
    within(LIMIT, "one has said it", || column(&admin.result("SHOW FLEET"), "max_connections").contains(&"20".into()));
    assert_eq!((share(&one), share(&two)), (5, 5), "the other knows of no more than 10");
    two.rewrite(more);
    two.hup();
    wait_for_shares(&[&one, &two], &[10, 10]);
    admin.ok("SET max_connections = 4");
    wait_for_shares(&[&one, &two], &[2, 2]);
}

#[test]
fn administrators_see_the_fleet_and_nobody_sees_one_where_there_is_none() {
    let etcd = some_etcd!();
    let server = mariadb();
    let tenant = Tenant::new(server, "fleet");
    let setup = member(server, &tenant, 10, &etcd.fleet("seen", &[]));
    let (one, two) = (setup.start(), setup.start());
    wait_for_shares(&[&one, &two], &[5, 5]);
    let console = |at| Wire::connect(at, &Login::new(ADMIN_USER, ADMIN_PASSWORD)).unwrap();
    let mut numbers = Vec::new();
    for proxy in [&one, &two] {
        let mut admin = console(proxy.admin());
        within(LIMIT, "both are seen", || column(&admin.result("SHOW FLEET"), "share") == ["5", "5"]);
        let own = admin.result("SHOW FLEET WHERE own = 'yes'");
        assert_eq!(column(&own, "pid"), [proxy.pid().to_string()]);
        assert_eq!((column(&own, "node"), column(&own, "max_connections")), (vec!["db1".into()], vec!["10".into()]));
        assert_eq!(column(&admin.result("SHOW NODES"), "max_connections"), ["5"]);
        numbers.extend(column(&own, "instance"));
        assert_eq!(proxy.metrics().get("greenroom_fleet_members"), Some(2.0));
        assert_eq!(proxy.get("/readyz").0, 200);
    }
    assert_ne!(numbers[0], numbers[1]);
    // Another fleet of the same etcd shares nothing with them.
    let other = member(server, &tenant, 10, &etcd.fleet("other", &[])).start();
    wait_for_shares(&[&other], &[10]);
    wait_for_shares(&[&one, &two], &[5, 5]);
    let alone = Setup::new(server.address()).start();
    assert!(console(alone.admin()).rows("SHOW FLEET").is_empty());
    assert!(!alone.get("/metrics").1.contains("\ngreenroom_fleet"));
}

#[test]
fn an_upgrade_is_one_more_instance_until_the_old_process_has_ended() {
    let etcd = some_etcd!();
    let server = mariadb();
    let tenant = Tenant::new(server, "fleet");
    let proxy = member(server, &tenant, 8, &etcd.fleet("upgrade", &[])).start();
    wait_for_shares(&[&proxy], &[8]);
    let mut old = tenant.connect(proxy.address());
    let heir = proxy.upgrade();
    // The pages are the new process's now.
    wait_for_shares(&[&proxy], &[4]);
    let new = tenant.connect(proxy.address());
    assert_ne!(old.greeting.thread_id >> 22, new.greeting.thread_id >> 22, "each has a number of its own");
    assert_eq!(old.scalar("SELECT 1").as_deref(), Some("1"));
    old.quit().unwrap();
    wait_for_shares(&[&proxy], &[8]);
    drop(heir);
}
