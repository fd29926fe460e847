//! The errors that Greenroom itself sends, in the servers' words where they have words for it.
//!
//! Numbers, states and texts were compared with MySQL 9.7.4 and MariaDB 10.11.19. Errors of ours that a session
//! survives have SQLSTATE HY000 or 42000, never class 08, and never a number from 2000 to 2999:
//! clients take those for their own and drop the connection.

use std::time::Duration;

use super::{GENERAL, SqlError, cut};
use crate::command::Command;
use crate::flavor::Flavor;

/// SQLSTATE "communication link failure".
const LINK: [u8; 5] = *b"08S01";

impl SqlError {
    /// 1040: no place for another client of `whose` (`[server]`, an endpoint, a limit). Sent instead of the greeting, or at the
    /// end of a login. `key`: the limit, as the configuration names it.
    #[must_use]
    pub fn no_place(whose: &str, key: &str, limit: usize) -> Self {
        let whose = cut(whose, 128);
        let text = format!(
            "Too many connections: all {limit} places for clients of {whose} are taken; close some, or raise its {key}"
        );
        Self::new(1040, *b"08004", text)
    }

    /// 1040 for a session that waited for one of the `limit` server connections that `whose` sessions may use at once in vain.
    #[must_use]
    pub fn gate_timeout(whose: &str, limit: usize, waited: Duration) -> Self {
        let text = format!(
            "Too many connections: all {limit} of {whose} were in use for {waited:.1?}; try again, or raise its max_connections or lease_timeout",
            whose = cut(whose, 128)
        );
        Self::new(1040, GENERAL, text)
    }

    /// 1040 for a session that would have to wait where `limit` wait already.
    #[must_use]
    pub fn too_many_wait(whose: &str, limit: usize) -> Self {
        let text = format!(
            "Too many connections: {limit} sessions of {whose} wait for a server connection already; try again, or raise its max_waiters",
            whose = cut(whose, 128)
        );
        Self::new(1040, GENERAL, text)
    }

    /// 1040 for a session that waited `waited` for one of the pool's `limit` connections in vain.
    ///
    /// The state is HY000, not the 08004 of a refused login: the session lives on, and a client's
    /// own pool must not throw its connections away when the servers are at their limit.
    #[must_use]
    pub fn lease_timeout(pool: &str, limit: usize, waited: Duration) -> Self {
        let text = format!(
            "Too many connections: all {limit} of pool '{pool}' were busy for {waited:.1?}; try again, or raise max_connections or lease_timeout",
            pool = cut(pool, 128)
        );
        Self::new(1040, GENERAL, text)
    }

    /// 1040 for a session that waited `waited` in vain for one of the `limit` connections that `node`'s server lets the account
    /// `user` have.
    #[must_use]
    pub fn user_full(node: &str, user: &str, limit: usize, waited: Duration) -> Self {
        let text = format!(
            "Too many connections: server '{node}' lets user '{user}' have {limit} (max_user_connections), and none came free for {waited:.1?}; try again, or raise that or lease_timeout",
            node = cut(node, 64),
            user = cut(user, 64)
        );
        Self::new(1040, GENERAL, text)
    }

    /// 1040 for a session that waited `waited` behind a pause of `what`, an endpoint or a node, longer than it may.
    #[must_use]
    pub fn paused(what: &str, waited: Duration) -> Self {
        let text = format!(
            "Too many connections: '{what}' has been paused by an administrator, and this has waited for {waited:.1?}; try again",
            what = cut(what, 128)
        );
        Self::new(1040, GENERAL, text)
    }

    /// 1043: the first packet of a login makes no sense.
    #[must_use]
    pub fn bad_handshake() -> Self {
        Self::new(1043, LINK, "Bad handshake")
    }

