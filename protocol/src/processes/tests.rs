use super::{LIST_MAX, ProcessList, Progress};
use crate::answer::Row;
use crate::packet;

fn text(value: &str) -> Option<Box<[u8]>> {
    Some(Box::from(value.as_bytes()))
}

fn row(id: &str, user: &str, info: Option<&str>) -> Row {
    let mut row: Row = [id, user, "proxy:1", "db", "Query", "0", "init"].map(text).into();
    row.push(info.and_then(text));
    row
}

/// A list of 8 columns and these rows, as a server sends it.
fn wire(rows: &[Row]) -> Vec<u8> {
    let payload = |row| {
        let mut payload = Vec::new();
        super::text(&mut payload, row);
        payload
    };
    framed(&rows.iter().map(payload).collect::<Vec<_>>())
}

fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seq = packet::frame(&mut out, 1, &[8]);
    for column in 0..8 {
        seq = packet::frame(&mut out, seq, &[3, b'd', b'e', b'f', column]);
    }
    for payload in payloads {
        seq = packet::frame(&mut out, seq, payload);
    }
    packet::frame(&mut out, seq, &[0xfe, 0, 0, 2, 0, 1, 0]);
    out
}

fn whole(bytes: &[u8]) -> ProcessList {
    let mut list = ProcessList::default();
    assert_eq!(list.advance(bytes), Progress::Whole);
    list
}

#[test]
fn rows_are_changed_and_added_and_the_rest_stays() {
    let long = "x".repeat(70_000);
    let bytes = wire(&[row("5", "a", None), row("6", "a", Some(&long)), row("7", "a", Some("SELECT 1"))]);
    let change = |row: &mut Row| {
        if row[0] == text("6") {
            row[0] = text("1073741824");
        }
    };
    let expected = [
        row("5", "a", None),
        row("1073741824", "a", Some(&long)),
        row("7", "a", Some("SELECT 1")),
        row("9", "b", None),
    ];
    assert_eq!(whole(&bytes).rewrite(&bytes, change, vec![row("9", "b", None)]), wire(&expected));
    assert_eq!(whole(&bytes).rewrite(&bytes, |_| {}, Vec::new()), bytes, "nothing to do changes nothing");
}

/// A length may be written in more bytes than it takes.
#[test]
fn a_row_that_nothing_changes_stays_as_the_server_wrote_it() {
    let mut payload = b"\xfc\x01\x005".to_vec();
    super::text(&mut payload, &row("", "a", None)[1..].to_vec());
    let bytes = framed(&[payload]);
    let list = whole(&bytes);
    assert_eq!(list.rows(&bytes).collect::<Vec<_>>(), [row("5", "a", None)]);
    assert_eq!(list.rewrite(&bytes, |_| {}, Vec::new()), bytes);
    assert_eq!(list.rewrite(&bytes, |row| row[0] = text("6"), Vec::new()), wire(&[row("6", "a", None)]));
}

#[test]
fn sequence_ids_follow_each_other_over_256_packets() {
    let many: Vec<_> = (0..300).map(|id| row(&id.to_string(), "a", None)).collect();
    let bytes = wire(&many[..200]);
    assert_eq!(whole(&bytes).rewrite(&bytes, |_| {}, many[200..].to_vec()), wire(&many));
}

#[test]
fn it_comes_in_pieces() {
    let bytes = wire(&[row("5", "a", None), row("6", "b", None)]);
    let mut list = ProcessList::default();
    for end in 0..bytes.len() {
        assert_eq!(list.advance(&bytes[..end]), Progress::More, "{end} bytes");
    }
    assert_eq!(list.advance(&bytes), Progress::Whole);
    assert_eq!(list.rows(&bytes).count(), 2);
}

#[test]
fn rows_of_two_users_are_seen() {
    for (users, several) in [(&[][..], false), (&["a"], false), (&["a", "a"], false), (&["a", "a", "b"], true)] {
        let rows: Vec<_> = users.iter().map(|user| row("1", user, None)).collect();
        let bytes = wire(&rows);
        assert_eq!(whole(&bytes).has_several_users(&bytes), several, "{users:?}");
    }
}

#[test]
fn a_character_set_with_another_ascii_is_seen() {
    let mut foreign = row("1", "a", None);
    assert!(whole(&wire(&[foreign.clone()])).is_ascii(&wire(&[foreign.clone()])));
    foreign[4] = text("\0Q\0u\0e\0r\0y");
    let bytes = wire(&[row("2", "a", None), foreign]);
    assert!(!whole(&bytes).is_ascii(&bytes));
}

#[test]
fn an_error_goes_on_as_it_is_also_behind_rows() {
    for rows in [0, 2] {
        let mut bytes = Vec::new();
        let mut seq = 1;
        if rows > 0 {
            bytes = wire(&[row("1", "a", None), row("2", "a", None)]);
            bytes.truncate(bytes.len() - 11);
            seq = 12;
        }
        packet::frame(&mut bytes, seq, b"\xff\x25\x05#70100killed");
        assert_eq!(whole(&bytes).rewrite(&bytes, |_| {}, vec![row("9", "a", None)]), bytes);
    }
}

