//! Addresses: where servers are, and where to listen.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use config::Value;
use greenroom_actors::settings::Address;

use super::value::{OrOff, Read, Wrong, text};
use super::vault::Vault;

/// What every address of a server may look like.
const EXPECTED: &str = "\"host:port\", \"[IPv6]:port\" or \"unix:/path\"";

impl Read for Address {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        text(value).and_then(parse).ok_or_else(|| Wrong::is_not(value, "an address", EXPECTED))
    }
}

impl Read for OrOff<SocketAddr> {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        match text(value) {
            Some("off") => Some(Self(None)),
            Some(address) => address.parse().ok().map(|address| Self(Some(address))),
            None => None,
        }
        .ok_or_else(|| Wrong::is_not(value, "an address to listen on", "\"IP:port\" or \"off\""))
    }
}

/// An address of a server, as it is written.
pub(super) fn parse(address: &str) -> Option<Address> {
    match address.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Some(Address::Unix(PathBuf::from(path))),
        Some(_) => None,
        None => tcp(address),
    }
}

fn tcp(address: &str) -> Option<Address> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
        None if is_host(host) => host.to_owned(),
        None => return None,
    };
    Some(Address::Tcp { host, port: port.parse().ok()? })
}

/// A name or an IPv4 address; without brackets an IPv6 address could not be told from its port.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn addresses_come_back_as_written() {
        for address in ["127.0.0.1:3306", "db-1.example.net:3307", "[::1]:3306", "unix:/run/mysqld/mysqld.sock"] {
            assert_eq!(parse(address).map(|address| address.to_string()).as_deref(), Some(address));
        }
    }

    #[test]
    fn half_an_address_is_none() {
        for wrong in ["", "db1", ":3306", "db1:", "db1:65536", "::1:3306", "[::1]", "[x]:1", "unix:", "unix:x", "a b:1"]
        {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
