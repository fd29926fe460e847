//! `greenroom advise` over general logs that the real servers have written of statements that really ran.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use greenroom::demo::server::{Options, ROOT, Server};
use mysql_common::constants::Command as Com;
use serde_json::Value;
use support::{
    servers::{Tenant, each_private_server},
    wire::{Login, Wire},
};

/// A server that writes its general log, and where.
struct Logged {
    server: Server,
    log: PathBuf,
}

impl Logged {
    fn new(server: Server) -> Self {
        let log = server.directory().join("general-of-the-test.log");
        let logged = Self { server, log };
        logged.root(&format!("SET GLOBAL general_log_file = '{}'", logged.log.display()));
        logged
    }

    fn root(&self, sql: &str) {
        let login = Login::new(ROOT.user, ROOT.password);
        let mut root = Wire::connect(self.server.address(), &login).unwrap();
        root.ok(sql);
        root.quit().unwrap();
    }

    /// Logs what happens meanwhile.
    fn during(&self, work: impl FnOnce()) {
        self.root("SET GLOBAL general_log = ON");
        work();
        self.root("SET GLOBAL general_log = OFF");
    }
}

fn advise(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    let command = command.arg("advise").args(arguments);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // Who refuses his arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(log: &Path, more: &[&str]) -> Value {
    let (code, out, err) = advise(&[&["--json", &log.display().to_string()], more].concat(), b"");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

fn group<'v>(advice: &'v Value, user: &str) -> &'v Value {
    let groups = advice["groups"].as_array().unwrap();
    groups.iter().find(|group| group["user"] == user).unwrap_or_else(|| panic!("{user} in {advice:#}"))
}

fn said(group: &Value) -> (&str, &str) {
    (group["pool"].as_str().unwrap(), group["reason"].as_str().unwrap())
}

#[test]
fn short_sessions_want_a_transaction_pool_unless_they_are_pinned() {
    each_private_server(&Options::default(), |server| {
        let logged = Logged::new(server);
        let [web, batch] = ["web", "batch"].map(|name| Tenant::new(&logged.server, name));
        web.administer(&[format!("CREATE TABLE {}.t (a INT)", web.name)]);
        logged.during(|| {
            for number in 0..25 {
                let mut one = web.connect(logged.server.address());
                one.result(&format!("SELECT {number},\n  'a line\n2026-01-01 of its own'"));
                one.ok("BEGIN");
                one.ok(&format!("INSERT INTO t VALUES ({number})"));
                one.ok("COMMIT");
                one.quit().unwrap();
                let mut other = batch.connect(logged.server.address());
                other.ok(&format!("CREATE TEMPORARY TABLE mine SELECT {number} AS a, 'secret' AS b"));
                other.result("SELECT * FROM mine");
                other.quit().unwrap();
            }
        });
        let advice = json(&logged.log, &[]);
        let web = group(&advice, &web.name);
        assert_eq!(said(web), ("transaction", "short_connections"), "{web:#}");
        assert_eq!(web["pool_size"], 1, "one after the other: {web:#}");
        let numbers = ["connections", "short_connections", "statements", "transactions", "pinned_sessions"];
        assert_eq!(numbers.map(|name| web[name].as_u64().unwrap()), [25, 25, 100, 50, 0]);
        assert_eq!(web["pins"].as_array().unwrap().len(), 0);
        let batch = group(&advice, &batch.name);
        assert_eq!(said(batch), ("session", "short_and_pinned"), "{batch:#}");
        assert_eq!((&batch["pinned_sessions"], &batch["sessions"]), (&25.into(), &25.into()));
        let pin = &batch["pins"][0];
        assert_eq!(pin["reason"], "temporary_table");
        assert_eq!((&pin["count"], &pin["certain"]), (&25.into(), &true.into()));
        assert_eq!(pin["statement"], "CREATE TEMPORARY TABLE mine SELECT ? AS a, ? AS b");
        assert!(!advice.to_string().contains("secret"), "a literal is shown");
        let (code, table, err) = advise(&["-"], &fs::read(&logged.log).unwrap());
        assert_eq!((code, err.as_str()), (Some(0), ""));
        for part in
            ["pool = \"session\"", "pins, 25 times: CREATE TEMPORARY TABLE mine SELECT ? AS a, ? AS b", "instead: "]
        {
            assert!(table.contains(part), "{part} in {table}");
        }
    });
}

