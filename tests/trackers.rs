//! Clients that ask to be told of their session: whatever they ask for, they hear what a connection of their own tells, and
//! nothing of what Greenroom does to its connections; status flags too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    proxy::{Proxy, Setup},
    servers::{each_private_server, each_server, mysql},
    twin::{CLEAR, Stage, Twin},
    wire::{Login, OkPacket, Reply, Tracked, Wire},
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE = InnoDB",
    "INSERT INTO t VALUES (1, 1), (2, 2)",
    "CREATE PROCEDURE sets() SET SESSION lock_wait_timeout = 77",
    "CREATE PROCEDURE shows() BEGIN SET @shown = 1; SELECT v FROM t WHERE id = 1; END",
];

/// The session's state has changed.
const CHANGED: u16 = 0x4000;

/// What a client may ask for.
const WISHES: &[&str] = &[
    "SET session_track_schema = ON, session_track_state_change = ON, session_track_system_variables = '*', \
     session_track_transaction_info = 'STATE'",
    "SET session_track_transaction_info = 'CHARACTERISTICS'",
    "SET session_track_system_variables = 'sql_mode, time_zone,character_set_results', session_track_state_change = ON",
    "SET session_track_system_variables = '', session_track_schema = OFF",
    "SET @@session.session_track_transaction_info = 'STATE'",
];

/// What changes a session's state, its transaction's or its flags, and what does not. Each ends where it began.
const STATEMENTS: &[&str] = &[
    "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "SELECT v FROM t WHERE id = 1",
    "SET sql_mode = DEFAULT",
    "SET NAMES latin1",
    "SELECT 'x'",
    "SET NAMES utf8mb4",
    "SET time_zone = '+02:00', @a = 1",
    "SET time_zone = DEFAULT",
    "USE {db}",
    "BEGIN",
    "SELECT v FROM t WHERE id = 2",
    "UPDATE t SET v = v + 1 WHERE id = 1",
    "SAVEPOINT s",
    "ROLLBACK TO SAVEPOINT s",
    "COMMIT",
    "START TRANSACTION READ ONLY",
    "SELECT v FROM t",
    "ROLLBACK",
    "SET autocommit = 0",
    "SELECT 1",
    "SELECT v FROM t WHERE id = 1",
    "COMMIT",
    "SET autocommit = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "COMMIT AND NO CHAIN",
    "CALL sets()",
    "SET lock_wait_timeout = DEFAULT",
    "CALL shows()",
    "SET time_zone = '+03:00'; SELECT v FROM t WHERE id = 1; SET time_zone = DEFAULT",
    "SELECT nothing FROM nowhere",
    CLEAR,
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SELECT v FROM t WHERE id = 1",
    "CREATE TEMPORARY TABLE own (a INT)",
    "INSERT INTO own VALUES (1)",
    "DROP TEMPORARY TABLE own",
    "PREPARE p FROM 'SELECT 1'",
    "EXECUTE p",
    "DEALLOCATE PREPARE p",
    "LOCK TABLES t WRITE",
    "UNLOCK TABLES",
];

/// Those that are prepared as well.
const PREPARED: &[&str] = &[
    "SET time_zone = '+05:00'",
    "SELECT v FROM t WHERE id = 1",
    "UPDATE t SET v = v + 1 WHERE id = 2",
    "SET time_zone = DEFAULT",
    "SET autocommit = 0",
    "SELECT v FROM t WHERE id = 2",
    "COMMIT",
    "SET autocommit = 1",
];

fn start(server: &Server, stage: &Stage, pool: &str, connections: u32) -> Proxy {
    Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .endpoint(&format!("pool = \"{pool}\""))
        .user(&stage.proxied.name, &stage.proxied.password)
        .start()
}

/// Everything that an OK says, but for the number that MySQL gives to each statement, and the order of variables, which
/// is that of a hash table. Nor that something has changed where nothing is said of it: MySQL says so with every number,
/// servers that tell the transaction's state also where its characteristics are others, which nobody is told then.
fn told(ok: &OkPacket, names: [&str; 2]) -> String {
    let tracked =
        ok.tracked.iter().filter(|entry| !matches!(entry, Tracked::Variable { name, .. } if name == "statement_id"));
    let mut tracked: Vec<_> = tracked.map(|entry| format!("{entry:?}")).collect();
    tracked.sort_unstable();
    let told = ok.status & if tracked.is_empty() { !CHANGED } else { !0 };
    let shown = format!("ok {} {told:#06x} {} {:?} {tracked:?}", ok.affected_rows, ok.warnings, ok.info);
    shown.replace(names[0], "{db}").replace(names[1], "{db}")
}

