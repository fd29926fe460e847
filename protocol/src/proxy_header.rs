//! The PROXY protocol: what a proxy says first of the client that it speaks for. Both versions, read and written.
//!
//! A header can be told from every packet of a login by its first four bytes: the fourth, in a packet the sequence id, is
//! `X` or a line feed here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

use crc::{CRC_32_ISCSI, Crc};

/// The longest header that is read: an address takes up to 216 bytes, and what else comes is not looked at.
pub const LIMIT: usize = 4096;

/// The longest header of version 1, by its specification.
const TEXT_LIMIT: usize = 107;

const TEXT: &[u8] = b"PROXY ";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The binary header before its addresses: signature, version and command, family, length.
const HEAD: usize = 16;

/// The type of the entry that carries the checksum.
const CRC32C: u8 = 3;

/// Who connected to whom, at the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected.
    pub target: SocketAddr,
}

/// Of whom a header speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Of the proxy itself, or of nobody known.
    Proxy,
    /// Of a client on a network.
    Client(Route),
    /// Of a client on the proxy's own machine, over a Unix socket.
    Local,
}

/// What stands first in the bytes that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No header.
    Nothing,
    /// The beginning of one, perhaps.
    Part,
    /// A header of so many bytes.
    Header(usize, Origin),
}

/// Why a header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// Not as version 1 has it.
    #[error("the text of the PROXY header makes no sense")]
    Text,
    /// A version or command that nobody has specified.
    #[error("the PROXY header is not of version 1 or 2, or has an unknown command")]
    Version,
    /// Addresses of no stream of TCP or Unix sockets.
    #[error("the PROXY header names a protocol other than TCP and Unix sockets")]
    Family,
    /// It ends within an address or an entry.
    #[error("the PROXY header is cut short")]
    Short,
    /// More than [`LIMIT`].
    #[error("the PROXY header is longer than 4096 bytes")]
    Long,
    /// Its checksum is another.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}

/// Which version a header is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Looks for a header at the beginning of a connection's bytes.
///
/// # Errors
/// [`ProxyHeaderError`], as soon as the bytes can be no good header any more.
pub fn find(bytes: &[u8]) -> Result<Found, ProxyHeaderError> {
    // What differs behind the fourth byte is a bad header: no packet of a login begins like that.
    let begins = |signature: &[u8]| bytes.iter().zip(signature).take(4).all(|(byte, due)| byte == due);
    match (begins(TEXT), begins(BINARY)) {
        _ if bytes.is_empty() => Ok(Found::Part),
        (true, _) => text(bytes),
        (_, true) => binary(bytes),
        _ => Ok(Found::Nothing),
    }
}

fn text(bytes: &[u8]) -> Result<Found, ProxyHeaderError> {
    let seen = bytes.get(..TEXT_LIMIT).unwrap_or(bytes);
    if seen.iter().zip(TEXT).any(|(byte, due)| byte != due) {
        return Err(ProxyHeaderError::Text);
    }
    let Some(end) = memchr::memmem::find(seen, b"\r\n") else {
        return if seen.len() < TEXT_LIMIT { Ok(Found::Part) } else { Err(ProxyHeaderError::Text) };
    };
    let line = seen.get(TEXT.len()..end).and_then(|line| str::from_utf8(line).ok()).ok_or(ProxyHeaderError::Text)?;
    let origin = line_origin(line).ok_or(ProxyHeaderError::Text)?;
    Ok(Found::Header(end + 2, origin))
}

fn line_origin(line: &str) -> Option<Origin> {
    let mut words = line.split(' ');
    let parse: fn(&str) -> Option<IpAddr> = match words.next()? {
        // What follows is not to be looked at.
        "UNKNOWN" => return Some(Origin::Proxy),
        "TCP4" => |word| word.parse().ok().map(IpAddr::V4),
        "TCP6" => |word| word.parse().ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, target) = (parse(words.next()?)?, parse(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    let route = Route { source: SocketAddr::new(source, from), target: SocketAddr::new(target, to) };
    words.next().is_none().then_some(Origin::Client(route))
}

fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain)
}

fn binary(bytes: &[u8]) -> Result<Found, ProxyHeaderError> {
    if bytes.iter().zip(BINARY).any(|(byte, due)| byte != due) {
        return Err(ProxyHeaderError::Version);
    }
    let Some(&[what, family, high, low]) = bytes.get(BINARY.len()..).and_then(|rest| rest.first_chunk()) else {
        return Ok(Found::Part);
    };
    if !matches!(what, 0x20 | 0x21) {
        return Err(ProxyHeaderError::Version);
    }
    let length = HEAD + usize::from(u16::from_be_bytes([high, low]));
    if length > LIMIT {
        return Err(ProxyHeaderError::Long);
    }
    let Some(header) = bytes.get(..length) else { return Ok(Found::Part) };
    let origin = if what == 0x20 { Origin::Proxy } else { addresses(header, family)? };
    Ok(Found::Header(length, origin))
}

