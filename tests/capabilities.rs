//! Clients of every age and maker over one small pool: each is answered, packet for packet, as by the server itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::io::Read;

use greenroom::demo::server::{Options, Server};
use mysql_common::constants::{CapabilityFlags as Flags, Command};
use support::{
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server, each_server, mariadb, mysql},
    twin::{CLEAR, Stage},
    wire::{Login, Wire},
};

const ATTRIBUTES: Flags = Flags::CLIENT_QUERY_ATTRIBUTES;
const OPTIONAL: Flags = Flags::CLIENT_OPTIONAL_RESULTSET_METADATA;
/// MariaDB's progress reports, bulk operations, extended and cached metadata.
const FURTHER: u32 = 0x1D;

/// Of these, what is not offered in a pool mode.
fn lacking(mode: &str) -> u32 {
    // What metadata a server has sent for a statement may have gone to another session.
    if mode == "transaction" { 0x10 } else { 0 }
}

type Kind = (&'static str, fn(Login) -> Login);

/// What clients there are.
const KINDS: [Kind; 20] = [
    ("of today", |login| login),
    ("old", |login| login.without(Flags::CLIENT_DEPRECATE_EOF | Flags::CLIENT_SESSION_TRACK)),
    ("with EOF", |login| login.without(Flags::CLIENT_DEPRECATE_EOF)),
    ("no trackers", |login| login.without(Flags::CLIENT_SESSION_TRACK)),
    ("one statement", |login| login.without(Flags::CLIENT_MULTI_STATEMENTS)),
    ("one result", |login| login.without(Flags::CLIENT_MULTI_STATEMENTS | Flags::CLIENT_MULTI_RESULTS)),
    ("one prepared result", |login| login.without(Flags::CLIENT_PS_MULTI_RESULTS)),
    ("found rows", |login| login.with(Flags::CLIENT_FOUND_ROWS)),
    ("spaces", |login| login.with(Flags::CLIENT_IGNORE_SPACE)),
    ("interactive", |login| login.with(Flags::CLIENT_INTERACTIVE)),
    ("files", |login| login.with(Flags::CLIENT_LOCAL_FILES)),
    ("no database", Login::no_database),
    ("bare", |login| login.without(Flags::CLIENT_LONG_FLAG | Flags::CLIENT_TRANSACTIONS | Flags::CLIENT_CONNECT_ATTRS)),
    ("no long password", |login| login.without(Flags::CLIENT_LONG_PASSWORD)),
    ("query attributes", |login| login.with(ATTRIBUTES)),
    ("optional metadata", |login| login.with(OPTIONAL)),
    ("all of MySQL", |login| login.with(ATTRIBUTES | OPTIONAL | Flags::CLIENT_FOUND_ROWS)),
    ("old with metadata", |login| login.with(ATTRIBUTES | OPTIONAL).without(Flags::CLIENT_DEPRECATE_EOF)),
    ("all of MariaDB", |login| login.with_mariadb(FURTHER)),
    ("cached metadata", |login| login.with_mariadb(0x10).without(Flags::CLIENT_DEPRECATE_EOF)),
];

const SCHEMA: [&str; 11] = [
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(30), j JSON, e ENUM('x', 'y')) ENGINE = InnoDB",
    "INSERT INTO t (a, j, e) VALUES ('one', '[1]', 'x'), ('two', NULL, 'y')",
    "CREATE PROCEDURE p(IN n INT) BEGIN SELECT n AS first; SELECT a FROM t ORDER BY id LIMIT 2; END",
    "CREATE PROCEDURE o(INOUT n INT) BEGIN SET n = n + 1; END",
    "CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    "CREATE TABLE l (a INT, b VARCHAR(20))",
    "CREATE TABLE many (id INT PRIMARY KEY, m VARCHAR(100)) ENGINE = InnoDB",
    "INSERT INTO many WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
     SELECT i, REPEAT('m', 100) FROM n",
    "CREATE TABLE twice (id INT, n INT, KEY (id)) ENGINE = InnoDB",
    "INSERT INTO twice SELECT id, 1 FROM many UNION ALL SELECT 250, 2",
    "CREATE PROCEDURE b() BEGIN SELECT a FROM t LIMIT 1; SELECT nothing FROM nowhere; SELECT 'never'; END",
];

