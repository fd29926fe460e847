use mysql_common::constants::{CapabilityFlags, StatusFlags};

use super::*;
use crate::packet::frame;

const MODERN: CapabilityFlags = CapabilityFlags::CLIENT_DEPRECATE_EOF.union(CapabilityFlags::CLIENT_SESSION_TRACK);
const DONE: &[u8] = b"\xfe\0\0\x02\0\0\0";
const OK_MORE: &[u8] = b"\0\x01\0\x0a\0\0\0";

fn reply(expect: Expect, client: CapabilityFlags) -> Reply {
    let legs = Legs { server: MODERN, client, flavor: Flavor::MySql };
    Reply::new(expect, legs, 1, StatusFlags::SERVER_STATUS_AUTOCOMMIT)
}

/// The payloads as packets with ids from 1.
fn wire(payloads: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    payloads.iter().fold(1, |seq, payload| frame(&mut wire, seq, payload));
    wire
}

/// Runs `reply` over `wire`, read in pieces of `size`; gives what the client gets.
fn run(reply: &mut Reply, wire: &[u8], size: usize) -> Result<(Vec<u8>, Summary, Boundary), Violation> {
    let (mut down, mut summary, mut buf) = (Vec::new(), Summary::default(), Vec::new());
    let mut boundary = Boundary::More;
    for piece in wire.chunks(size) {
        buf.extend_from_slice(piece);
        let wants = ClientTrackers::defaults(Flavor::MySql);
        let before = down.len();
        let progress = reply.advance(&mut buf, &wants, &mut summary, &mut down)?;
        if let Forward::InPlace(len) = progress.forward {
            assert_eq!(down.len(), before);
            down.extend_from_slice(&buf[..len]);
        }
        buf.drain(..progress.used);
        boundary = progress.boundary;
    }
    Ok((down, summary, boundary))
}

#[test]
fn a_point_select_goes_out_as_it_lies_without_the_statement_id() {
    let closing = b"\xfe\0\0\x02\x40\0\0\0\x13\0\x11\x0cstatement_id\x03165";
    let mut buf = wire(&[b"\x01", b"\x03def", b"\x011", closing]);
    let (mut out, mut summary, whole) = (Vec::new(), Summary::default(), buf.len());
    let wants = ClientTrackers::defaults(Flavor::MySql);
    let progress = reply(Expect::Results, MODERN).advance(&mut buf, &wants, &mut summary, &mut out).unwrap();
    let expected = wire(&[b"\x01", b"\x03def", b"\x011", DONE]);
    assert_eq!(progress, Progress { used: whole, forward: Forward::InPlace(expected.len()), boundary: Boundary::Done });
    assert_eq!(buf[..expected.len()], expected);
    assert_eq!((summary.rows, summary.results, summary.had_result_set), (1, 1, true));
    assert!(summary.changes.is_empty() && out.is_empty());
}

#[test]
fn rows_of_many_packets_pass_unseen_in_pieces() {
    // A row that starts like a closing OK but fills its packet, with a continuation that starts like an ERR.
    let mut long = vec![EOF; MAX_PAYLOAD];
    long.extend([ERR; 10]);
    let exact = vec![EOF; MAX_PAYLOAD];
    let server = wire(&[b"\x01", b"\x03def", &long, &exact, b"\xfb", DONE]);
    for size in [server.len(), 1 << 20, 65_521] {
        let (down, summary, end) = run(&mut reply(Expect::Results, MODERN), &server, size).unwrap();
        assert!(down == server);
        assert_eq!((summary.rows, end), (3, Boundary::Done));
    }
    let old = wire(&[b"\x01", b"\x03def", b"\xfe\0\0\x02\0", &long, &exact, b"\xfb", b"\xfe\0\0\x02\0"]);
    let (down, ..) = run(&mut reply(Expect::Results, CapabilityFlags::empty()), &server, 1 << 20).unwrap();
    assert!(down == old);
}

#[test]
fn rows_for_an_old_client_are_copied_only_where_the_eof_goes_in() {
    let server = wire(&[b"\x01", b"\x03def", b"\x011", b"\x012", DONE]);
    let (head, rows) = server.split_at(5 + 8 + 6);
    let (mut out, mut summary) = (Vec::new(), Summary::default());
    let wants = ClientTrackers::defaults(Flavor::MySql);
    let mut reply = reply(Expect::Results, CapabilityFlags::empty());
    let first = reply.advance(&mut head.to_vec(), &wants, &mut summary, &mut out).unwrap();
    assert_eq!((first.forward, out.len()), (Forward::Copied, head.len() + 9));
    let mut rows = rows.to_vec();
    let second = reply.advance(&mut rows, &wants, &mut summary, &mut out).unwrap();
    assert_eq!((second.forward, second.boundary), (Forward::InPlace(rows.len() - 2), Boundary::Done));
    assert_eq!(rows[..rows.len() - 2], *b"\x02\0\0\x05\x012\x05\0\0\x06\xfe\0\0\x02\0");
}

