//! Sets of addresses, written as MariaDB writes them in `proxy_protocol_networks`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin alike, or all of them, or none on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// `*`: every one, Unix sockets included.
    Every,
    /// `localhost`: Unix sockets.
    Local,
    /// `10.0.0.0/8`; without a length, that one address.
    Range {
        /// What the addresses begin with.
        address: IpAddr,
        /// How many bits of it count.
        bits: u8,
    },
}

/// It is not written as a network.
#[derive(Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl Network {
    /// Whether an address is in it; `None` is a Unix socket's.
    #[must_use]
    pub fn contains(&self, peer: Option<IpAddr>) -> bool {
        match (*self, peer.map(|peer| peer.to_canonical())) {
            (Self::Every, _) | (Self::Local, None) => true,
            (Self::Local, Some(_)) | (Self::Range { .. }, None) => false,
            (Self::Range { address: IpAddr::V4(address), bits }, Some(IpAddr::V4(peer))) => {
                (u32::from(address) ^ u32::from(peer)).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
            }
            (Self::Range { address: IpAddr::V6(address), bits }, Some(IpAddr::V6(peer))) => {
                (u128::from(address) ^ u128::from(peer)).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
            }
            (Self::Range { .. }, Some(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text {
            "*" => return Ok(Self::Every),
            "localhost" => return Ok(Self::Local),
            _ => text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits))),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(longest), str::parse).map_err(|_| NotANetwork)?;
        if bits > longest { Err(NotANetwork) } else { Ok(Self::Range { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("*"),
            Self::Local => f.write_str("localhost"),
            Self::Range { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, NotANetwork};

    fn contains(network: &str, peer: &str) -> bool {
        network.parse::<Network>().unwrap().contains(Some(peer.parse().unwrap()))
    }

    #[test]
    fn addresses_are_in_by_their_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("10.0.0.6/31", "::ffff:10.0.0.7", "10.0.0.8"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "192.0.2.1", "::1"),
            ("::/0", "::1", "192.0.2.1"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn unix_sockets_have_a_name() {
        let of = |text: &str| text.parse::<Network>().unwrap().contains(None);
        assert!(of("*") && of("localhost") && !of("0.0.0.0/0"));
        assert!(contains("*", "::1") && !contains("localhost", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "db.example", "10.0.0.0/8/8"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
