//! Packets: recorded ones, and any others.

use mysql_common::constants::{CapabilityFlags as Flags, StatusFlags};
use proptest::prelude::*;

use super::{
    LoginError, PAYLOAD_LIMIT,
    attributes::{ATTRIBUTES_LIMIT, Attributes},
    change_user::ChangeUser,
    greeting::{Greeting, Opening},
    request::LoginRequest,
    switch::{ServerWord, switch_to},
    wires::*,
};
use crate::{error::SqlError, login::plugin::Plugin, secret::Secret};

pub(super) fn greeting(wire: &str) -> Greeting {
    match Opening::parse(&hex(wire)) {
        Ok(Opening::Greeting(greeting)) => greeting,
        other => panic!("{other:?}"),
    }
}

/// The head of a request with these flags, up to the user name.
fn head(capabilities: Flags) -> Vec<u8> {
    let mut payload = capabilities.bits().to_le_bytes().to_vec();
    payload.extend([0, 0, 0, 1, 45]);
    payload.extend([0; 23]);
    payload
}

#[test]
fn mysql_greets() {
    let greeting = greeting(MYSQL_GREETING);
    assert_eq!((greeting.version.as_str(), greeting.thread_id, greeting.charset), ("9.7.4-2", 69, 255));
    assert_eq!(greeting.scramble, *b"\"RMv\x01b\x1dMLt3;\x14\x10G\x0b\\\x12\x1d\x08");
    assert_eq!(greeting.capabilities.flags.bits(), 0xdfff_ffff);
    assert_eq!(greeting.status, StatusFlags::SERVER_STATUS_AUTOCOMMIT);
    assert_eq!(greeting.plugin, "caching_sha2_password");
    assert!(!greeting.is_mariadb());
    assert_eq!(greeting.encode(), hex(MYSQL_GREETING));
}

#[test]
fn mariadb_greets_with_further_capabilities() {
    let greeting = greeting(MARIADB_GREETING);
    assert_eq!(greeting.version, "5.5.5-10.11.19-MariaDB-0+deb12u1");
    assert_eq!((greeting.capabilities.flags.bits(), greeting.capabilities.further.bits()), (0x81ff_f7fe, 0x1d));
    assert_eq!(greeting.plugin, "mysql_native_password");
    assert!(greeting.is_mariadb());
    assert_eq!(greeting.encode(), hex(MARIADB_GREETING));
}