#[test]
fn the_pool_is_as_large_as_transactions_really_overlapped() {
    each_private_server(&Options::default(), |server| {
        let logged = Logged::new(server);
        let tenant = Tenant::new(&logged.server, "busy");
        tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
        logged.during(|| {
            let mut all: Vec<_> = (0..30).map(|_| tenant.connect(logged.server.address())).collect();
            for round in 0..40 {
                // Five of the thirty are inside a transaction at once.
                for at in 0..5 {
                    all[(round + at) % 30].ok("BEGIN");
                    all[(round + at) % 30].ok("INSERT INTO t VALUES (1)");
                }
                (0..5).for_each(|at| {
                    _ = all[(round + at) % 30].ok("COMMIT");
                });
            }
            all.into_iter().for_each(|wire| {
                _ = wire.quit().unwrap();
            });
        });
        // Statements of no length: what overlaps are the transactions.
        let advice = json(&logged.log, &["--statement-time", "0s"]);
        let busy = group(&advice, &tenant.name);
        assert_eq!((&busy["pool_size"], &busy["pool_size_max"]), (&5.into(), &5.into()), "{busy:#}");
        assert_eq!((&busy["connections_at_once"], &busy["transactions"]), (&30.into(), &200.into()));
        let usual = json(&logged.log, &[]);
        assert!(group(&usual, &tenant.name)["pool_size"].as_u64().unwrap() >= 5);
    });
}

#[test]
fn commands_of_every_kind_are_read_as_the_servers_write_them() {
    each_private_server(&Options::default(), |server| {
        let logged = Logged::new(server);
        let tenant = Tenant::new(&logged.server, "kinds");
        let monitor = Tenant::new(&logged.server, "monitor");
        tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
        let mut denied = 0;
        logged.during(|| {
            let mut wire = tenant.connect(logged.server.address());
            // Prepared twice: over the protocol, which does not pin, and by text, which does until it is deallocated.
            let statement = wire.prepare("SELECT a FROM t WHERE a = ?").unwrap();
            wire.execute(&statement, &[support::wire::Param::Int(5)]).unwrap();
            wire.send(Com::COM_STMT_CLOSE, &statement.id.to_le_bytes()).unwrap();
            wire.ok("PREPARE s FROM 'SELECT a FROM t WHERE a = ?'");
            wire.ok("SET @a = 5");
            wire.result("EXECUTE s USING @a");
            wire.ok("DEALLOCATE PREPARE s");
            wire.ok("SET autocommit = 0");
            wire.result("SELECT a FROM t");
            wire.ok("ROLLBACK");
            wire.send(Com::COM_INIT_DB, tenant.name.as_bytes()).unwrap();
            wire.packet().unwrap();
            wire.change_user(&tenant.login()).unwrap();
            wire.result("SELECT GET_LOCK('kinds', 0)");
            wire.ok("DO RELEASE_ALL_LOCKS()");
            wire.quit().unwrap();
            denied += u64::from(Wire::connect(logged.server.address(), &Login::new(&tenant.name, "wrong")).is_err());
            let mut asking = monitor.connect(logged.server.address());
            for _ in 0..80 {
                asking.send(Com::COM_STATISTICS, b"").unwrap();
                asking.packet().unwrap();
            }
            asking.quit().unwrap();
        });
        let advice = json(&logged.log, &[]);
        assert_eq!(advice["logins_refused"], denied);
        let kinds = group(&advice, &tenant.name);
        assert_eq!((&kinds["pinned_sessions"], &kinds["connections"]), (&0.into(), &1.into()), "{kinds:#}");
        let pins: Vec<_> =
            kinds["pins"].as_array().unwrap().iter().map(|pin| pin["reason"].as_str().unwrap()).collect();
        assert!(pins.contains(&"sql_prepare") && pins.contains(&"user_lock") && pins.len() == 2, "{kinds:#}");
        assert_eq!(said(group(&advice, &monitor.name)), ("none", "frequent_statistics"));
        let strict = json(&logged.log, &["--strict"]);
        let pins = group(&strict, &tenant.name)["pins"].to_string();
        assert!(pins.contains("prepared_statement") && pins.contains("user_variable"), "{pins}");
    });
}

