//! Nodes whose servers say what they are: primaries that change, replicas that fall behind, on real servers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

#[path = "failover/lag.rs"]
mod lag;
mod support;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use greenroom::demo::server::APP;
use support::{
    observe::until,
    pair::{each_pair, login, monitor},
    wire::{Reply, Wire},
};

/// Sessions that write all the while.
const WRITERS: usize = 6;

/// How often the primary is another.
const CHANGES: usize = 6;

/// A statement that says where it ran.
fn insert(tag: &str) -> String {
    format!("INSERT INTO app.w (tag, at) VALUES ('{tag}', @@port)")
}

#[test]
fn writes_go_to_whichever_server_takes_them() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &[]).start();
        let (done, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (done, written, proxy) = (&done, &written, &proxy);
                scope.spawn(move || {
                    let mut session = Wire::connect(proxy.address(), &login()).unwrap();
                    // Prepared and as text, with autocommit and without.
                    let insert_one = session.prepare("INSERT INTO app.w (tag, at) VALUES ('row', @@port)").unwrap();
                    for turn in 0.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let replies = match (writer + turn) % 2 {
                            0 => session.query(&insert("row")).unwrap(),
                            _ => session.execute(&insert_one, &[]).unwrap(),
                        };
                        assert!(matches!(&replies[..], [Reply::Ok(ok)] if ok.affected_rows == 1), "{replies:?}");
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for change in 0..CHANGES {
                let before = written.load(Ordering::Relaxed);
                until("writes go on", || written.load(Ordering::Relaxed) > before + 50);
                let (old, new) = (change % 2, (change + 1) % 2);
                pair.demote(old);
                until("the old primary is a replica", || pair.role(&proxy, old) == "replica");
                let rows = pair.rows(old);
                // Long enough that who would still write there had.
                thread::sleep(Duration::from_millis(100));
                assert_eq!(pair.rows(old), rows, "written on a read-only server");
                pair.promote(new);
                until("the new primary is one", || pair.role(&proxy, new) == "primary");
            }
            let before = written.load(Ordering::Relaxed);
            until("writes go on", || written.load(Ordering::Relaxed) > before + 50);
            done.store(true, Ordering::Relaxed);
        });
        let [one, other] = [0, 1].map(|at| pair.rows(at));
        assert!(one > 0 && other > 0, "{one} and {other}");
        assert_eq!(one + other, written.load(Ordering::Relaxed), "a write was lost or doubled");
        assert_eq!([0, 1].map(|at| pair.strangers(at)), [0, 0], "a row says that it was written elsewhere");
    });
}

#[test]
fn a_transaction_on_the_old_primary_is_lost_and_its_session_goes_on() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &[]).start();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        session.ok("SET @mine = 7");
        session.ok("BEGIN");
        session.ok(&insert("lost"));
        pair.switch(&proxy);
        let error = session.err("COMMIT");
        assert_eq!((error.code, error.state.as_str()), (1180, "HY000"), "{error:?}");
        assert_eq!(session.scalar("SELECT @mine").as_deref(), Some("7"));
        session.ok(&insert("kept"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [0, 1]);
        // What holds a session to its server outside a transaction ends with it.
        session.ok("CREATE TEMPORARY TABLE app.t (a INT)");
        let mut idle = Wire::connect(proxy.address(), &login()).unwrap();
        assert_eq!(idle.err("SELECT nothing").code, 1054);
        pair.switch(&proxy);
        let error = session.err("SELECT * FROM app.t");
        assert_eq!((error.code, error.state.as_str()), (1429, "HY000"), "{error:?}");
        assert!(session.query("SELECT 1").is_err(), "it goes on without its table");
        // The warnings of the last statement do not.
        idle.ok(&insert("after an error"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [1, 1]);
    });
}

