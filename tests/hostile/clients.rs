//! Hostile clients: hand-made cases, each named by what is wrong with it.

use greenroom::demo::server::Server;
use mysql_common::constants::CapabilityFlags;

use crate::{
    bed::Bed,
    guest::{Leave, QUESTION, QUESTION_ANSWER, packet, payloads, send, socket},
    support::{
        servers::{Tenant, each_server},
        wire::{Login, Param, Wire, execute_body},
    },
};

pub(crate) const MODES: [&str; 3] = ["transaction", "session", "none"];

/// What a case sends, and its name.
type Case = (&'static str, Vec<u8>);

/// Runs a batch of attacks in every pool mode on both servers, and looks whether all is well after it.
fn everywhere(attack: impl Fn(&Bed)) {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let bed = Bed::new(server, server.address(), mode);
            attack(&bed);
            bed.well();
        }
    });
}

/// Every answer that is there is a packet of the protocol's, and the last word, if there is one, is an error.
fn refused(name: &str, answer: &[u8]) {
    let packets = payloads(answer);
    let length: usize = packets.iter().map(|payload| payload.len() + 4).sum();
    assert_eq!(length, answer.len(), "{name}: a packet cut off in {}", answer.escape_ascii());
    if let Some(last) = packets.last() {
        assert_eq!(last.first(), Some(&0xFF), "{name}: {}", answer.escape_ascii());
    }
}

// -- before the login --

/// A login request as `wire` would send it, byte for byte.
fn request(bed: &Bed) -> Vec<u8> {
    let mut payload = Vec::new();
    let flags = CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_CONNECT_ATTRS
        | CapabilityFlags::CLIENT_CONNECT_WITH_DB;
    payload.extend(flags.bits().to_le_bytes());
    payload.extend([0, 0, 0, 1, 45]);
    payload.extend([0; 23]);
    payload.extend([bed.tenant.name.as_bytes(), b"\0"].concat());
    payload.extend([&[20][..], &[b'x'; 20], b"nosuch\0", b"mysql_native_password\0"].concat());
    payload.extend(b"\x0c\x04name\x06client");
    payload
}

fn greetings(bed: &Bed) -> Vec<Case> {
    let request = request(bed);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = request.clone();
        change(&mut payload);
        packet(1, &payload)
    };
    vec![
        ("nothing", vec![]),
        ("half a header", vec![5, 0]),
        ("a header alone", vec![5, 0, 0, 1]),
        ("an empty packet", packet(1, b"")),
        ("one byte", packet(1, b"\x05")),
        ("the id of a command", packet(0, &request)),
        ("a skipped id", packet(2, &request)),
        ("the longest packet announced", [&[0xFF, 0xFF, 0xFF, 1][..], &request].concat()),
        ("more than a login needs", packet(1, &[b'x'; 200_000])),
        ("a command in place of a login", packet(0, b"\x03SELECT 1")),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec()),
        ("a request for TLS that nothing follows", packet(1, &[&[0, 0x0A, 0, 0][..], &[0; 28]].concat())),
        ("the protocol before 4.1", packet(1, b"\x05\0\0\0\0app\0")),
        ("no end of the user name", with(&|payload| payload.truncate(36))),
        ("an answer longer than the packet", with(&|payload| *payload.last_mut().unwrap() = 0xFF)),
        (
            "attributes of 2^64 bytes",
            with(&|payload| {
                payload.truncate(payload.len() - 13);
                payload.extend([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
            }),
        ),
        ("every capability", with(&|payload| payload[..4].fill(0xFF))),
        ("zeros", packet(1, &[0; 100])),
        ("the bytes of an error", packet(1, b"\xff\x15\x04#28000no")),
    ]
}