/// An error behind 249 rows, which are more than a buffer holds.
const BREAKS: &str = "SELECT id, m, (SELECT n FROM twice WHERE twice.id = many.id) AS n FROM many ORDER BY id";

/// One thing that a client does; all of it before anybody else does the next.
enum Step {
    Sql(&'static str),
    Prepared(&'static str, &'static [i64]),
    Cursor(&'static str),
    File(&'static str, &'static [u8]),
    Plain(u8, &'static [u8]),
}

use Step::{Cursor, File, Plain, Prepared, Sql};

/// After what fails, or leaves warnings, comes a statement that ends them: who holds them keeps its connection.
const STEPS: [&[Step]; 32] = [
    &[Sql("SELECT DATABASE()"), Sql("USE {db}")],
    &[Sql("SELECT 1, NULL AS n, 'x' AS t")],
    &[Sql("SELECT id, a, j, e FROM t ORDER BY id LIMIT 2")],
    &[Sql("SELECT a FROM t WHERE id = 0")],
    &[Sql("INSERT INTO t (a) VALUES ('new')"), Sql("SELECT LAST_INSERT_ID() > 2")],
    &[Sql("UPDATE t SET e = 'y' WHERE id < 3")],
    &[Sql("SELECT nothing FROM nowhere"), Sql(CLEAR)],
    &[Sql("SELECT 1; SELECT 2"), Sql(CLEAR)],
    &[Sql("DO 1; SELECT nothing; SELECT 3"), Sql(CLEAR)],
    &[Sql("SET sql_mode = 'ANSI_QUOTES', time_zone = '+02:00'")],
    &[Sql("SELECT \"a\" FROM t WHERE id = 1"), Sql("SELECT @@sql_mode, @@time_zone")],
    &[Sql("SET sql_mode = DEFAULT, time_zone = DEFAULT")],
    &[Sql("SELECT COUNT (*) FROM t"), Sql(CLEAR)],
    &[Sql("SELECT @@wait_timeout")],
    &[Sql("BEGIN"), Sql("DELETE FROM t WHERE id > 2"), Sql("SELECT COUNT(*) > 1 FROM t"), Sql("ROLLBACK")],
    &[Prepared("SELECT ? + 1 AS sum, a, j FROM t WHERE id = ?", &[41, 2]), Plain(0x1F, b"")],
    &[Prepared("SELECT a FROM t WHERE id = ?", &[0]), Plain(0x1F, b"")],
    &[Prepared("UPDATE t SET a = CONCAT('u', ?) WHERE id = ?", &[1, 2]), Plain(0x1F, b"")],
    &[Prepared("SELECT nothing", &[]), Sql(CLEAR)],
    &[Cursor("SELECT id, a FROM t ORDER BY id LIMIT 2"), Plain(0x1F, b"")],
    &[Sql(BREAKS), Sql(CLEAR)],
    &[Sql("BEGIN"), Sql(BREAKS), Sql("SELECT COUNT(*) > 1 FROM t"), Sql("ROLLBACK")],
    &[Sql("SELECT 1; SELECT (SELECT n FROM twice WHERE twice.id = many.id) AS n FROM many; SELECT 3"), Sql(CLEAR)],
    &[Prepared(BREAKS, &[]), Plain(0x1F, b"")],
    &[Sql("CALL b()"), Plain(0x1F, b"")],
    &[Sql("CALL p(7)"), Plain(0x1F, b"")],
    &[Prepared("CALL p(?)", &[8]), Plain(0x1F, b"")],
    &[Prepared("CALL o(?)", &[8]), Plain(0x1F, b"")],
    &[File("LOAD DATA LOCAL INFILE 'whatever' INTO TABLE l", b"1\tone\n2\ttwo\n"), Sql(CLEAR)],
    &[Plain(0x04, b"t\0%"), Sql(CLEAR), Plain(0x1F, b"")],
    &[Sql("USE {db}"), Sql("SELECT DATABASE() = '{db}', COUNT(*) > 1 FROM t"), Plain(0x02, b"{db}")],
    &[Plain(0x1F, b""), Plain(0x0E, b""), Sql("SELECT @@autocommit")],
];

/// Bytes of one packet.
fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..3], &[sequence], payload].concat()
}

