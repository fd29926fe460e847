//! KILL of sessions of other users: a server judges, by the ids that clients know.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::Command;
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{ErrPacket, Login, Reply, Wire},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// What a session may be at when it is killed.
const STATES: [&str; 3] = ["idle", "in a transaction", "running"];

/// The users of a server: one with no rights over others, and those with some; and two to be killed.
struct Cast {
    ordinary: Tenant,
    admins: Vec<Tenant>,
    victim: Tenant,
    /// On MySQL nobody but its like may kill it.
    system: Tenant,
}

impl Cast {
    fn new(server: &Server) -> Self {
        let of = |label: &str, rights: &[&str]| {
            let tenant = Tenant::new(server, label);
            for right in rights {
                tenant.administer(&[format!("GRANT {right} ON *.* TO {}@'%'", tenant.name)]);
            }
            tenant
        };
        let mysql = server.flavor() == Flavor::MySql;
        let admin = if mysql { "CONNECTION_ADMIN" } else { "CONNECTION ADMIN" };
        Self {
            ordinary: of("ordinary", &["PROCESS"]),
            admins: vec![of("super", &["SUPER"]), of("admin", &[admin])],
            victim: of("victim", &[]),
            system: of("system", if mysql { &["SYSTEM_USER"] } else { &[] }),
        }
    }

    fn setup(&self, server: &Server, mode: &str) -> Setup {
        let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
        let all = [&self.ordinary, &self.victim, &self.system].into_iter().chain(&self.admins);
        all.fold(setup, |setup, tenant| setup.user(&tenant.name, &tenant.password))
    }
}

/// A session in one of the states, under this mark.
fn in_state(victim: &Tenant, proxy: &Proxy, root: &mut Wire, state: &str) -> Wire {
    let mut wire = victim.connect(proxy.address());
    match state {
        "idle" => {}
        "running" => {
            let mark = format!("/* {} */", wire.greeting.thread_id);
            wire.send(Command::COM_QUERY, format!("SELECT SLEEP(30) {mark}").as_bytes()).unwrap();
            let running =
                format!("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SL%{mark}'");
            until("it runs", || root.scalar(&running).as_deref() == Some("1"));
        }
        _ => {
            wire.ok("BEGIN");
            wire.scalar("SELECT COUNT(*) FROM information_schema.tables");
        }
    }
    wire
}

/// The ways to say it: a text, a prepared statement, a command.
fn kill(wire: &mut Wire, way: usize, id: u32) -> Reply {
    match way {
        0 => wire.one(&format!("KILL {id}")),
        1 => {
            let prepared = wire.prepare(&format!("KILL CONNECTION {id}")).unwrap();
            let reply = wire.execute(&prepared, &[]).unwrap().remove(0);
            wire.close(&prepared).unwrap();
            reply
        }
        _ => {
            wire.send(Command::COM_PROCESS_KILL, &id.to_le_bytes()).unwrap();
            wire.replies().unwrap().remove(0)
        }
    }
}

/// What the server says to somebody who may not, about this id, and what it shows of that afterwards.
fn refusal(server: &Server, cast: &Cast, id: u32) -> (ErrPacket, Vec<Vec<Option<String>>>) {
    let (mut asker, other) = (cast.ordinary.connect(server.address()), cast.victim.connect(server.address()));
    let (direct, id) = (other.greeting.thread_id.to_string(), id.to_string());
    let mut error = asker.err(&format!("KILL {direct}"));
    error.message = error.message.replace(&direct, &id);
    let renamed = |cell: Option<String>| cell.map(|text| text.replace(&direct, &id));
    let shown = asker.rows("SHOW WARNINGS").into_iter().map(|row| row.into_iter().map(renamed).collect());
    (error, shown.collect())
}

#[test]
fn who_may_kill_others_kills_their_sessions_and_nobody_else_does() {
    each_server(|server| {
        let cast = Cast::new(server);
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        for mode in MODES {
            let proxy = cast.setup(server, mode).start();
            for (at, state) in STATES.iter().enumerate() {
                println!("pool = {mode}, {state}");
                let mut victim = in_state(&cast.victim, &proxy, &mut root, state);
                let mut id = victim.greeting.thread_id;
                let mut ordinary = cast.ordinary.connect(proxy.address());
                for way in 0..3 {
                    let (error, shown) = refusal(server, &cast, id);
                    assert_eq!(kill(&mut ordinary, way, id), Reply::Err(error));
                    assert_eq!(ordinary.scalar("SELECT ROW_COUNT()").as_deref(), Some("-1"));
                    let Reply::Err(_) = kill(&mut ordinary, way, id) else { panic!("it was allowed") };
                    assert_eq!(ordinary.rows("SHOW WARNINGS"), shown);
                    ordinary.rows("SELECT 0 FROM (SELECT 0) nothing");
                }
                for (way, admin) in cast.admins.iter().enumerate().map(|(which, admin)| (at + which, admin)) {
                    let mut admin = admin.connect(proxy.address());
                    if *state != "running" {
                        // No statement of its runs: nothing happens.
                        admin.ok(&format!("KILL QUERY {id}"));
                        assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"));
                    }
                    assert!(matches!(kill(&mut admin, way % 3, id), Reply::Ok(_)));
                    assert_eq!(admin.scalar("SELECT ROW_COUNT()").as_deref(), Some("0"));
                    if *state == "running" {
                        let _ = victim.replies();
                    }
                    assert!(victim.query("SELECT 1").is_err(), "it is gone");
                    until("nobody has the id", || admin.err(&format!("KILL {id}")).code == 1094);
                    victim = in_state(&cast.victim, &proxy, &mut root, state);
                    id = victim.greeting.thread_id;
                }
                drop(victim);
                // Nobody runs on, and those that were there to be looked at are gone.
                let left = format!(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{}' AND info IS NOT NULL",
                    cast.victim.name
                );
                until("nothing runs", || root.scalar(&left).as_deref() == Some("0"));
                until("no permit is lost", || proxy.metrics().sum("greenroom_backends", &[]) <= 10.0);
            }
        }
    });
}

