//! Which statements run where.

use greenroom::demo::server::Flavor;

use super::{
    SIDE, connect, side, side_of, splitting,
    support::{
        observe::until,
        pair::{each_replicating_pair, login},
        wire::{Param, Reply, Wire},
    },
    until_counted,
};

/// What any server answers alike that has the same data.
const PLAIN: [&str; 8] = [
    SIDE,
    "(SELECT side, 1 FROM app.here LIMIT 1)",
    "SELECT side, NOW(), RAND(), USER(), SLEEP(0) FROM app.here WHERE side IS NOT NULL",
    "WITH x AS (SELECT side FROM app.here) SELECT * FROM x",
    "SELECT side FROM app.here UNION ALL SELECT tag FROM app.w WHERE id < 0",
    "TABLE app.here",
    "/* greenroom: replica */ SELECT side, @@server_id FROM app.here",
    "SELECT side, 'FOR UPDATE', 'GET_LOCK(1)' FROM app.here -- @@x",
];

/// What is not, or not for certain.
const OTHERS: [&str; 16] = [
    "SELECT side FROM app.here FOR UPDATE",
    "SELECT side FROM app.here LOCK IN SHARE MODE",
    "SELECT side, @@port FROM app.here",
    "SELECT side, @nothing FROM app.here",
    "SELECT side, CONNECTION_ID() FROM app.here",
    "SELECT side, LAST_INSERT_ID() FROM app.here",
    "SELECT side, VERSION() FROM app.here",
    "SELECT side, IS_FREE_LOCK('a') FROM app.here",
    "SELECT side, GET_LOCK('a', 0), RELEASE_LOCK('a') FROM app.here",
    "SELECT side, app.f() FROM app.here",
    "SELECT side, schema_name FROM app.here, information_schema.schemata",
    "SELECT side FROM app.seeing",
    "SELECT side FROM app.locks",
    "SELECT HIGH_PRIORITY side, app.f() FROM app.here",
    "SELECT /*!40001 SQL_NO_CACHE */ side FROM app.here",
    "/* greenroom: primary */ SELECT side FROM app.here",
];

#[test]
fn plain_reads_go_to_the_replica_and_all_else_to_the_primary() {
    each_replicating_pair(|pair| {
        let mut root = pair.root(0).0;
        root.ok(
            "CREATE FUNCTION app.f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(GET_LOCK('f', 0)) FROM app.w)",
        );
        root.ok("CREATE VIEW app.seeing AS SELECT side, app.f() FROM app.here");
        root.ok("CREATE VIEW app.locks AS SELECT side, IS_FREE_LOCK('a') FROM app.here");
        let proxy = splitting(&pair, &[]).start();
        let maria = pair.replica() == "SLAVE";
        for sql in PLAIN.into_iter().filter(|sql| !(maria && sql.starts_with("TABLE"))) {
            let mut session = connect(&proxy);
            assert_eq!(side(&mut session, sql), "replica", "{sql}");
            assert_eq!(prepared(&mut session, sql), "replica", "prepared: {sql}");
            session.ok("INSERT INTO app.w (tag) VALUES ('written')");
        }
        for sql in OTHERS {
            let mut session = connect(&proxy);
            assert_eq!(side(&mut session, sql), "primary", "{sql}");
            let mut session = connect(&proxy);
            assert_eq!(prepared(&mut session, sql), "primary", "prepared: {sql}");
        }
        let mut session = connect(&proxy);
        let several = session.query("SELECT side FROM app.here; SELECT side FROM app.here").unwrap();
        assert!(several.into_iter().all(|reply| side_of(reply, "several") == "primary"));
        until_counted(&proxy, &["endpoint=\"app\"", "side=\"replica\"", "reason=\"read\""], 16.0);
        until_counted(&proxy, &["side=\"primary\"", "reason=\"write\""], 30.0);
        until_counted(&proxy, &["side=\"primary\"", "reason=\"asked\""], 2.0);
        assert_eq!(pair.rows(0), PLAIN.len() - usize::from(maria));
    });
}

fn prepared(session: &mut Wire, sql: &str) -> String {
    let statement = session.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut replies = session.execute(&statement, &[]).unwrap();
    let side = side_of(replies.remove(0), sql);
    session.close(&statement).unwrap();
    side
}

