//! `docs/protocol.md` says what the code does: its tables against the tables of the code, and what becomes of each command
//! against a running proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use std::{io::Read, net::TcpStream};

use greenroom_protocol::{
    capability::{Capabilities, backend, key, offered},
    command::{Command, Expect},
};
use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, mariadb},
    wire::{Wire, execute_body},
};

/// A row's cells, without the marks of code.
type Row = Vec<String>;

/// The rows of every table whose first column has this head.
fn tables(head: &str) -> Vec<Row> {
    let text = include_str!("../docs/protocol.md");
    let (mut rows, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let row: Row = cells.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        match row[0].as_str() {
            first if first == head => inside = true,
            first if inside && !first.starts_with("---") => rows.push(row),
            _ => {}
        }
    }
    assert!(rows.len() > 5, "there is no table of {head}s");
    rows
}

/// `COM_STMT_CLOSE` for `StmtClose`.
fn wire_name(command: Command) -> String {
    let mut name = String::from("COM");
    for letter in format!("{command:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn every_command_has_a_row_and_every_row_is_a_command() {
    let said: Vec<[String; 3]> =
        tables("command").iter().map(|row| [row[0].clone(), row[1].clone(), row[2].clone()]).collect();
    let is = Command::ALL.map(|it| [wire_name(it), format!("{:#04X}", it.byte()), format!("{:?}", it.expect())]);
    let is = is.map(|[name, byte, expect]| [name, byte.replace("0X", "0x"), expect]);
    assert_eq!(said, is);
}

#[test]
fn every_flag_has_a_row_and_every_row_is_a_flag() {
    let (none, all) =
        (Capabilities::NONE, Capabilities { flags: CapabilityFlags::all(), further: MariadbCapabilities::all() });
    // Both kinds of flags as one number, MariaDB's above the others.
    let bits = |of: Capabilities| u64::from(of.flags.bits()) | u64::from(of.further.bits()) << 32;
    let word = |flag: u64, cases: [(Capabilities, &'static str); 3]| {
        cases.into_iter().find(|(flags, _)| bits(*flags) & flag != 0).map_or("never", |(_, word)| word)
    };
    let rows = |name: &str, flag: u64| {
        // Either leg's own, as its `tls` says (tests/tls.rs).
        if name == "CLIENT_SSL" {
            return [name, "11", "by the endpoint's tls", "by the node's tls", "no"].map(str::to_owned);
        }
        let to_clients = word(flag, [(offered(none), "always"), (offered(all), "if the node has it"), (none, "")]);
        let asked = [
            (backend(none, none), "always"),
            (backend(all, none), "if the node has it"),
            (backend(all, key(all)), "if the client has it"),
        ];
        let in_key = if bits(key(all)) & flag != 0 { "yes" } else { "no" };
        [name, &flag.trailing_zeros().to_string(), to_clients, word(flag, asked), in_key].map(str::to_owned)
    };
    let mysql = CapabilityFlags::all();
    let mysql = mysql.iter_names().map(|(name, flag)| rows(name, u64::from(flag.bits())));
    let further = MariadbCapabilities::all();
    let further = further.iter_names().map(|(name, flag)| rows(name, u64::from(flag.bits()) << 32));
    let said: Vec<[String; 5]> = tables("flag").iter().map(|row| std::array::from_fn(|at| row[at].clone())).collect();
    assert_eq!(said, mysql.chain(further).collect::<Vec<_>>());
}

/// What cannot be asked for in the middle of a session.
const APART: [Command; 2] = [Command::Quit, Command::ChangeUser];

/// Commands relayed to their end are counted; what is refused gets 1047 from Greenroom. Whatever a command is, the
/// question behind it is answered.
#[test]
fn a_proxy_does_with_each_command_what_its_row_says() {
    let server = mariadb();
    let tenant = Tenant::new(server, "documented");
    for (column, pool) in [(3, "none"), (4, "session"), (5, "transaction")] {
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let setup = setup.endpoint(&format!("pool = \"{pool}\""));
        let proxy = setup.environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut relayed = 0;
        for (row, command) in tables("command").into_iter().zip(Command::ALL) {
            assert!(["relayed", "passed through", "answered", "refused"].contains(&row[column].as_str()), "{row:?}");
            if APART.contains(&command) {
                continue;
            }
            println!("pool = {pool}: {row:?}");
            let refused = ask(&mut tenant.connect(proxy.address()), command);
            // A preparation before it and a question behind it are relayed too, and so is what a fetch fetches from.
            relayed += 2 + u32::from(command == Command::StmtFetch);
            relayed += u32::from(["relayed", "passed through"].contains(&row[column].as_str()));
            until("the count", || count(&proxy) >= relayed);
            assert_eq!(count(&proxy), relayed, "whether it is relayed");
            // A server may refuse what is relayed with the same words.
            let expected = match row[column].as_str() {
                "refused" => true,
                "answered" => false,
                _ => ask(&mut tenant.connect(server.address()), command),
            };
            assert_eq!(refused, expected, "whether it is refused");
        }
    }
}

fn count(proxy: &Proxy) -> u32 {
    proxy.metrics().sum("greenroom_queries_total", &[]) as u32
}

/// Prepares a statement, sends the command about it, and asks a question. Gives whether the command was refused.
fn ask(wire: &mut Wire, command: Command) -> bool {
    let statement = wire.prepare("SELECT ?").unwrap();
    let id = statement.id.to_le_bytes();
    if command == Command::StmtFetch {
        let open = execute_body(statement.id, 1, &[support::wire::Param::Null]);
        wire.send(mysql_common::constants::Command::COM_STMT_EXECUTE, &open).unwrap();
        // One column and what ends the definitions.
        (0..3).for_each(|_| drop(wire.packet().unwrap()));
    }
    let body = match command {
        Command::Query | Command::StmtPrepare => b"DO 1".to_vec(),
        Command::InitDb | Command::CreateDb | Command::DropDb => b"nosuch".to_vec(),
        Command::FieldList => b"nosuch\0%".to_vec(),
        Command::SetOption => vec![0, 0],
        Command::StmtExecute => execute_body(statement.id, 0, &[support::wire::Param::Null]),
        Command::StmtSendLongData => [&id[..], b"\0\0x"].concat(),
        Command::StmtClose | Command::StmtReset => id.to_vec(),
        Command::StmtFetch => [&id[..], b"\x01\0\0\0"].concat(),
        Command::StmtBulkExecute => [&id[..], b"\0\0"].concat(),
        _ => vec![0; 4],
    };
    let packet = |payload: &[u8]| [&(payload.len() as u32).to_le_bytes()[..3], &[0], payload].concat();
    wire.send_raw(&packet(&[&[command.byte()], &body[..]].concat())).unwrap();
    wire.send_raw(&packet(b"\x03SELECT 'question'")).unwrap();
    let packets = until_answered(wire.stream());
    command.expect() != Expect::Nothing && packets[0].starts_with(&[0xFF, 0x17, 0x04])
}

/// The payloads up to the one behind the question's row.
fn until_answered(mut stream: &TcpStream) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while !packets.iter().rev().skip(1).any(|payload| payload == b"\x08question") {
        let mut header = [0; 4];
        stream.read_exact(&mut header).expect("the question is answered");
        let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
        stream.read_exact(&mut payload).unwrap();
        packets.push(payload);
    }
    packets
}
