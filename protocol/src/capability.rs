//! Capability flags: what Greenroom offers to clients, asks of servers, and must keep apart in pools.
//!
//! SSL concerns one leg alone: whoever connects adds it to what is said here.
//! Not understood yet, so neither offered nor asked for: COMPRESS, ZSTD, multi-factor authentication,
//! expired-password handling, and MariaDB's result sets for bulk operations.

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};

/// What one side can do, or both sides of a connection have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// The protocol's own.
    pub flags: CapabilityFlags,
    /// MariaDB's further ones: on the wire only where [`CapabilityFlags::CLIENT_LONG_PASSWORD`] is clear on both sides.
    pub further: MariadbCapabilities,
}

/// Every capability whose effect on the wire Greenroom knows.
pub const UNDERSTOOD: CapabilityFlags = OURS.union(RELAYED).union(FIXED);

/// What the server fixes at login and no later command changes, so that it is part of the pool key.
pub const FIXED: CapabilityFlags = CapabilityFlags::CLIENT_FOUND_ROWS
    .union(CapabilityFlags::CLIENT_LOCAL_FILES)
    .union(CapabilityFlags::CLIENT_IGNORE_SPACE)
    .union(CapabilityFlags::CLIENT_INTERACTIVE)
    .union(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(SHAPING);

/// What gives commands or replies another form, which passes as it is: both legs must have it, or neither.
const SHAPING: CapabilityFlags =
    CapabilityFlags::CLIENT_QUERY_ATTRIBUTES.union(CapabilityFlags::CLIENT_OPTIONAL_RESULTSET_METADATA);

/// MariaDB's further capabilities that Greenroom knows. All of them give replies another form.
pub const FURTHER: MariadbCapabilities = MariadbCapabilities::MARIADB_CLIENT_PROGRESS
    .union(MariadbCapabilities::MARIADB_CLIENT_STMT_BULK_OPERATIONS)
    .union(MariadbCapabilities::MARIADB_CLIENT_EXTENDED_METADATA)
    .union(MariadbCapabilities::MARIADB_CLIENT_CACHE_METADATA);

/// What concerns the login exchange alone: Greenroom does it itself, whatever the node can do.
const OURS: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_CONNECT_WITH_DB)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_RESERVED)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);

/// What shapes the packets of a session, so that the node must have it.
const RELAYED: CapabilityFlags = CapabilityFlags::CLIENT_LONG_FLAG
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SESSION_TRACK)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

impl Capabilities {
    /// None at all.
    pub const NONE: Self = Self { flags: CapabilityFlags::empty(), further: MariadbCapabilities::empty() };

    /// Every capability that both have.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self { flags: self.flags & other.flags, further: self.further & other.further }
    }
}

/// What to offer to clients in front of a node with these capabilities.
#[must_use]
pub fn offered(node: Capabilities) -> Capabilities {
    let mut flags = OURS | (node.flags & (RELAYED | FIXED));
    flags.set(CapabilityFlags::CLIENT_LONG_PASSWORD, node.flags.contains(CapabilityFlags::CLIENT_LONG_PASSWORD));
    Capabilities { flags, further: node.further & FURTHER }
}

/// What of that to offer where sessions share connections. With `CACHE_METADATA` a server leaves out the column definitions
/// that it has sent for a statement before: to another session, perhaps.
#[must_use]
pub fn offered_in_common(offered: Capabilities) -> Capabilities {
    Capabilities { further: offered.further - MariadbCapabilities::MARIADB_CLIENT_CACHE_METADATA, ..offered }
}

/// What to ask of a node on behalf of a client with this [`key`]: all that is understood, so that one connection
/// serves every client, but of what is fixed only what this client has.
#[must_use]
pub fn backend(node: Capabilities, key: Capabilities) -> Capabilities {
    let key = self::key(key);
    let further = node.further & key.further;
    let mut flags = node.flags & (OURS | RELAYED | key.flags);
    // Bit 0 clear announces MariaDB's further capabilities.
    flags.set(CapabilityFlags::CLIENT_LONG_PASSWORD, further.is_empty());
    Capabilities { flags, further }
}

/// The client's capabilities that its backend connection must have been opened with.
#[must_use]
pub fn key(client: Capabilities) -> Capabilities {
    Capabilities { flags: client.flags & FIXED, further: client.further & FURTHER }
}

