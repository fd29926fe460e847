//! `SHOW PROCESSLIST` and `COM_PROCESS_INFO`: an application finds its sessions by the ids and addresses that they have.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::net::SocketAddr;

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mysql},
    wire::{Login, Reply, Rows, Wire, execute_body},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
const LIST: &str = "SHOW FULL PROCESSLIST";

type Row = Vec<Option<String>>;

fn everywhere(label: &str, test: impl Fn(&'static Server, &str, &Tenant, &Proxy)) {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, label);
            test(server, mode, &tenant, &setup(server, mode, &tenant).start());
        }
    });
}

fn setup(server: &Server, mode: &str, tenant: &Tenant) -> Setup {
    let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
    setup.user(&tenant.name, &tenant.password).user(ROOT.user, ROOT.password)
}

fn old(login: Login) -> Login {
    login.without(CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK)
}

fn root(address: SocketAddr) -> Wire {
    Wire::connect(address, &Login::new(ROOT.user, ROOT.password)).unwrap()
}

/// All ways to ask, by how each shows itself; MySQL 9 has no command for it.
fn lists(wire: &mut Wire) -> Vec<(&'static str, Vec<Row>)> {
    let mut lists = vec![("Query", wire.rows(LIST))];
    let prepared = wire.prepare(LIST).unwrap();
    for cursor in [0, 1] {
        wire.send(Command::COM_STMT_EXECUTE, &execute_body(prepared.id, cursor, &[])).unwrap();
        match wire.executed().unwrap().as_slice() {
            [Reply::Rows(rows)] => lists.push(("Execute", rows.rows.clone())),
            other => panic!("{other:?}"),
        }
    }
    wire.close(&prepared).unwrap();
    wire.send(Command::COM_PROCESS_INFO, &[]).unwrap();
    match wire.replies().unwrap().as_slice() {
        [Reply::Rows(info)] => lists.push(("Processlist", info.rows.clone())),
        [Reply::Err(error)] if wire.greeting.version.starts_with("9.") => assert_eq!(error.code, 1047),
        other => panic!("{other:?}"),
    }
    lists
}

fn cell(row: &Row, at: usize) -> &str {
    row[at].as_deref().unwrap_or("NULL")
}

/// The rows of a session.
fn of<'a>(rows: &'a [Row], wire: &Wire) -> Vec<&'a Row> {
    rows.iter().filter(|row| cell(row, 0) == wire.greeting.thread_id.to_string()).collect()
}

fn host(wire: &Wire) -> String {
    wire.stream().local_addr().unwrap().to_string()
}

#[test]
fn a_session_finds_itself_and_its_like_idle_and_at_work() {
    everywhere("list", |_, _, tenant, proxy| {
        for login in [tenant.login(), old(tenant.login())] {
            let mut asker = Wire::connect(proxy.address(), &login).unwrap();
            let idle = tenant.connect(proxy.address());
            let mut open = tenant.connect(proxy.address());
            open.ok("BEGIN");
            open.scalar("SELECT COUNT(*) FROM information_schema.tables");
            let mut busy = tenant.connect(proxy.address());
            busy.send(Command::COM_QUERY, b"SELECT SLEEP(30) /* busy */").unwrap();
            // A server shows for a moment what it has just done.
            until("all are shown at what they do", || {
                let rows = asker.rows(LIST);
                let does = |wire, command| of(&rows, wire).iter().any(|row| cell(row, 4) == command);
                of(&rows, &busy).iter().any(|row| cell(row, 7).starts_with("SELECT SLEEP"))
                    && does(&idle, "Sleep")
                    && does(&open, "Sleep")
            });
            for (asks, rows) in lists(&mut asker) {
                for (wire, command) in [(&asker, asks), (&idle, "Sleep"), (&open, "Sleep"), (&busy, "Query")] {
                    let [row] = of(&rows, wire)[..] else { panic!("one row was due: {rows:#?}") };
                    let expected = [tenant.name.as_str(), &host(wire), &tenant.name, command];
                    assert_eq!([1, 2, 3, 4].map(|at| cell(row, at)), expected, "{rows:#?}");
                    // MySQL subtracts what two clocks say: at the turn of a second it shows -1 (measured).
                    assert!(cell(row, 5).parse::<i32>().is_ok_and(|seconds| seconds >= -1), "{row:?}");
                }
                assert!(cell(of(&rows, &busy)[0], 7).starts_with("SELECT SLEEP(30)"));
            }
            // It is killed by the id that the list shows.
            let id = cell(of(&asker.rows(LIST), &busy)[0], 0).to_owned();
            asker.ok(&format!("KILL QUERY {id}"));
            busy.replies().unwrap();
            for gone in [idle, open, busy] {
                let id = gone.greeting.thread_id.to_string();
                drop(gone);
                until("who has left is not listed", || asker.rows(LIST).iter().all(|row| cell(row, 0) != id));
            }
        }
    });
}