#[test]
fn logins_that_are_none() {
    everywhere(|bed| {
        for (name, bytes) in greetings(bed) {
            let wire = Wire::open(bed.proxy.address()).unwrap();
            refused(name, &send(socket(&wire), &[&bytes], Leave::Orderly));
        }
        let request = packet(1, &request(bed));
        for end in 0..request.len() {
            let wire = Wire::open(bed.proxy.address()).unwrap();
            refused("cut off", &send(socket(&wire), &[&request[..end]], Leave::Orderly));
            let wire = Wire::open(bed.proxy.address()).unwrap();
            let shorter = packet(1, &request[4..end.max(4)]);
            refused("a shorter packet", &send(socket(&wire), &[&shorter], Leave::Orderly));
        }
        // Somebody who leaves while he is being answered.
        for _ in 0..20 {
            send(socket(&Wire::open(bed.proxy.address()).unwrap()), &[&request], Leave::Abruptly);
        }
    });
}

#[test]
fn answers_that_no_plugin_gives() {
    let answers: [(&str, Vec<u8>); 8] = [
        ("nothing", vec![]),
        ("an empty packet", packet(3, b"")),
        ("a wrong answer", packet(3, &[7; 20])),
        ("too long an answer", packet(3, &[7; 5000])),
        ("the id of a command", packet(0, &[7; 20])),
        ("the longest packet announced", vec![0xFF, 0xFF, 0xFF, 3]),
        ("more than a login needs", packet(3, &[b'x'; 200_000])),
        ("a command ahead of the answer", packet(0, b"\x03SELECT 1")),
    ];
    everywhere(|bed| {
        for (name, answer) in &answers {
            let wire = Wire::open(bed.proxy.address()).unwrap();
            let request = packet(1, &request(bed));
            // A plugin that nobody knows, so that the proxy switches; then the answer to that.
            let place = request.windows(12).position(|bytes| bytes == b"mysql_native").unwrap();
            let mut request = request;
            request[place] = b'?';
            let mut said = payloads(&send(socket(&wire), &[&request, answer], Leave::Orderly));
            assert_eq!(said.remove(0).first(), Some(&0xFE), "{name}: the proxy asks for another plugin's answer");
            assert!(said.iter().all(|payload| payload.first() == Some(&0xFF)), "{name}: {said:?}");
        }
        let wrong = Login::new(&bed.tenant.name, "wrong");
        assert!(Wire::connect(bed.proxy.address(), &wrong).is_err(), "the password still counts");
    });
}

// -- commands --

/// Sends bytes in the place of a command, with a question behind them, and gives the answers.
fn in_place_of_a_command(bed: &Bed, prepare: &[&str], bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut wire = bed.tenant.connect(bed.proxy.address());
    for sql in prepare {
        wire.ok(sql);
    }
    let answer = send(socket(&wire), &[bytes, QUESTION], Leave::Answered);
    payloads(&answer)
}

#[test]
fn commands_out_of_shape() {
    let cases: [(&str, Vec<u8>, bool); 11] = [
        ("a skipped id", packet(1, b"\x03DO 1"), true),
        ("the last id", packet(255, b"\x03DO 1"), true),
        ("twice as long as allowed", [&[0, 0, 0x20, 0, 3][..], &[b' '; 70_000]].concat(), true),
        ("the longest packet announced", vec![0xFF, 0xFF, 0xFF, 0, 3, b'D'], true),
        ("an empty command", packet(0, b""), false),
        ("an unknown command", packet(0, b"\x77\x01\x02"), false),
        ("a text that is no text", packet(0, &[&[3][..], &[0xFF; 300]].concat()), false),
        ("NULs", packet(0, &[3, 0, 0, 0, 0]), false),
        ("an open quote", packet(0, b"\x03SELECT 'open"), false),
        ("an open comment", packet(0, b"\x03SELECT /*! 1"), false),
        ("parentheses without end", packet(0, &[&b"\x03SELECT "[..], &[b'('; 30_000]].concat()), false),
    ];
    everywhere(|bed| {
        for (name, bytes, ends) in &cases {
            for prepare in [&[][..], &["START TRANSACTION", "INSERT INTO scratch VALUES (1, 'x')"]] {
                println!("{name}, {prepare:?}");
                let answers = in_place_of_a_command(bed, prepare, bytes);
                assert_eq!(answers.first().and_then(|first| first.first()), Some(&0xFF), "{name}: {answers:?}");
                let answered = answers.iter().any(|payload| payload == QUESTION_ANSWER);
                assert_eq!(answered, !ends, "{name}: {answers:?}");
            }
        }
        // What was never finished never ran.
        let mut wire = bed.tenant.connect(bed.proxy.address());
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM scratch").as_deref(), Some("0"));
    });
}

