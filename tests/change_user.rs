//! `COM_CHANGE_USER` through the proxy, beside what the server itself does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use mysql_common::constants::Command;
use support::{
    proxy::Setup,
    servers::{Tenant, each_server, mariadb},
    wire::{ErrPacket, Login, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

fn state(wire: &mut Wire) -> Vec<Option<String>> {
    wire.rows("SELECT CURRENT_USER(), DATABASE(), @kept, @@autocommit, @@sql_mode, LAST_INSERT_ID()").remove(0)
}

fn refusal(wire: &mut Wire, login: &Login) -> ErrPacket {
    match wire.change_user(login) {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

#[test]
fn a_client_becomes_another_user_and_comes_back_with_nothing_kept() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "one"), Tenant::new(server, "two")];
        for (mode, credentials) in MODES.iter().flat_map(|mode| [(mode, "static"), (mode, "learned")]) {
            println!("{mode}, {credentials}");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.endpoint(&format!("credentials = \"{credentials}\""));
            let known = [&one, &two].into_iter().filter(|_| credentials == "static");
            let proxy = known.fold(setup, |setup, tenant| setup.user(&tenant.name, &tenant.password)).start();
            let walk = |address| {
                let mut wire = one.connect(address);
                wire.ok("CREATE TABLE IF NOT EXISTS t (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB");
                let mut seen = Vec::new();
                for login in [two.login(), one.login(), Login::new(&one.name, &one.password), two.login()] {
                    wire.ok("SET @kept = 1, autocommit = 0, SESSION sql_mode = ''");
                    wire.query(&format!("INSERT INTO {}.t VALUES ()", one.name)).unwrap();
                    let welcome = wire.change_user(&login).unwrap();
                    seen.push((welcome.status, format!("{:?}", welcome.tracked), state(&mut wire)));
                }
                wire.change_user(&one.login()).unwrap();
                assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"), "what was open is rolled back");
                seen
            };
            assert_eq!(walk(proxy.address()), walk(server.address()));
        }
    });
}

#[test]
fn a_change_that_fails_is_told_as_it_is_directly() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "from"), Tenant::new(server, "to")];
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.user(&one.name, &one.password).user(&two.name, &two.password);
            let proxy = setup.start();
            let logins = [
                Login::new(&two.name, "guess"),
                two.login().database(&one.name),
                two.login().database("nosuch"),
                Login::new(&two.name, ""),
            ];
            for login in &logins {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut wire = one.connect(address);
                    refusal(&mut wire, login)
                });
                assert_eq!(through, direct, "{mode}");
            }
        }
    });
}

#[test]
fn the_native_plugin_is_challenged_by_the_scramble_that_the_client_has() {
    // MariaDB's client library answers by that one whatever the challenge says.
    let server = mariadb();
    let tenant = Tenant::new(server, "again");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
    for address in [server.address(), proxy.address()] {
        let mut wire = tenant.connect(address);
        let plugin = b"mysql_native_password\0";
        let challenge = [b"\xfe", &plugin[..], &wire.greeting.scramble, b"\0"].concat();
        let body = [tenant.name.as_bytes(), b"\0\0\0\x2d\0", plugin, b"\0"].concat();
        wire.send(Command::COM_CHANGE_USER, &body).unwrap();
        assert_eq!(wire.packet().unwrap().payload, challenge);
    }
}