#[test]
fn others_are_seen_by_those_with_the_privilege_alone() {
    everywhere("others", |server, _, tenant, proxy| {
        let stranger = Tenant::new(server, "stranger");
        let login = Login::new(&stranger.name, &stranger.password);
        let twin = setup(server, "transaction", &stranger).endpoint("credentials = \"static\"").start();
        // Nobody but the asker has a server connection, so that no row tells that it sees everything.
        let idle = Wire::connect(proxy.address(), &Login::new("app", "app-secret")).unwrap();
        let _elsewhere = Wire::connect(twin.address(), &login).unwrap();
        let mut user = tenant.connect(proxy.address());
        for (_, rows) in lists(&mut user) {
            assert!(of(&rows, &idle).is_empty() && of(&rows, &user).len() == 1, "{rows:#?}");
            assert!(rows.iter().all(|row| cell(row, 1) == tenant.name), "{rows:#?}");
        }
        let user = (user.greeting.thread_id, user);
        let mut root = root(proxy.address());
        for (_, rows) in lists(&mut root) {
            assert!(rows.iter().all(|row| cell(row, 1) != stranger.name), "another process's session: {rows:#?}");
            for wire in [&idle, &user.1, &root] {
                assert_eq!(of(&rows, wire).len(), 1, "{rows:#?}");
            }
            assert_eq!(cell(of(&rows, &idle)[0], 1), "app");
        }
    });
}

/// Every packet of a list as it came.
fn packets(wire: &mut Wire, command: Command, text: &str) -> Vec<Vec<u8>> {
    wire.send(command, text.as_bytes()).unwrap();
    let mut packets = Vec::new();
    let mut ends = if wire.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) { 1 } else { 2 };
    while ends > 0 {
        let payload = wire.packet().unwrap().payload;
        ends -= usize::from(payload[0] == 0xfe);
        packets.push(payload);
        if packets[0][0] == 0xff {
            break;
        }
    }
    packets
}

/// A text row with what differs between any two sessions taken out: id, host, time, and the state of who asks.
fn masked(payload: &[u8], columns: usize) -> Vec<String> {
    let (mut rest, mut row) = (payload, Vec::new());
    for at in 0..columns {
        let (value, after) = match rest[0] {
            0xfb => (None, &rest[1..]),
            length => (Some(&rest[1..=usize::from(length)]), &rest[1 + usize::from(length)..]),
        };
        rest = after;
        let value = value.map(|value| String::from_utf8(value.to_vec()).unwrap());
        row.push(if [0, 2, 5].contains(&at) { format!("{:?}", value.is_some()) } else { format!("{value:?}") });
    }
    assert!(rest.is_empty());
    row
}