fn addresses(header: &[u8], family: u8) -> Result<Origin, ProxyHeaderError> {
    let body = header.get(HEAD..).unwrap_or_default();
    let (length, origin) = match family {
        0x00 => (0, Some(Origin::Proxy)),
        0x11 => (12, body.first_chunk().map(|body| Origin::Client(route4(body)))),
        0x21 => (36, body.first_chunk().map(|body| Origin::Client(route6(body)))),
        0x31 => (216, Some(Origin::Local)),
        _ => return Err(ProxyHeaderError::Family),
    };
    let origin = origin.ok_or(ProxyHeaderError::Short)?;
    entries(header, body.get(length..).ok_or(ProxyHeaderError::Short)?)?;
    Ok(origin)
}

fn route4(body: &[u8; 12]) -> Route {
    let [a, b, c, d, e, f, g, h, from @ .., to_high, to_low] = *body;
    let at = |address: [u8; 4], port| SocketAddr::new(Ipv4Addr::from(address).into(), u16::from_be_bytes(port));
    Route { source: at([a, b, c, d], from), target: at([e, f, g, h], [to_high, to_low]) }
}

fn route6(body: &[u8; 36]) -> Route {
    let part = |at: usize| body.get(at..).and_then(|rest| rest.first_chunk::<16>()).copied().unwrap_or_default();
    let port = |at: usize| body.get(at..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
    let at = |address, port| SocketAddr::new(Ipv6Addr::from(address).into(), u16::from_be_bytes(port));
    Route { source: at(part(0), port(32)), target: at(part(16), port(34)) }
}

/// Walks over what follows the addresses, of which only a checksum matters.
fn entries(header: &[u8], mut rest: &[u8]) -> Result<(), ProxyHeaderError> {
    while let Some((&kind, behind)) = rest.split_first() {
        let length = behind.first_chunk().ok_or(ProxyHeaderError::Short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let value = behind.get(2..2 + length).ok_or(ProxyHeaderError::Short)?;
        if kind == CRC32C {
            let sum = value.try_into().map(u32::from_be_bytes).map_err(|_| ProxyHeaderError::Checksum)?;
            let at = header.len() - rest.len() + 3;
            if checksum(header, at) != sum {
                return Err(ProxyHeaderError::Checksum);
            }
        }
        rest = behind.get(2 + length..).unwrap_or_default();
    }
    Ok(())
}

/// Of the header with zeros in the checksum's place.
fn checksum(header: &[u8], at: usize) -> u32 {
    let crc = Crc::<u32>::new(&CRC_32_ISCSI);
    let mut digest = crc.digest();
    digest.update(header.get(..at).unwrap_or_default());
    digest.update(&[0; 4]);
    digest.update(header.get(at + 4..).unwrap_or_default());
    digest.finalize()
}

/// The header that speaks of a client; of nobody, where there is none.
#[must_use]
pub fn write(version: Version, route: Option<Route>) -> Vec<u8> {
    match (version, route.map(alike)) {
        (Version::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (Version::V1, Some(Route { source, target })) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let ports = (source.port(), target.port());
            format!("PROXY {family} {} {} {} {}\r\n", source.ip(), target.ip(), ports.0, ports.1).into_bytes()
        }
        (Version::V2, None) => [BINARY, &[0x20, 0, 0, 0]].concat(),
        (Version::V2, Some(route)) => write_binary(route),
    }
}

fn write_binary(Route { source, target }: Route) -> Vec<u8> {
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (family, length): (u8, u8) = if source.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
    let ports = [source.port().to_be_bytes(), target.port().to_be_bytes()].concat();
    [BINARY, &[0x21, family, 0, length], &octets(source), &octets(target), &ports].concat()
}

/// Both addresses in one family, the source's: the target matters to nobody, but has its place.
fn alike(Route { source, target }: Route) -> Route {
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let ip = match (source.ip(), target.ip().to_canonical()) {
        (IpAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), IpAddr::V4(ip)) => ip.to_ipv6_mapped().into(),
        (_, ip) => ip,
    };
    Route { source, target: SocketAddr::new(ip, target.port()) }
}

#[cfg(test)]
mod tests;
