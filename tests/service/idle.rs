//! A process that has nothing to do.

use std::{fs, thread, time::Duration};

use crate::support::{observe::until, proxy::Setup, servers::each_server};

/// How often the main thread has gone to sleep, which it does once for each time that it woke.
fn sleeps(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{pid}/status")).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("Linux tells it").trim().parse().unwrap()
}

#[test]
fn the_main_thread_sleeps_but_for_its_clock() {
    each_server(|server| {
        let spare = |setup: Setup, name| setup.node(name, server.address(), &["max_connections = 1"]);
        let setup = ["db2", "db3", "db4"].into_iter().fold(Setup::new(server.address()), spare);
        let proxy = setup.start();
        until("ready", || proxy.get("/readyz").0 == 200);
        until("nobody is there", || proxy.clients() == 0.0);
        let before = sleeps(proxy.pid());
        thread::sleep(Duration::from_secs(4));
        let woken = sleeps(proxy.pid()) - before;
        // The clock's ten times a second, which the timers beneath may make twenty, and a few more.
        assert!(woken < 4 * 35, "{woken} times in 4 seconds");
    });
}