/// A prepared list with what differs between any two sessions taken out: id, host and time of each.
fn binary(wire: &mut Wire) -> Rows {
    let prepared = wire.prepare(LIST).unwrap();
    let mut replies = wire.execute(&prepared, &[]).unwrap();
    wire.close(&prepared).unwrap();
    let Some(Reply::Rows(mut rows)) = replies.pop() else { panic!("no list") };
    for row in &mut rows.rows {
        for at in [0, 2, 5] {
            row[at] = row[at].as_ref().map(|_| String::new());
        }
    }
    rows.end.tracked.clear();
    rows
}

#[test]
fn the_list_is_made_as_the_server_makes_it() {
    each_server(|server| {
        for (change, mode) in [|login| login, old].into_iter().flat_map(|change| MODES.map(|mode| (change, mode))) {
            let tenant = Tenant::new(server, "twin");
            let (mut told, mut prepared) = (Vec::new(), Vec::new());
            for through in [false, true] {
                // One worker: what one session has used, the next one gets.
                let setup = setup(server, mode, &tenant).environment("GREENROOM__SERVER__WORKERS", "1");
                let proxy = through.then(|| setup.start());
                let address = proxy.as_ref().map_or(server.address(), Proxy::address);
                let mut asker = Wire::connect(address, &change(tenant.login())).unwrap();
                let idle = Wire::connect(address, &change(tenant.login())).unwrap();
                let settled = |row: &Row| cell(row, 4) == "Sleep" || cell(row, 7) == LIST;
                until("the idle one is idle", || asker.rows(LIST).iter().all(settled));
                for (command, text) in [(Command::COM_QUERY, LIST), (Command::COM_PROCESS_INFO, "")] {
                    let columns = usize::from(packets(&mut asker, command, text)[0][0]);
                    let list = packets(&mut asker, command, text);
                    told.push((through, list, columns));
                }
                prepared.push(binary(&mut asker));
                drop((asker, idle, proxy));
                Root::on(server).wait_for(&tenant.name, 0);
            }
            assert_eq!(prepared[1], prepared[0], "{mode}: prepared (left: through the proxy)");
            let (direct, through) = told.split_at(2);
            for ((_, direct, columns), (_, through, _)) in direct.iter().zip(through) {
                assert_eq!(through.len(), direct.len(), "{mode}");
                let rows = direct.len().saturating_sub(3)..direct.len() - 1;
                for (at, (direct, through)) in direct.iter().zip(through).enumerate() {
                    match rows.contains(&at) {
                        true => assert_eq!(masked(through, *columns), masked(direct, *columns), "{mode}"),
                        false => assert_eq!(through, direct, "{mode}: packet {at}"),
                    }
                }
            }
        }
    });
}

#[test]
fn a_list_is_no_different_for_what_is_around_it() {
    everywhere("around", |_, mode, tenant, proxy| {
        let mut wire = tenant.connect(proxy.address());
        let _idle = tenant.connect(proxy.address());
        // In results whose ASCII is another, the server's own list comes as it is.
        for names in ["latin1", "utf8mb4", "binary", "ucs2"] {
            wire.ok(&format!("SET character_set_results = {names}"));
            let rows = wire.rows(LIST);
            assert_eq!(of(&rows, &wire).len(), usize::from(names != "ucs2"), "{names}: {rows:#?}");
        }
        wire.ok("SET character_set_results = NULL");
        assert_eq!(of(&wire.rows("/* first */ show /*!50000 full */ processlist ;"), &wire).len(), 1);
        assert_eq!(of(&wire.rows(&format!("SHOW PROCESSLIST /* {} */", "x".repeat(17 << 10))), &wire).len(), 1);
        // Several statements, and one prepared by its text, give the server's own.
        let replies = wire.query("SHOW PROCESSLIST; SELECT 7").unwrap();
        assert!(matches!(&replies[1], Reply::Rows(rows) if rows.rows[0][0].as_deref() == Some("7")), "{mode}");
        wire.ok("PREPARE list FROM 'SHOW PROCESSLIST'");
        let rows = wire.rows("EXECUTE list");
        assert!(!rows.is_empty() && of(&rows, &wire).is_empty());
        wire.ok("DEALLOCATE PREPARE list");
        // What a session leaves behind is not another's, and transactions go on.
        wire.ok("CREATE TABLE t (a INT) ENGINE = InnoDB");
        wire.ok("BEGIN");
        wire.ok("INSERT INTO t VALUES (1)");
        assert_eq!(of(&wire.rows(LIST), &wire).len(), 1);
        wire.ok("ROLLBACK");
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"));
    });
}