#[test]
fn what_follows_the_end_is_not_touched() {
    let mut server = wire(&[b"\0\0\0\x02\0\0\0"]);
    server.extend(b"\x01\0\0\x01x");
    let mut summary = Summary::default();
    let progress = reply(Expect::Ok, MODERN)
        .advance(&mut server, &ClientTrackers::everything(), &mut summary, &mut Vec::new())
        .unwrap();
    assert_eq!((progress.used, progress.boundary), (11, Boundary::Done));
}

#[test]
fn insert_ids_are_remembered_over_results() {
    let server = wire(&[b"\0\x01\x07\x0a\0\0\0", OK_MORE, b"\0\x02\0\x02\0\x03\0"]);
    let (_, summary, end) = run(&mut reply(Expect::Results, MODERN), &server, 3).unwrap();
    assert_eq!(end, Boundary::Done);
    assert_eq!((summary.affected_rows, summary.last_insert_id, summary.generated_insert_id), (2, 0, Some(7)));
    assert_eq!((summary.results, summary.warnings, summary.had_result_set), (3, 3, false));
}

#[test]
fn an_error_ends_everything_and_keeps_its_number() {
    let server = wire(&[b"\x01", b"\x03def", b"\x011", b"\xff\x28\x04#42000no"]);
    let (_, summary, end) = run(&mut reply(Expect::Results, MODERN), &server, 7).unwrap();
    assert_eq!(end, Boundary::Done);
    assert_eq!(summary.error, Some(ServerError { code: 1064, state: *b"42000" }));
    assert_eq!(summary.rows, 1);
}

#[test]
fn a_progress_report_is_no_error() {
    let server = wire(&[b"\xff\xff\xff\x01\x01\x01\x10\x27\0\x05alter", b"\0\0\0\x02\0\0\0"]);
    let (down, summary, end) = run(&mut reply(Expect::Results, MODERN), &server, 9).unwrap();
    assert_eq!((down, summary.error, end), (server, None, Boundary::Done));
}

#[test]
fn old_clients_hear_of_progress_behind_the_end_of_the_columns() {
    let report = b"\xff\xff\xff\x01\x01\x01\x10\x27\0\x05check";
    let server = wire(&[b"\x01", b"\x03def", report, report, b"\x011", DONE]);
    let (down, summary, end) = run(&mut reply(Expect::Results, CapabilityFlags::empty()), &server, 9).unwrap();
    let eof = b"\xfe\0\0\x02\0";
    assert_eq!(down, wire(&[b"\x01", b"\x03def", eof, report, report, b"\x011", eof]));
    assert_eq!((summary.error, summary.rows, end), (None, 1, Boundary::Done));
}

#[test]
fn cached_metadata_leaves_the_definitions_out() {
    let server = wire(&[b"\x02\0", b"\0\0\x01\x02", DONE]);
    let (down, summary, end) = run(&mut reply(Expect::BinaryResults, MODERN), &server, 5).unwrap();
    assert_eq!((down, summary.rows, end), (server, 1, Boundary::Done));
}

#[test]
fn a_prepare_reply_may_leave_the_definitions_out() {
    let ok = |with: &'static [u8]| [b"\0\x03\0\0\0\x02\0\x01\0\0\0\0", with].concat();
    let none = wire(&[&ok(b"\0")]);
    let (down, summary, end) = run(&mut reply(Expect::Prepared, MODERN), &none, 3).unwrap();
    assert_eq!((down, summary.prepare.map(|prepared| prepared.columns), end), (none.clone(), Some(2), Boundary::Done));
    // An old client gets the EOF of each list all the same (measured on 9.7).
    let eof = b"\xfe\0\0\x02\0";
    let (down, ..) = run(&mut reply(Expect::Prepared, CapabilityFlags::empty()), &none, 3).unwrap();
    assert_eq!(down, wire(&[&ok(b"\0"), eof, eof]));
    let full = wire(&[&ok(b"\x01"), b"\x03def", b"\x03def", b"\x03def"]);
    assert_eq!(run(&mut reply(Expect::Prepared, MODERN), &full, 3).unwrap().0, full);
}