/// Sends packets and, at once, a command whose answer nothing else looks like; gives every packet before that answer.
fn exchange(wire: &Wire, sent: &[u8]) -> Vec<(u8, Vec<u8>)> {
    wire.stream().set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    std::io::Write::write_all(&mut wire.stream(), &[sent, &packet(0, &[Command::COM_STATISTICS as u8])].concat())
        .unwrap();
    let mut packets = Vec::new();
    loop {
        let mut header = [0; 4];
        wire.stream().read_exact(&mut header).unwrap_or_else(|error| {
            let tail: Vec<_> = packets
                .iter()
                .rev()
                .take(3)
                .map(|(_, packet): &(u8, Vec<u8>)| packet.escape_ascii().to_string())
                .collect();
            panic!("{error} after {tail:?}")
        });
        let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16];
        wire.stream().read_exact(&mut payload).unwrap();
        if payload.starts_with(b"Uptime") {
            assert_eq!(header[3], 1);
            return packets;
        }
        packets.push((header[3], payload));
    }
}

/// A client, its database, and what it has done.
struct Party {
    wire: Wire,
    database: String,
}

impl Party {
    fn has(&self, flag: Flags) -> bool {
        self.wire.capabilities.contains(flag)
    }

    fn query(&self, sql: &str) -> Vec<u8> {
        let head: &[u8] = if self.has(ATTRIBUTES) { &[3, 0, 1] } else { &[3] };
        [head, sql.replace("{db}", &self.database).as_bytes()].concat()
    }

    fn execute(&self, id: u32, cursor: u8, params: &[i64]) -> Vec<u8> {
        let mut body = [&[0x17][..], &id.to_le_bytes(), &[cursor], &1_u32.to_le_bytes()].concat();
        if params.is_empty() {
            return body;
        }
        if self.has(ATTRIBUTES) {
            body.push(params.len() as u8);
        }
        body.extend(vec![0; params.len().div_ceil(8)]);
        body.push(1);
        for _ in params {
            body.extend([8, 0]);
            if self.has(ATTRIBUTES) {
                body.push(0);
            }
        }
        params.iter().for_each(|param| body.extend(param.to_le_bytes()));
        body
    }

    /// Prepares, then does what `then` says with the statement, then closes it.
    fn prepared(&self, sql: &str, then: impl Fn(u32) -> Vec<Vec<u8>>) -> Vec<(u8, Vec<u8>)> {
        let prepare = [&[0x16][..], sql.as_bytes()].concat();
        let mut packets = exchange(&self.wire, &packet(0, &prepare));
        let Some((_, head)) = packets.first_mut().filter(|(_, head)| head[0] == 0) else { return packets };
        let id = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        // Which number a statement has is the server's choice.
        head[1..5].fill(0);
        for command in then(id) {
            packets.extend(exchange(&self.wire, &packet(0, &command)));
        }
        for (_, payload) in packets.iter_mut().filter(|(_, payload)| payload[0] == 0xFF) {
            let text = String::from_utf8_lossy(payload).replace(&format!("({id})"), "(that)");
            *payload = text.replace(&format!("({})", id + NOBODYS), "(nobody's)").into_bytes();
        }
        packets.extend(exchange(&self.wire, &packet(0, &[&[0x19][..], &id.to_le_bytes()].concat())));
        packets
    }

    fn run(&self, step: &Step) -> Vec<(u8, Vec<u8>)> {
        match step {
            Sql(sql) => exchange(&self.wire, &packet(0, &self.query(sql))),
            Prepared(sql, params) => {
                // Twice: with cached metadata the second time is another.
                self.prepared(sql, |id| vec![self.execute(id, 0, params), self.execute(id, 0, params)])
            }
            Cursor(sql) => self.prepared(sql, |id| {
                let fetch = [&[0x1C][..], &id.to_le_bytes(), &9_u32.to_le_bytes()].concat();
                vec![self.execute(id, 1, &[]), fetch.clone(), fetch]
            }),
            File(sql, content) => {
                let mut sent = packet(0, &self.query(sql));
                if self.has(Flags::CLIENT_LOCAL_FILES) {
                    sent.extend([packet(2, content), packet(3, b"")].concat());
                }
                exchange(&self.wire, &sent)
            }
            Plain(byte, body) => {
                let body = String::from_utf8_lossy(body).replace("{db}", &self.database);
                exchange(&self.wire, &packet(0, &[&[*byte], body.as_bytes()].concat()))
            }
        }
    }

