//! What a server may say between greeting and OK: switch the plugin, or more data for it.

use std::fmt;

use mysql_common::constants::StatusFlags;

use super::{
    LoginError,
    fields::{Fields, put_nul_ended},
    plugin::Plugin,
    scramble::Scramble,
    signature::Nonce,
};
use crate::error::{ERR_HEADER, SqlError};

/// First byte of an OK packet.
const OK_HEADER: u8 = 0x00;
/// First byte of an AuthMoreData packet.
const MORE_HEADER: u8 = 0x01;
/// First byte of an AuthSwitchRequest packet.
const SWITCH_HEADER: u8 = 0xfe;

/// Plugin that an AuthSwitchRequest without a name means.
const OLD_PLUGIN: &str = "mysql_old_password";

/// In AuthMoreData of `caching_sha2_password`: the fast path has succeeded, OK follows.
pub const FAST_OK: u8 = 0x03;
/// In AuthMoreData of `caching_sha2_password`: the server needs the password itself.
pub const FULL_NEEDED: u8 = 0x04;
/// From the client, in the full path of `caching_sha2_password`: send your public key.
pub const KEY_WANTED: u8 = 0x02;
/// From the client, in `sha256_password`: send your public key.
pub const SHA256_KEY_WANTED: u8 = 0x01;

/// A packet from a server during login, after its greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerWord {
    /// Logged in.
    Ok(Welcome),
    /// Refused; the server closes after that.
    Err(SqlError),
    /// Answer again, with this plugin.
    Switch(AuthSwitch),
    /// Something for the plugin at work.
    More(Vec<u8>),
}

/// The OK packet of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Status, with the autocommit flag.
    pub status: StatusFlags,
    /// How many warnings the login left, an unknown collation id for one.
    pub warnings: u16,
    /// The whole payload, for its session state.
    pub payload: Vec<u8>,
}

/// AuthSwitchRequest.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthSwitch {
    /// Name of the plugin to go on with.
    pub plugin: String,
    /// What that plugin is to be given, all of it.
    pub data: Vec<u8>,
}

impl ServerWord {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is cut short or starts with another byte.
    pub fn parse(payload: &[u8]) -> Result<Self, LoginError> {
        let mut fields = Fields::new(payload)?;
        match fields.u8("the packet")? {
            OK_HEADER => Welcome::parse(fields, payload).map(Self::Ok),
            ERR_HEADER => SqlError::parse(payload).map(Self::Err).map_err(|_| LoginError::Truncated("an ERR packet")),
            MORE_HEADER => Ok(Self::More(fields.rest().to_vec())),
            SWITCH_HEADER => Ok(Self::Switch(AuthSwitch::parse(fields))),
            other => Err(LoginError::Unexpected(other)),
        }
    }
}

impl Welcome {
    fn parse(mut fields: Fields<'_>, payload: &[u8]) -> Result<Self, LoginError> {
        fields.lenenc("the affected rows")?;
        fields.lenenc("the last insert id")?;
        let status = StatusFlags::from_bits_truncate(fields.u16("the status")?);
        let warnings = fields.u16("the warnings")?;
        Ok(Self { status, warnings, payload: payload.to_vec() })
    }
}

impl AuthSwitch {
    fn parse(mut fields: Fields<'_>) -> Self {
        if fields.is_empty() {
            return Self { plugin: OLD_PLUGIN.to_owned(), data: Vec::new() };
        }
        let plugin = String::from_utf8_lossy(fields.nul_or_end()).into_owned();
        Self { plugin, data: fields.rest().to_vec() }
    }

    /// The scramble, where the data is one, with a NUL after it or without.
    #[must_use]
    pub fn scramble(&self) -> Option<Scramble> {
        let data = self.data.as_slice();
        data.try_into().ok().or_else(|| data.strip_suffix(&[0])?.try_into().ok())
    }

    /// The bytes to sign, where the data are that. No NUL follows these (measured), and the last may be one.
    #[must_use]
    pub fn nonce(&self) -> Option<Nonce> {
        self.data.as_slice().try_into().ok()
    }
}

/// The payload that asks a client to go on with another plugin, which wants a scramble.
#[must_use]
pub fn switch_to(plugin: Plugin, scramble: &Scramble) -> Vec<u8> {
    switch_with(plugin, &[&scramble[..], &[0]].concat())
}

/// The payload that asks a client to go on with another plugin, and all that this is given.
#[must_use]
pub fn switch_with(plugin: Plugin, data: &[u8]) -> Vec<u8> {
    let mut payload = vec![SWITCH_HEADER];
    put_nul_ended(&mut payload, plugin.name().as_bytes());
    payload.extend(data);
    payload
}

/// The payload of AuthMoreData.
#[must_use]
pub fn more(data: &[u8]) -> Vec<u8> {
    [&[MORE_HEADER], data].concat()
}

impl fmt::Debug for AuthSwitch {
    /// Without the scramble.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthSwitch({})", self.plugin)
    }
}
