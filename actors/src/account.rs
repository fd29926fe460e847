//! Whom a session is on the server, and what a backend connection logs in with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::login::client::BackendSecret;

use crate::settings::PoolMode;

/// A server account as sessions and connections share it. Another password makes another account,
/// so that no connection opened with the old one serves a login made with the new.
#[derive(Debug)]
pub(crate) struct Account {
    /// Unique in this process.
    pub(crate) id: u32,
    /// As clients name the user.
    pub(crate) user: Box<[u8]>,
    /// As the server knows it.
    pub(crate) backend_user: Box<[u8]>,
    /// The client's address, where the server is told it: it may make another account of it.
    pub(crate) client: Option<IpAddr>,
    /// What proves it to the server.
    pub(crate) secret: BackendSecret,
}

/// What must be equal for a backend connection to serve a session at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    /// The node's index; chosen by the shard.
    pub(crate) node: u16,
    /// Connections of one mode do not serve another: they are prepared differently.
    pub(crate) mode: PoolMode,
    /// The account's id.
    pub(crate) account: u32,
    /// The capabilities that the server fixes at login.
    pub(crate) capabilities: Capabilities,
    /// The client's address, in session mode and where the endpoint wants it.
    pub(crate) client: Option<IpAddr>,
    /// The database, in session mode.
    pub(crate) database: Option<Arc<[u8]>>,
    /// How long such a connection may lie idle.
    pub(crate) idle_timeout: Duration,
}
