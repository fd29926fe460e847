//! Reads see what their session has written.

use super::{
    SIDE, connect, side, splitting,
    support::{
        observe::until,
        pair::{Pair, each_pair_without_log, each_replicating_pair},
        wire::{Reply, Wire},
    },
    until_counted,
};

const COUNT: &str = "SELECT side, (SELECT COUNT(*) FROM app.w) FROM app.here";
const INSERT: &str = "INSERT INTO app.w (tag) VALUES ('row')";

fn counted(session: &mut Wire) -> (String, usize) {
    let rows = session.rows(COUNT);
    let [side, count] = [0, 1].map(|at| rows[0][at].clone().unwrap());
    (side, count.parse().unwrap())
}

/// Lets the replica apply what is written only so many seconds later.
fn delay(pair: &Pair, seconds: u32) {
    let (mut root, word) = (pair.root(1).0, pair.replica());
    root.ok(&format!("STOP {word}"));
    root.ok(&match word {
        "REPLICA" => format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}"),
        _ => format!("CHANGE MASTER TO MASTER_DELAY = {seconds}"),
    });
    root.ok(&format!("START {word}"));
}

#[test]
fn a_read_waits_for_the_sessions_own_writes() {
    each_replicating_pair(|pair| {
        pair.root(0).0.ok("GRANT ALL ON *.* TO app@'%'");
        let may = || pair.root(1).0.scalar("SELECT Create_priv FROM mysql.user WHERE user = 'app'");
        until("the replica knows", || may().as_deref() == Some("Y"));
        delay(&pair, 1);
        let proxy = splitting(&pair, &["causal_timeout = \"30s\""]).start();
        let mut session = connect(&proxy);
        session.ok(INSERT);
        assert_eq!(counted(&mut session), ("replica".into(), 1));
        assert_eq!(counted(&mut session), ("replica".into(), 1));
        let insert = session.prepare(INSERT).unwrap();
        session.execute(&insert, &[]).unwrap();
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(counted(&mut session), ("replica".into(), 2));
        session.ok("COMMIT");
        session.ok("BEGIN");
        session.ok(INSERT);
        session.ok("COMMIT");
        assert_eq!(counted(&mut session), ("replica".into(), 3));
        // A database that is new.
        session.ok("CREATE DATABASE fresh");
        session.ok("USE fresh");
        assert_eq!(counted(&mut session), ("replica".into(), 3));
        session.ok("CREATE TABLE t (a INT)");
        assert_eq!(side(&mut session, "SELECT side FROM app.here, (SELECT COUNT(*) FROM t) x"), "replica");
    });
}

#[test]
fn the_primary_serves_where_no_replica_has_them_in_time() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &["causal_timeout = \"200ms\""]).start();
        let careless = splitting(&pair, &["causal_reads = \"off\""]).start();
        let (mut session, mut other, mut hasty) = (connect(&proxy), connect(&proxy), connect(&careless));
        pair.applier("STOP");
        for written in 1..=3 {
            session.ok(INSERT);
            assert_eq!(counted(&mut session), ("primary".into(), written));
        }
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(counted(&mut session), ("primary".into(), 3));
        session.ok("COMMIT");
        // Who has written nothing, or does not care, sees what there is.
        assert_eq!(counted(&mut other), ("replica".into(), 0));
        hasty.ok(INSERT);
        assert_eq!(counted(&mut hasty), ("replica".into(), 0));
        pair.applier("START");
        until("the replica has caught up", || pair.rows(1) == 4);
        other.ok(INSERT);
        until("the session reads there again", || counted(&mut other) == ("replica".into(), 5));
        until_counted(&proxy, &["side=\"primary\"", "reason=\"behind\""], 3.0);
    });
}

#[test]
fn what_a_failed_statement_has_written_is_waited_for_too() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &["causal_timeout = \"200ms\""]).start();
        let mut session = connect(&proxy);
        pair.root(0).0.ok("CREATE TABLE app.gone (a INT)");
        pair.root(0).0.ok("CREATE TABLE app.plain (a INT PRIMARY KEY) ENGINE = MyISAM");
        until("the replica has the tables", || matches!(pair.root(1).0.one("SELECT 1 FROM app.plain"), Reply::Rows(_)));
        pair.applier("STOP");
        // Of a table that does not keep to transactions the first row is there although the second is refused.
        assert_eq!(session.err("INSERT INTO app.plain VALUES (1), (1)").code, 1062);
        session.ok("DO 0");
        let rows = session.rows("SELECT side, (SELECT COUNT(*) FROM app.plain) FROM app.here");
        assert_eq!(rows[0], [Some("primary".to_owned()), Some("1".to_owned())]);
    });
}

#[test]
fn without_gtids_a_session_that_has_written_reads_from_the_primary() {
    each_pair_without_log(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        session.ok("BEGIN");
        session.ok("COMMIT");
        session.ok("SET @a = 1");
        assert_eq!(side(&mut session, SIDE), "replica");
        session.ok(INSERT);
        for _ in 0..3 {
            assert_eq!(counted(&mut session), ("primary".into(), 1));
        }
        until_counted(&proxy, &["side=\"primary\"", "reason=\"unknown_position\""], 2.0);
        connect(&proxy);
    });
}

#[test]
fn what_is_written_past_the_binary_log_is_read_from_the_primary() {
    each_replicating_pair(|pair| {
        let mut root = pair.root(0).0;
        root.ok("GRANT ALL ON *.* TO app@'%'");
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        session.ok("SET SESSION sql_log_bin = 0");
        session.ok(INSERT);
        session.ok("SET SESSION sql_log_bin = 1");
        assert_eq!(counted(&mut session), ("primary".into(), 1));
        assert_eq!(pair.rows(1), 0);
        // All in one string.
        let mut session = connect(&proxy);
        let several = format!("SET SESSION sql_log_bin = 0; {INSERT}; SET SESSION sql_log_bin = 1");
        assert_eq!(session.query(&several).unwrap().len(), 3);
        assert_eq!(counted(&mut session), ("primary".into(), 2));
    });
}
