//! What the client of a script can do.

use mysql_common::constants::CapabilityFlags;

use super::moves::Group;
use crate::support::wire::Login;

/// How a client introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// As modern drivers do.
    Modern,
    /// Neither `DEPRECATE_EOF` nor `SESSION_TRACK`.
    Old,
    /// `SESSION_TRACK` alone.
    Tracking,
    /// `DEPRECATE_EOF` alone.
    Deaf,
}

impl Client {
    pub(crate) const ALL: [Self; 5] = [Self::Modern, Self::Modern, Self::Old, Self::Tracking, Self::Deaf];

    /// Whether its answers can be compared. A server tells a client without `DEPRECATE_EOF` what changed during a
    /// statement with rows in some later OK or never, the proxy with the rows, which that client does not see.
    pub(crate) fn suits(self, group: &Group) -> bool {
        self != Self::Tracking || group.name != "hints"
    }

    /// Its login: no more than the proxy offers, on the server as well.
    pub(crate) fn login(self, login: Login, offered: CapabilityFlags) -> Login {
        let (eof, track) = (CapabilityFlags::CLIENT_DEPRECATE_EOF, CapabilityFlags::CLIENT_SESSION_TRACK);
        let without = match self {
            Self::Modern => CapabilityFlags::empty(),
            Self::Old => eof | track,
            Self::Tracking => eof,
            Self::Deaf => track,
        };
        login.without(without | !offered)
    }
}