/// What follows a command's byte.
const BODIES: [&[u8]; 8] = [
    b"",
    b"\x01",
    b"\x01\0",
    b"\x01\0\0\0",
    b"\x01\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"kept\0%",
    &[0xFE; 40],
];

/// Every byte as a command, with every body, sent to the server itself and through the proxy: a question behind it is
/// answered as the server answers it, be it not at all. Whatever a server does with a command that has no reply, it
/// must not be taken for the reply to the next.
#[test]
fn every_byte_as_a_command() {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let bed = Bed::new(server, server.address(), mode);
            let mut differing = Vec::new();
            for byte in 0..=255_u8 {
                differing.extend(BODIES.into_iter().filter_map(|body| differs(&bed, server, byte, body)));
            }
            assert!(differing.is_empty(), "{}", differing.join("\n"));
            bed.well();
        }
    });
}

/// `COM_QUIT`; replication, whose replies do not end; `COM_CHANGE_USER`, which starts an exchange; `COM_STATISTICS` and
/// `COM_PROCESS_INFO`, which tell of the moment; `COM_PROCESS_KILL`, whose ids are Greenroom's own.
const APART: [u8; 10] = [0x01, 0x09, 0x0A, 0x0C, 0x11, 0x12, 0x15, 0x1E, 0x20, 0x21];

fn differs(bed: &Bed, server: &Server, byte: u8, body: &[u8]) -> Option<String> {
    let command = [&[byte], body].concat();
    let ask = |address| {
        let wire = bed.tenant.connect(address);
        payloads(&send(socket(&wire), &[&packet(0, &command), QUESTION], Leave::Answered))
    };
    let through = ask(bed.proxy.address());
    if APART.contains(&byte) {
        return None;
    }
    let directly = ask(server.address());
    let shape = |answers: &[Vec<u8>]| answers.iter().map(|payload| shape(payload)).collect::<Vec<_>>();
    let (through, directly) = (shape(&through), shape(&directly));
    let text = || format!("{byte:#04x} {}: {through:?}, directly {directly:?}", body.escape_ascii());
    (through != directly).then(text)
}

/// What of a packet is the same from any session: an error's number, another packet's first byte.
fn shape(payload: &[u8]) -> Vec<u8> {
    let length = if payload.first() == Some(&0xFF) { 3 } else { 1 };
    payload[..payload.len().min(length)].to_vec()
}

// -- prepared statements, files, another user --