/// MySQL can be told to read its list from a table: then it counts for `FOUND_ROWS()`, and may have a cursor.
#[test]
fn a_list_from_a_table_counts_the_rows_that_it_shows() {
    if mysql().is_none() {
        return;
    }
    let extra_args = ["--performance-schema=ON", "--performance-schema-show-processlist=ON"].map(Into::into).to_vec();
    let server = Server::start(Flavor::MySql, &Options { extra_args, ..Options::default() }).unwrap();
    let tenant = Tenant::new(&server, "table");
    let proxy = setup(&server, "transaction", &tenant).environment("GREENROOM__SERVER__WORKERS", "1").start();
    let mut asker = tenant.connect(proxy.address());
    let mut other = tenant.connect(proxy.address());
    let _idle = tenant.connect(proxy.address());
    for open in [false, true] {
        if open {
            asker.ok("BEGIN");
        }
        for (_, rows) in lists(&mut asker) {
            assert_eq!([of(&rows, &asker).len(), of(&rows, &other).len()], [1, 1], "{rows:#?}");
        }
        asker.rows("SELECT 1 UNION SELECT 2");
        let count = asker.rows(LIST).len().to_string();
        other.rows("SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5");
        assert_eq!(asker.scalar("SELECT FOUND_ROWS()"), Some(count), "open: {open}");
    }
}

#[test]
fn a_session_that_waits_for_a_connection_is_shown_so() {
    each_server(|server| {
        let tenant = Tenant::new(server, "line");
        let full = setup(server, "transaction", &tenant).first_node(server.address(), &["max_connections = 1"]);
        // One worker: what a server has said of a database, each learns for itself.
        let proxy = full.environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut holder = tenant.connect(proxy.address());
        holder.ok("CREATE TABLE w (a INT) ENGINE = InnoDB");
        holder.ok("BEGIN");
        holder.ok("INSERT INTO w VALUES (1)");
        let mut waiting = tenant.connect(proxy.address());
        waiting.send(Command::COM_QUERY, b"SELECT 'at last'").unwrap();
        let shown = ["Query", "Waiting for a server connection", "NULL"];
        until("it is seen to wait", || {
            of(&holder.rows(LIST), &waiting).iter().any(|row| [4, 6, 7].map(|at| cell(row, at)) == shown)
        });
        holder.ok("ROLLBACK");
        // On MySQL the list itself warns, which keeps the connection for one more statement.
        holder.ok("DO 1");
        assert!(matches!(waiting.replies().unwrap().as_slice(), [Reply::Rows(_)]));
    });
}

#[test]
fn a_long_list_is_whole_and_one_too_long_is_the_servers() {
    everywhere("long", |_, _, tenant, proxy| {
        let mut asker = tenant.connect(proxy.address());
        let mut busy: Vec<_> = (0..2).map(|_| tenant.connect(proxy.address())).collect();
        for (length, own) in [(100_000, 1), (3_000_000, 0)] {
            let text = format!("SELECT SLEEP(30) /* {} */", "x".repeat(length));
            for wire in &mut busy {
                wire.send(Command::COM_QUERY, text.as_bytes()).unwrap();
            }
            let full = |row: &Row| cell(row, 7).len() == text.len();
            until("both run", || asker.rows(LIST).iter().filter(|row| full(row)).count() == 2);
            assert_eq!(of(&asker.rows(LIST), &asker).len(), own, "{length}");
            // The short one has but the first hundred characters of each.
            let rows = asker.rows("SHOW PROCESSLIST");
            for wire in &mut busy {
                let [row] = of(&rows, wire)[..] else { panic!("{rows:#?}") };
                asker.ok(&format!("KILL QUERY {}", cell(row, 0)));
                wire.replies().unwrap();
            }
        }
    });
}

