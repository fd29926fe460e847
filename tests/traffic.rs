//! What is large, what comes all at once, what is broken off, and what is killed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    io::Read,
    net::{Shutdown, SocketAddr},
    time::{Duration, Instant},
};

use greenroom::demo::server::ROOT;
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{Login, Param, Reply, Wire, execute_body},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// A proxy in each mode before each server, and a user of the test's own.
fn everywhere(label: &str, lines: &[&str], test: impl Fn(&Tenant, &Proxy)) {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, label);
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = lines.iter().fold(setup, |setup, line| setup.server(line));
            test(&tenant, &setup.user(&tenant.name, &tenant.password).start());
        }
    });
}

fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn packed(commands: &[(Command, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (command, body) in commands {
        bytes.extend(&(body.len() as u32 + 1).to_le_bytes()[..3]);
        bytes.extend([0, *command as u8]);
        bytes.extend(*body);
    }
    bytes
}

fn value(replies: &[Reply]) -> Option<String> {
    match replies {
        [Reply::Rows(rows)] => rows.rows.first()?.first()?.clone(),
        other => panic!("one row was due, not {other:?}"),
    }
}

#[test]
fn large_results_and_rows_arrive_whole() {
    everywhere("large", &[], |tenant, proxy| {
        for flags in [CapabilityFlags::empty(), CapabilityFlags::CLIENT_DEPRECATE_EOF] {
            let mut wire = Wire::connect(proxy.address(), &tenant.login().without(flags)).unwrap();
            let digits = "SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4";
            let many = format!(
                "SELECT a.d + 5*b.d + 25*c.d + 125*e.d + 625*f.d, REPEAT(CHAR(97 + a.d USING utf8mb4), 10000) \
                 FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) e, ({digits}) f ORDER BY 1"
            );
            let rows = wire.rows(&many);
            assert_eq!(rows.len(), 3125);
            for (number, row) in rows.iter().enumerate() {
                assert_eq!(row[0], Some(number.to_string()));
                let letter = char::from(b'a' + (number % 5) as u8);
                assert!(row[1].as_ref().is_some_and(|text| text.len() == 10_000 && text.chars().all(|c| c == letter)));
            }
            for size in [0xFF_FFFF - 5, 0xFF_FFFF - 4, 0xFF_FFFF - 3, 0xFF_FFFF, 20_000_000] {
                // MariaDB's limit for REPEAT is its max_allowed_packet, 16 MiB.
                let text = wire.scalar(&format!("SELECT CONCAT(REPEAT('x', {}), REPEAT('y', 9))", size - 9));
                let Some(text) = text else { continue };
                assert!(text.len() == size && text.ends_with("xyyyyyyyyy") && text.starts_with("xxx"), "{size}");
            }
            assert_eq!(wire.scalar("SELECT 'after'").as_deref(), Some("after"));
        }
    });
}

#[test]
fn a_command_of_20_mb_arrives_whole() {
    everywhere("huge", &[], |tenant, proxy| {
        tenant.administer(&["SET GLOBAL max_allowed_packet = 67108864".into()]);
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE h (id INT, t LONGTEXT)");
        for (id, length) in [(1, 20_000_000), (2, 0xFF_FFFF - 28), (3, 0xFF_FFFF - 29), (4, 0xFF_FFFF - 27)] {
            let text = "all's well that ends well; ".replace('\'', "x").repeat(length / 20)[..length].to_owned();
            assert_eq!(wire.ok(&format!("INSERT INTO h VALUES ({id}, '{text}')")).affected_rows, 1);
            let same = wire.scalar(&format!("SELECT t FROM h WHERE id = {id}"));
            assert!(same.as_deref() == Some(text.as_str()), "{id}: {length} bytes");
        }
        let insert = wire.prepare("INSERT INTO h VALUES (?, ?)").unwrap();
        let text = "z".repeat(17_000_000);
        let mut body = execute_body(insert.id, 0, &[Param::Int(5), Param::Text("")]);
        body.pop();
        body.push(0xFD);
        body.extend(&(text.len() as u32).to_le_bytes()[..3]);
        body.extend(text.as_bytes());
        // 17 million does not fit the three bytes.
        let at = body.len() - text.len() - 4;
        body.splice(at..at + 4, [vec![0xFE], (text.len() as u64).to_le_bytes().to_vec()].concat());
        wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
        assert!(matches!(wire.executed().unwrap().as_slice(), [Reply::Ok(ok)] if ok.affected_rows == 1));
        assert_eq!(wire.scalar("SELECT LENGTH(t) FROM h WHERE id = 5").as_deref(), Some("17000000"));
    });
}

#[test]
fn commands_sent_at_once_are_answered_in_order() {
    everywhere("pipeline", &[], |tenant, proxy| {
        let login = tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
        let mut wire = Wire::connect(proxy.address(), &login).unwrap();
        wire.ok("CREATE TABLE p (a INT) ENGINE = InnoDB");
        let statement = wire.prepare("SELECT ? + 1").unwrap();
        let execute = execute_body(statement.id, 0, &[Param::Int(41)]);
        let id = statement.id.to_le_bytes();
        let sent = packed(&[
            (Command::COM_QUERY, b"BEGIN"),
            (Command::COM_PING, b""),
            (Command::COM_QUERY, b"INSERT INTO p VALUES (1)"),
            (Command::COM_STMT_EXECUTE, &execute),
            (Command::COM_QUERY, b"SELECT nothing"),
            (Command::COM_STMT_CLOSE, &id),
            (Command::COM_INIT_DB, tenant.name.as_bytes()),
            (Command::COM_QUERY, b"COMMIT"),
            (Command::COM_RESET_CONNECTION, b""),
            (Command::COM_QUERY, b"SELECT COUNT(*) FROM p"),
        ]);
        // All at once, and in pieces that end anywhere.
        for size in [sent.len(), 1, 3, 7] {
            for piece in sent.chunks(size) {
                wire.send_raw(piece).unwrap();
                if size < sent.len() {
                    std::thread::yield_now();
                }
            }
            let oks = [wire.replies(), wire.replies(), wire.replies()]
                .map(|replies| matches!(replies.unwrap()[0], Reply::Ok(_)));
            assert_eq!(oks, [true; 3]);
            match wire.executed().unwrap().remove(0) {
                Reply::Rows(rows) if size == sent.len() => assert_eq!(rows.rows[0][0].as_deref(), Some("42")),
                // The statement was closed the first time.
                Reply::Err(error) if size < sent.len() => assert_eq!(error.code, 1243),
                other => panic!("{other:?}"),
            }
            assert!(matches!(&wire.replies().unwrap()[0], Reply::Err(error) if error.code == 1054));
            let oks = [wire.replies(), wire.replies(), wire.replies()]
                .map(|replies| matches!(replies.unwrap()[0], Reply::Ok(_)));
            assert_eq!(oks, [true; 3]);
            assert!(value(&wire.replies().unwrap()).is_some());
        }
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM p").as_deref(), Some("4"));
    });
}

#[test]
fn a_local_file_may_be_sent_before_it_is_asked_for() {
    everywhere("ahead", &[], |tenant, proxy| {
        tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
        let login = tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
        let mut wire = Wire::connect(proxy.address(), &login).unwrap();
        wire.ok("CREATE TABLE a (a INT)");
        let mut sent = packed(&[(Command::COM_QUERY, b"LOAD DATA LOCAL INFILE 'x' INTO TABLE a")]);
        sent.extend(b"\x04\x00\x00\x021\n2\n\x00\x00\x00\x03");
        sent.extend(packed(&[(Command::COM_QUERY, b"SELECT COUNT(*) FROM a")]));
        wire.send_raw(&sent).unwrap();
        let mut asked = [0; 6];
        wire.stream().read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"\x02\x00\x00\x01\xFBx");
        // The server answers behind the file's two packets.
        let mut header = [0; 4];
        wire.stream().read_exact(&mut header).unwrap();
        assert_eq!(header[3], 4);
        wire.stream().read_exact(&mut vec![0; usize::from(header[0])]).unwrap();
        assert_eq!(value(&wire.replies().unwrap()).as_deref(), Some("2"));
    });
}

#[test]
fn an_oversized_command_is_refused_and_its_client_closed() {
    everywhere("oversized", &["max_packet = \"1MiB\""], |tenant, proxy| {
        for length in [1 << 20, 3 << 20, 20_000_000] {
            let mut wire = tenant.connect(proxy.address());
            assert_eq!(wire.scalar(&format!("SELECT LENGTH('{}')", "x".repeat(1_000_000))).as_deref(), Some("1000000"));
            // The error comes while the rest is still under way, and must not be lost over it.
            wire.send(Command::COM_QUERY, format!("SELECT '{}'", "x".repeat(length)).as_bytes()).unwrap();
            let mut answer = Vec::new();
            wire.stream().read_to_end(&mut answer).unwrap();
            assert_eq!(answer.get(4..13), Some(&b"\xFF\x81\x04#08S01"[..]), "{length}: {}", answer.escape_ascii());
        }
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
    });
}

#[test]
fn packets_out_of_order_are_refused_as_by_the_server() {
    each_server(|server| {
        let tenant = Tenant::new(server, "order");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        for sequence in [1, 5, 255] {
            let [direct, through] = [server.address(), proxy.address()].map(|address| {
                let mut wire = tenant.connect(address);
                wire.send_payload(sequence, b"\x03SELECT 1").unwrap();
                let mut answer = Vec::new();
                let _ = wire.stream().read_to_end(&mut answer);
                answer.escape_ascii().to_string()
            });
            assert_eq!(through, direct, "{sequence}");
        }
    });
}

#[test]
fn a_client_may_vanish_at_any_point() {
    everywhere("vanish", &[], |tenant, proxy| {
        let mut setup = tenant.connect(proxy.address());
        setup.ok("CREATE TABLE v (a INT) ENGINE = InnoDB");
        setup.ok("INSERT INTO v VALUES (0)");
        let halves: [&[u8]; 5] =
            [b"", b"\x05", b"\x20\x00\x00\x00", b"\x20\x00\x00\x00\x03SELECT", b"\xFF\xFF\xFF\x00\x03SELECT '"];
        for half in halves {
            let mut wire = tenant.connect(proxy.address());
            wire.ok("BEGIN");
            wire.ok("UPDATE v SET a = a + 1");
            wire.send_raw(half).unwrap();
            drop(wire);
            // Its transaction is rolled back, so the row is free again.
            poll(|| matches!(setup.one("SELECT a FROM v FOR UPDATE NOWAIT"), Reply::Rows(_)).then_some(()));
            assert_eq!(setup.scalar("SELECT a FROM v").as_deref(), Some("0"));
        }
        let mut reading = tenant.connect(proxy.address());
        reading.send(Command::COM_QUERY, b"SELECT REPEAT('x', 9000000), REPEAT('y', 9000000)").unwrap();
        let mut some = [0; 1000];
        reading.stream().read_exact(&mut some).unwrap();
        drop(reading);
        let mut asking = tenant.connect(proxy.address());
        asking.send(Command::COM_QUERY, b"SELECT SLEEP(30)").unwrap();
        asking.stream().shutdown(Shutdown::Both).unwrap();
        poll(|| (proxy.metrics().sum("greenroom_clients", &[]) == 1.0).then_some(()));
        assert_eq!(setup.scalar("SELECT 'well'").as_deref(), Some("well"));
    });
}

/// Sends all of it, says that no more comes, and gives what is answered until the other side closes.
fn last_words(tenant: &Tenant, address: SocketAddr, sent: &[u8]) -> String {
    let login = tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
    let mut wire = Wire::connect(address, &login).unwrap();
    wire.send_raw(sent).unwrap();
    wire.stream().shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    wire.stream().read_to_end(&mut answer).unwrap();
    // What MySQL says to an end that comes without COM_QUIT.
    let parting = b"\xFF\x86\x04#08S01Got an error reading communication packets";
    let length = answer.len() - if answer.ends_with(parting) { parting.len() + 4 } else { 0 };
    answer[..length].escape_ascii().to_string()
}

#[test]
fn who_closes_his_writing_end_is_answered_what_he_sent_whole() {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "half");
            tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
            tenant.connect(server.address()).ok("CREATE TABLE c (a INT PRIMARY KEY) ENGINE = InnoDB");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            // The first takes until the end of what is sent has surely come.
            let several = packed(&[
                (Command::COM_QUERY, b"SELECT SLEEP(0.3)"),
                (Command::COM_PING, b""),
                (Command::COM_QUERY, b"SELECT nothing"),
                (Command::COM_QUERY, b"BEGIN"),
                (Command::COM_QUERY, b"DELETE FROM c"),
                (Command::COM_QUERY, b"INSERT INTO c VALUES (7)"),
                (Command::COM_QUERY, b"COMMIT"),
                (Command::COM_QUERY, b"SELECT a FROM c"),
            ]);
            let slow = packed(&[(Command::COM_PING, b""), (Command::COM_QUERY, b"SELECT SLEEP(1.2), 'slow'")]);
            let file = packed(&[(Command::COM_QUERY, b"LOAD DATA LOCAL INFILE 'x' INTO TABLE c")]);
            let file = [&file[..], b"\x04\x00\x00\x028\n9\n\x00\x00\x00\x03"].concat();
            let cases: [(&str, Vec<u8>); 7] = [
                ("several commands", several.clone()),
                ("and half of one", [&several[..], b"\x20\x00\x00\x00\x03SELECT"].concat()),
                ("and a good-bye", [&several[..], &packed(&[(Command::COM_QUIT, b"")])].concat()),
                ("many", several.repeat(3)),
                ("the last takes its time", [&several[..], &slow].concat()),
                ("a file sent ahead", [&several[..], &file].concat()),
                ("one", packed(&[(Command::COM_QUERY, b"SELECT a, 'one' FROM c")])),
            ];
            for (name, sent) in cases {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut fresh = tenant.connect(server.address());
                    fresh.ok("DELETE FROM c");
                    fresh.ok("INSERT INTO c VALUES (7)");
                    last_words(&tenant, address, &sent)
                });
                assert!(direct.contains('7') && through == direct, "{name}: {through}\ndirectly: {direct}");
            }
        }
    });
}

