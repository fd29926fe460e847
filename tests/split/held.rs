//! What stays on a replica's connection after a statement, and what comes next.

use super::{
    SIDE, connect, side, splitting,
    support::{
        observe::until,
        pair::each_replicating_pair,
        wire::{Reply, Wire},
    },
};

/// Reads on the replica, and leaves a warning there.
const WARNS: &str = "SELECT side, CAST('x' AS SIGNED) FROM app.here";

fn warned(session: &mut Wire) {
    assert_eq!(side(session, WARNS), "replica");
}

#[test]
fn a_write_after_a_read_that_warned_goes_to_the_primary() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        let insert = session.prepare("INSERT INTO app.w (tag, at) VALUES ('row', @@port)").unwrap();
        let mut written = 0;
        for sql in [
            "INSERT INTO app.w (tag, at) VALUES ('row', @@port)",
            "INSERT INTO app.w (tag, at) SELECT 'row', @@port FROM app.here",
            "SELECT 1; INSERT INTO app.w (tag, at) VALUES ('row', @@port)",
        ] {
            warned(&mut session);
            let replies = session.query(sql).unwrap();
            assert!(matches!(replies.last(), Some(Reply::Ok(ok)) if ok.affected_rows == 1), "{sql}: {replies:?}");
            warned(&mut session);
            session.execute(&insert, &[]).unwrap();
            written += 2;
            assert_eq!([pair.rows(0), pair.strangers(0)], [written, 0], "{sql}");
        }
        warned(&mut session);
        session.ok("BEGIN");
        assert_eq!(side(&mut session, SIDE), "primary");
        session.ok("COMMIT");
        warned(&mut session);
        session.ok("CREATE TEMPORARY TABLE app.mine (a INT)");
        assert_eq!(side(&mut session, SIDE), "primary");
        // A long one comes in pieces.
        let mut session = connect(&proxy);
        warned(&mut session);
        let rows = vec!["('x')"; 10_000].join(",");
        session.ok(&format!("INSERT INTO app.w (tag) VALUES {rows}"));
        assert_eq!(pair.rows(0), written + 10_000);
        until("the replica follows", || pair.rows(1) == written + 10_000);
    });
}

/// What the server says itself after that statement.
fn found_rows(pair: &super::support::pair::Pair, sql: &str) -> String {
    let mut root = pair.root(0).0;
    root.rows(sql);
    root.scalar("SELECT FOUND_ROWS()").unwrap()
}

#[test]
fn the_previous_statement_is_told_of_from_either_side() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        session.ok("INSERT INTO app.w (tag) VALUES ('one'), ('two'), ('three')");
        let last = session.scalar("SELECT LAST_INSERT_ID()");
        warned(&mut session);
        assert_eq!(session.scalar("SELECT @@warning_count").as_deref(), Some("1"));
        warned(&mut session);
        assert_eq!(session.rows("SHOW WARNINGS")[0][1].as_deref(), Some("1292"));
        warned(&mut session);
        assert_eq!(session.scalar("SELECT ROW_COUNT()").as_deref(), Some("-1"));
        warned(&mut session);
        session.ok("INSERT INTO app.w (tag, at) VALUES ('count', ROW_COUNT())");
        assert_eq!(
            session.scalar("/* greenroom: primary */ SELECT at FROM app.w WHERE tag = 'count'").as_deref(),
            Some("-1")
        );
        session.rows("SELECT * FROM app.w");
        assert_eq!(session.scalar("SELECT FOUND_ROWS()").as_deref(), Some("4"));
        assert_ne!(session.scalar("SELECT LAST_INSERT_ID()"), last);
        // What its reply did not tell, before the session leaves the replica.
        for limited in
            ["SELECT id, CAST('x' AS SIGNED) FROM app.w LIMIT 5 OFFSET 2", "SELECT id FROM app.w LIMIT 5 OFFSET 3"]
        {
            session.rows(limited);
            session.ok("COMMIT");
            let found = session.scalar("SELECT FOUND_ROWS()").unwrap();
            assert_eq!(found, found_rows(&pair, limited), "{limited}");
        }
        // An error, and what asks for it.
        assert_eq!(session.err("SELECT nothing FROM app.here").code, 1054);
        assert_eq!(session.rows("SHOW ERRORS")[0][1].as_deref(), Some("1054"));
        assert_eq!(session.err("SELECT nothing FROM app.here").code, 1054);
        session.ok("UPDATE app.w SET at = 7");
        assert_eq!(session.rows("SHOW WARNINGS").len(), 0);
        // A write cannot be told what a replica knows.
        warned(&mut session);
        assert_eq!(session.err("INSERT INTO app.w (tag, at) VALUES ('never', @@warning_count)").code, 1105);
        assert_eq!(pair.rows(0), 4);
    });
}

#[test]
fn resetting_and_changing_user_leave_the_replica() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(side(&mut session, SIDE), "replica");
        session.send(mysql_common::constants::Command::COM_RESET_CONNECTION, b"").unwrap();
        assert!(matches!(session.replies().as_deref(), Ok([Reply::Ok(_)])));
        session.ok("INSERT INTO app.w (tag) VALUES ('after')");
        session.ok("START TRANSACTION READ ONLY");
        session.change_user(&super::login()).unwrap();
        session.ok("INSERT INTO app.w (tag) VALUES ('after')");
        assert_eq!([pair.rows(0), pair.strangers(0)], [2, 0]);
    });
}