#[test]
fn executions_out_of_shape() {
    everywhere(|bed| {
        let whole = execute_body(0, 0, &[Param::Int(7), Param::Text("seven"), Param::Null]);
        let mut wire = bed.tenant.connect(bed.proxy.address());
        let statement = wire.prepare("SELECT ?, ?, ?").unwrap();
        for (byte, tail) in
            [(0x17, &whole[4..]), (0x18, b"\0\0long"), (0x1C, &b"\x01\0\0\0"[..]), (0x1A, b""), (0x19, b"")]
        {
            for end in 0..=tail.len() {
                let mut wire = bed.tenant.connect(bed.proxy.address());
                let id = wire.prepare("SELECT ?, ?, ?").unwrap().id.to_le_bytes();
                let command = packet(0, &[&[byte][..], &id, &tail[..end]].concat());
                let answer = send(socket(&wire), &[&command, QUESTION], Leave::Answered);
                let answered = payloads(&answer).iter().any(|payload| payload == QUESTION_ANSWER);
                assert!(answered, "{byte:#04x} cut off at {end}: {}", answer.escape_ascii());
            }
        }
        assert!(wire.execute(&statement, &[Param::Int(1), Param::Text("x"), Param::Null]).is_ok());
        for (name, types) in [("unknown types", 0xEE_u8), ("a text", 253), ("a date", 12), ("a decimal", 246)] {
            let mut body = execute_body(statement.id, 0, &[Param::Int(1), Param::Int(2), Param::Int(3)]);
            [11, 13, 15].into_iter().for_each(|at| body[at] = types);
            body.extend([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
            let mut wire = bed.tenant.connect(bed.proxy.address());
            let id = wire.prepare("SELECT ?, ?, ?").unwrap().id.to_le_bytes();
            body[..4].copy_from_slice(&id);
            let command = packet(0, &[&[0x17], &body[..]].concat());
            let answers = payloads(&send(socket(&wire), &[&command, QUESTION], Leave::Answered));
            assert!(answers.iter().any(|payload| payload == QUESTION_ANSWER), "{name}: {answers:?}");
        }
    });
}

#[test]
fn files_out_of_shape() {
    let load = packet(0, b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE scratch");
    let cases: [(&str, Vec<u8>); 8] = [
        ("no file", vec![]),
        ("half a header", vec![3, 0]),
        ("a part without its end", packet(2, b"1\tone\n")),
        ("a command in place of a file", QUESTION.to_vec()),
        ("a skipped id", [packet(2, b"1\tone\n"), packet(4, b"")].concat()),
        ("a repeated id", [packet(2, b"1\tone\n"), packet(2, b"")].concat()),
        ("the longest packet announced", vec![0xFF, 0xFF, 0xFF, 2, b'1']),
        ("a long part cut off", packet(2, &[b'1'; 100_000])[..50_000].to_vec()),
    ];
    everywhere(|bed| {
        bed.tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
        let login = bed.tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
        for (name, file) in &cases {
            for leave in [Leave::Orderly, Leave::Abruptly] {
                let wire = Wire::connect(bed.proxy.address(), &login).unwrap();
                let answers = payloads(&send(socket(&wire), &[&load, file], leave));
                assert!(!answers.iter().any(|payload| payload == QUESTION_ANSWER), "{name}: {answers:?}");
            }
        }
        let mut wire = bed.tenant.connect(bed.proxy.address());
        crate::support::observe::until("what came in part is rolled back", || {
            wire.scalar("SELECT COUNT(*) FROM scratch").as_deref() == Some("0")
        });
    });
}

#[test]
fn changes_of_user_out_of_shape() {
    everywhere(|bed| {
        let name = bed.tenant.name.as_bytes();
        let whole = [&[0x11][..], name, b"\0\0nosuch\0\x2d\0mysql_native_password\0\x0c\x04name\x06client"].concat();
        for end in 1..=whole.len() {
            let wire = bed.tenant.connect(bed.proxy.address());
            let answer = send(socket(&wire), &[&packet(0, &whole[..end]), &packet(2, &[7; 20])], Leave::Orderly);
            let last = payloads(&answer).pop().unwrap_or_else(|| panic!("cut off at {end}: not a word"));
            assert_eq!(last.first(), Some(&0xFF), "cut off at {end}: {}", answer.escape_ascii());
        }
        let long = packet(0, &[&[0x11][..], &[b'x'; 60_000]].concat());
        let wire = bed.tenant.connect(bed.proxy.address());
        refused("a name of 60 000 bytes", &send(socket(&wire), &[&long], Leave::Orderly));
    });
}

/// The lists of a tenant's own are its own; nobody reaches another's by what it sends.
#[test]
fn a_crowd_that_resets_its_connections_amid_everything() {
    everywhere(|bed| {
        let load = packet(0, b"\x03SELECT a.id, REPEAT('x', 5000) FROM kept a, kept b, kept c, kept d, kept e, kept f");
        let attackers: Vec<&Tenant> = vec![&bed.tenant; 8];
        std::thread::scope(|scope| {
            for tenant in attackers {
                let load = &load;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let wire = tenant.connect(bed.proxy.address());
                        send(socket(&wire), &[load, load, load], Leave::Abruptly);
                    }
                });
            }
        });
    });
}