    /// 1045: wrong user or password. `host` is the client's address; `using_password` whether it sent one.
    #[must_use]
    pub fn access_denied(user: &[u8], host: &str, using_password: bool) -> Self {
        let user = String::from_utf8_lossy(user);
        let (user, host) = (cut(&user, 48), cut(host, 64));
        let password = if using_password { "YES" } else { "NO" };
        Self::new(1045, *b"28000", format!("Access denied for user '{user}'@'{host}' (using password: {password})"))
    }

    /// 1862: an expired password, of a client that can not change it.
    #[must_use]
    pub fn password_expired() -> Self {
        let text =
            "Your password has expired. To log in you must change it using a client that supports expired passwords.";
        Self::new(1862, GENERAL, text)
    }

    /// 1047: a command byte that is not known.
    #[must_use]
    pub fn unknown_command() -> Self {
        Self::new(1047, LINK, "Unknown command")
    }

    /// 1210: an execution whose parameters have no types.
    #[must_use]
    pub fn wrong_arguments() -> Self {
        Self::new(1210, GENERAL, "Incorrect arguments to mysqld_stmt_execute")
    }

    /// 1243: no such prepared statement.
    #[must_use]
    pub fn unknown_statement(id: u32, command: Command) -> Self {
        let function = match command {
            Command::StmtFetch => "mysqld_stmt_fetch",
            Command::StmtReset => "mysqld_stmt_reset",
            Command::StmtBulkExecute => "mysqld_stmt_bulk_execute",
            _ => "mysqld_stmt_execute",
        };
        Self::new(1243, GENERAL, format!("Unknown prepared statement handler ({id}) given to {function}"))
    }

    /// 1421: a fetch where nothing is to be fetched.
    #[must_use]
    pub fn no_open_cursor(id: u32, flavor: Flavor) -> Self {
        let end = if flavor == Flavor::MySql { "." } else { "" };
        Self::new(1421, GENERAL, format!("The statement ({id}) has no open cursor{end}"))
    }

    /// 1461: a session has as many prepared statements as its server allows all sessions together.
    #[must_use]
    pub fn too_many_statements(limit: usize) -> Self {
        let text = format!("Can't create more than max_prepared_stmt_count statements (current value: {limit})");
        Self::new(1461, *b"42000", text)
    }

    /// 1615: what a statement was prepared from is not there any more.
    #[must_use]
    pub fn needs_prepare() -> Self {
        Self::new(1615, GENERAL, "Prepared statement needs to be re-prepared")
    }