#[test]
fn long_reads_go_to_the_replica_too() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        let list = vec!["'replica'"; 10_000].join(",");
        assert_eq!(side(&mut session, &format!("SELECT side FROM app.here WHERE side IN ({list})")), "replica");
        let list = vec!["'primary'"; 200_000].join(",");
        assert_eq!(side(&mut session, &format!("SELECT side FROM app.here WHERE side IN ({list})")), "primary");
        let rows = vec!["('x')"; 10_000].join(",");
        assert_eq!(session.ok(&format!("INSERT INTO app.w (tag) VALUES {rows}")).affected_rows, 10_000);
        assert_eq!(pair.rows(0), 10_000);
    });
}

#[test]
fn what_the_session_is_like_decides_too() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        for (set, back) in [
            ("SET autocommit = 0", "SET autocommit = 1"),
            (
                "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            ),
            (
                "CREATE TEMPORARY TABLE app.here (side VARCHAR(10)) SELECT 'primary' AS side",
                "DROP TEMPORARY TABLE app.here",
            ),
            ("SET TRANSACTION READ ONLY", "DO 0"),
            ("SET sql_auto_is_null = 1", "SET sql_auto_is_null = DEFAULT"),
            ("BEGIN", "COMMIT"),
            ("USE information_schema", "USE app"),
            ("SET @greenroom_route = 'primary'", "SET @greenroom_route = 'auto'"),
            ("SET @GREENROOM_ROUTE = 'Primary'", "SET @greenroom_route = NULL"),
        ] {
            let mut session = connect(&proxy);
            session.ok(set);
            let read = if set.contains("is_null") { "SELECT side FROM app.here WHERE side IS NULL OR 1" } else { SIDE };
            assert_eq!(side(&mut session, read), "primary", "{set}");
            session.ok(back);
            // There it pins to the end.
            let pins = set.contains("is_null") && pair.servers[0].flavor() == Flavor::MariaDb;
            assert_eq!(side(&mut session, SIDE), if pins { "primary" } else { "replica" }, "{back}");
        }
        // What it has set it has on either side.
        let mut session = connect(&proxy);
        session.ok("SET NAMES latin1");
        session.ok("SET div_precision_increment = 7, time_zone = '+05:00', @a = 5");
        session.ok("USE app");
        assert_eq!(
            session.rows("SELECT side, 1/3, FROM_UNIXTIME(0), DATABASE() FROM here")[0],
            row(&["replica", "0.3333333", "1970-01-01 05:00:00", "app"])
        );
        assert_eq!(session.rows("SELECT side, @a, 1/3 FROM here")[0], row(&["primary", "5", "0.3333333"]));
    });
}

#[test]
fn a_switch_and_a_comment_force_a_side() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let [primary, replica] = [0, 1].map(|at| pair.address(at).port().to_string());
        let mut session = connect(&proxy);
        let port = "SELECT @@port";
        assert_eq!(session.scalar(port), Some(primary.clone()));
        assert_eq!(session.scalar(&format!("/* greenroom: replica */ {port}")), Some(replica.clone()));
        session.ok("SET @greenroom_route = 'replica'");
        assert_eq!(session.scalar(port), Some(replica));
        assert_eq!(session.scalar(&format!("/* greenroom: primary */ {port}")), Some(primary.clone()));
        // Only what reads can be forced there, and the variable is an ordinary one.
        assert_eq!(session.scalar("SELECT @greenroom_route").as_deref(), Some("replica"));
        session.ok("/* greenroom: replica */ INSERT INTO app.w (tag, at) VALUES ('one', @@port)");
        assert_eq!(side(&mut session, "/* greenroom: replica */ SELECT side FROM app.here FOR UPDATE"), "primary");
        session.ok("SET @greenroom_route = 'auto'");
        assert_eq!(session.scalar(port), Some(primary));
        assert_eq!([pair.rows(0), pair.strangers(0)], [1, 0]);
    });
}