#[test]
fn sessions_with_connections_of_their_own_come_again() {
    each_pair(|mut pair| {
        for mode in ["none", "session"] {
            let proxy = pair.before(&monitor(), &[&format!("pool = \"{mode}\"")]).start();
            let mut session = Wire::connect(proxy.address(), &login()).unwrap();
            let at = session.scalar("SELECT @@port");
            pair.switch(&proxy);
            assert_eq!(session.err("SELECT @@port").code, 1429, "{mode}");
            assert!(session.query("SELECT 1").is_err(), "{mode}: it goes on at the old primary");
            let mut again = Wire::connect(proxy.address(), &login()).unwrap();
            assert_ne!(again.scalar("SELECT @@port"), at, "{mode}");
            again.ok(&insert(mode));
        }
    });
}

#[test]
fn who_writes_waits_for_a_primary() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &["lease_timeout = \"20s\""]).start();
        let short = pair.before(&monitor(), &["lease_timeout = \"1s\""]).start();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        let mut hasty = Wire::connect(short.address(), &login()).unwrap();
        session.ok(&insert("before"));
        pair.demote(0);
        until("nobody is a primary", || pair.role(&proxy, 0) == "replica" && pair.role(&short, 0) == "replica");
        let error = hasty.err(&insert("never"));
        assert_eq!((error.code, error.state.as_str()), (1429, "HY000"), "{error:?}");
        assert!(error.message.contains("none of its servers takes writes"), "{error:?}");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| session.ok(&insert("waited")));
            until("it waits", || proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 1.0);
            pair.promote(1);
            waiting.join().unwrap();
        });
        hasty.ok(&insert("lives on"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [1, 2]);
        // Who comes back must not take the writes from the one that followed it.
        pair.promote(0);
        until("there are two", || pair.role(&proxy, 0) == "primary" && pair.role(&short, 0) == "primary");
        for _ in 0..20 {
            session.ok(&insert("stays"));
        }
        assert_eq!(pair.rows(0), 1);
        // Who is asked which id it has made when its server dies does not survive that.
        session.ok("DO 0");
        // Until that one is gone.
        pair.servers[1].kill().unwrap();
        until("the other takes over", || matches!(session.one(&insert("taken over")), Reply::Ok(_)));
        assert!(pair.rows(0) > 1);
    });
}

#[test]
fn the_last_account_asks_where_none_is_named() {
    each_pair(|mut pair| {
        let proxy = pair.before("[monitor]\ninterval = \"100ms\"", &[]).start();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        session.ok(&insert("first"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [1, 0]);
        until("the monitor has looked", || pair.role(&proxy, 0) == "primary");
        pair.demote(0);
        until("it is a replica", || pair.role(&proxy, 0) == "replica");
        pair.promote(1);
        session.ok(&insert("second"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [1, 1]);
    });
}

#[test]
fn a_monitor_that_is_refused_says_so_and_the_traffic_judges() {
    each_pair(|mut pair| {
        let wrong = "[monitor]\ninterval = \"100ms\"\nuser = \"app\"\npassword = \"wrong\"";
        let proxy = pair.before(wrong, &[]).start();
        until("it is logged", || proxy.log().contains("the monitor cannot ask the node what it is"));
        assert!(!proxy.log().contains(APP.password) && !proxy.log().contains("wrong\""));
        until("nobody knows", || [0, 1].map(|at| pair.role(&proxy, at)) == ["unknown"; 2]);
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        session.ok(&insert("first"));
        pair.demote(0);
        pair.promote(1);
        // The old primary's own refusal shows it, and its statement goes on elsewhere.
        session.ok(&insert("second"));
        assert_eq!([0, 1].map(|at| pair.rows(at)), [1, 1]);
        assert_eq!([0, 1].map(|at| pair.role(&proxy, at)), ["replica", "primary"]);
    });
}

#[test]
fn a_configured_role_stays() {
    each_pair(|mut pair| {
        let proxy = pair.fixed(&monitor()).start();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        session.ok(&insert("first"));
        pair.demote(0);
        pair.promote(1);
        let error = session.err(&insert("never"));
        assert_eq!(error.code, 1290, "{error:?}");
        assert_eq!([0, 1].map(|at| pair.role(&proxy, at)), ["primary", "replica"]);
        assert_eq!(session.err(&insert("never")).code, 1290);
    });
}