#[test]
fn what_is_no_log_is_refused_with_its_line_and_takes_nothing_from_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let good = "of a statement\n2026-11-27T17:40:15.000000Z\t    8 Connect\tapp@h on shop using TCP/IP\n\
                2026-11-27T17:40:16.000000Z\t    8 Query\tSELECT 1\n2026-11-27T17:40:17.000000Z\t    8 Quit\t\n";
    fs::write(path("good"), good).unwrap();
    fs::write(path("bad"), "\n\nERROR 1064 at line 5\n").unwrap();
    fs::write(path("empty"), "").unwrap();
    let (code, out, err) = advise(&["--json", &path("bad"), &path("good"), &path("none")], b"");
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("error: {}:3: this is no general query log", path("bad"))), "{err}");
    assert!(err.contains(&format!("warning: {}:1: 1 line before the first entry", path("good"))), "{err}");
    assert!(err.contains(&format!("error: {}: No such file", path("none"))), "{err}");
    let advice: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(advice["all"]["statements"], 1);
    let (code, out, _) = advise(&[&path("empty")], b"");
    assert!(code == Some(0) && out.contains("no entries"), "{out}");
    let back =
        "2026-11-27T17:40:15.000000Z\t    8 Query\tSELECT 1\n2026-11-27T16:40:15.000000Z\t    8 Query\tSELECT 1\n";
    let (code, _, err) = advise(&["-"], back.as_bytes());
    assert!(code == Some(0) && err.contains("warning: standard input:2: the time goes back"), "{err}");
    assert_eq!(advise(&[], b"").0, Some(64));
}

/// What a terminal this wide is sent while a shell runs the command; `greenroom` in it is the program, `$log` the log.
fn on_terminal(columns: usize, command: &str, log: &Path) -> String {
    let command = command.replace("greenroom", env!("CARGO_BIN_EXE_greenroom"));
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols {columns} rows 20; {command}"), "/dev/null"]).stdin(Stdio::null());
    let output = script.env("TERM", "xterm").env("SHELL", "/bin/sh").env("log", log).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_terminal_shows_in_one_line_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let entry = "2026-11-27T17:40:15.000000Z\t    8 Query\tSELECT 1\n";
    fs::write(&log, entry.repeat(40_000)).unwrap();
    for (command, words) in [
        ("greenroom advise $log >/dev/null", ["%", "left"]),
        ("greenroom advise - <$log >/dev/null", ["%", "left"]),
        ("cat $log | greenroom advise - >/dev/null", ["iB", "read"]),
        ("cat $log | greenroom advise $log - >/dev/null", ["iB", "read"]),
    ] {
        let shown = on_terminal(24, command, &log);
        // Without the control sequences that put a line in the place of the last.
        let lines: Vec<String> = shown.split(['\r', '\n']).map(printed).filter(|line| !line.is_empty()).collect();
        assert!(lines.iter().any(|line| words.iter().all(|word| line.contains(word))), "{command}: {lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 24), "{command}: {lines:?}");
    }
}

#[test]
fn the_demo_shows_on_a_terminal_how_much_of_its_time_is_over() {
    let nothing = Path::new("/dev/null");
    let shown = on_terminal(60, "greenroom demo --seconds 2 --clients 5 --port 0 --once >/dev/null", nothing);
    let lines: Vec<String> = shown.split(['\r', '\n']).map(printed).filter(|line| !line.is_empty()).collect();
    assert!(lines.iter().any(|line| line.ends_with("1 of 2 s")), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 60), "{lines:?}");
}

/// A line without control sequences.
fn printed(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or_default()
    })
}