fn shown(reply: &Reply, names: [&str; 2]) -> String {
    match reply {
        Reply::Ok(ok) => told(ok, names),
        Reply::Rows(rows) => format!("{:?} {}", rows.rows, told(&rows.end, names)),
        Reply::Err(error) => format!("error {}", error.code),
        Reply::Infile(name) => panic!("{name}"),
    }
}

/// A session through the proxy, its twin, and others who use the proxy's connections in between.
struct Party<'a> {
    stage: &'a Stage,
    twin: Twin,
    others: Vec<Wire>,
    differ: Vec<String>,
}

impl<'a> Party<'a> {
    fn new(stage: &'a Stage, proxy: &Proxy, server: &Server, others: usize, flags: CapabilityFlags) -> Self {
        let twin = stage.twin_as(proxy, server, "trackers", |login| login.without(flags));
        let others = (0..others).map(|_| stage.proxied.connect(proxy.address())).collect();
        Self { stage, twin, others, differ: Vec::new() }
    }

    fn compare(&mut self, what: &str, run: impl Fn(&mut Wire, &str) -> Vec<Reply>) {
        let names = [self.stage.proxied.name.as_str(), &self.stage.direct.name];
        let through = run(&mut self.twin.proxied, names[0]);
        let direct = run(&mut self.twin.direct, names[1]);
        let [through, direct] =
            [through, direct].map(|all| all.iter().map(|reply| shown(reply, names)).collect::<Vec<_>>());
        if through != direct {
            self.differ.push(format!("{what}\n    through {through:?}\n    direct  {direct:?}"));
        }
        for (at, other) in self.others.iter_mut().enumerate() {
            other.ok(&format!("SET time_zone = '+0{at}:30', sql_mode = 'PIPES_AS_CONCAT', @other = {at}"));
        }
    }

    fn statement(&mut self, wish: &str, sql: &str) {
        self.compare(&format!("{wish}: {sql}"), |wire, db| wire.query(&sql.replace("{db}", db)).unwrap());
    }

    fn prepared(&mut self, wish: &str, sql: &str) {
        self.compare(&format!("{wish}: prepared {sql}"), |wire, _| {
            let statement = wire.prepare(sql).unwrap();
            let replies = wire.execute(&statement, &[]).unwrap();
            wire.close(&statement).unwrap();
            replies
        });
    }

    fn play(&mut self, wish: &str) {
        for sql in STATEMENTS {
            self.statement(wish, sql);
        }
        for sql in PREPARED {
            self.prepared(wish, sql);
        }
        // The flags stay with the session while nothing runs, and with whoever answers.
        for sql in [
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES', autocommit = 0",
            "SET sql_mode = DEFAULT, autocommit = 1",
        ] {
            self.statement(wish, sql);
            self.plain(wish);
        }
    }

    /// Commands that are no statements.
    fn plain(&mut self, wish: &str) {
        self.compare(&format!("{wish}: COM_INIT_DB"), |wire, db| {
            wire.send(Command::COM_INIT_DB, db.as_bytes()).unwrap();
            wire.replies().unwrap()
        });
        self.compare(&format!("{wish}: COM_PING"), |wire, _| {
            wire.send(Command::COM_PING, b"").unwrap();
            wire.replies().unwrap()
        });
    }

    fn reset(&mut self) {
        self.compare("COM_RESET_CONNECTION", |wire, _| {
            wire.send(Command::COM_RESET_CONNECTION, b"").unwrap();
            wire.replies().unwrap()
        });
    }

    fn end(self, what: &str) {
        assert!(self.differ.is_empty(), "{what}: {}:\n{}", self.differ.len(), self.differ.join("\n"));
    }
}