#[test]
fn who_is_protected_on_the_server_is_so_here() {
    each_server(|server| {
        let cast = Cast::new(server);
        let proxy = cast.setup(server, "transaction").start();
        let mut victim = cast.system.connect(proxy.address());
        let id = victim.greeting.thread_id;
        let mut admin = cast.admins[0].connect(proxy.address());
        match server.flavor() {
            Flavor::MySql => {
                for query in ["", "QUERY"] {
                    assert_eq!(
                        admin.err(&format!("KILL {query} {id}")).message,
                        format!("You are not owner of thread {id}")
                    );
                }
                assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"));
            }
            Flavor::MariaDb => {
                admin.ok(&format!("KILL {id}"));
                assert!(victim.query("SELECT 1").is_err());
            }
        }
    });
}

#[test]
fn a_role_counts_while_it_is_on() {
    each_server(|server| {
        let cast = Cast::new(server);
        let (name, victim) = (&cast.ordinary.name, &cast.victim);
        cast.ordinary.administer(&[
            "DROP ROLE IF EXISTS killer".into(),
            "CREATE ROLE killer".into(),
            "GRANT SUPER ON *.* TO killer".into(),
            format!("GRANT killer TO {name}@'%'"),
        ]);
        for mode in MODES {
            let proxy = cast.setup(server, mode).start();
            let mut victim = victim.connect(proxy.address());
            let kill = format!("KILL {}", victim.greeting.thread_id);
            let mut asker = cast.ordinary.connect(proxy.address());
            assert_eq!(asker.err(&kill).code, 1095);
            asker.ok("SET ROLE killer");
            asker.ok("SET ROLE NONE");
            assert_eq!(asker.err(&kill).code, 1095);
            asker.ok("SET ROLE killer");
            asker.ok(&kill);
            assert!(victim.query("SELECT 1").is_err());
        }
        cast.ordinary.administer(&["DROP ROLE killer".into()]);
    });
}

#[test]
fn where_no_server_can_be_asked_nobody_is_killed() {
    each_server(|server| {
        let cast = Cast::new(server);
        let setup = cast.setup(server, "transaction").first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut victim = cast.victim.connect(proxy.address());
        let id = victim.greeting.thread_id;
        let mut admin = cast.admins[0].connect(proxy.address());
        admin.ok("BEGIN");
        admin.scalar("SELECT COUNT(*) FROM information_schema.tables");
        for query in ["", "QUERY"] {
            let error = admin.err(&format!("KILL {query} {id}"));
            assert_eq!(error.code, 1095, "{error}");
            assert!(error.message.starts_with(&format!("You are not owner of thread {id}: ")), "{error}");
        }
        admin.ok("COMMIT");
        admin.rows("SELECT 0 FROM (SELECT 0) nothing");
        assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"));
    });
}

/// Another endpoint's server has other connections by the same ids, and other rights.
#[test]
fn sessions_of_other_servers_are_out_of_reach() {
    each_server(|server| {
        let far = Server::start(server.flavor(), &Options::default()).unwrap();
        let socket = tempfile::tempdir().unwrap();
        let socket = socket.path().join("far.sock");
        let setup = Setup::new(server.address()).user(ROOT.user, ROOT.password);
        let proxy = setup
            .extra(&format!(
                "[[nodes]]\nname = \"far\"\naddress = \"{}\"\n[[endpoints]]\nname = \"far\"\nlisten = \"unix:{}\"\n\
                 pool = \"transaction\"\nnodes = [\"far\"]",
                far.address(),
                socket.display()
            ))
            .start();
        let app = Login::new("app", "app-secret");
        let mut victim = Wire::connect_unix(&socket, &app).unwrap();
        let id = victim.greeting.thread_id;
        let mut root = Wire::connect(proxy.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        assert_eq!(root.err(&format!("KILL {id}")).code, 1094);
        // The same user's statement there, and a connection of that very id here.
        let mut watcher = Wire::connect(far.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        victim.send(Command::COM_QUERY, b"SELECT SLEEP(30) /* far */").unwrap();
        let running = "SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE 'SELECT SL%far */'";
        until("it runs", || watcher.scalar(running).is_some());
        let there: u32 = watcher.scalar(running).unwrap().parse().unwrap();
        let mut here = (0..1000)
            .map(|_| Wire::connect(server.address(), &app).unwrap())
            .find(|wire| wire.greeting.thread_id >= there)
            .unwrap();
        here.send(Command::COM_QUERY, b"SELECT SLEEP(1), 'undisturbed'").unwrap();
        let mut asker = Wire::connect(proxy.address(), &app).unwrap();
        assert_eq!(asker.err(&format!("KILL QUERY {id}")).code, 1429);
        let undisturbed = [Some("0".to_owned()), Some("undisturbed".to_owned())];
        match here.replies().unwrap().as_slice() {
            [Reply::Rows(rows)] => assert_eq!(rows.rows, [undisturbed]),
            other => panic!("{other:?}"),
        }
    });
}
