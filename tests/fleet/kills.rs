//! KILL of another instance's sessions, by the ids that clients know.

use std::collections::BTreeSet;

use greenroom::demo::server::{Flavor, Server};
use mysql_common::constants::Command;

use crate::{
    LIMIT, column, member, some_etcd,
    support::{
        etcd::Etcd,
        observe::{Root, until, within},
        proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy},
        servers::{Tenant, each_server, mariadb},
        wire::{ErrPacket, Login, Reply, Wire},
    },
    wait_for_etcd, wait_for_shares,
};

/// Where an id's instance begins, and where no server's own count comes.
const INSTANCE: u32 = 1 << 22;
const FIRST: u32 = 1 << 30;

/// Two instances, which know these users.
fn pair(server: &Server, etcd: &Etcd, tenants: &[&Tenant]) -> [Proxy; 2] {
    let name = format!("kills-{}", server.flavor());
    let setup = member(server, tenants[0], 20, &etcd.fleet(&name, &[]));
    let setup = tenants[1..].iter().fold(setup, |setup, tenant| setup.user(&tenant.name, &tenant.password));
    let pair = [setup.start(), setup.start()];
    wait_for_shares(&[&pair[0], &pair[1]], &[10, 10]);
    pair
}

/// Lets a session run something for long, and waits until it does.
fn keep_busy(wire: &mut Wire, root: &mut Root) {
    let mark = format!("/* {} */", wire.greeting.thread_id);
    wire.send(Command::COM_QUERY, format!("SELECT SLEEP(60) {mark}").as_bytes()).unwrap();
    let running = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SL%{mark}'");
    until("it runs", || root.0.scalar(&running).as_deref() == Some("1"));
}

/// What a server says to somebody who may not, about this id.
fn refusal(server: &Server, asker: &Tenant, victim: &Tenant, id: u32) -> ErrPacket {
    let (mut asker, other) = (asker.connect(server.address()), victim.connect(server.address()));
    let direct = other.greeting.thread_id.to_string();
    let mut error = asker.err(&format!("KILL {direct}"));
    error.message = error.message.replace(&direct, &id.to_string());
    error
}

fn unknown(id: u32) -> (u16, String) {
    (1094, format!("Unknown thread id: {id}"))
}

fn said(error: ErrPacket) -> (u16, String) {
    (error.code, error.message)
}

#[test]
fn ids_are_nobody_elses_and_tell_their_instance() {
    let etcd = some_etcd!();
    let tenant = Tenant::new(mariadb(), "fleet");
    let setup = member(mariadb(), &tenant, 30, &etcd.fleet("ids", &[]));
    let proxies: Vec<Proxy> = (0..3).map(|_| setup.start()).collect();
    wait_for_shares(&proxies.iter().collect::<Vec<_>>(), &[10, 10, 10]);
    let (mut ids, mut instances) = (BTreeSet::new(), BTreeSet::new());
    for proxy in &proxies {
        let own: BTreeSet<u32> = (0..40).map(|_| tenant.connect(proxy.address()).greeting.thread_id).collect();
        let numbers: BTreeSet<u32> = own.iter().map(|id| (id - FIRST) / INSTANCE).collect();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        instances.extend(numbers);
        ids.extend(own);
        let mut wire = tenant.connect(proxy.address());
        assert_eq!(wire.scalar("SELECT CONNECTION_ID()"), Some(wire.greeting.thread_id.to_string()));
    }
    assert_eq!((ids.len(), instances.len()), (120, 3), "{instances:?}");
    assert!(!instances.contains(&0) && ids.iter().all(|id| (FIRST..2 * FIRST).contains(id)));
    // A number that has become free is not the next one's.
    drop(proxies);
    let next = setup.start();
    within(LIMIT, "it has a number", || next.log().contains("registered with the fleet"));
    assert!(!instances.contains(&((tenant.connect(next.address()).greeting.thread_id - FIRST) / INSTANCE)));
}