#[test]
fn what_is_out_of_order_is_not_put_in_order() {
    let mut bytes = wire(&[row("1", "a", None)]);
    bytes[4 + 1 + 3] = 7;
    assert_eq!(ProcessList::default().advance(&bytes), Progress::Other);
    let mut bytes = wire(&[row("1", "a", None)]);
    bytes.push(0);
    assert_eq!(whole(&bytes).rewrite(&bytes, |_| {}, Vec::new()), bytes, "nor is what lies behind it taken away");
}

#[test]
fn a_row_that_makes_no_sense_stays_as_it_is() {
    let mut bytes = wire(&[]);
    bytes.truncate(bytes.len() - 11);
    let seq = packet::frame(&mut bytes, 10, &[9, b'x']);
    packet::frame(&mut bytes, seq, &[0xfe, 0, 0, 2, 0, 0, 0]);
    assert_eq!(whole(&bytes).rewrite(&bytes, |_| panic!("it has no values"), Vec::new()), bytes);
}

#[test]
fn what_is_no_list_or_too_long_is_left_alone() {
    for payload in [&[0, 0, 0, 2, 0, 0, 0][..], &[3], &[8, 0], &[0xfb, b'f'], &[33]] {
        let mut bytes = Vec::new();
        packet::frame(&mut bytes, 1, payload);
        assert_eq!(ProcessList::default().advance(&bytes), Progress::Other, "{payload:?}");
    }
    let long = "x".repeat(LIST_MAX / 4);
    let rows: Vec<_> = (0..5).map(|id| row(&id.to_string(), "a", Some(&long))).collect();
    assert_eq!(ProcessList::default().advance(&wire(&rows)), Progress::Other);
}

/// The definition of a column of this type, unsigned or not.
fn defined(kind: u8, unsigned: bool) -> Vec<u8> {
    [&b"\x03def\0\0\0\x01c\0\x0c\x3f\0\x10\0\0\0"[..], &[kind, if unsigned { 0x20 } else { 0 }, 0, 0, 0, 0]].concat()
}

/// A binary list of two rows: id, four texts, a number of four bytes, two texts, and a fraction.
fn binary_wire(rows: &[(u64, Option<&str>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seq = packet::frame(&mut out, 1, &[9]);
    for kind in [8, 253, 253, 253, 253, 3, 253, 251, 5] {
        seq = packet::frame(&mut out, seq, &defined(kind, kind == 8));
    }
    for (id, info) in rows {
        let mut payload = vec![0, 0b10_0000, if info.is_none() { 0b10 } else { 0 }];
        payload.extend(id.to_le_bytes());
        payload.extend(b"\x01u\x01h");
        payload.extend(b"\x05Query");
        payload.extend((-3_i32).to_le_bytes());
        payload.extend(b"\x04init");
        payload.extend(info.map(|text| [&[text.len() as u8], text.as_bytes()].concat()).unwrap_or_default());
        payload.extend(0.25_f64.to_le_bytes());
        seq = packet::frame(&mut out, seq, &payload);
    }
    packet::frame(&mut out, seq, &[0xfe, 0, 0, 2, 0, 1, 0]);
    out
}

#[test]
fn binary_rows_are_read_and_written_as_texts_are() {
    let bytes = binary_wire(&[(5, None), (u64::MAX, Some("SELECT 1"))]);
    let mut list = ProcessList::prepared();
    assert_eq!(list.advance(&bytes), Progress::Whole);
    let rows: Vec<_> = list.rows(&bytes).collect();
    let values = ["5", "u", "h", "NULL", "Query", "-3", "init", "NULL", "0.25"];
    let expected: Row = values.iter().map(|value| text(value).filter(|_| *value != "NULL")).collect();
    assert_eq!(rows[0], expected);
    assert_eq!([&rows[1][0], &rows[1][7]], [&text(&u64::MAX.to_string()), &text("SELECT 1")]);
    assert_eq!(list.rewrite(&bytes, |_| {}, Vec::new()), bytes, "nothing to do changes nothing");
    let change = |row: &mut Row| row[0] = row[0].take().filter(|id| **id != *b"5").or(text("1073741824"));
    let mut further = rows[0].clone();
    further[0] = text("9");
    let mut broken = further.clone();
    broken[5] = text("soon");
    let expected = binary_wire(&[(1_073_741_824, None), (u64::MAX, Some("SELECT 1")), (9, None)]);
    assert_eq!(list.rewrite(&bytes, change, vec![broken, further]), expected);
}

#[test]
fn a_column_of_another_type_is_left_alone() {
    let mut bytes = Vec::new();
    let seq = packet::frame(&mut bytes, 1, &[8]);
    packet::frame(&mut bytes, seq, &defined(12, false));
    assert_eq!(ProcessList::prepared().advance(&bytes), Progress::Other);
}