/// Whether packets would have another form on a connection to that node than they have for the client with this key.
#[must_use]
pub fn misshapen(node: Capabilities, key: Capabilities) -> bool {
    !node.flags.contains(key.flags & SHAPING) || !node.further.contains(key.further)
}

#[cfg(test)]
mod tests {
    use super::{
        Capabilities, FIXED, FURTHER, SHAPING, UNDERSTOOD, backend, key, misshapen, offered, offered_in_common,
    };
    use mysql_common::constants::{CapabilityFlags as Flags, MariadbCapabilities as Further};

    /// What MySQL 9.7.4 and MariaDB 10.11.19 sent in their greetings (measured).
    const MYSQL: Capabilities =
        Capabilities { flags: Flags::from_bits_truncate(0xdfff_ffff), further: Further::empty() };
    const MARIADB: Capabilities =
        Capabilities { flags: Flags::from_bits_truncate(0x81ff_f7fe), further: Further::from_bits_truncate(0x1d) };
    const EVERYTHING: Capabilities = Capabilities { flags: Flags::all(), further: Further::all() };

    #[test]
    fn clients_are_offered_no_more_than_is_understood() {
        assert_eq!(offered(MYSQL), Capabilities { flags: UNDERSTOOD, further: Further::empty() });
        let maria = UNDERSTOOD - SHAPING - Flags::CLIENT_LONG_PASSWORD;
        assert_eq!(offered(MARIADB), Capabilities { flags: maria, further: FURTHER });
        assert_eq!(offered(EVERYTHING), Capabilities { flags: UNDERSTOOD, further: FURTHER });
        let common = offered_in_common(offered(MARIADB));
        assert_eq!(common.further, FURTHER - Further::MARIADB_CLIENT_CACHE_METADATA);
        assert_eq!(common.flags, maria);
        assert!(!UNDERSTOOD.intersects(Flags::CLIENT_SSL | Flags::CLIENT_COMPRESS));
        assert!(!offered(Capabilities::NONE).flags.contains(Flags::CLIENT_DEPRECATE_EOF));
        assert!(offered(Capabilities::NONE).flags.contains(Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_PLUGIN_AUTH));
    }

    #[test]
    fn servers_are_asked_for_everything_but_what_the_client_alone_decides() {
        for node in [MYSQL, MARIADB] {
            let plain = Capabilities { flags: UNDERSTOOD - FIXED, further: Further::empty() };
            assert_eq!(backend(node, key(Capabilities::NONE)), plain);
            let client =
                Capabilities { flags: Flags::CLIENT_FOUND_ROWS | Flags::CLIENT_COMPRESS, ..Capabilities::NONE };
            let flags = (UNDERSTOOD - FIXED) | Flags::CLIENT_FOUND_ROWS;
            assert_eq!(backend(node, key(client)), Capabilities { flags, ..plain });
        }
        let own = backend(MARIADB, key(EVERYTHING));
        assert_eq!(own.further, FURTHER);
        assert!(!own.flags.contains(Flags::CLIENT_LONG_PASSWORD));
    }

    #[test]
    fn the_pool_key_holds_only_what_is_fixed_at_login() {
        assert_eq!(key(EVERYTHING), Capabilities { flags: FIXED, further: FURTHER });
        let client =
            Capabilities { flags: Flags::CLIENT_INTERACTIVE | Flags::CLIENT_DEPRECATE_EOF, ..Capabilities::NONE };
        assert_eq!(key(client), Capabilities { flags: Flags::CLIENT_INTERACTIVE, ..Capabilities::NONE });
    }

    #[test]
    fn a_node_that_lacks_a_form_of_packets_is_found() {
        assert!(!misshapen(MYSQL, key(Capabilities { flags: Flags::all(), ..Capabilities::NONE })));
        assert!(misshapen(MARIADB, key(Capabilities { flags: Flags::CLIENT_QUERY_ATTRIBUTES, ..Capabilities::NONE })));
        assert!(misshapen(MYSQL, key(MARIADB)));
        assert!(!misshapen(Capabilities::NONE, key(Capabilities { flags: FIXED - SHAPING, ..Capabilities::NONE })));
    }
}