#[test]
fn a_file_is_renumbered_for_the_server_and_ends_with_an_empty_packet() {
    let old = CapabilityFlags::CLIENT_LOCAL_FILES;
    let server = wire(&[b"\x01", b"\x03def", b"\x011", b"\xfe\0\0\x0a\0\0\0", b"\xfbname"]);
    let refused = run(&mut reply(Expect::Results, MODERN), &server, 4).unwrap_err();
    assert!(matches!(refused, Violation::Unexpected { first: INFILE, .. }), "nobody has offered a file");
    let mut reply = reply(Expect::Results, old);
    assert_eq!(run(&mut reply, &server, 4).unwrap().2, Boundary::InfileRequested);
    let mut upload = reply.upload();
    let mut file = b"\x02\0\0\x07ab\0\0\0\x08\x01\0\0\0\x0e".to_vec();
    assert_eq!(upload.advance(&mut file[..3]), Ok(Uploaded { used: 0, done: false }));
    assert_eq!(upload.advance(&mut file), Ok(Uploaded { used: 10, done: true }));
    assert_eq!(file, b"\x02\0\0\x06ab\0\0\0\x07\x01\0\0\0\x0e");
    reply.infile_sent(upload.next_seq());
    let (down, _, end) = run(&mut reply, b"\x07\0\0\x08\0\x01\0\x02\0\0\0", 4).unwrap();
    assert_eq!((down.as_slice(), end), (&b"\x07\0\0\x09\0\x01\0\x02\0\0\0"[..], Boundary::Done));
    assert!(reply.upload().advance(&mut b"\0\0\0\x01".to_vec()).is_err(), "out of order");
}

#[test]
fn a_full_packet_of_a_file_is_closed_by_an_empty_one_that_does_not_end_it() {
    let mut file = Vec::new();
    frame(&mut file, 2, &vec![1; MAX_PAYLOAD]);
    let whole = file.len();
    let mut upload = Upload::new(2, 0);
    assert_eq!(upload.advance(&mut file), Ok(Uploaded { used: whole, done: false }));
    assert_eq!(upload.advance(&mut b"\0\0\0\x04".to_vec()), Ok(Uploaded { used: 4, done: true }));
}

#[test]
fn commands_without_a_reply_are_done_at_once() {
    assert!(reply(Expect::Nothing, MODERN).is_done());
}

#[test]
fn servers_that_break_the_protocol_are_named_for_it() {
    let broken = |expect, wire: &[u8]| run(&mut reply(expect, MODERN), wire, usize::MAX).unwrap_err();
    assert_eq!(broken(Expect::Ok, b"\x07\0\0\x02"), Violation::Sequence { expected: 1, got: 2 });
    assert_eq!(broken(Expect::Ok, b"\0\0\0\x01"), Violation::Empty);
    assert_eq!(broken(Expect::Ok, b"\x01\0\x10\x01\0"), Violation::TooLong { what: "OK", len: (1 << 20) + 1 });
    assert_eq!(broken(Expect::Ok, b"\x03\0\0\x01\0\0\0"), Violation::Malformed("OK"));
    assert_eq!(broken(Expect::Results, b"\x02\0\0\x01\xff\0"), Violation::Malformed("ERR"));
    assert_eq!(broken(Expect::Results, b"\x01\0\0\x01\xfc"), Violation::Malformed("column count"));
    assert_eq!(broken(Expect::Prepared, b"\x03\0\0\x01\0\x01\0"), Violation::Malformed("prepare reply"));
    assert!(matches!(broken(Expect::Ok, b"\x01\0\0\x01\x03"), Violation::Unexpected { first: 3, .. }));
    let trackers = wire(&[b"\0\0\0\x02\x40\0\0\0\x02\x01\x09"]);
    assert_eq!(broken(Expect::Ok, &trackers), Violation::Track(crate::track::Malformed { kind: 1 }));
}

#[test]
fn a_bare_string_is_noted_unless_it_is_long() {
    for (length, noted) in [(0, true), (1, true), (TEXT_MAX, true), (TEXT_MAX + 1, false)] {
        let text = vec![b'U'; length];
        let (sent, mut machine) = (wire(&[&text]), reply(Expect::Text, MODERN));
        let (down, summary, boundary) = run(&mut machine, &sent, 100).unwrap();
        assert_eq!((down == sent, boundary), (true, Boundary::Done));
        assert_eq!(summary.text.as_deref(), noted.then_some(&*text), "{length}");
    }
    let refused = b"\xff\x17\x04#08S01Unknown command";
    let (_, summary, _) = run(&mut reply(Expect::Text, MODERN), &wire(&[refused]), 100).unwrap();
    assert_eq!((summary.text, summary.error.map(|error| error.code)), (None, Some(1047)));
}
