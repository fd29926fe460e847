//! The waiting line: first come, first served; giving up; vanishing.

use std::{thread, time::Duration};

use greenroom::demo::server::Server;
use mysql_common::constants::Command;

use super::workers;
use crate::support::{
    observe::{Root, until, within},
    proxy::Proxy,
    servers::{Tenant, each_server},
    wire::{Reply, Wire},
};

/// A proxy with one connection, a session that has it in a transaction, and so many others that may want it.
fn occupied(server: &Server, tenant: &Tenant, lease: &str, others: usize) -> (Proxy, Wire, Vec<Wire>) {
    let proxy = workers(server, tenant, 2)
        .first_node(server.address(), &["max_connections = 1"])
        .endpoint(&format!("lease_timeout = \"{lease}\""))
        .start();
    // A login with a database needs the server, at least once a worker: before there is a crowd.
    let others = (0..others).map(|_| tenant.connect(proxy.address())).collect();
    let mut holder = tenant.connect(proxy.address());
    holder.ok("CREATE TABLE line (place INT AUTO_INCREMENT PRIMARY KEY, who INT)");
    holder.ok("START TRANSACTION");
    (proxy, holder, others)
}

#[test]
fn ten_waiters_are_served_in_the_order_of_their_coming() {
    each_server(|server| {
        let tenant = Tenant::new(server, "fifo");
        let (proxy, mut holder, mut waiters) = occupied(server, &tenant, "20s", 10);
        for (number, waiter) in waiters.iter_mut().enumerate() {
            let sql = format!("INSERT INTO line (who) VALUES ({number})");
            waiter.send(Command::COM_QUERY, sql.as_bytes()).unwrap();
            // Each is seen to wait, on whichever worker it is, before the next comes: later by more than workers heed.
            proxy.wait_for_waiters(number as u32 + 1);
            thread::sleep(Duration::from_millis(30));
        }
        holder.ok("COMMIT");
        for waiter in &mut waiters {
            assert!(matches!(waiter.replies().unwrap().as_slice(), [Reply::Ok(_)]));
        }
        let order: Vec<String> =
            holder.rows("SELECT who FROM line ORDER BY place").into_iter().filter_map(|row| row[0].clone()).collect();
        assert_eq!(order, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(Root::on(server).connections(&tenant.name).len(), 1);
    });
}

#[test]
fn who_waits_too_long_is_told_so_and_lives_on() {
    each_server(|server| {
        let tenant = Tenant::new(server, "late");
        let (proxy, mut holder, mut waiters) = occupied(server, &tenant, "410ms", 1);
        let waiter = &mut waiters[0];
        for _ in 0..2 {
            let begun = std::time::Instant::now();
            let error = waiter.err("INSERT INTO line (who) VALUES (1)");
            assert!(begun.elapsed() >= Duration::from_millis(400));
            assert_eq!((error.code, error.state.as_str()), (1040, "HY000"));
            // The pool, its limit, and how long it was.
            let waited = error.message.strip_prefix("Too many connections: all 1 of pool 'app/db1' were busy for ");
            let waited = waited.and_then(|rest| rest.split("ms").next()?.parse::<f64>().ok());
            assert!(waited.is_some_and(|waited| (410.0..900.0).contains(&waited)), "{error}");
        }
        waiter.ok_ping();
        holder.ok("COMMIT");
        waiter.ok("INSERT INTO line (who) VALUES (2)");
        assert_eq!(waiter.scalar("SELECT GROUP_CONCAT(who) FROM line").as_deref(), Some("2"));
        until("the timeouts are counted", || proxy.metrics().sum("greenroom_lease_timeouts_total", &[]) == 2.0);
    });
}

#[test]
fn a_waiter_that_vanishes_gives_up_its_place() {
    each_server(|server| {
        let tenant = Tenant::new(server, "gone");
        let (proxy, mut holder, mut waiters) = occupied(server, &tenant, "20s", 4);
        for (number, waiter) in waiters.iter_mut().enumerate() {
            let sql = format!("INSERT INTO line (who) VALUES ({number})");
            waiter.send(Command::COM_QUERY, sql.as_bytes()).unwrap();
            proxy.wait_for_waiters(number as u32 + 1);
        }
        let mut last = waiters.pop().unwrap();
        drop(waiters);
        // Its place is given up while everybody still waits, not when its turn comes.
        proxy.wait_for_waiters(1);
        until("the sessions are gone", || proxy.clients() == 2.0);
        holder.ok("COMMIT");
        assert!(matches!(last.replies().unwrap().as_slice(), [Reply::Ok(_)]));
        assert_eq!(holder.scalar("SELECT GROUP_CONCAT(who) FROM line").as_deref(), Some("3"));
    });
}

#[test]
fn waiters_of_other_character_sets_are_served_by_the_one_connection() {
    each_server(|server| {
        let tenant = Tenant::new(server, "charset");
        let (proxy, mut holder, _) = occupied(server, &tenant, "9s", 0);
        // 8 is latin1_swedish_ci, 63 binary, 33 utf8mb3_general_ci: no connection has been opened with these yet.
        let waiters = [8, 63, 33].map(|id| {
            let login = tenant.login().collation(id);
            let address = proxy.address();
            thread::spawn(move || {
                // The database is known to one worker only: on the other the login itself has to wait.
                let mut wire = Wire::connect(address, &login).unwrap();
                wire.scalar("SELECT @@character_set_client").unwrap()
            })
        });
        proxy.wait_for_waiters(3);
        holder.ok("COMMIT");
        let sets = waiters.map(|waiter| waiter.join().unwrap());
        assert_eq!((&*sets[0], &*sets[1]), ("latin1", "binary"));
        assert!(sets[2].starts_with("utf8"), "{sets:?}");
        within(Duration::from_secs(5), "no waiters", || proxy.metrics().sum("greenroom_waiters", &[]) == 0.0);
    });
}
