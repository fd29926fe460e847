use super::*;

/// The lengths of the packets in `wire`, whose ids must follow on from `seq`.
fn lengths(mut wire: &[u8], mut seq: u8) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(head) = header(wire) {
        assert_eq!(head.seq, seq);
        seq = seq.wrapping_add(1);
        lengths.push(head.len);
        wire = &wire[HEADER + head.len..];
    }
    assert!(wire.is_empty());
    lengths
}

#[test]
fn a_header_needs_four_bytes() {
    assert_eq!(header(&[1, 0, 0]), None);
    assert_eq!(header(&[0x01, 0x02, 0x03, 0xFF, 9]), Some(Header { len: 0x03_0201, seq: 255 }));
}

#[test]
fn a_short_payload_is_one_packet() {
    let mut out = vec![7];
    assert_eq!(frame(&mut out, 255, b"abc"), 0);
    assert_eq!(out, b"\x07\x03\x00\x00\xFFabc");
}

#[test]
fn an_empty_payload_is_an_empty_packet() {
    let mut out = Vec::new();
    assert_eq!(frame(&mut out, 3, b""), 4);
    assert_eq!(out, [0, 0, 0, 3]);
}

#[test]
fn a_payload_is_split_at_16_mib_and_closed() {
    for (len, expected) in [
        (MAX_PAYLOAD - 1, vec![MAX_PAYLOAD - 1]),
        (MAX_PAYLOAD, vec![MAX_PAYLOAD, 0]),
        (MAX_PAYLOAD + 1, vec![MAX_PAYLOAD, 1]),
    ] {
        let mut out = Vec::new();
        let next = frame(&mut out, 250, &vec![1; len]);
        assert_eq!(lengths(&out, 250), expected);
        assert_eq!(usize::from(next), 250 + expected.len());
    }
}

#[test]
fn taking_waits_for_the_body_but_not_to_refuse() {
    assert_eq!(take(b"\x02\0\0\x01a", 10), Ok(None));
    assert_eq!(take(b"\x02\0\0\x01abc", 10), Ok(Some(Taken { payload: 4..6, used: 6, seq: 1 })));
    assert_eq!(take(b"\x0b\0\0\x01", 10), Err(PacketError::TooLong { len: 11, limit: 10 }));
    assert!(take(b"\xff\xff\xff\x01", usize::MAX).is_err(), "a continued packet");
}
