//! Executions of prepared statements, as drivers of every language send them (`protocol/tests/machines/statement.rs`).

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use mysql_async::{Value, prelude::Queryable};
use mysql_common::constants::CapabilityFlags;
use sqlx::{ConnectOptions, Connection, mysql::MySqlConnectOptions, mysql::MySqlSslMode};

use super::{
    each_server,
    seeds::Seeds,
    spoken::Spoken,
    support::{
        driver,
        program::{Program, go, here, java, node, perl, php, python},
        servers::Tenant,
    },
    tap::Tap,
};

const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
/// MariaDB's: one statement with the values of many executions.
const BULK_EXECUTE: u8 = 0xFA;

/// In the place of an id: the statement that was prepared last, known or not (MariaDB).
const LAST_PREPARED: u32 = u32::MAX;

/// `STMT_BULK_FLAG_CLIENT_SEND_TYPES`.
const SENDS_TYPES: u8 = 128;

/// The longest execution that is kept: drivers' first rows of many are longer.
const LIMIT: usize = 2048;

/// An execution, and what must be known to read it.
struct Execution {
    bulk: bool,
    attributed: bool,
    params: u8,
    /// Those that it names, else those that were named last.
    types: Vec<u8>,
    names_types: bool,
    argument: Vec<u8>,
}

pub(crate) fn record() {
    let (seeds, shapes) = (RefCell::new(Seeds::of("statement")), RefCell::new(BTreeSet::new()));
    each_server(false, &[], |server, name| {
        let keep = |driver: &str, tap: &Tap| {
            let (mut seeds, mut shapes) = (seeds.borrow_mut(), shapes.borrow_mut());
            let all = tap.connections().iter().flat_map(|passed| executions(&Spoken::of(passed))).collect::<Vec<_>>();
            let new = all.iter().filter(|it| it.argument.len() <= LIMIT && shapes.insert(it.shape()));
            let count = new.enumerate().map(|(at, it)| seeds.add(&format!("{name}-{driver}-{at}"), it.seed())).count();
            println!("{name} {driver}: {} executions, {count} of a new shape", all.len());
        };
        let tenant = Tenant::new(server, "capture");
        // From now on MySQL knows the password: some drivers give it away in full over TLS alone.
        tenant.connect(server.address());
        for (driver, program) in programs() {
            let tap = Tap::before(server.address());
            play(&program, &tenant, tap.address());
            keep(driver, &tap);
        }
        let tap = Tap::before(server.address());
        driver::block_on(with_mysql_async(&tenant, tap.address()));
        keep("mysql_async", &tap);
        let tap = Tap::before(server.address());
        driver::block_on(with_sqlx(&tenant, tap.address()));
        keep("sqlx", &tap);
    });
    seeds.into_inner().write();
}

