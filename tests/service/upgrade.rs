//! SIGUSR2: a new process takes over, and nobody is refused or cut off.

use std::{
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::Server;

use crate::support::{
    observe::{Root, until},
    proxy::{Heir, Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::Wire,
};

/// Clients that connect, ask and leave, one after the other, each by its own thread.
const COMERS: usize = 4;

fn setup(server: &Server, tenant: &Tenant) -> Setup {
    Setup::new(server.address()).user(&tenant.name, &tenant.password).server("drain_timeout = \"5s\"")
}

/// Runs `play` while clients come and go without a pause. The first that is not served fails the test.
fn amid_comers(tenant: &Tenant, address: SocketAddr, play: impl FnOnce(&AtomicUsize)) {
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..COMERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut wire = Wire::connect(address, &tenant.login()).expect("nobody is refused");
                    assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
                    wire.quit().unwrap();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let stop = Stop(&stop);
        play(&served);
        drop(stop);
    });
}

/// Ends the comers, however the play ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn some_more(served: &AtomicUsize) {
    let enough = served.load(Ordering::Relaxed) + 40;
    until("more clients are served", || served.load(Ordering::Relaxed) >= enough);
}

#[test]
fn nobody_is_refused_or_cut_off_while_processes_take_over_from_each_other() {
    each_server(|server| {
        let tenant = Tenant::new(server, "upgrade");
        let mut proxy = setup(server, &tenant).start();
        let mut idle: Vec<Wire> = (0..6).map(|_| tenant.connect(proxy.address())).collect();
        idle[0].ok("SET @kept = 'here', time_zone = '+03:00'");
        idle[1].ok("CREATE TABLE t (a INT)");
        idle[1].ok("START TRANSACTION");
        idle[1].ok("INSERT INTO t VALUES (1)");
        idle[2].ok("CREATE TEMPORARY TABLE temporary (a INT)");
        let mut heirs = Vec::new();
        amid_comers(&tenant, proxy.address(), |served| {
            some_more(served);
            heirs.push(proxy.upgrade());
            some_more(served);
            // As many sockets as before for fewer workers, and then for more.
            for workers in ["workers = 1", "workers = 3"] {
                let before = proxy.taken_over();
                let old = if workers == "workers = 1" { "workers = 2" } else { "workers = 1" };
                proxy.rewrite(|text| text.replace(old, workers));
                heirs.last().unwrap().usr2();
                heirs.push(proxy.heir(&before));
                some_more(served);
            }
            for wire in &mut idle {
                assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
            }
        });
        assert_eq!(idle[0].scalar("SELECT CONCAT(@kept, @@time_zone)").as_deref(), Some("here+03:00"));
        idle[1].ok("INSERT INTO t VALUES (2)");
        idle[1].ok("COMMIT");
        assert_eq!(idle[2].scalar("SELECT COUNT(*) FROM temporary").as_deref(), Some("0"));
        // Those in the middle have nobody left; the first has its clients, and ends with them.
        let last = heirs.pop().unwrap();
        heirs.iter().for_each(|heir| heir.wait());
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT COUNT(*) FROM t").as_deref(), Some("2"));
        for wire in idle {
            wire.quit().unwrap();
        }
        assert_eq!(proxy.wait().code(), Some(0));
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
        until("the pages are the last one's", || proxy.get("/readyz").0 == 200);
        last.stop();
        Root::on(server).wait_for(&tenant.name, 0);
    });
}

#[test]
fn a_unix_socket_goes_to_the_new_process() {
    let tenant = Tenant::new(mariadb(), "unix");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sock");
    let more = format!("[[endpoints]]\nname = \"local\"\nlisten = \"unix:{}\"\n", path.display());
    let mut proxy = setup(mariadb(), &tenant).extra(&more).start();
    until("it listens there, too", || std::os::unix::net::UnixStream::connect(&path).is_ok());
    let connect = || Wire::connect_unix(&path, &tenant.login()).unwrap();
    assert_eq!(connect().scalar("SELECT 1").as_deref(), Some("1"));
    let heir = proxy.upgrade();
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(connect().scalar("SELECT 2").as_deref(), Some("2"));
    heir.stop();
}

#[test]
fn an_address_that_has_changed_is_opened_by_the_new_process_alone() {
    let tenant = Tenant::new(mariadb(), "elsewhere");
    let mut proxy = setup(mariadb(), &tenant).start();
    let old = proxy.address();
    let new: SocketAddr = format!("127.0.0.1:{}", greenroom::demo::server::free_port().unwrap()).parse().unwrap();
    proxy.rewrite(|text| text.replace(&old.to_string(), &new.to_string()));
    let heir = proxy.upgrade();
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(tenant.connect(new).scalar("SELECT 1").as_deref(), Some("1"));
    assert!(TcpStream::connect(old).is_err(), "nobody listens where nobody should");
    heir.stop();
}

#[test]
fn a_new_process_that_fails_changes_nothing() {
    let tenant = Tenant::new(mariadb(), "fails");
    let mut proxy = setup(mariadb(), &tenant).start();
    let mut idle = tenant.connect(proxy.address());
    amid_comers(&tenant, proxy.address(), |served| {
        proxy.rewrite(|text| text.replace("max_connections", "max_conections"));
        proxy.usr2();
        until("it failed", || proxy.log().contains("the new process does not take over"));
        some_more(served);
    });
    let log = proxy.log();
    assert!(
        log.contains("greenroom.toml:") && log.contains("max_conections") && log.contains("exit status: 64"),
        "{log}"
    );
    assert_eq!(idle.scalar("SELECT 1").as_deref(), Some("1"));
    proxy.rewrite(|text| text.replace("max_conections", "max_connections"));
    let heir = proxy.upgrade();
    idle.quit().unwrap();
    assert_eq!(proxy.wait().code(), Some(0));
    heir.stop();
}

