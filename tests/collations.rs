//! Collation ids of one byte and of two: what a server makes of each, a session through the proxy gets too.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::net::SocketAddr;

use greenroom::demo::server::{Flavor, Server};
use mysql_common::constants::Command;
use support::{
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{OkPacket, Reply, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// Known to both servers, to one of them and to none, and 0; of character sets that no client may have; all of these
/// behind other high bytes, some of which make ids, too: MySQL's from 256 on, MariaDB's from 576, 1024 and 2048 on.
const IDS: [u16; 18] = [0, 8, 63, 255, 28, 54, 256, 264, 278, 301, 310, 576, 641, 1025, 2304, 2312, 2349, 0xFFFF];

/// Others of the character sets that are refused. At a change of user MariaDB takes a second for each refusal.
const REFUSED: [u16; 7] = [35, 62, 101, 151, 159, 183, 0x9A3];

/// Those that MariaDB knows when it is told both bytes. After a reset it has any other's from a login before.
const MARIADB: [u16; 8] = [8, 63, 28, 576, 1025, 2304, 2312, 2349];

/// Its answers and what it shows of its character sets, in words.
type Seen = Vec<String>;

fn look(wire: &mut Wire) -> String {
    let sql =
        "SELECT @@character_set_client, @@character_set_results, @@character_set_connection, @@collation_connection";
    match wire.one(sql) {
        Reply::Rows(rows) => format!("{:?}, of collation {}", rows.rows, rows.columns[0].collation),
        other => format!("{other:?}"),
    }
}

fn told(answer: &OkPacket) -> String {
    format!("{} warnings, {:?}", answer.warnings, answer.tracked)
}

fn refused(error: &WireError) -> Seen {
    let WireError::Refused(error) = error else { panic!("{error}") };
    vec![error.to_string()]
}

fn log_in(address: SocketAddr, tenant: &Tenant, id: u16) -> Seen {
    match Wire::connect(address, &tenant.login().collation(id)) {
        Ok(mut wire) => vec![told(&wire.welcome), look(&mut wire)],
        Err(error) => refused(&error),
    }
}

fn change(address: SocketAddr, tenant: &Tenant, id: u16) -> (Seen, Wire) {
    let mut wire = tenant.connect(address);
    let seen = match wire.change_user(&tenant.login().collation(id)) {
        Ok(welcome) => vec![told(&welcome), look(&mut wire)],
        Err(error) => refused(&error),
    };
    (seen, wire)
}

fn start(server: &Server, mode: &str, tenant: &Tenant) -> Proxy {
    let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
    setup.user(&tenant.name, &tenant.password).start()
}

/// Compares for every id, twice: what one session has learned of it, the next one finds.
fn same(ids: &[u16], play: impl Fn(&Server, SocketAddr, &Tenant, u16) -> Seen) {
    each_server(|server| {
        let tenant = Tenant::new(server, "collations");
        let proxies = MODES.map(|mode| start(server, mode, &tenant));
        let mut wrong = Vec::new();
        for &id in ids {
            let direct = play(server, server.address(), &tenant, id);
            for (mode, proxy) in MODES.iter().zip(&proxies) {
                for _ in 0..direct.len().min(2) {
                    let through = play(server, proxy.address(), &tenant, id);
                    if through != direct {
                        wrong.push(format!("{id}, {mode}: {through:?}\n    directly {direct:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", server.flavor(), wrong.join("\n"));
    });
}

#[test]
fn a_login_has_one_byte_for_its_collation() {
    same(&[&IDS[..], &REFUSED].concat(), |_, address, tenant, id| log_in(address, tenant, id));
}

#[test]
fn a_change_of_user_has_two() {
    same(&IDS, |server, address, tenant, id| {
        let (mut seen, mut wire) = change(address, tenant, id);
        if seen.len() > 1 && (server.flavor() == Flavor::MySql || MARIADB.contains(&id)) {
            wire.send(Command::COM_RESET_CONNECTION, &[]).unwrap();
            wire.replies().unwrap();
            seen.push(look(&mut wire));
        }
        seen
    });
}

#[test]
fn servers_read_what_the_lists_here_say() {
    each_server(|server| {
        let tenant = Tenant::new(server, "measured");
        let names = |seen: Seen| seen.join(" ");
        let low = names(log_in(server.address(), &tenant, 0x0108));
        assert!(low.contains("latin1_swedish_ci"), "the second byte is ignored: {low}");
        let (id, name) = match server.flavor() {
            Flavor::MySql => (278, "utf8mb4_0900_as_cs"),
            Flavor::MariaDb => (2304, "utf8mb4_uca1400_ai_ci"),
        };
        let both = names(change(server.address(), &tenant, id).0);
        assert!(both.contains(name), "COM_CHANGE_USER has two bytes: {both}");
    });
}