#[test]
fn the_lists_of_all_nodes_come_as_one() {
    for flavor in Flavor::ALL.into_iter().filter(|flavor| flavor.find().is_ok()) {
        let servers = [(); 2].map(|()| Server::start(flavor, &Options::default()).unwrap());
        for mode in ["session", "transaction"] {
            let nodes = ["role = \"replica\""];
            let setup = Setup::new(servers[0].address()).first_node(servers[0].address(), &nodes);
            let setup = setup.node("db2", servers[1].address(), &nodes);
            let proxy = setup.endpoint(&format!("pool = \"{mode}\"\naccess = \"read_only\"")).start();
            let login = Login::new("app", "app-secret").database("app");
            let mut wires = [(); 4].map(|()| Wire::connect(proxy.address(), &login).unwrap());
            let [first, second, idle, asker] = &mut wires;
            for wire in [&mut *first, &mut *second] {
                wire.ok("BEGIN");
                wire.scalar("SELECT COUNT(*) FROM information_schema.tables");
            }
            let ports = [&mut *first, &mut *second].map(|wire| wire.scalar("SELECT @@port").unwrap());
            assert_ne!(ports[0], ports[1], "each has its node");
            for (_, rows) in lists(asker) {
                for wire in [&*first, second, idle, asker] {
                    let [row] = of(&rows, wire)[..] else { panic!("{mode}: one row was due: {rows:#?}") };
                    assert_eq!(cell(row, 2), host(wire));
                }
                assert!(rows.iter().all(|row| row.len() == rows[0].len() && cell(row, 1) == "app"), "{rows:#?}");
            }
        }
    }
}

/// The command-line clients ask for the kill over a second connection, by the id that the first was greeted with.
#[test]
fn control_c_in_a_command_line_client_ends_the_statement() {
    everywhere("interrupt", |server, _, tenant, proxy| {
        let mut watcher = tenant.connect(proxy.address());
        let program = match server.flavor() {
            Flavor::MariaDb => std::path::PathBuf::from("mariadb"),
            Flavor::MySql => {
                let home = std::env::var_os("HOME").unwrap_or_default();
                std::path::PathBuf::from(home).join(".cache/greenroom/mysql/bin/mysql")
            }
        };
        let client = std::process::Command::new(program)
            .args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1"])
            .arg(format!("--port={}", proxy.address().port()))
            .args([format!("--user={}", tenant.name), format!("--password={}", tenant.password)])
            .args(if server.flavor() == Flavor::MySql {
                &["--ssl-mode=DISABLED", "--get-server-public-key"][..]
            } else {
                &["--skip-ssl"]
            })
            .args(["-N", "-e", "SELECT SLEEP(30) /* mine */"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let runs = |row: &Row| cell(row, 7).starts_with("SELECT SLEEP(30)");
        until("it runs", || watcher.rows(LIST).iter().any(runs));
        let pid = rustix::process::Pid::from_raw(i32::try_from(client.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        until("it runs no more", || !watcher.rows(LIST).iter().any(runs));
        let output = client.wait_with_output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        // The statement was answered: with an error, or by MySQL with the 1 of a SLEEP that was interrupted.
        let answered = err.contains("ERROR 1317") || out.lines().any(|line| line == "1");
        let killed = ["query killed", "query aborted"].iter().any(|words| format!("{out}{err}").contains(words));
        assert!(answered && killed, "{out}{err}");
    });
}
