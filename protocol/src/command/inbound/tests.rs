use proptest::prelude::*;

use super::*;
use crate::packet::frame;

/// Offers `wire` in pieces that end at `cuts`, keeping what was not used, as a session does.
fn in_pieces(wire: &[u8], cuts: &[usize], limit: usize) -> Result<(Inbound, usize, bool), InboundError> {
    let mut inbound = Inbound::new(limit);
    let mut used = 0;
    for &cut in cuts.iter().chain([&wire.len()]) {
        let found = inbound.scan(&wire[used..cut.max(used).min(wire.len())])?;
        used += found.used;
        if found.complete {
            return Ok((inbound, used, true));
        }
    }
    Ok((inbound, used, false))
}

#[test]
fn what_follows_a_command_is_the_next_one() {
    let wire = b"\x01\0\0\0\x0e\x01\0\0\0\x01";
    let mut inbound = Inbound::new(100);
    assert_eq!(inbound.scan(wire), Ok(Scanned { used: 5, complete: true }));
    assert_eq!((inbound.first(), inbound.total(), inbound.next_seq()), (Some(0x0e), 1, 1));
}

#[test]
fn a_command_of_several_packets_ends_with_a_short_one() {
    for len in [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 5] {
        let mut wire = Vec::new();
        let next = frame(&mut wire, 0, &vec![3; len]);
        let (inbound, used, complete) = in_pieces(&wire, &[2, 4, 5, MAX_PAYLOAD, MAX_PAYLOAD + 6], 1 << 26).unwrap();
        assert_eq!((used, complete), (wire.len(), true));
        assert_eq!((inbound.total(), inbound.next_seq(), inbound.first()), (len, next, Some(3)));
    }
}

#[test]
fn an_empty_command_is_complete_and_has_no_byte() {
    let mut inbound = Inbound::new(100);
    assert_eq!(inbound.scan(b"\0\0\0\0"), Ok(Scanned { used: 4, complete: true }));
    assert_eq!(inbound.first(), None);
}

#[test]
fn order_and_length_are_judged_by_the_header_alone() {
    assert_eq!(Inbound::new(100).scan(b"\x01\0\0\x01"), Err(InboundError::OutOfOrder { expected: 0, got: 1 }));
    assert_eq!(Inbound::new(100).scan(b"\x65\0\0\0"), Err(InboundError::TooLong { total: 101, limit: 100 }));
    let mut second = Inbound::new(MAX_PAYLOAD);
    let mut wire = Vec::new();
    frame(&mut wire, 0, &vec![3; MAX_PAYLOAD + 1]);
    assert!(matches!(second.scan(&wire), Err(InboundError::TooLong { .. })));
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same(wire in proptest::collection::vec(0u8..4, 0..40), mut cuts in proptest::collection::vec(0usize..40, 0..6)) {
        cuts.sort_unstable();
        cuts.retain(|&cut| cut <= wire.len());
        let whole = in_pieces(&wire, &[], 1 << 20).map(|(i, used, complete)| (i.total(), i.next_seq(), i.first(), used, complete));
        let pieces = in_pieces(&wire, &cuts, 1 << 20).map(|(i, used, complete)| (i.total(), i.next_seq(), i.first(), used, complete));
        prop_assert_eq!(whole, pieces);
    }
}