#[test]
fn the_old_process_gives_up_what_it_does_not_need() {
    each_server(|server| {
        let tenant = Tenant::new(server, "gives");
        let mut root = Root::on(server);
        let setup = setup(server, &tenant).first_node(server.address(), &["max_connections = 10", "min_idle = 4"]);
        let proxy = setup.endpoint("idle_timeout = \"10m\"").start();
        let mut idle: Vec<Wire> = (0..4).map(|_| tenant.connect(proxy.address())).collect();
        idle.iter_mut().for_each(|wire| drop(wire.ok("START TRANSACTION")));
        idle.iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
        assert!(root.connections(&tenant.name).len() >= 4);
        let heir = proxy.upgrade();
        root.wait_for(&tenant.name, 0);
        assert_eq!(idle[3].scalar("SELECT 1").as_deref(), Some("1"), "and opens what it needs");
        heir.stop();
    });
}

#[test]
fn upgrade_timeout_bounds_how_long_clients_stay() {
    each_server(|server| {
        let tenant = Tenant::new(server, "bound");
        let mut proxy = setup(server, &tenant).server("upgrade_timeout = \"500ms\"").start();
        let (mut idle, mut busy) = (tenant.connect(proxy.address()), tenant.connect(proxy.address()));
        busy.ok("CREATE TABLE t (a INT)");
        busy.ok("START TRANSACTION");
        let heir = proxy.upgrade();
        assert!(idle.packet().is_err(), "an idle client is sent away");
        // It drains already, but nobody has told it to.
        proxy.term();
        thread::sleep(Duration::from_millis(200));
        busy.ok("INSERT INTO t VALUES (1)");
        busy.ok("COMMIT");
        assert!(busy.packet().is_err());
        assert_eq!(proxy.wait().code(), Some(0));
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT COUNT(*) FROM t").as_deref(), Some("1"));
        heir.stop();
    });
}

#[test]
fn the_old_process_heeds_sigterm_and_nothing_else() {
    let tenant = Tenant::new(mariadb(), "last");
    let mut proxy = setup(mariadb(), &tenant).start();
    let mut idle = tenant.connect(proxy.address());
    let heir = proxy.upgrade();
    proxy.hup();
    proxy.usr2();
    until("it says so", || proxy.log().matches("signals are for that one").count() == 2);
    assert_eq!(idle.scalar("SELECT 1").as_deref(), Some("1"));
    proxy.term();
    assert!(idle.packet().is_err());
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(heir.runs());
    heir.stop();
}

/// As a service manager does it: to each process of the service.
#[test]
fn sigterm_at_any_moment_of_a_hand_over_ends_both_processes() {
    let tenant = Tenant::new(mariadb(), "moment");
    for moment in [0, 5, 20, 60, 150, 400] {
        let mut proxy = setup(mariadb(), &tenant).start();
        let (mut idle, mut busy) = (tenant.connect(proxy.address()), tenant.connect(proxy.address()));
        busy.ok("START TRANSACTION");
        proxy.usr2();
        thread::sleep(Duration::from_millis(moment));
        let heirs = proxy.others();
        heirs.iter().for_each(Heir::term);
        proxy.term();
        assert!(idle.packet().is_err(), "an idle client is sent away");
        heirs.iter().for_each(Heir::wait);
        busy.ok("COMMIT");
        assert_eq!(proxy.wait().code(), Some(0));
        assert!(TcpStream::connect(proxy.address()).is_err(), "nobody is left");
    }
}

#[test]
fn a_process_that_has_just_taken_over_heeds_sigterm() {
    let tenant = Tenant::new(mariadb(), "just");
    let proxy = setup(mariadb(), &tenant).start();
    let mut idle = tenant.connect(proxy.address());
    let heir = proxy.upgrade();
    // Else systemd would kill it at once when the service is stopped.
    assert_ne!(heir.parent(), proxy.pid(), "it is the service manager's child");
    let mut busy = tenant.connect(proxy.address());
    busy.ok("START TRANSACTION");
    let begun = Instant::now();
    heir.stop();
    // Until drain_timeout is over.
    assert!((4..15).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(busy.packet().is_err());
    assert_eq!(idle.scalar("SELECT 1").as_deref(), Some("1"), "the old process was told nothing");
}

#[test]
fn a_process_that_ends_after_it_has_taken_over_is_missed() {
    let tenant = Tenant::new(mariadb(), "missed");
    let proxy = setup(mariadb(), &tenant).start();
    let mut idle = tenant.connect(proxy.address());
    proxy.upgrade().stop();
    until("it says so", || proxy.log().contains("nobody accepts clients"));
    assert_eq!(idle.scalar("SELECT 1").as_deref(), Some("1"));
}

/// A `KILL` that reaches the new process means nobody there.
#[test]
fn ids_of_the_old_process_are_nobodys_in_the_new_one() {
    each_server(|server| {
        let tenant = Tenant::new(server, "ids");
        let proxy: Proxy = setup(server, &tenant).start();
        let mut old: Vec<Wire> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
        let heir = proxy.upgrade();
        let mut new: Vec<Wire> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
        for wire in &mut old {
            let id = wire.scalar("SELECT CONNECTION_ID()").unwrap();
            assert_eq!(new[0].err(&format!("KILL {id}")).code, 1094);
        }
        thread::sleep(Duration::from_millis(50));
        for wire in old.iter_mut().chain(&mut new) {
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        }
        heir.stop();
    });
}
