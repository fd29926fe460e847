//! Binary logs, as a server sends them to its own tools and to a replica (`protocol/tests/machines/dump.rs`).

use std::{cell::RefCell, net::SocketAddr};

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::Command as Byte;

use super::{
    each_server,
    seeds::{LONGEST, Seeds, chunks},
    spoken::{Exchange, Spoken},
    support::{
        observe::{Root, until},
        program::tool,
        wire::{Login, Wire},
    },
    tap::Tap,
};

const SCHEMA: [&str; 4] = [
    "CREATE TABLE app.r (id INT PRIMARY KEY, t LONGTEXT) ENGINE = InnoDB",
    "INSERT INTO app.r VALUES (1, 'one'), (2, 'zwei')",
    "UPDATE app.r SET t = CONCAT(t, '!')",
    "DELETE FROM app.r WHERE id = 2",
];

const DUMP: u8 = 0x12;
const DUMP_BY_GTID: u8 = 0x1E;

/// Of what an endless one sends, and of a long log, so much is kept.
const LIMIT: usize = LONGEST - 512;

/// What servers send while nothing happens: the event as both know it, and MySQL's with a longer position.
const HEARTBEATS: [u8; 2] = [27, 41];

pub(crate) fn record() {
    let seeds = RefCell::new(Seeds::of("dump"));
    each_server(true, &["--server-id=1", "--binlog-format=ROW"], |server, name| {
        let mut root = Root::on(server);
        SCHEMA.iter().for_each(|sql| drop(root.0.ok(sql)));
        let keep = |what: &str, tap: &Tap| {
            let dumps = dumps(tap);
            assert_eq!(dumps.len(), 1, "{name} {what}");
            let (mut seeds, wire) = (seeds.borrow_mut(), dumps[0].wire(LIMIT));
            seeds.add(&format!("{name}-{what}"), [&[6, 0][..], &wire].concat());
            let payloads = dumps[0].answer.iter().scan(0, |length, (_, payload)| {
                *length += 4 + payload.len();
                (*length <= LIMIT).then_some(&payload[..])
            });
            seeds.add(&format!("{name}-{what}-framed"), [&[40, 1][..], &chunks(payloads)].concat());
        };
        let tap = Tap::before(server.address());
        read(server, tap.address());
        keep("tool", &tap);
        let app = Login::new("app", "app-secret");
        for (what, login, file) in [("no-such-log", root_login(), "nosuch.000009"), ("denied", app, "binlog.000001")] {
            let tap = Tap::before(server.address());
            let mut wire = Wire::connect(tap.address(), &login).unwrap();
            let body = [&4_u32.to_le_bytes()[..], &1_u16.to_le_bytes(), &77_u32.to_le_bytes(), file.as_bytes()];
            wire.send(Byte::COM_BINLOG_DUMP, &body.concat()).unwrap();
            assert!(wire.packet().is_ok_and(|packet| packet.payload[0] == 0xFF), "{what}");
            keep(what, &tap);
        }
        let tap = Tap::before(server.address());
        follow(server, &mut root, &tap);
        keep("replica", &tap);
    });
    seeds.into_inner().write();
}

fn root_login() -> Login {
    Login::new(ROOT.user, ROOT.password)
}

/// The dumps that passed.
fn dumps(tap: &Tap) -> Vec<Exchange> {
    let spoken = tap.connections().into_iter().flat_map(|passed| Spoken::of(&passed).exchanges);
    spoken.filter(|it| matches!(it.code(), DUMP | DUMP_BY_GTID)).collect()
}

/// The server's own program reads the first log from `address`.
fn read(server: &Server, address: SocketAddr) {
    let mut command = tool(server, ["mysqlbinlog", "mariadb-binlog"], address);
    let output = command.args(["--read-from-remote-server", "binlog.000001"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A replica follows, and acknowledges, until the server has nothing to say for a while.
fn follow(server: &Server, root: &mut Root, tap: &Tap) {
    let (flavor, port) = (server.flavor(), tap.address().port());
    let options = Options { extra_args: vec!["--server-id=2".into()], binary_log: true };
    let replica = Server::start(flavor, &options).unwrap();
    let mut other = Root::on(&replica);
    let (user, password) = (ROOT.user, ROOT.password);
    let (here, there): (&[String], &[String]) = match flavor {
        Flavor::MySql => (
            &[
                "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'".into(),
                "SET GLOBAL rpl_semi_sync_source_enabled = 1".into(),
            ],
            &[
                "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'".into(),
                "SET GLOBAL rpl_semi_sync_replica_enabled = 1".into(),
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}', \
                     SOURCE_PASSWORD='{password}', GET_SOURCE_PUBLIC_KEY=1, SOURCE_SSL=0, SOURCE_HEARTBEAT_PERIOD=0.1"
                ),
                "START REPLICA".into(),
            ],
        ),
        Flavor::MariaDb => (
            &["SET GLOBAL rpl_semi_sync_master_enabled = 1".into()],
            &[
                "SET GLOBAL rpl_semi_sync_slave_enabled = 1".into(),
                format!(
                    "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}', \
                     MASTER_PASSWORD='{password}', MASTER_HEARTBEAT_PERIOD=0.1"
                ),
                "START SLAVE".into(),
            ],
        ),
    };
    here.iter().for_each(|sql| drop(root.0.ok(sql)));
    there.iter().for_each(|sql| drop(other.0.ok(sql)));
    // Behind a byte that says that an event comes and, where the replica acknowledges, two more: the time, and the event's type.
    let is_heartbeat =
        |payload: &[u8]| [payload.get(5), payload.get(7)].into_iter().flatten().any(|kind| HEARTBEATS.contains(kind));
    until("the server says that it is there", || {
        dumps(tap).first().is_some_and(|dump| dump.answer.iter().any(|(_, payload)| is_heartbeat(payload)))
    });
}