#[test]
fn clients_hear_what_they_ask_for() {
    each_server(|server| {
        let stage = Stage::new(server, "trackers", SCHEMA);
        // In a transaction pool the session at hand has one connection, and the others share what is left.
        for (pool, connections, others) in [("none", 10, 2), ("session", 10, 2), ("transaction", 2, 3)] {
            let proxy = start(server, &stage, pool, connections);
            let mut party = Party::new(&stage, &proxy, server, others, CapabilityFlags::empty());
            party.play("by itself");
            for wish in WISHES {
                party.statement("wish", wish);
                party.play(wish);
            }
            party.reset();
            party.play("after a reset");
            party.end(&format!("{} {pool}", server.flavor()));
        }
    });
}

/// Who does not understand trackers hears of nothing, whatever it asks for; and a wish may be prepared.
#[test]
fn clients_without_trackers_hear_nothing() {
    each_server(|server| {
        let stage = Stage::new(server, "trackers", SCHEMA);
        let proxy = start(server, &stage, "transaction", 3);
        let track = CapabilityFlags::CLIENT_SESSION_TRACK;
        for flags in [track, track | CapabilityFlags::CLIENT_DEPRECATE_EOF] {
            let mut party = Party::new(&stage, &proxy, server, 2, flags);
            party.play("by itself");
            party.statement("wish", WISHES[0]);
            party.play(WISHES[0]);
            party.end(&format!("{} {flags:?}", server.flavor()));
        }
        let mut party = Party::new(&stage, &proxy, server, 2, CapabilityFlags::empty());
        party.prepared("a prepared wish", WISHES[0]);
        party.play("a prepared wish");
        party.end(&format!("{} a prepared wish", server.flavor()));
    });
}

/// What the server gives to every session at its login, which no session asks for.
#[test]
fn clients_hear_what_the_server_tells_everybody() {
    each_private_server(&Options::default(), |server| {
        let stage = Stage::new(&server, "trackers", SCHEMA);
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        for settings in [
            "session_track_state_change = ON",
            "session_track_system_variables = 'sql_mode,time_zone'",
            "session_track_schema = OFF, GLOBAL session_track_transaction_info = 'STATE'",
            "session_track_system_variables = '*', GLOBAL session_track_transaction_info = 'CHARACTERISTICS'",
        ] {
            root.ok(&format!("SET GLOBAL {settings}"));
            let proxy = start(&server, &stage, "transaction", 2);
            let mut party = Party::new(&stage, &proxy, &server, 3, CapabilityFlags::empty());
            party.play(settings);
            // What its own OK tells of the state that it leaves is not imitated.
            party.compare("COM_RESET_CONNECTION", |wire, _| {
                wire.send(Command::COM_RESET_CONNECTION, b"").unwrap();
                wire.replies().unwrap();
                Vec::new()
            });
            party.play("after a reset");
            party.end(&format!("{} {settings}", server.flavor()));
        }
    });
}

/// MySQL tells those who want to read their own writes on replicas which transaction was theirs.
#[test]
fn transactions_are_named_to_those_who_ask_or_whom_the_server_tells() {
    if mysql().is_none() {
        return;
    }
    let args = ["--server-id=1", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"].map(Into::into).to_vec();
    let server = Server::start(Flavor::MySql, &Options { extra_args: args, binary_log: true }).unwrap();
    let stage = Stage::new(&server, "trackers", SCHEMA);
    let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
    let named = |wire: &mut Wire| {
        let told = wire.ok("UPDATE t SET v = v + 1 WHERE id = 1").tracked;
        told.iter().any(|entry| matches!(entry, Tracked::Gtids(_)))
    };
    for (everybody, asks, expected) in [
        ("OFF", None, false),
        ("OWN_GTID", None, true),
        ("OFF", Some("OWN_GTID"), true),
        ("OWN_GTID", Some("OFF"), false),
    ] {
        root.ok(&format!("SET GLOBAL session_track_gtids = '{everybody}'"));
        let proxy = start(&server, &stage, "transaction", 2);
        for (at, address) in [server.address(), proxy.address()].into_iter().enumerate() {
            let tenant = if at == 0 { &stage.direct } else { &stage.proxied };
            let [mut one, mut other] = [(); 2].map(|()| tenant.connect(address));
            if let Some(asks) = asks {
                one.ok(&format!("SET session_track_gtids = '{asks}'"));
            }
            for _ in 0..2 {
                assert_eq!(named(&mut one), expected, "{everybody}, {asks:?}, {at}");
                assert_eq!(named(&mut other), everybody != "OFF", "{everybody}, {at}: who asks for nothing");
            }
        }
    }
}