/// Those of the tests' drivers whose scripts prepare statements.
fn programs() -> [(&'static str, Program); 8] {
    let jar = "/usr/share/java/mariadb-java-client.jar";
    [
        ("connector-python", python("mysql.connector", "drivers/python/with_connector.py")),
        ("mysql2", node("mysql2", "drivers/node/with_mysql2.cjs")),
        ("mariadb-node", node("mariadb", "drivers/node/with_mariadb.cjs")),
        ("mysqli", php("mysqli", "drivers/php/with_mysqli.php")),
        ("pdo", php("pdo_mysql", "drivers/php/with_pdo.php")),
        ("dbd-mariadb", perl("DBD::MariaDB", "drivers/perl/dbd_mariadb.pl")),
        ("go", go("github.com/go-sql-driver/mysql", "drivers/go/scenario.go")),
        ("connector-j", java("MariaDB Connector/J", jar, "drivers/java/Scenario.java")),
    ]
}

/// Has a driver's script play its scenario.
fn play(program: &Program, tenant: &Tenant, address: SocketAddr) {
    assert!(program.is_there(), "{}", program.name);
    let mut command = program.command();
    command.arg(here("drivers/statements.txt"));
    command.args([&tenant.name, &tenant.password, &tenant.name, &format!("direct={}", address.port())]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", program.name, String::from_utf8_lossy(&output.stderr));
}

async fn with_mysql_async(tenant: &Tenant, address: SocketAddr) {
    let mut conn = driver::connect(address, &tenant.name, &tenant.password, &tenant.name).await;
    let rows: [Vec<Value>; 3] = [
        vec![1.into(), "text".into(), Value::NULL],
        vec![(-7_i64).into(), b"\xff\0".into(), 1.5.into()],
        vec![u64::MAX.into(), "".into(), Value::Date(2024, 2, 29, 12, 34, 56, 7)],
    ];
    for values in rows {
        conn.exec_drop("SELECT ?, ?, ?", values).await.unwrap();
    }
    conn.exec_drop("SELECT ?", (Value::Time(true, 1, 2, 3, 4, 5),)).await.unwrap();
    conn.disconnect().await.unwrap();
}

async fn with_sqlx(tenant: &Tenant, address: SocketAddr) {
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(address.port()).ssl_mode(MySqlSslMode::Disabled);
    let options = options.username(&tenant.name).password(&tenant.password).database(&tenant.name);
    let mut conn = options.disable_statement_logging().connect().await.unwrap();
    for number in [None, Some(3_i8)] {
        let query = sqlx::query("SELECT ?, ?, ?, ?").bind(number).bind("text").bind(u16::MAX).bind(&b"\0\xff"[..]);
        query.fetch_all(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
}

fn executions(spoken: &Spoken) -> Vec<Execution> {
    let (mut found, mut known) = (Vec::new(), BTreeMap::<usize, Vec<u8>>::new());
    let attributed = spoken.agreed.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
    for (at, exchange) in spoken.exchanges.iter().enumerate() {
        let (bulk, argument) = (exchange.code() == BULK_EXECUTE, &exchange.command[1..]);
        if !matches!(exchange.code(), EXECUTE | BULK_EXECUTE) {
            continue;
        }
        let id = u32::from_le_bytes(*argument.first_chunk().unwrap());
        let Some((prepared, params)) = statement(spoken, at, id).filter(|(_, params)| *params > 0) else { continue };
        let named = match bulk {
            true => (argument[4] & SENDS_TYPES != 0).then(|| argument[6..6 + 2 * usize::from(params)].to_vec()),
            false => types(argument, params, attributed),
        };
        let (attributed, argument) = (attributed && !bulk, argument.to_vec());
        let names_types = named.is_some();
        let types = known.entry(prepared).or_default();
        if let Some(named) = named {
            *types = named;
        }
        found.push(Execution { bulk, attributed, params, types: types.clone(), names_types, argument });
    }
    found
}

/// Where the statement was prepared that an execution speaks of, and how many parameters it has.
fn statement(spoken: &Spoken, before: usize, id: u32) -> Option<(usize, u8)> {
    let earlier = spoken.exchanges.iter().enumerate().take(before).rev().filter(|(_, it)| it.code() == PREPARE);
    earlier.filter_map(|(at, it)| Some((at, &it.answer.first()?.1))).find_map(|(at, answer)| {
        // OK, the id, the numbers of columns and of parameters.
        let [0, a, b, c, d, _, _, low, high, ..] = answer[..] else { return None };
        let it_is = id == LAST_PREPARED || id == u32::from_le_bytes([a, b, c, d]);
        it_is.then(|| (at, u8::try_from(u16::from_le_bytes([low, high])).unwrap()))
    })
}

/// The types that a single execution names.
fn types(argument: &[u8], params: u8, attributed: bool) -> Option<Vec<u8>> {
    let (mut at, mut count) = (9, usize::from(params));
    if attributed {
        // Fewer than what takes more than a byte.
        count = argument[at].into();
        at += 1;
    }
    at += count.div_ceil(8) + 1;
    let start = at;
    if argument[start - 1] == 0 {
        return None;
    }
    for _ in 0..count {
        at += 2;
        if attributed {
            at += 1 + usize::from(argument[at]);
        }
    }
    Some(argument[start..at].to_vec())
}

impl Execution {
    /// What makes it another one than those before.
    fn shape(&self) -> (bool, bool, u8, bool, Vec<u8>, u8) {
        (self.bulk, self.attributed, self.params, self.names_types, self.types.clone(), self.argument[4])
    }

    fn seed(&self) -> Vec<u8> {
        let mut seed = vec![u8::from(self.bulk) << 1 | u8::from(self.attributed) << 2, self.params];
        seed.extend(u16::try_from(self.types.len()).unwrap().to_le_bytes());
        seed.extend([&self.types[..], &self.argument].concat());
        seed
    }
}