#[test]
fn a_session_of_the_same_user_is_killed_whichever_instance_has_it() {
    let etcd = some_etcd!();
    each_server(|server| {
        let tenant = Tenant::new(server, "fleet");
        let [one, two] = pair(server, &etcd, &[&tenant]);
        let (mut root, mut asker) = (Root::on(server), tenant.connect(one.address()));
        let mut victim = tenant.connect(two.address());
        let id = victim.greeting.thread_id;
        // It runs nothing: there is no statement to be ended.
        asker.ok(&format!("KILL QUERY {id}"));
        assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"));
        keep_busy(&mut victim, &mut root);
        asker.ok(&format!("KILL QUERY {id}"));
        let ended = victim.replies();
        println!("{ended:?}");
        assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"), "the session lives on");
        victim.ok("BEGIN");
        let thread = root.backend_of(&mut victim);
        asker.ok(&format!("KILL {id}"));
        assert!(victim.query("SELECT 1").is_err(), "it is gone");
        until("and so is its transaction", || !root.connections(&tenant.name).contains(&thread));
        for (count, busy) in [true, false].into_iter().enumerate() {
            let mut victim = tenant.connect(two.address());
            let id = victim.greeting.thread_id;
            if busy {
                keep_busy(&mut victim, &mut root);
            }
            // As a command, and prepared.
            if count == 0 {
                asker.send(Command::COM_PROCESS_KILL, &id.to_le_bytes()).unwrap();
                assert!(matches!(asker.replies().unwrap().remove(0), Reply::Ok(_)));
            } else {
                let prepared = asker.prepare(&format!("KILL CONNECTION {id}")).unwrap();
                assert!(matches!(asker.execute(&prepared, &[]).unwrap().remove(0), Reply::Ok(_)));
            }
            if busy {
                let _ = victim.replies();
            }
            assert!(victim.query("SELECT 1").is_err(), "it is gone");
            until("nobody has the id", || said(asker.err(&format!("KILL {id}"))) == unknown(id));
        }
        let running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SL%'";
        until("nothing runs on", || root.0.scalar(running).as_deref() == Some("0"));
        // Ids of instances that there are not.
        for id in [FIRST + 77 * INSTANCE, 2 * FIRST - 1, id] {
            assert_eq!(said(asker.err(&format!("KILL {id}"))), unknown(id));
            assert_eq!(said(asker.err(&format!("KILL QUERY {id}"))), unknown(id));
        }
    });
}

#[test]
fn whether_another_users_may_be_killed_a_server_says() {
    let etcd = some_etcd!();
    each_server(|server| {
        let [ordinary, admin, victim] = ["ordinary", "admin", "victim"].map(|label| Tenant::new(server, label));
        ordinary.administer(&[format!("GRANT PROCESS ON *.* TO {}@'%'", ordinary.name)]);
        let right = if server.flavor() == Flavor::MySql { "CONNECTION_ADMIN" } else { "CONNECTION ADMIN" };
        admin.administer(&[format!("GRANT {right}, PROCESS ON *.* TO {}@'%'", admin.name)]);
        let [one, two] = pair(server, &etcd, &[&ordinary, &admin, &victim]);
        let mut root = Root::on(server);
        let [mut may_not, mut may] = [&ordinary, &admin].map(|tenant| tenant.connect(one.address()));
        let mut killed = victim.connect(two.address());
        let id = killed.greeting.thread_id;
        for busy in [false, true] {
            if busy {
                keep_busy(&mut killed, &mut root);
            }
            for text in ["KILL", "KILL QUERY"] {
                assert_eq!(may_not.err(&format!("{text} {id}")), refusal(server, &ordinary, &victim, id));
            }
            may.ok(&format!("KILL QUERY {id}"));
            if busy {
                println!("{:?}", killed.replies());
            }
            assert_eq!(killed.scalar("SELECT 'well'").as_deref(), Some("well"));
        }
        may.ok(&format!("KILL {id}"));
        assert!(killed.query("SELECT 1").is_err(), "it is gone");
        until("nobody has the id", || said(may.err(&format!("KILL {id}"))) == unknown(id));
        until("nobody stands by", || root.connections(&victim.name).is_empty());
    });
}

#[test]
fn an_administrator_kills_from_any_console_and_without_etcd_only_what_is_there() {
    let mut etcd = some_etcd!();
    let tenant = Tenant::new(mariadb(), "fleet");
    let [one, two] = pair(mariadb(), &etcd, &[&tenant]);
    let mut admin = Wire::connect(one.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD)).unwrap();
    let mut victim = tenant.connect(two.address());
    keep_busy(&mut victim, &mut Root::on(mariadb()));
    admin.ok(&format!("KILL QUERY {}", victim.greeting.thread_id));
    let _ = victim.replies();
    assert_eq!(victim.scalar("SELECT 1").as_deref(), Some("1"));
    admin.ok(&format!("KILL {}", victim.greeting.thread_id));
    assert!(victim.query("SELECT 1").is_err(), "it is gone");
    assert_eq!(admin.err(&format!("KILL {}", victim.greeting.thread_id)).code, 1094);

    let [mut here, mut there] = [&one, &two].map(|proxy| tenant.connect(proxy.address()));
    let mut asker = tenant.connect(one.address());
    etcd.kill();
    wait_for_etcd(&[&one, &two], false);
    let error = asker.err(&format!("KILL {}", there.greeting.thread_id));
    assert_eq!(error.code, 1105, "{}", error.message);
    assert_eq!(there.scalar("SELECT 1").as_deref(), Some("1"));
    asker.ok(&format!("KILL {}", here.greeting.thread_id));
    assert!(here.query("SELECT 1").is_err(), "it is gone");
    etcd.restart(false);
    wait_for_etcd(&[&one, &two], true);
    assert_eq!(column(&admin.result("SHOW FLEET"), "share"), ["10", "10"]);
    asker.ok(&format!("KILL {}", there.greeting.thread_id));
    assert!(there.query("SELECT 1").is_err(), "it is gone");
}
