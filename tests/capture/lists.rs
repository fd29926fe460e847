//! Lists of processes, as servers send them to Greenroom (`protocol/tests/machines/processes.rs`).

use std::{cell::RefCell, collections::BTreeMap};

use greenroom::demo::server::{Flavor, ROOT};
use mysql_common::constants::Command;

use super::{
    each_server,
    seeds::{LONGEST, Seeds, chunks},
    spoken::{Exchange, Spoken},
    support::{
        observe::Root,
        program::tool,
        proxy::Setup,
        servers::Tenant,
        wire::{Login, Wire},
    },
    tap::Tap,
};

const QUERY: u8 = 0x03;
const PROCESS_INFO: u8 = 0x0A;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;

pub(crate) fn record() {
    let seeds = RefCell::new(Seeds::of("processes"));
    each_server(false, &[], |server, name| {
        let tenant = Tenant::new(server, "capture");
        let sources: &[(&str, &str)] = match server.flavor() {
            Flavor::MySql => &[("", "OFF"), ("-table", "ON")],
            Flavor::MariaDb => &[("", "")],
        };
        for (source, table) in sources {
            if !table.is_empty() {
                Root::on(server).0.ok(&format!("SET GLOBAL performance_schema_show_processlist = {table}"));
            }
            let tap = Tap::before(server.address());
            let setup = Setup::new(tap.address()).user(&tenant.name, &tenant.password);
            let proxy = setup.user(ROOT.user, ROOT.password).start();
            let mut busy = tenant.connect(server.address());
            busy.send(Command::COM_QUERY, b"SELECT SLEEP(600), 'a text longer than a list has room for'").unwrap();
            let _idle = Wire::connect(server.address(), &Login::new("app", "app-secret").database("app")).unwrap();
            let root = Login::new(ROOT.user, ROOT.password);
            ask(&mut Wire::connect(proxy.address(), &root).unwrap(), "SHOW PROCESSLIST");
            // Who may see his own alone.
            ask(&mut tenant.connect(proxy.address()), "SHOW FULL PROCESSLIST");
            let mut admin = tool(server, ["mysqladmin", "mariadb-admin"], proxy.address());
            let output = admin.args(["--verbose", "processlist"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let mut counts = BTreeMap::<&str, usize>::new();
            for passed in tap.connections() {
                for (kind, prepared, answer) in lists(&Spoken::of(&passed)) {
                    let count = counts.entry(kind).or_default();
                    keep(&mut seeds.borrow_mut(), &format!("{name}{source}-{kind}-{count}"), prepared, answer);
                    *count += 1;
                }
            }
            assert!(counts.len() >= 3, "{name}: {counts:?}");
        }
    });
    seeds.into_inner().write();
}

/// In every way that there is; MySQL 9 has no command for it.
fn ask(wire: &mut Wire, list: &str) {
    wire.rows(list);
    let prepared = wire.prepare(list).unwrap();
    wire.execute(&prepared, &[]).unwrap();
    wire.close(&prepared).unwrap();
    wire.send(Command::COM_PROCESS_INFO, &[]).unwrap();
    wire.replies().unwrap();
}

/// How each was asked for, whether its rows are binary, and what came.
fn lists(spoken: &Spoken) -> Vec<(&'static str, bool, &Exchange)> {
    let is_list = |it: &Exchange| it.command.to_ascii_uppercase().windows(11).any(|part| part == b"PROCESSLIST");
    let mut prepared = BTreeMap::new();
    let mut found = Vec::new();
    for it in spoken.exchanges.iter().filter(|it| !it.answer.is_empty()) {
        match it.code() {
            QUERY if is_list(it) => found.push(("query", false, it)),
            PROCESS_INFO => found.push(("command", false, it)),
            PREPARE => drop(prepared.insert(it.answer[0].1[1..5].to_vec(), is_list(it))),
            EXECUTE if prepared.get(&it.command[1..5]) == Some(&true) => found.push(("prepared", true, it)),
            _ => {}
        }
    }
    found
}

/// Keeps a list as it came, and once more in payloads to be framed, whose ids are changed and to which rows are added.
fn keep(seeds: &mut Seeds, name: &str, prepared: bool, answer: &Exchange) {
    let (wire, binary) = (answer.wire(LONGEST), u8::from(prepared) << 2);
    seeds.add(name, [&[30, binary, 0][..], &wire].concat());
    let payloads = chunks(answer.answer.iter().map(|(_, payload)| &payload[..]));
    seeds.add(&format!("{name}-framed"), [&[7, binary | 3, 2][..], &payloads].concat());
}
