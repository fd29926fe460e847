use super::*;
use crate::flavor::Flavor;

/// `SET sql_mode = '', autocommit = 1` on MySQL 9.7, all trackers on.
const SET: &[u8] = b"\x00\x0e\nautocommit\x02ON\x00\n\x08sql_mode\x00\x00\x11\x0cstatement_id\x03199\x02\x011";
/// `BEGIN`, likewise.
const BEGIN: &[u8] = b"\x00\x11\x0cstatement_id\x03202\x05\t\x08T_______\x04\x13\x12START TRANSACTION;";

fn sifted(data: &[u8], wants: &ClientTrackers) -> (Vec<u8>, Changes) {
    let (mut data, mut changes) = (data.to_vec(), Changes::default());
    let kept = sift(&mut data, Some(wants), &mut changes).unwrap();
    data.truncate(kept);
    (data, changes)
}

#[test]
fn variables_are_read_in_order_without_the_statement_id() {
    let mut changes = Changes::default();
    changes.read(SET).unwrap();
    assert!(changes.state_changed && !changes.unknown);
    let expected: [Variable; 2] =
        [(b"autocommit"[..].into(), b"ON"[..].into()), (b"sql_mode"[..].into(), b""[..].into())];
    assert_eq!(changes.variables, expected);
    changes.clear();
    assert!(changes.is_empty());
}

#[test]
fn a_statement_id_alone_is_no_change() {
    let mut changes = Changes::default();
    changes.read(b"\x00\x11\x0cstatement_id\x03199").unwrap();
    assert!(changes.is_empty());
}

#[test]
fn a_client_sees_what_it_asked_for() {
    let mut wants = ClientTrackers::defaults(Flavor::MySql);
    assert_eq!(sifted(SET, &wants).0, b"\x00\x0e\nautocommit\x02ON");
    wants.variables = Names::parse(b"SQL_Mode, time_zone");
    wants.state_change = true;
    assert_eq!(sifted(SET, &wants).0, b"\x00\n\x08sql_mode\x00\x02\x011");
    assert_eq!(sifted(SET, &ClientTrackers::everything()).0, SET);
}

#[test]
fn mysql_reports_the_ends_of_explicit_transactions_to_everybody() {
    let (kept, changes) = sifted(BEGIN, &ClientTrackers::defaults(Flavor::MySql));
    assert_eq!(kept, b"\x05\t\x08T_______");
    assert_eq!(changes.transaction_state, Some(*b"T_______"));
    assert_eq!(changes.transaction_characteristics.as_deref(), Some(&b"START TRANSACTION;"[..]));
    assert!(sifted(BEGIN, &ClientTrackers::defaults(Flavor::MariaDb)).0.is_empty());
    let read = b"\x05\t\x08T_R___S_";
    assert!(sifted(read, &ClientTrackers::defaults(Flavor::MySql)).0.is_empty());
}

#[test]
fn an_unknown_entry_is_noted_and_kept_from_the_client() {
    let (kept, changes) = sifted(b"\x77\x02\x01z\x01\x04\x03app", &ClientTrackers::everything());
    assert_eq!(kept, b"\x01\x04\x03app");
    assert!(changes.unknown);
    assert_eq!(changes.schema.as_deref(), Some(&b"app"[..]));
}

#[test]
fn gtids_are_text_behind_an_encoding_byte() {
    let (_, changes) = sifted(b"\x03\x05\x00\x03a:1", &ClientTrackers::everything());
    assert_eq!(changes.gtids.as_deref(), Some(&b"a:1"[..]));
}

#[test]
fn each_result_of_a_string_adds_its_gtids() {
    let mut changes = Changes::default();
    for data in [b"\x03\x05\x00\x03a:1", b"\x03\x05\x00\x03a:2"] {
        changes.read(data).unwrap();
    }
    assert_eq!(changes.gtids.as_deref(), Some(&b"a:1,a:2"[..]));
    assert!(!changes.unknown);
}

#[test]
fn data_cut_anywhere_inside_an_entry_is_malformed() {
    for data in [SET, BEGIN] {
        let mut ends = vec![0];
        while let Some(entry) = Entry::first(&data[ends[ends.len() - 1]..]).unwrap() {
            ends.push(ends[ends.len() - 1] + entry.len);
        }
        for cut in 0..=data.len() {
            assert_eq!(Changes::default().read(&data[..cut]).is_ok(), ends.contains(&cut), "cut at {cut}");
        }
    }
    assert!(Changes::default().read(b"\x05\x04\x03___").is_err(), "seven characters too few");
    assert!(Changes::default().read(b"\x01\x05\x03app!").is_err(), "something behind the string");
}

#[test]
fn the_default_list_is_known_in_any_order() {
    let value = b"time_zone,autocommit,character_set_client,character_set_results,character_set_connection";
    assert_eq!(Names::parse(value), Names::Usual);
    assert_eq!(Names::parse(b"a,*"), Names::All);
    assert_eq!(Names::parse(b""), Names::List(vec![]));
}

#[test]
fn a_variable_is_noted_once_whatever_comes_of_it() {
    let set = |name: &str, value: &str| {
        let body = [&[name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat();
        [&[0, body.len() as u8], &body[..]].concat()
    };
    let mut changes = Changes::default();
    for round in 0..100_000 {
        changes.read(&set("sql_mode", if round % 2 == 0 { "" } else { "ANSI" })).unwrap();
        changes.read(&set("autocommit", "ON")).unwrap();
    }
    changes.read(&set("sql_mode", "last")).unwrap();
    let noted: Vec<_> = changes.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(noted, [(&b"autocommit"[..], &b"ON"[..]), (b"sql_mode", b"last")]);
    // Names made up without end are no server's.
    let refused = (0..100_000).find(|number| changes.read(&set(&format!("made_up_{number}"), "1")).is_err());
    assert_eq!(refused, Some(VARIABLES - 2));
}

#[test]
fn a_servers_own_settings_are_what_its_sessions_begin_with() {
    let usual: &[u8] = b"autocommit,character_set_client,character_set_connection,character_set_results,time_zone";
    let cells = [Some(usual), Some(&b"1"[..]), Some(b"0"), Some(b"OFF"), Some(b"OFF")];
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        assert_eq!(ClientTrackers::of_globals(flavor, cells), ClientTrackers::defaults(flavor));
    }
    let all = [Some(&b"*"[..]), Some(b"1"), Some(b"1"), Some(b"CHARACTERISTICS"), Some(b"OWN_GTID")];
    assert_eq!(ClientTrackers::of_globals(Flavor::MySql, all), ClientTrackers::everything());
    let none = ClientTrackers::of_globals(Flavor::MariaDb, [None; 5]);
    assert_eq!((none.variables, none.schema, none.gtids), (Names::parse(b""), false, false));
}
