//! Capability flags: what Greenroom offers to clients, asks of servers, and must keep apart in pools.
//!
//! Not understood yet, so neither offered nor asked for: SSL, COMPRESS, ZSTD, QUERY_ATTRIBUTES,
//! OPTIONAL_RESULTSET_METADATA, multi-factor authentication, expired-password handling and
//! MariaDB's extended flags.

use mysql_common::constants::CapabilityFlags;

/// Every capability whose effect on the wire Greenroom knows.
pub const UNDERSTOOD: CapabilityFlags = OURS.union(RELAYED).union(FIXED);

/// What the server fixes at login and no later command changes, so that it is part of the pool key.
pub const FIXED: CapabilityFlags = CapabilityFlags::CLIENT_FOUND_ROWS
    .union(CapabilityFlags::CLIENT_LOCAL_FILES)
    .union(CapabilityFlags::CLIENT_IGNORE_SPACE)
    .union(CapabilityFlags::CLIENT_INTERACTIVE)
    .union(CapabilityFlags::CLIENT_MULTI_STATEMENTS);

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
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_SESSION_TRACK)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

/// What to offer to clients in front of a node with these capabilities.
#[must_use]
pub fn offered(node: CapabilityFlags) -> CapabilityFlags {
    OURS | (node & (RELAYED | FIXED))
}

/// What to ask of a node on behalf of a client: all that is understood, so that one connection serves
/// every client, but of the [`FIXED`] ones only what this client has.
#[must_use]
pub fn backend(node: CapabilityFlags, client: CapabilityFlags) -> CapabilityFlags {
    // Bit 0 clear would announce MariaDB's extended capabilities, which we do not speak.
    CapabilityFlags::CLIENT_LONG_PASSWORD | (node & (OURS | RELAYED | key(client)))
}

/// The client's capabilities that its backend connection must have been opened with.
#[must_use]
pub fn key(client: CapabilityFlags) -> CapabilityFlags {
    client & FIXED
}

#[cfg(test)]
mod tests {
    use super::{FIXED, UNDERSTOOD, backend, key, offered};
    use mysql_common::constants::CapabilityFlags as Flags;

    /// What MySQL 9.7.4 and MariaDB 10.11.19 sent in their greetings (measured).
    const NODES: [Flags; 2] = [Flags::from_bits_truncate(0xdfff_ffff), Flags::from_bits_truncate(0x81ff_f7fe)];

    #[test]
    fn clients_are_offered_no_more_than_is_understood() {
        for node in NODES {
            assert_eq!(offered(node), UNDERSTOOD);
            assert!(!offered(node).intersects(Flags::CLIENT_SSL | Flags::CLIENT_COMPRESS));
        }
        assert!(!offered(Flags::empty()).contains(Flags::CLIENT_DEPRECATE_EOF));
        assert!(offered(Flags::empty()).contains(Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_PLUGIN_AUTH));
    }

    #[test]
    fn servers_are_asked_for_everything_but_what_the_client_alone_decides() {
        for node in NODES {
            assert_eq!(backend(node, Flags::empty()), UNDERSTOOD - FIXED);
            let client = Flags::CLIENT_FOUND_ROWS | Flags::CLIENT_COMPRESS;
            assert_eq!(backend(node, client), (UNDERSTOOD - FIXED) | Flags::CLIENT_FOUND_ROWS);
        }
    }

    #[test]
    fn the_pool_key_holds_only_what_is_fixed_at_login() {
        assert_eq!(key(Flags::all()), FIXED);
        assert_eq!(key(Flags::CLIENT_INTERACTIVE | Flags::CLIENT_DEPRECATE_EOF), Flags::CLIENT_INTERACTIVE);
    }
}