    /// The packets as text, with what may differ taken out. `columns_end`: the EOF behind columns can not know what the
    /// server tells behind the rows.
    fn tell(&self, packets: Vec<(u8, Vec<u8>)>) -> Vec<String> {
        let eofs = !self.has(Flags::CLIENT_DEPRECATE_EOF);
        let told = packets.into_iter().map(|(sequence, mut payload)| {
            if let [0xFE, _, _, status, _] = payload.as_mut_slice()
                && eofs
            {
                *status &= !0x38;
            }
            format!("{sequence} {}", payload.escape_ascii()).replace(&self.database, "{db}")
        });
        told.collect()
    }
}

/// What makes of a statement's number one that no statement has.
const NOBODYS: u32 = 9;

fn limited(server: &Server, mode: &str, connections: usize, tenant: &Tenant) -> Proxy {
    let limit = format!("max_connections = {connections}");
    let setup = Setup::new(server.address()).first_node(server.address(), &[&limit]);
    setup.endpoint(&format!("pool = \"{mode}\"")).user(&tenant.name, &tenant.password).start()
}

#[test]
fn clients_of_every_kind_share_a_small_pool() {
    each_server(|server| {
        let stage = Stage::new(server, "kinds", &SCHEMA);
        assert_eq!(stage.proxied.name.len(), stage.direct.name.len());
        let mut root = Root::on(server);
        root.0.ok("SET GLOBAL local_infile = 1, GLOBAL interactive_timeout = 12345");
        for tenant in [&stage.proxied, &stage.direct] {
            tenant.administer(&[format!("GRANT PROCESS ON *.* TO {}@'%'", tenant.name)]);
        }
        for (mode, connections) in [("none", 100), ("session", 100), ("transaction", 2), ("transaction", 1)] {
            println!("pool = {mode}, {connections} connections");
            let proxy = limited(server, mode, connections, &stage.proxied);
            let parties: Vec<_> = KINDS
                .iter()
                .map(|(_, kind)| {
                    [(&stage.proxied, proxy.address()), (&stage.direct, server.address())].map(|(tenant, address)| {
                        let login = kind(tenant.login());
                        // The proxy is asked for all of it, and must know better.
                        let lacking = if address == server.address() { lacking(mode) } else { 0 };
                        let wire = Wire::connect(address, &login.without_mariadb(lacking)).unwrap();
                        Party { wire, database: tenant.name.clone() }
                    })
                })
                .collect();
            for [through, direct] in &parties {
                assert_eq!(through.wire.capabilities, direct.wire.capabilities);
                let [through, direct] = [through, direct].map(|party| &party.wire.greeting);
                assert_eq!(through.mariadb_capabilities, direct.mariadb_capabilities & FURTHER & !lacking(mode));
                assert_eq!((&through.version, through.collation), (&direct.version, direct.collation));
            }
            for (number, steps) in STEPS.iter().enumerate() {
                for ((name, _), parties) in KINDS.iter().zip(&parties) {
                    for step in *steps {
                        let [through, direct] = parties.each_ref().map(|party| party.tell(party.run(step)));
                        let agreed = parties[0].wire.capabilities;
                        assert_eq!(through, direct, "{mode}, {connections}: step {number} of {name} ({agreed:?})");
                    }
                }
            }
        }
        root.0.ok("SET GLOBAL local_infile = DEFAULT, GLOBAL interactive_timeout = DEFAULT");
    });
}

