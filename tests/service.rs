//! The process as its operator sees it: metrics, health, signals, reload, start and end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "service/idle.rs"]
mod idle;
#[path = "service/manager.rs"]
mod manager;
#[path = "service/metrics.rs"]
mod metrics;
#[path = "service/reload.rs"]
mod reload;
#[path = "service/stop.rs"]
mod stop;
#[path = "service/upgrade.rs"]
mod upgrade;

use std::process::Command;

use support::{
    observe::until,
    proxy::Setup,
    servers::{Tenant, each_server},
    wire::{Wire, WireError},
};

#[test]
fn environment_overrides_reach_the_running_proxy() {
    each_server(|server| {
        let tenant = Tenant::new(server, "env");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = setup.environment("GREENROOM__SERVER__MAX_CLIENTS", "2").start();
        // The clients that looked whether it listens may still be leaving.
        until("nobody is there", || proxy.clients() == 0.0);
        let _two = [(); 2].map(|()| tenant.connect(proxy.address()));
        match Wire::connect(proxy.address(), &tenant.login()) {
            Err(WireError::Refused(error)) => {
                let text = "Too many connections: all 2 places for clients of [server] are taken";
                assert!(error.code == 1040 && error.message.starts_with(text), "{error}");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn check_says_what_a_proxy_would_run_with() {
    let check = |environment: (&str, &str)| {
        Command::new(env!("CARGO_BIN_EXE_greenroom"))
            .args(["check", "--set", "server.workers=3"])
            .env(environment.0, environment.1)
            .output()
            .unwrap()
    };
    let good = check(("GREENROOM__SERVER__MAX_CLIENTS", "77"));
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success() && text.contains("77") && text.contains("configuration is valid"), "{text}");
    let bad = check(("GREENROOM__SERVER__MAX_CLIENTS", "many"));
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(bad.status.code() == Some(64) && text.contains("GREENROOM__SERVER__MAX_CLIENTS"), "{text}");
}

#[test]
fn log_lines_for_machines_are_objects_one_a_line() {
    each_server(|server| {
        let tenant = Tenant::new(server, "json");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let mut proxy = setup.extra("[log]\nformat = \"json\"\nlevel = \"debug\"").start();
        let mut wire = tenant.connect(proxy.address());
        wire.scalar("SELECT 'a \"quoted\"\nline'");
        let _ = wire.query("greenroom: panic");
        assert!(Wire::connect(proxy.address(), &support::wire::Login::new("no\"bo\\dy", "x")).is_err());
        proxy.term();
        assert!(proxy.wait().success());
        let log = proxy.log();
        assert!(log.lines().count() > 4);
        for line in log.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            for key in ["ts", "level", "msg"] {
                assert!(value.get(key).is_some_and(serde_json::Value::is_string), "no {key}: {line}");
            }
        }
        assert!(!log.contains(&tenant.password), "no password in the log");
    });
}