#[test]
fn what_runs_for_a_client_that_has_gone_is_killed_though_it_had_sent_more() {
    everywhere("more", &[], |tenant, proxy| {
        let mut watcher = tenant.connect(proxy.address());
        let running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%'";
        let mut gone = tenant.connect(proxy.address());
        // Who has gone resets the connection when the first is answered.
        gone.send_raw(&packed(&[
            (Command::COM_QUERY, b"SELECT SLEEP(0.3)"),
            (Command::COM_QUERY, b"SELECT SLEEP(30)"),
        ]))
        .unwrap();
        drop(gone);
        poll(|| (proxy.metrics().sum("greenroom_clients", &[]) == 1.0).then_some(()));
        poll(|| (watcher.scalar(running).as_deref() == Some("0")).then_some(()));
    });
}

#[test]
fn a_session_is_killed_by_its_virtual_id() {
    everywhere("kill", &[], |tenant, proxy| {
        let mut killer = tenant.connect(proxy.address());
        // A query that runs.
        let mut victim = tenant.connect(proxy.address());
        let id = victim.greeting.thread_id;
        victim.send(Command::COM_QUERY, b"SELECT SLEEP(30) /* victim */").unwrap();
        let running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%victim%'";
        poll(|| (killer.scalar(running).as_deref() == Some("1")).then_some(()));
        killer.ok(&format!("KILL QUERY {id}"));
        match victim.replies().unwrap().remove(0) {
            Reply::Err(error) => assert_eq!(error.code, 1317),
            Reply::Rows(rows) => assert_eq!(rows.rows[0][0].as_deref(), Some("1"), "an interrupted SLEEP gives 1"),
            other => panic!("{other:?}"),
        }
        assert_eq!(victim.scalar("SELECT 'alive'").as_deref(), Some("alive"));
        // An idle session in a transaction.
        victim.ok("CREATE TABLE k (a INT) ENGINE = InnoDB");
        victim.ok("BEGIN");
        victim.ok("INSERT INTO k VALUES (1)");
        killer.ok(&format!("KILL QUERY {id}"));
        assert_eq!(victim.scalar("SELECT COUNT(*) FROM k").as_deref(), Some("1"));
        killer.ok(&format!("KILL {id}"));
        assert!(victim.query("SELECT 1").is_err());
        poll(|| (killer.scalar("SELECT COUNT(*) FROM k LOCK IN SHARE MODE").as_deref() == Some("0")).then_some(()));
        assert_eq!(killer.err(&format!("KILL {id}")).code, 1094);
        // A running one, whole.
        let mut victim = tenant.connect(proxy.address());
        victim.send(Command::COM_QUERY, b"SELECT SLEEP(30) /* victim */").unwrap();
        poll(|| (killer.scalar(running).as_deref() == Some("1")).then_some(()));
        killer.ok(&format!("KILL CONNECTION {}", victim.greeting.thread_id));
        // Either its error or the end comes; then nothing more.
        let _ = victim.replies();
        assert!(victim.query("SELECT 1").is_err());
        poll(|| (killer.scalar(running).as_deref() == Some("0")).then_some(()));
        // Another user's.
        let other = Wire::connect(proxy.address(), &Login::new("app", "app-secret")).unwrap();
        assert_eq!(killer.err(&format!("KILL {}", other.greeting.thread_id)).code, 1095);
        assert_eq!(killer.scalar("SELECT 'well'").as_deref(), Some("well"));
        // Oneself.
        let own = killer.greeting.thread_id;
        assert!([1317, 1927].contains(&killer.err(&format!("KILL {own}")).code));
        assert!(killer.query("SELECT 1").is_err());
    });
}