/// A COM_QUERY with these attributes, all of them strings.
fn attributed(pairs: &[(&str, &str)], sql: &str) -> Vec<u8> {
    let mut payload = vec![3, pairs.len() as u8, 1];
    payload.extend(vec![0; pairs.len().div_ceil(8)]);
    payload.push(1);
    for (name, _) in pairs {
        payload.extend([0xFE, 0, name.len() as u8]);
        payload.extend(name.as_bytes());
    }
    for (_, value) in pairs {
        payload.push(0xFD);
        payload.extend(&(value.len() as u32).to_le_bytes()[..3]);
        payload.extend(value.as_bytes());
    }
    [payload, sql.into()].concat()
}

#[test]
fn query_attributes_arrive_with_their_statement() {
    let Some(server) = mysql() else { return };
    Root::on(server).0.ok("INSTALL COMPONENT 'file://component_query_attributes'");
    let long = "x".repeat(20_000);
    let huge = "y".repeat(17_000_000);
    let ask = "SELECT mysql_query_attribute_string('k'), mysql_query_attribute_string('l') IS NULL";
    let held = format!("{ask}, LENGTH('{huge}')");
    let statements: [&[u8]; 10] = [
        &attributed(&[("k", "a value")], ask),
        &attributed(&[("other", ""), ("k", "the second")], ask),
        &attributed(&[("k", &long)], &format!("{ask}, '{long}'")),
        &attributed(&[("k", "few")], &held),
        &attributed(
            &[("k", "again")],
            "SELECT CONNECTION_ID() > 0, mysql_query_attribute_string('k'), 'CONNECTION_ID()'",
        ),
        &[&[3, 0, 1][..], ask.as_bytes()].concat(),
        // What MySQL can not read.
        &[3],
        b"\x03\x00\x02SELECT 1",
        b"\x03\x01\x01\x00\x01\xFE\x00",
        b"\x03\x01\x01\x00\x00\xFE\x00\x01k\x03valSELECT 1",
    ];
    Root::on(server).0.ok("SET GLOBAL max_allowed_packet = 67108864");
    for (mode, connections) in [("none", 10), ("session", 10), ("transaction", 1)] {
        println!("pool = {mode}");
        let tenant = Tenant::new(server, "attributes");
        let proxy = limited(server, mode, connections, &tenant);
        tenant.administer(&[format!("GRANT PROCESS ON *.* TO {}@'%'", tenant.name)]);
        for statement in statements.into_iter().filter(|sent| sent.len() < huge.len() || mode == "transaction") {
            // One after the other in a pool of one: who keeps the connection for good would leave none for the next.
            let [direct, through] = [server.address(), proxy.address()].map(|address| {
                let mut wire = Wire::connect(address, &tenant.login().with(ATTRIBUTES)).unwrap();
                assert!(wire.capabilities.contains(ATTRIBUTES));
                wire.send_payload(0, statement).unwrap();
                let first = wire.packet().unwrap();
                let mut seen = vec![format!("{} {}", first.sequence, first.payload.escape_ascii())];
                while first.payload[0] != 0xFF && !seen.last().unwrap().contains(" \\xfe") {
                    let packet = wire.packet().unwrap();
                    seen.push(format!("{} {}", packet.sequence, packet.payload.escape_ascii()));
                }
                let marker = packet(0, b"\x03\x00\x01SELECT CONNECTION_ID()");
                let own = exchange(&wire, &marker).swap_remove(2).1;
                let own = String::from_utf8_lossy(&own[1..]).into_owned();
                assert_eq!(own, wire.greeting.thread_id.to_string());
                seen
            });
            assert_eq!(through, direct, "{mode}: {}", statement[..statement.len().min(80)].escape_ascii());
        }
    }
    Root::on(server).0.ok("UNINSTALL COMPONENT 'file://component_query_attributes'");
}

