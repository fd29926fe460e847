//! What stands in tables that only repeat what is known elsewhere.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use crate::{
    console,
    support::{
        observe::until,
        proxy::Setup,
        servers::{Tenant, each_server, mariadb},
    },
};

#[test]
fn the_statistics_are_those_of_the_metrics() {
    each_server(|server| {
        let tenant = Tenant::new(server, "stats");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let mut session = tenant.connect(proxy.address());
        (0..7).for_each(|_| {
            session.result("SELECT 1");
        });
        let mut admin = console(&proxy);
        until("they are counted", || {
            let one = "SELECT value FROM stats WHERE name = 'greenroom_queries_total' AND labels = 'endpoint=\"app\"'";
            admin.scalar(one).as_deref() == Some("7")
        });
        let shown = |admin: &mut crate::Wire| -> BTreeSet<String> {
            let rows = admin.rows("SHOW STATS").into_iter();
            let cells = rows.map(|row| row.into_iter().map(Option::unwrap).collect::<Vec<_>>());
            let name =
                |it: Vec<String>| if it[1].is_empty() { it[0].clone() } else { format!("{}{{{}}}", it[0], it[1]) };
            cells.map(name).collect()
        };
        // A series may begin between the two.
        until("they are the same", || {
            let (_, body) = proxy.get("/metrics");
            let samples = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            let metrics: BTreeSet<_> = samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
            metrics.len() > 50 && metrics == shown(&mut admin)
        });
    });
}

#[test]
fn times_are_in_seconds_and_say_what_they_are_about() {
    each_server(|server| {
        let tenant = Tenant::new(server, "times");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let setup = setup.endpoint("lease_timeout = \"1m\"").endpoint("idle_timeout = \"1500ms\"");
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut admin = console(&proxy);
        let timeouts = admin.rows("SELECT lease_timeout_seconds, idle_timeout_seconds FROM endpoints");
        assert_eq!(timeouts, [[Some("60.000".to_owned()), Some("1.500".to_owned())]]);
        // Both before: a login looks whether its database is there.
        let [mut holder, mut waiter] = [(); 2].map(|()| tenant.connect(proxy.address()));
        holder.ok("BEGIN");
        holder.result("SELECT 1");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.scalar("SELECT 2"));
            until("it has waited for a while", || {
                admin.rows("SELECT node FROM pools WHERE waiting = 1 AND longest_wait_seconds >= 0.2").len() == 1
            });
            holder.ok("COMMIT");
            assert_eq!(waiting.join().unwrap().as_deref(), Some("2"));
        });
        until("it has rested for a while", || {
            admin.rows("SELECT id FROM backends WHERE idle_seconds >= 0.2 AND age_seconds > idle_seconds").len() == 1
        });
        let lagging = admin.rows("SELECT lagging, leased, idle FROM nodes");
        assert_eq!(lagging[0][1..], [Some("0".to_owned()), Some("1".to_owned())]);
    });
}

#[test]
fn the_version_is_that_of_the_process() {
    let proxy = Setup::new(mariadb().address()).start();
    let mut admin = console(&proxy);
    let mut of = |name: &str| admin.scalar(&format!("SELECT value FROM version WHERE name = '{name}'")).unwrap();
    assert_eq!(of("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(of("pid"), proxy.pid().to_string());
    assert_eq!(of("platform"), format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS));
    assert!(["debug", "release"].contains(&of("build").as_str()) && !of("commit").is_empty());
    until("it has run for a while", || of("uptime_seconds").parse::<u64>().unwrap() >= 1);
}

#[test]
fn pins_grow_older() {
    each_server(|server| {
        let tenant = Tenant::new(server, "older");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let mut admin = console(&proxy);
        let mut session = tenant.connect(proxy.address());
        let begun = Instant::now();
        session.ok("DO GET_LOCK('mine', 1)");
        let mut looker = console(&proxy);
        let mut age = || -> Option<f64> { looker.rows("SELECT seconds FROM pins").first()?[0].as_ref()?.parse().ok() };
        until("it is there", || age().is_some());
        let (before, pause) = (age().unwrap(), Duration::from_millis(300));
        thread::sleep(pause);
        assert!(age().unwrap() >= before + pause.as_secs_f64() - 0.001);
        // It is the pin's age, not the session's.
        let old = age().unwrap();
        session.ok("DO RELEASE_LOCK('mine')");
        session.ok("CREATE TEMPORARY TABLE t (a INT)");
        until("it is another", || admin.scalar("SELECT reason FROM pins").as_deref() == Some("temporary_table"));
        // The second began after the first was that old, and the first not before the clock.
        let young = age().unwrap();
        assert!(young <= begun.elapsed().as_secs_f64() - old + 0.001, "{young}, {old}");
    });
}
