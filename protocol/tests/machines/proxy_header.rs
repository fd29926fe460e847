//! PROXY headers: what is judged of a beginning is judged of all that begins so, and no byte behind a header matters.

use greenroom_protocol::proxy_header::{Found, LIMIT, Origin, Version, find, write};

/// Whether it begins with a header.
pub fn understands(data: &[u8]) -> bool {
    matches!(find(data), Ok(Found::Header(..)))
}

pub fn check(data: &[u8]) {
    let whole = find(data);
    if let Ok(Found::Header(used, origin)) = whole {
        assert!(used <= data.len().min(LIMIT));
        assert_eq!(find(&data[..used]), whole, "nothing behind it is looked at");
        if let Origin::Client(route) = origin {
            for version in [Version::V1, Version::V2] {
                let again = write(version, Some(route));
                let Ok(Found::Header(length, Origin::Client(read))) = find(&again) else { panic!("{route:?}") };
                assert_eq!((length, read.source.ip()), (again.len(), route.source.ip().to_canonical()));
            }
        }
    }
    let first = (0..=data.len()).map(|end| find(&data[..end])).find(|found| *found != Ok(Found::Part));
    assert_eq!(
        first.unwrap_or(Ok(Found::Part)),
        whole,
        "a judgement stays, and is made at the first byte that allows it"
    );
}