#[test]
fn the_server_sees_whose_connection_it_is() {
    // MariaDB keeps them only where it is told to.
    let options = Options { extra_args: vec!["--performance-schema=ON".into()], ..Options::default() };
    each_private_server(&options, |server| {
        for mode in ["none", "session", "transaction"] {
            let tenant = Tenant::new(&server, "seen");
            tenant.administer(&[format!("GRANT SELECT ON performance_schema.* TO {}@'%'", tenant.name)]);
            let proxy = limited(&server, mode, 10, &tenant);
            let login = tenant.login().attribute("program_name", "the test").attribute("_pid", "4711");
            let mut wire = Wire::connect(proxy.address(), &login).unwrap();
            let attributes = |wire: &mut Wire| {
                let sql = "SELECT attr_name, attr_value FROM performance_schema.session_account_connect_attrs \
                           WHERE processlist_id = @@pseudo_thread_id AND attr_name <> 'proxy_version'";
                let rows = wire.rows(sql).into_iter();
                let mut pairs: Vec<_> =
                    rows.map(|row| row.into_iter().map(Option::unwrap).collect::<Vec<_>>().join("=")).collect();
                pairs.sort();
                pairs
            };
            // A pooled connection serves others next.
            let own: &[&str] = match mode {
                "none" => &["_pid=4711", "program_name=the test", "proxy_name=greenroom"],
                _ => &["proxy_name=greenroom"],
            };
            assert_eq!(attributes(&mut wire), own, "{mode} on {}", server.flavor());
            wire.change_user(&tenant.login().attribute("program_name", "renamed")).unwrap();
            assert_eq!(attributes(&mut wire).contains(&"program_name=renamed".to_owned()), mode == "none");
        }
    });
}

/// A COM_STMT_BULK_EXECUTE of rows of an INT and a text.
fn bulk(id: u32, rows: &[(i64, Option<&str>)]) -> Vec<u8> {
    let mut payload = [&[0xFA][..], &id.to_le_bytes(), &128_u16.to_le_bytes(), &[8, 0, 0xFD, 0]].concat();
    for (number, text) in rows {
        payload.push(0);
        payload.extend(number.to_le_bytes());
        match text {
            Some(text) => payload.extend([&[0, text.len() as u8], text.as_bytes()].concat()),
            None => payload.push(1),
        }
    }
    payload
}

#[test]
fn bulk_operations_and_the_latest_statement_work() {
    let server = mariadb();
    /// Names the statement that was prepared last.
    const LATEST: u32 = u32::MAX;
    for (mode, connections) in [("none", 10), ("session", 10), ("transaction", 2)] {
        println!("pool = {mode}");
        let stage = Stage::new(server, "bulk", &SCHEMA);
        let proxy = limited(server, mode, connections, &stage.proxied);
        let parties =
            [(&stage.proxied, proxy.address()), (&stage.direct, server.address())].map(|(tenant, address)| {
                let further = if address == server.address() { FURTHER & !lacking(mode) } else { FURTHER };
                let wire = Wire::connect(address, &tenant.login().with_mariadb(further)).unwrap();
                Party { wire, database: tenant.name.clone() }
            });
        let insert = "INSERT INTO l VALUES (?, ?)";
        let rows: Vec<_> = (0..3000).map(|n| (n, (n % 7 > 0).then_some("bulk"))).collect();
        let assign = |id| [&[0x17][..], &u32::to_le_bytes(id), &[0, 1, 0, 0, 0]].concat();
        let [through, direct] = parties.each_ref().map(|party| {
            let mut packets =
                party.prepared(insert, |id| vec![bulk(id, &rows), bulk(LATEST, &rows[..3]), bulk(id + NOBODYS, &rows)]);
            packets.extend(party.run(&Sql("SELECT COUNT(*), COUNT(b), SUM(a) FROM l")));
            // All at once, as MariaDB's own driver does.
            let prepare = packet(0, b"\x16SELECT @kept := a FROM l WHERE a = 2999");
            let sent = [prepare, packet(0, &assign(LATEST)), packet(0, b"\x19\xFF\xFF\xFF\xFF")].concat();
            let mut at_once = exchange(&party.wire, &sent);
            at_once[0].1[1..5].fill(0);
            packets.extend(at_once);
            party.tell(packets)
        });
        assert_eq!(through, direct, "{mode}");
        if mode == "transaction" {
            until("the variable pins", || {
                proxy.metrics().sum("greenroom_pinned", &["reason=\"user_variable\""]) == 1.0
            });
            until("the closed statement does not", || {
                proxy.metrics().sum("greenroom_pinned", &["reason=\"prepared_statement\""]) == 0.0
            });
        }
        let [through, direct] = parties.each_ref().map(|party| party.tell(party.run(&Sql("SELECT @kept"))));
        assert_eq!(through, direct, "{mode}");
    }
}