#[test]
fn a_transaction_that_only_reads_stays_on_the_replica() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        session.ok("INSERT INTO app.w (tag) VALUES ('own')");
        let insert = session.prepare("INSERT INTO app.w (tag) VALUES (?)").unwrap();
        session.ok("SET @mine = 5");
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(side(&mut session, SIDE), "replica");
        assert_eq!(session.scalar("SELECT COUNT(*) FROM app.w").as_deref(), Some("1"));
        // As the primary would answer.
        let mut refused = session.err("INSERT INTO app.w (tag) VALUES ('never')");
        for _ in 0..2 {
            assert_eq!((refused.code, refused.state.as_str()), (1792, "25006"), "{refused:?}");
            assert_eq!(session.rows("SHOW WARNINGS")[0][1].as_deref(), Some("1792"));
            refused = match session.execute(&insert, &[Param::Text("never")]).unwrap().remove(0) {
                Reply::Err(error) => error,
                other => panic!("{other:?}"),
            };
        }
        session.ok("SAVEPOINT a");
        for sql in [
            "SELECT GET_LOCK('a', 0)",
            "CALL app.nothing()",
            "SET GLOBAL max_connections = 200",
            "SELECT @a := 1",
            "SELECT 1; COMMIT",
            "LOCK TABLES app.w READ",
            "CREATE TABLE app.x (a INT)",
        ] {
            let error = session.err(sql);
            assert_eq!((error.code, error.state.as_str()), (1235, "42000"), "{sql}: {error:?}");
        }
        assert_eq!(session.scalar("SELECT @@port"), Some(pair.address(1).port().to_string()));
        assert!(session.scalar("SELECT LAST_INSERT_ID()") > Some("0".into()));
        assert_eq!(session.scalar("SELECT @mine").as_deref(), Some("5"));
        let statement = session.prepare(SIDE).unwrap();
        assert_eq!(side_of(session.execute(&statement, &[]).unwrap().remove(0), SIDE), "replica");
        pair.root(0).0.ok("INSERT INTO app.w (tag) VALUES ('later')");
        super::until("the replica has it", || pair.rows(1) == 2);
        assert_eq!(session.scalar("SELECT COUNT(*) FROM app.w").as_deref(), Some("1"), "that is its snapshot");
        session.ok("COMMIT AND CHAIN");
        assert_eq!(session.scalar("SELECT COUNT(*) FROM app.w").as_deref(), Some("2"));
        session.ok("BEGIN");
        assert_eq!(side(&mut session, SIDE), "primary");
        session.ok("INSERT INTO app.w (tag) VALUES ('third')");
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(side(&mut session, SIDE), "primary", "it was begun within another");
        session.ok("COMMIT");
        session.ok("START TRANSACTION READ ONLY");
        assert_eq!(session.rows("SELECT side, (SELECT COUNT(*) FROM app.w) FROM app.here")[0], row(&["replica", "3"]));
        session.ok("ROLLBACK");
        // A read-only MariaDB would refuse to end this one.
        session.ok("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
        session.ok("SAVEPOINT a");
        assert_eq!(side(&mut session, SIDE), if pair.replica() == "SLAVE" { "primary" } else { "replica" });
        session.ok("COMMIT");
        session.ok("/* greenroom: primary */ START TRANSACTION READ ONLY");
        assert_eq!(side(&mut session, SIDE), "primary");
        assert!(matches!(session.one("SELECT GET_LOCK('a', 0)"), Reply::Rows(_)));
    });
}

fn row(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn where_reads_begin_transactions_by_themselves_no_replica_is_asked() {
    each_replicating_pair(|pair| {
        for at in 0..2 {
            pair.root(at).0.ok("SET GLOBAL autocommit = 0");
        }
        let proxy = splitting(&pair, &[]).start();
        let mut written = 0;
        until("a read was meant for the replica", || {
            let mut session = Wire::connect(proxy.address(), &login()).unwrap();
            assert_eq!(side(&mut session, SIDE), "primary");
            session.ok("INSERT INTO app.w (tag) VALUES ('written')");
            session.ok("COMMIT");
            written += 1;
            proxy.metrics().sum("greenroom_routed_statements_total", &["reason=\"no_replica\""]) > 0.0
        });
        assert_eq!(pair.rows(0), written);
    });
}