    /// 1049: no such database.
    #[must_use]
    pub fn unknown_database(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name);
        Self::new(1049, *b"42000", format!("Unknown database '{}'", cut(&name, 192)))
    }

    /// 1053: an administrator has taken the endpoint out of service.
    #[must_use]
    pub fn drained(endpoint: &str) -> Self {
        let text = format!(
            "Server shutdown in progress: endpoint '{endpoint}' is drained; use another, or ENABLE it at the console"
        );
        Self::new(1053, LINK, text)
    }

    /// 1053: Greenroom drains and takes no new work.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::new(1053, LINK, "Server shutdown in progress")
    }

    /// 1153: more bytes in one command than is allowed.
    #[must_use]
    pub fn packet_too_large() -> Self {
        Self::new(1153, LINK, "Got a packet bigger than 'max_allowed_packet' bytes")
    }

    /// 1156: a sequence number other than the next.
    #[must_use]
    pub fn out_of_order() -> Self {
        Self::new(1156, LINK, "Got packets out of order")
    }

    /// 3159: TLS is wanted of everybody, and this client has not asked for it.
    #[must_use]
    pub fn insecure_transport() -> Self {
        let text = "Connections using insecure transport are prohibited while --require_secure_transport=ON.";
        Self::new(3159, GENERAL, text)
    }

    /// 1180: the connection to the server was lost inside a transaction. SQLSTATE 40000
    /// "transaction rollback" would let a driver replay the last statement alone; HY000 does not.
    #[must_use]
    pub fn transaction_lost(node: &str) -> Self {
        let text = format!(
            "Transaction lost: the connection to server '{}' broke inside it; unless it was being committed, nothing of it was kept. Begin it again",
            cut(node, 128)
        );
        Self::new(1180, GENERAL, text)
    }

    /// 1105: the connection to the server was lost after the statement was sent, outside a transaction.
    /// A number that no driver repeats a statement for.
    #[must_use]
    pub fn outcome_unknown(node: &str) -> Self {
        let text = format!(
            "Outcome unknown: the connection to server '{}' broke while the statement ran, so it may or may not have taken effect. Check before you repeat it",
            cut(node, 128)
        );
        Self::new(1105, GENERAL, text)
    }

    /// 1105: what a client asks for went with a connection that was lost since.
    #[must_use]
    pub fn warnings_lost(node: &str) -> Self {
        let text = format!(
            "Warnings lost: the connection to server '{}' broke, and with it the list of warnings and errors of the statement before",
            cut(node, 128)
        );
        Self::new(1105, GENERAL, text)
    }

    /// 1792, as servers say it of a write in a transaction that only reads.
    #[must_use]
    pub fn read_only_transaction(flavor: Flavor) -> Self {
        let end = if flavor == Flavor::MySql { "." } else { "" };
        Self::new(1792, *b"25006", format!("Cannot execute statement in a READ ONLY transaction{end}"))
    }

    /// 1235: what must not run on a replica, in a transaction that is open there and stays open.
    #[must_use]
    pub fn not_on_replica() -> Self {
        let text = "Greenroom runs this READ ONLY transaction on a replica, where this statement cannot run; put \
            /* greenroom: primary */ before START TRANSACTION, or leave READ ONLY out";
        Self::new(1235, *b"42000", text)
    }

    /// 1105: a statement for the primary, of a session that has on a replica what can be had nowhere else.
    #[must_use]
    pub fn bound_to_replica() -> Self {
        let text = "Greenroom cannot run this on the primary: the session is bound to a replica by what it has there, \
            an open cursor for one, and ends";
        Self::new(1105, GENERAL, text)
    }

    /// 1231: a client asks for a character set that none may have.
    #[must_use]
    pub fn charset_refused(name: &str) -> Self {
        Self::new(1231, *b"42000", format!("Variable 'character_set_client' can't be set to the value of '{name}'"))
    }

    /// 1251: the client cannot change to the plugin that its account needs.
    #[must_use]
    pub fn plugin_not_supported() -> Self {
        Self::new(
            1251,
            *b"08004",
            "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
        )
    }

    /// 1317: the statement was killed.
    #[must_use]
    pub fn query_interrupted() -> Self {
        Self::new(1317, *b"70100", "Query execution was interrupted")
    }

    /// 1429: no server to lease a connection from. Clients take 2003 (no server) for their own and
    /// drop the connection, so this is the number both servers have for a server behind them that does not answer.
    #[must_use]
    pub fn node_down(node: &str, reason: &str) -> Self {
        let text = format!(
            "Unable to connect to foreign data source: server '{}' is down ({}); the session lives on, try again later",
            cut(node, 64),
            cut(reason, 256)
        );
        Self::new(1429, GENERAL, text)
    }

    /// 1835: a packet that ends too early or says what it cannot hold.
    #[must_use]
    pub fn malformed_packet() -> Self {
        Self::new(1835, GENERAL, "Malformed communication packet.")
    }

    /// 1927: this connection was killed. MariaDB's number; MySQL closes without a word.
    #[must_use]
    pub fn connection_killed() -> Self {
        Self::new(1927, *b"70100", "Connection was killed")
    }

    /// 4031: `client_idle_timeout` has passed.
    #[must_use]
    pub fn idle_client() -> Self {
        let text = "The client was disconnected by the server because of inactivity. See client_idle_timeout and client_idle_in_transaction_timeout for configuring this behavior.";
        Self::new(4031, GENERAL, text)
    }
}