#[test]
fn a_session_of_a_new_collation_gets_its_turn_in_a_full_pool() {
    each_server(|server| {
        let tenant = Tenant::new(server, "collation");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        // One worker: what a collation's character sets are called, each learns for itself.
        let setup = setup.environment("GREENROOM__SERVER__WORKERS", "1");
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut busy = tenant.connect(proxy.address());
        busy.ok("CREATE TABLE b (a INT) ENGINE = InnoDB");
        for collation in [8, 33, 63] {
            busy.ok("BEGIN");
            busy.ok("INSERT INTO b VALUES (1)");
            let login = tenant.login().collation(collation);
            let mut waiting = Wire::connect(proxy.address(), &login).unwrap();
            waiting.send(Command::COM_QUERY, b"SELECT @@collation_connection").unwrap();
            poll(|| (proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 1.0).then_some(()));
            busy.ok("COMMIT");
            let expected = Wire::connect(server.address(), &login).unwrap().scalar("SELECT @@collation_connection");
            assert_eq!(value(&waiting.replies().unwrap()), expected);
        }
    });
}

#[test]
fn a_session_is_killed_by_a_command_too() {
    everywhere("command", &[], |tenant, proxy| {
        let mut killer = tenant.connect(proxy.address());
        let mut kill = |id: u32| {
            killer.send(Command::COM_PROCESS_KILL, &id.to_le_bytes()).unwrap();
            killer.replies().unwrap().remove(0)
        };
        let code = |reply: Reply| match reply {
            Reply::Err(error) => error.code,
            other => panic!("an error was due, not {other:?}"),
        };
        // An idle session, in a transaction.
        let mut victim = tenant.connect(proxy.address());
        victim.ok("CREATE TABLE IF NOT EXISTS k (a INT) ENGINE = InnoDB");
        victim.ok("BEGIN");
        victim.ok("INSERT INTO k VALUES (1)");
        assert!(matches!(kill(victim.greeting.thread_id), Reply::Ok(_)));
        assert!(victim.query("SELECT 1").is_err());
        // One that runs something.
        let mut victim = tenant.connect(proxy.address());
        victim.send(Command::COM_QUERY, b"SELECT SLEEP(30)").unwrap();
        poll(|| (proxy.metrics().sum("greenroom_clients", &["state=\"active\""]) == 1.0).then_some(()));
        assert!(matches!(kill(victim.greeting.thread_id), Reply::Ok(_)));
        let _ = victim.replies();
        assert!(victim.query("SELECT 1").is_err());
        // One that is gone, another user's, and a number that is no id of the proxy's: MySQL 9 does not know the command.
        assert_eq!(code(kill(victim.greeting.thread_id)), 1094);
        let other = Wire::connect(proxy.address(), &Login::new("app", "app-secret")).unwrap();
        assert_eq!(code(kill(other.greeting.thread_id)), 1095);
        assert!([1094, 1047].contains(&code(kill(999_999))));
        // Oneself.
        let own = killer.greeting.thread_id;
        killer.send(Command::COM_PROCESS_KILL, &own.to_le_bytes()).unwrap();
        assert!([1317, 1927].contains(&code(killer.replies().unwrap().remove(0))));
        assert!(killer.query("SELECT 1").is_err());
    });
}

