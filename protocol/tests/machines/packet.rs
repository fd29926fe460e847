//! Single packets: what is taken lies within the bytes, more bytes change nothing, and what was framed is read back.

use greenroom_protocol::packet::{HEADER, frame, header, take};

use super::input::Input;

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let limit = usize::from(input.byte()) * usize::from(input.byte());
    let buf = input.0;
    let whole = take(buf, limit);
    let mut decided = None;
    for end in 0..=buf.len() {
        let now = take(&buf[..end], limit);
        assert_eq!(header(&buf[..end]).is_some(), end >= HEADER);
        match (&decided, &now) {
            (None, Ok(None)) => {}
            (None, _) => decided = Some(now),
            (Some(before), _) => assert_eq!(*before, now, "more bytes changed what was there at {end}"),
        }
    }
    assert_eq!(decided.unwrap_or(Ok(None)), whole);
    if let Ok(Some(taken)) = whole {
        assert!(taken.used <= buf.len() && taken.payload.end == taken.used && taken.payload.len() <= limit);
        let mut framed = Vec::new();
        let next = frame(&mut framed, taken.seq, &buf[taken.payload]);
        assert_eq!((framed.as_slice(), next), (&buf[..taken.used], taken.seq.wrapping_add(1)));
    }
}
