//! `COM_STATISTICS`: a text about the server, which clients without a server connection may hear a second late.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::Server;
use mysql_common::constants::Command;
use support::{
    observe::Root,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{Reply, Wire},
};

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(1);

fn everywhere(test: impl Fn(&str, &'static Server, &Tenant, &Proxy)) {
    each_server(|server| {
        for mode in ["none", "session", "transaction"] {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "statistics");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            test(mode, server, &tenant, &setup.user(&tenant.name, &tenant.password).start());
        }
    });
}

/// Asks; the answer is one packet without a head.
fn ask(wire: &mut Wire) -> String {
    wire.send(Command::COM_STATISTICS, b"").unwrap();
    let packet = wire.packet().unwrap();
    let text = String::from_utf8(packet.payload).unwrap();
    assert!(packet.sequence == 1 && text.starts_with("Uptime: "), "{} {text:?}", packet.sequence);
    text
}

/// What the text says of the server's statements so far: every one of root's adds to it.
fn questions(text: &str) -> u64 {
    let number = text.split("Questions: ").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// Whether this is done before an answer that was given just before it is too old.
fn in_time<T>(mut look: impl FnMut() -> T) -> T {
    for _ in 0..20 {
        let begun = Instant::now();
        let seen = look();
        if begun.elapsed() < AGE {
            return seen;
        }
        thread::sleep(AGE);
    }
    panic!("the machine is too slow for this");
}

#[test]
fn who_has_no_connection_hears_what_the_server_said_within_the_last_second() {
    everywhere(|mode, server, tenant, proxy| {
        let (mut root, mut holder) = (Root::on(server), tenant.connect(proxy.address()));
        // Over both workers.
        let mut others: Vec<_> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
        let texts = in_time(|| others.iter_mut().map(|other| (ask(other), root.0.ok("DO 0")).0).collect::<Vec<_>>());
        if mode == "transaction" {
            assert!(texts.iter().all(|text| *text == texts[0]), "{texts:#?}");
        } else {
            let counts: Vec<_> = texts.iter().map(|text| questions(text)).collect();
            assert!(counts.is_sorted_by(|one, next| one < next), "{counts:?}");
        }
        // Who holds a connection is answered on it, and the others hear of that.
        holder.ok("BEGIN");
        let (held, heard) = in_time(|| {
            let first = ask(&mut holder);
            root.0.ok("DO 0");
            let held = ask(&mut holder);
            assert!(questions(&held) > questions(&first), "{held} was {first}");
            root.0.ok("DO 0");
            // The holder may have its answer before another worker knows of it.
            let mut asked = (0..100).map(|_| ask(&mut others[0]));
            let heard = asked.find(|heard| mode != "transaction" || *heard == held);
            (held, heard.expect("the same text, soon"))
        });
        match mode {
            "transaction" => assert_eq!(heard, held),
            _ => assert!(questions(&heard) > questions(&held), "{heard} was {held}"),
        }
        // Later the server is asked again.
        thread::sleep(AGE + Duration::from_millis(10));
        let before = questions(&heard);
        root.0.ok("DO 0");
        let heard = ask(&mut others[1]);
        assert!(questions(&heard) > before, "{heard} was {before}");
        assert_eq!(others.iter_mut().map(|other| other.scalar("SELECT 'well'")).filter(Option::is_some).count(), 8);
    });
}

#[test]
fn it_is_no_statement_and_leaves_what_is_known_of_the_last_one() {
    everywhere(|mode, server, tenant, proxy| {
        let [direct, through] = [server.address(), proxy.address()].map(|address| {
            let mut wire = tenant.connect(address);
            wire.ok("CREATE TABLE s (a INT) ENGINE = InnoDB");
            let mut seen = Vec::new();
            for sql in [
                "INSERT INTO s VALUES (1), (2)",
                "SELECT SQL_CALC_FOUND_ROWS a FROM s LIMIT 1",
                "SELECT a FROM s",
                "SELECT CAST('x' AS SIGNED) FROM s",
                "SELECT nothing FROM nowhere",
                "SET @a = 1",
            ] {
                for question in ["SELECT ROW_COUNT()", "SELECT FOUND_ROWS()", "SHOW WARNINGS", "SELECT @a"] {
                    wire.query(sql).unwrap();
                    // The second is answered without the server, where that is done at all.
                    ask(&mut wire);
                    ask(&mut wire);
                    let answer = match wire.one(question) {
                        Reply::Rows(rows) => rows.rows,
                        other => panic!("{other:?}"),
                    };
                    seen.push(format!("{sql}; {question}: {answer:?}"));
                }
            }
            wire.ok("BEGIN");
            wire.ok("DELETE FROM s");
            ask(&mut wire);
            wire.ok("ROLLBACK");
            seen.push(format!("{:?}", wire.scalar("SELECT COUNT(*) FROM s")));
            wire.ok("DROP TABLE s");
            seen
        });
        assert_eq!(through, direct, "{mode}");
    });
}