/// MariaDB's progress reports.
const PROGRESS: u32 = 0x01;
/// What such a report, an ERR with the number 0xFFFF, begins with.
const REPORT: &str = "\\xff\\xff\\xff\\x01";

/// Statements of which MariaDB reports the progress: before an OK, before rows, before an error, in the first of two.
const REPORTED: [&str; 5] = [
    "ALTER TABLE p ENGINE = Aria",
    "CHECK TABLE p EXTENDED",
    "REPAIR TABLE p",
    "ALTER TABLE p ADD UNIQUE (b), ENGINE = Aria",
    "ALTER TABLE p ENGINE = Aria; SELECT COUNT(*) FROM p; ALTER TABLE p ENGINE = Aria",
];

const REPORTED_TABLE: [&str; 2] = [
    "CREATE TABLE p (a INT, b CHAR(30), KEY (a), KEY (b)) ENGINE = Aria",
    "INSERT INTO p SELECT seq, seq % 900 FROM seq_1_to_2000",
];

#[test]
fn progress_reports_get_through_as_they_come() {
    let server = mariadb();
    let kinds: [Kind; 4] = [
        ("told of progress", |login| login.with_mariadb(PROGRESS)),
        ("told of everything", |login| login.with_mariadb(FURTHER)),
        ("told, and old", |login| login.with_mariadb(PROGRESS).without(Flags::CLIENT_DEPRECATE_EOF)),
        ("not told", |login| login),
    ];
    for (mode, connections) in [("none", 10), ("session", 10), ("transaction", 1)] {
        println!("pool = {mode}");
        let stage = Stage::new(server, "progress", &REPORTED_TABLE);
        let proxy = limited(server, mode, connections, &stage.proxied);
        let parties = kinds.map(|(_, kind)| {
            [(&stage.proxied, proxy.address()), (&stage.direct, server.address())].map(|(tenant, address)| {
                let wire = Wire::connect(address, &kind(tenant.login()).without_mariadb(lacking(mode))).unwrap();
                Party { wire, database: tenant.name.clone() }
            })
        });
        for sql in REPORTED {
            for ((kind, _), parties) in kinds.iter().zip(&parties) {
                // Every stage of the work is reported at once, and nothing more for so many seconds.
                let [through, direct] = parties.each_ref().map(|party| {
                    let steps = [Sql("SET progress_report_time = 100"), Sql(sql), Sql(CLEAR)];
                    steps.map(|step| party.tell(party.run(&step)))
                });
                assert_eq!(through, direct, "{mode}: {sql} by one {kind}");
                let reports = direct[1].iter().filter(|packet| packet.contains(REPORT)).count();
                assert_eq!(reports > 0, *kind != "not told", "{sql} by one {kind}: {direct:?}");
            }
        }
    }
}

#[test]
fn a_progress_report_does_not_wait_for_the_statements_end() {
    let server = mariadb();
    for (mode, connections) in [("none", 10), ("session", 10), ("transaction", 1)] {
        println!("pool = {mode}");
        let stage = Stage::new(server, "halfway", &REPORTED_TABLE);
        let proxy = limited(server, mode, connections, &stage.proxied);
        let mut reader = stage.proxied.connect(server.address());
        let mut wire = Wire::connect(proxy.address(), &stage.proxied.login().with_mariadb(PROGRESS)).unwrap();
        reader.ok("BEGIN");
        reader.rows("SELECT a FROM p LIMIT 1");
        wire.send(Command::COM_QUERY, b"ALTER TABLE p ENGINE = MyISAM").unwrap();
        // The new table can not take the old one's place while somebody reads that.
        let first = wire.packet().unwrap();
        assert!(first.payload.escape_ascii().to_string().starts_with(REPORT), "{first:?}");
        reader.ok("COMMIT");
        let last = std::iter::repeat_with(|| wire.packet().unwrap()).find(|packet| packet.payload[0] != 0xFF).unwrap();
        assert!(last.sequence > first.sequence && last.payload[0] == 0, "{last:?}");
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM p").as_deref(), Some("2000"));
    }
}