#[test]
fn a_server_may_refuse_instead() {
    let refused = Opening::parse(b"\xff\x10\x04Too many connections");
    assert_eq!(refused, Ok(Opening::Refused(SqlError::new(1040, *b"HY000", "Too many connections"))));
    assert!(matches!(Opening::parse(b"\x09old"), Err(LoginError::NotAServer(_))));
    for cut in 0..hex(MYSQL_GREETING).len() - 22 {
        assert!(Opening::parse(&hex(MYSQL_GREETING)[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn real_clients_are_read_and_written_back() {
    for (wire, plugin, attributes, further) in
        [(MYSQL_REQUEST, "caching_sha2_password", 7, 0), (MARIADB_REQUEST, "mysql_native_password", 7, 0x1d)]
    {
        let request = LoginRequest::parse(&hex(wire)).unwrap();
        assert_eq!((request.user.as_slice(), request.database.as_deref()), (&b"app"[..], Some(&b"app"[..])));
        assert_eq!(request.plugin.as_deref(), Some(plugin.as_bytes()));
        assert_eq!(request.attributes.iter().count(), attributes);
        assert_eq!(request.capabilities.further.bits(), further);
        assert_eq!(request.encode(), hex(wire));
    }
}

#[test]
fn tls_and_the_old_protocol_are_recognised() {
    assert_eq!(LoginRequest::parse(&hex(SSL_REQUEST)), Err(LoginError::TlsWanted));
    assert_eq!(LoginRequest::parse(b"\x05\x00\x00\x00\x01app\x00"), Err(LoginError::OldProtocol));
    assert_eq!(LoginError::OldProtocol.sql_error().encode(Flags::empty()), b"\xff\x13\x04Bad handshake");
}

#[test]
fn optional_fields_are_read_by_capability() {
    let secure = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_SECURE_CONNECTION;
    let request = LoginRequest::parse(&[head(secure), b"app\0\x03abc".to_vec()].concat()).unwrap();
    assert_eq!((request.auth, request.plugin, request.database), (Secret::new("abc"), None, None));

    let old = LoginRequest::parse(&[head(Flags::CLIENT_PROTOCOL_41), b"app\0abc\0".to_vec()].concat()).unwrap();
    assert_eq!(old.auth, Secret::new("abc"));

    let lenenc = secure | Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
    let long = [head(lenenc), b"app\0\xfc\x2c\x01".to_vec(), vec![7; 300]].concat();
    assert_eq!(LoginRequest::parse(&long).map(|r| r.auth), Ok(Secret::new([7; 300])));

    // MariaDB takes a database without its NUL, and an empty name is none.
    let database = secure | Flags::CLIENT_CONNECT_WITH_DB;
    let request = LoginRequest::parse(&[head(database), b"app\0\0db".to_vec()].concat()).unwrap();
    assert_eq!(request.database.as_deref(), Some(&b"db"[..]));
    let request = LoginRequest::parse(&[head(database), b"app\0\0\0".to_vec()].concat()).unwrap();
    assert_eq!(request.database, None);
}

/// Each of these got 1043 from both servers.
#[test]
fn what_servers_refuse_is_refused() {
    let base = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_SECURE_CONNECTION | Flags::CLIENT_PLUGIN_AUTH;
    let attributes = base | Flags::CLIENT_CONNECT_ATTRS;
    let refused: [(Flags, &[u8]); 6] = [
        (base, b"app"),
        (base, b"app\0\x50abc"),
        (base | Flags::CLIENT_CONNECT_WITH_DB, b"app\0\0"),
        (attributes, b"app\0\0caching_sha2_password\0"),
        (attributes, b"app\0\0caching_sha2_password\0\xfc\xff\xff"),
        (attributes, b"app\0\0caching_sha2_password\0\x05abc"),
    ];
    for (capabilities, rest) in refused {
        let error = LoginRequest::parse(&[&head(capabilities), rest].concat()).unwrap_err();
        assert_eq!(error.sql_error(), SqlError::bad_handshake(), "{error}");
    }
    assert!(LoginRequest::parse(b"").is_err() && LoginRequest::parse(b"\x01").is_err());
    let huge = [head(attributes), b"app\0\0x\0\xfd\x70\x11\x01".to_vec(), vec![0; 70_000]].concat();
    let limit = LoginError::TooLong { field: "the connection attributes", limit: ATTRIBUTES_LIMIT };
    assert_eq!(LoginRequest::parse(&huge), Err(limit));
    assert!(matches!(LoginRequest::parse(&vec![0xff; PAYLOAD_LIMIT + 1]), Err(LoginError::TooLong { .. })));
}

#[test]
fn broken_attributes_do_not_keep_a_client_out() {
    let flags = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_SECURE_CONNECTION | Flags::CLIENT_CONNECT_ATTRS;
    let request = LoginRequest::parse(&[head(flags), b"app\0\0\x03\x30ab".to_vec()].concat()).unwrap();
    assert_eq!(request.attributes.iter().count(), 0);
}

#[test]
fn attributes_are_bounded() {
    let mut attributes = Attributes::default();
    assert!(attributes.push("program_name", "greenroom"));
    assert_eq!(attributes.iter().collect::<Vec<_>>(), [(&b"program_name"[..], &b"greenroom"[..])]);
    assert!(!attributes.push("long", &"x".repeat(ATTRIBUTES_LIMIT)));
    assert_eq!(attributes.iter().count(), 1);
}

#[test]
fn a_user_is_changed() {
    let client = Flags::CLIENT_SECURE_CONNECTION | Flags::CLIENT_PLUGIN_AUTH;
    let change = ChangeUser::parse(CHANGE_USER, client).unwrap();
    assert_eq!((change.user.as_slice(), change.charset), (&b"app"[..], 45));
    assert_eq!(change.database.as_deref(), Some(&b"app"[..]));
    assert_eq!(change.encode(client), CHANGE_USER);
    assert_eq!(ChangeUser::parse(CHANGE_USER, client | Flags::CLIENT_CONNECT_ATTRS), Ok(change));
    // Both servers answer 1047 to one without a character set.
    assert_eq!(ChangeUser::parse(b"\x11app\0\0app\0", client), Err(LoginError::Truncated("the character set")));
    assert_eq!(ChangeUser::parse(b"\x03app", client), Err(LoginError::Unexpected(3)));
}

#[test]
fn servers_switch_and_welcome() {
    for (wire, plugin) in [(MYSQL_SWITCH, Plugin::CachingSha2), (MARIADB_SWITCH, Plugin::Native)] {
        let Ok(ServerWord::Switch(switch)) = ServerWord::parse(wire) else { panic!("no switch") };
        assert_eq!(Plugin::from_name(switch.plugin.as_bytes()), Some(plugin));
        assert_eq!(switch_to(plugin, &switch.scramble().unwrap()), wire);
    }
    let Ok(ServerWord::Switch(old)) = ServerWord::parse(b"\xfe") else { panic!("no switch") };
    assert_eq!((old.plugin.as_str(), old.scramble()), ("mysql_old_password", None));
    let Ok(ServerWord::Ok(welcome)) = ServerWord::parse(&hex(OK)) else { panic!("no welcome") };
    assert_eq!((welcome.status.bits(), welcome.warnings), (0x4002, 0));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, flags: u32) {
        let _ = Opening::parse(&bytes);
        let _ = Opening::parse(&[&b"\x0a"[..], &bytes].concat());
        let _ = LoginRequest::parse(&bytes);
        let _ = ChangeUser::parse(&[&b"\x11"[..], &bytes].concat(), Flags::from_bits_truncate(flags));
        for first in [0, 1, 0xfe, 0xff] {
            let _ = ServerWord::parse(&[&[first], &bytes[..]].concat());
        }
    }

    #[test]
    fn any_request_with_a_good_head_is_no_bigger_than_its_bytes(rest: Vec<u8>, flags: u32) {
        let flags = (Flags::from_bits_truncate(flags) | Flags::CLIENT_PROTOCOL_41) - Flags::CLIENT_SSL;
        if let Ok(request) = LoginRequest::parse(&[head(flags), rest.clone()].concat()) {
            let kept = request.user.len() + request.auth.expose().len() + request.database.map_or(0, |d| d.len());
            prop_assert!(kept <= rest.len());
            prop_assert!(request.attributes.iter().count() <= rest.len());
        }
    }

    #[test]
    fn a_changed_recorded_packet_is_read_or_refused(at in 0usize..200, byte: u8, cut in 0usize..400) {
        for wire in [MYSQL_GREETING, MARIADB_GREETING, MYSQL_REQUEST, MARIADB_REQUEST, OK] {
            let mut bytes = hex(wire);
            if let Some(changed) = bytes.get_mut(at) { *changed = byte; }
            bytes.truncate(cut);
            let _ = (Opening::parse(&bytes), LoginRequest::parse(&bytes), ServerWord::parse(&bytes));
        }
    }
}