#[test]
fn a_session_that_kills_itself_is_told_what_the_server_says_and_is_gone() {
    each_server(|server| {
        for mode in ["none", "session", "transaction"] {
            let proxy = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\"")).start();
            for (statement, ends) in [
                ("KILL CONNECTION_ID()", true),
                (" kill connection Connection_id ( ) ", true),
                ("KILL {id}", true),
                ("KILL QUERY {id}", false),
                ("KILL QUERY CONNECTION_ID()", false),
            ] {
                let told = [server.address(), proxy.address()].map(|address| {
                    let mut wire = Wire::connect(address, &Login::new("app", "app-secret")).unwrap();
                    let sql = statement.replace("{id}", &wire.greeting.thread_id.to_string());
                    let error = wire.err(&sql);
                    (error, wire.query("SELECT 1").is_err())
                });
                assert_eq!(told[1], told[0], "{mode}: {statement} (left: through the proxy)");
                assert_eq!(told[0].1, ends, "{statement}");
            }
        }
    });
}

#[test]
fn who_may_end_anybodys_statement_ends_it_by_the_session_s_id() {
    each_server(|server| {
        let [tenant, stranger] = ["ends", "stranger"].map(|label| Tenant::new(server, label));
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = setup.user(&stranger.name, &stranger.password).user(ROOT.user, ROOT.password).start();
        let (mut victim, mut stranger) = (tenant.connect(proxy.address()), stranger.connect(proxy.address()));
        let mut root = Wire::connect(proxy.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        let id = victim.greeting.thread_id;
        victim.send(Command::COM_QUERY, b"SELECT SLEEP(30) /* anybody */").unwrap();
        let running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%anybody */'";
        poll(|| (root.scalar(running).as_deref() == Some("1")).then_some(()));
        assert_eq!(stranger.err(&format!("KILL QUERY {id}")).message, format!("You are not owner of thread {id}"));
        assert_eq!(root.scalar(running).as_deref(), Some("1"), "a stranger may not");
        root.ok(&format!("KILL QUERY {id}"));
        victim.replies().unwrap();
        assert_eq!(victim.scalar("SELECT 'well'").as_deref(), Some("well"));
        root.ok(&format!("KILL {id}"));
        assert!(victim.query("SELECT 1").is_err());
    });
}
