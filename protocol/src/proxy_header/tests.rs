//! Headers, good and bad, and any bytes.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::{BINARY, Found, LIMIT, Origin, ProxyHeaderError as Error, Route, Version, find, write};

fn route(source: &str, target: &str) -> Origin {
    Origin::Client(Route { source: source.parse().unwrap(), target: target.parse().unwrap() })
}

/// A binary header.
fn binary(what: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [BINARY, &[what, family], &length, body].concat()
}

fn whole(header: &[u8]) -> Result<Origin, Error> {
    match find(header) {
        Ok(Found::Header(used, origin)) => {
            assert_eq!(used, header.len());
            Ok(origin)
        }
        Ok(found) => panic!("{found:?}"),
        Err(error) => Err(error),
    }
}

const ADDRESSES: [u8; 12] = [10, 0, 0, 7, 10, 0, 0, 1, 0x1F, 0x90, 0x0C, 0xEA];

#[test]
fn text_tells_the_client() {
    let header = b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 3306\r\n";
    assert_eq!(whole(header), Ok(route("10.0.0.7:8080", "10.0.0.1:3306")));
    assert_eq!(whole(b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n"), Ok(route("[2001:db8::7]:1", "[::1]:65535")));
    for unknown in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ffff::1 :: 1 what ever\r\n"] {
        assert_eq!(whole(unknown), Ok(Origin::Proxy));
    }
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let header = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
    assert_eq!((header.len(), whole(header.as_bytes())), (107, Ok(Origin::Proxy)));
}

#[test]
fn text_that_is_none_is_refused() {
    for bad in [
        &b"PROXY TCP4 10.0.0.7 10.0.0.1 8080\r\n"[..],
        b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 3306 \r\n",
        b"PROXY TCP4  10.0.0.7 10.0.0.1 8080 3306\r\n",
        b"PROXY TCP4 ::1 10.0.0.1 8080 3306\r\n",
        b"PROXY TCP6 10.0.0.7 10.0.0.1 8080 3306\r\n",
        b"PROXY TCP4 10.0.0.7 10.0.0.1 65536 3306\r\n",
        b"PROXY TCP4 10.0.0.7 10.0.0.1 +80 3306\r\n",
        b"PROXY TCP4 10.0.0.7 10.0.0.1 080 3306\r\n",
        b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 \r\n",
        b"PROXY UDP4 10.0.0.7 10.0.0.1 8080 3306\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY \xFF\r\n",
        b"PROXIES",
        &[&b"PROXY UNKNOWN "[..], &[b'x'; 92], b"\r\n"].concat(),
    ] {
        assert_eq!(find(bad), Err(Error::Text), "{}", String::from_utf8_lossy(bad));
    }
    // A lone line feed ends nothing.
    assert_eq!(find(b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 3306\n"), Ok(Found::Part));
}

#[test]
fn binary_tells_the_client() {
    assert_eq!(whole(&binary(0x21, 0x11, &ADDRESSES)), Ok(route("10.0.0.7:8080", "10.0.0.1:3306")));
    let mut six = vec![0; 36];
    (six[15], six[31], six[33], six[35]) = (7, 1, 80, 90);
    assert_eq!(whole(&binary(0x21, 0x21, &six)), Ok(route("[::7]:80", "[::1]:90")));
    assert_eq!(whole(&binary(0x21, 0x31, &[0; 216])), Ok(Origin::Local));
    // Its own word, whatever addresses stand there, and a client that it knows nothing of.
    for own in [binary(0x20, 0x00, &[]), binary(0x20, 0x11, &ADDRESSES), binary(0x20, 0xFF, b"x")] {
        assert_eq!(whole(&own), Ok(Origin::Proxy));
    }
    assert_eq!(whole(&binary(0x21, 0x00, &[])), Ok(Origin::Proxy));
}

#[test]
fn binary_that_is_none_is_refused() {
    for (what, family, length, error) in [
        (0x11, 0x11, 12, Error::Version),
        (0x22, 0x11, 12, Error::Version),
        (0x21, 0x12, 12, Error::Family),
        (0x21, 0x01, 12, Error::Family),
        (0x21, 0x41, 12, Error::Family),
        (0x21, 0x11, 11, Error::Short),
        (0x21, 0x21, 35, Error::Short),
        (0x21, 0x31, 215, Error::Short),
        (0x21, 0x11, LIMIT - 15, Error::Long),
    ] {
        assert_eq!(find(&binary(what, family, &vec![0; length])), Err(error), "{what:x} {family:x} {length}");
    }
    assert_eq!(find(b"\r\n\r\n\0\r\nQUIT\r"), Err(Error::Version));
}

/// A header with these bytes behind its addresses.
fn with(entries: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&ADDRESSES, entries].concat())
}

#[test]
fn entries_are_passed_over_and_the_checksum_is_not() {
    let client = Ok(route("10.0.0.7:8080", "10.0.0.1:3306"));
    assert_eq!(whole(&with(b"\x04\0\x03abc\x01\0\0")), client);
    for cut in [&b"\x04"[..], b"\x04\0", b"\x04\0\x03ab"] {
        assert_eq!(find(&with(cut)), Err(Error::Short));
    }
    // The sum is that of an implementation of its own.
    let summed = with(b"\x04\0\x03abc\x03\0\x04\xC6\x83\xCE\x4C\x04\0\x01z");
    let at = summed.len() - 8;
    assert_eq!(whole(&summed), client);
    for at in [17, at, summed.len() - 1] {
        let mut wrong = summed.clone();
        wrong[at] ^= 1;
        assert_eq!(find(&wrong), Err(Error::Checksum), "{at}");
    }
    assert_eq!(find(&with(b"\x03\0\x03abc")), Err(Error::Checksum));
}

#[test]
fn packets_are_no_headers() {
    for packet in [&b"\x20\0\0\x01\x85"[..], b"PRO\x01XY ", b"\r\n\r\x01", b"x"] {
        assert_eq!(find(packet), Ok(Found::Nothing));
    }
    assert_eq!(find(b""), Ok(Found::Part));
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

proptest! {
    #[test]
    fn what_is_written_is_read(source in any_address(), target in any_address(), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        for version in [Version::V1, Version::V2] {
            let header = write(version, Some(Route { source, target }));
            let found = find(&[header.clone(), rest.clone()].concat());
            let Ok(Found::Header(used, Origin::Client(read))) = found else { panic!("{found:?}") };
            prop_assert_eq!((used, read.source, read.target.port()), (header.len(), source, target.port()));
            if source.is_ipv4() == target.is_ipv4() {
                prop_assert_eq!(read.target, target);
            }
            let nobody = write(version, None);
            prop_assert_eq!(find(&[nobody.clone(), rest.clone()].concat()), Ok(Found::Header(nobody.len(), Origin::Proxy)));
            for cut in 0..header.len() {
                prop_assert_eq!(find(&header[..cut]), Ok(Found::Part));
            }
        }
    }
}
