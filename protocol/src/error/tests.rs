use std::time::Duration;

use mysql_common::constants::CapabilityFlags as Flags;
use proptest::prelude::*;

use super::{GENERAL, MESSAGE_LIMIT, NotAnError, SqlError};

/// ERR packets as MySQL 9.7.4 and MariaDB 10.11.19 sent them.
#[test]
fn worded_as_the_servers_word_them() {
    let recorded: [(SqlError, &[u8]); 9] = [
        (
            SqlError::access_denied(b"app", "127.0.0.1", true),
            b"\xff\x15\x04#28000Access denied for user 'app'@'127.0.0.1' (using password: YES)",
        ),
        (
            SqlError::access_denied(b"", "127.0.0.1", false),
            b"\xff\x15\x04#28000Access denied for user ''@'127.0.0.1' (using password: NO)",
        ),
        (SqlError::unknown_database(b"nosuch"), b"\xff\x19\x04#42000Unknown database 'nosuch'"),
        (SqlError::bad_handshake(), b"\xff\x13\x04#08S01Bad handshake"),
        (SqlError::unknown_command(), b"\xff\x17\x04#08S01Unknown command"),
        (SqlError::out_of_order(), b"\xff\x84\x04#08S01Got packets out of order"),
        (SqlError::malformed_packet(), b"\xff+\x07#HY000Malformed communication packet."),
        (
            SqlError::charset_refused("utf16"),
            b"\xff\xcf\x04#42000Variable 'character_set_client' can't be set to the value of 'utf16'",
        ),
        (
            SqlError::plugin_not_supported(),
            b"\xff\xe3\x04#08004Client does not support authentication protocol requested by server; consider upgrading MySQL client",
        ),
    ];
    for (ours, theirs) in recorded {
        assert_eq!(ours.encode(Flags::CLIENT_PROTOCOL_41), theirs);
        assert_eq!(SqlError::parse(theirs), Ok(ours));
    }
}

#[test]
fn instead_of_a_greeting_there_is_no_state() {
    let recorded = b"\xff\x10\x04Too many connections";
    // The servers' words, and then ours.
    assert!(SqlError::no_place("[server]", "max_clients", 5).encode(Flags::empty()).starts_with(recorded));
    assert_eq!(SqlError::parse(recorded), Ok(SqlError::new(1040, GENERAL, "Too many connections")));
}

#[test]
fn what_a_session_survives_does_not_look_like_a_dead_connection() {
    let survived = [
        SqlError::lease_timeout("app", 100, Duration::from_secs(10)),
        SqlError::node_down("db1", "connection refused"),
        SqlError::outcome_unknown("db1"),
        SqlError::transaction_lost("db1"),
        SqlError::warnings_lost("db1"),
        SqlError::query_interrupted(),
    ];
    for error in survived {
        assert!(!error.state.starts_with(b"08"), "{error}");
        assert!(!(2000..3000).contains(&error.code), "{error}");
        assert!(error.message.len() < 300, "{error}");
    }
    let waited = SqlError::lease_timeout("app", 100, Duration::from_millis(10_020)).message;
    assert!(waited.contains("all 100 of pool 'app'") && waited.contains("10.0s"), "{waited}");
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let error = SqlError::new(1105, GENERAL, "ß".repeat(400));
    let payload = error.encode(Flags::empty());
    assert_eq!(payload.len(), 3 + MESSAGE_LIMIT - 1);
    assert_eq!(SqlError::parse(&payload).map(|e| e.message), Ok("ß".repeat(255)));
}

#[test]
fn three_bytes_are_needed() {
    assert_eq!(SqlError::parse(b"\xff\x10"), Err(NotAnError));
    assert_eq!(SqlError::parse(b"\x00\x00\x00"), Err(NotAnError));
    assert_eq!(SqlError::parse(b"\xff\x10\x04#HY0").map(|e| e.message), Ok("#HY0".to_owned()));
}

proptest! {
    #[test]
    fn any_bytes_parse_or_not_and_stay_small(bytes: Vec<u8>) {
        if let Ok(error) = SqlError::parse(&bytes) {
            prop_assert!(error.message.len() <= 3 * MESSAGE_LIMIT);
        }
    }
}
