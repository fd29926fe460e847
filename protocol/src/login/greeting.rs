//! The server's first packet: a greeting of protocol version 10, or an error instead.

use std::fmt;

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities, StatusFlags};

use super::{
    LoginError,
    fields::{Fields, put_nul_ended},
    scramble::{SCRAMBLE_LENGTH, Scramble},
};
use crate::capability::Capabilities;
use crate::error::{ERR_HEADER, SqlError};

/// Protocol version of every server since MySQL 3.21.
const PROTOCOL_VERSION: u8 = 10;

/// Bytes of the scramble before the capabilities; the rest comes after the filler.
const FIRST_PART: usize = 8;

/// Bytes that mean nothing, before MariaDB's further capabilities.
const FILLER: usize = 6;

/// What a server says of itself before the client has said anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Version text; MariaDB up to 10.11 puts `5.5.5-` before its own.
    pub version: String,
    /// The connection's id.
    pub thread_id: u32,
    /// What the client is to mix its password with.
    pub scramble: Scramble,
    /// What the server can do. MariaDB clears `CLIENT_LONG_PASSWORD`, which says that further capabilities follow.
    pub capabilities: Capabilities,
    /// Lower 8 bits of the id of the server's collation.
    pub charset: u8,
    /// Status as in an OK packet.
    pub status: StatusFlags,
    /// Name of the plugin that the scramble is for.
    pub plugin: String,
}

/// What a server opens a connection with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Go on with the login.
    Greeting(Greeting),
    /// It takes no more connections (1040), or none from this host (1130); it closes after that.
    Refused(SqlError),
}

impl Opening {
    /// Reads a server's first payload.
    ///
    /// # Errors
    /// When it is cut short, or the server is older than MySQL 4.1.
    pub fn parse(payload: &[u8]) -> Result<Self, LoginError> {
        if payload.first() == Some(&ERR_HEADER) {
            let error = SqlError::parse(payload).map_err(|_| LoginError::Truncated("an ERR packet"))?;
            return Ok(Self::Refused(error));
        }
        Greeting::parse(payload).map(Self::Greeting)
    }
}

impl Greeting {
    fn parse(payload: &[u8]) -> Result<Self, LoginError> {
        let mut fields = Fields::new(payload)?;
        if fields.u8("the protocol version")? != PROTOCOL_VERSION {
            return Err(LoginError::NotAServer("that version byte"));
        }
        let version = text(fields.nul_ended("the server version")?);
        let thread_id = fields.u32("the thread id")?;
        let first = fields.take(FIRST_PART, "the scramble")?;
        fields.u8("the filler")?;
        let low = fields.u16("the capabilities")?;
        let charset = fields.u8("the character set")?;
        let status = StatusFlags::from_bits_truncate(fields.u16("the status")?);
        let high = fields.u16("the capabilities")?;
        let flags = CapabilityFlags::from_bits_truncate(u32::from(high) << 16 | u32::from(low));
        require(flags)?;
        let scramble_length = fields.u8("the scramble's length")?;
        fields.take(FILLER, "the filler")?;
        let further = further(flags, fields.u32("the filler")?);
        let scramble = join(first, fields.take(SCRAMBLE_LENGTH - FIRST_PART, "the scramble")?);
        // At least a NUL, and whatever else a longer scramble has.
        let rest = usize::from(scramble_length).saturating_sub(SCRAMBLE_LENGTH).max(1);
        fields.take(rest, "the scramble")?;
        let plugin = text(fields.nul_or_end());
        let capabilities = Capabilities { flags, further };
        Ok(Self { version, thread_id, scramble, capabilities, charset, status, plugin })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let capabilities = self.capabilities.flags.bits().to_le_bytes();
        let (first, second) = self.scramble.split_at(FIRST_PART);
        let mut payload = vec![PROTOCOL_VERSION];
        put_nul_ended(&mut payload, self.version.as_bytes());
        payload.extend(self.thread_id.to_le_bytes());
        payload.extend(first);
        payload.push(0);
        payload.extend([capabilities[0], capabilities[1], self.charset]);
        payload.extend(self.status.bits().to_le_bytes());
        payload.extend([capabilities[2], capabilities[3], SCRAMBLE_LENGTH as u8 + 1]);
        payload.extend([0; FILLER]);
        payload.extend(self.capabilities.further.bits().to_le_bytes());
        put_nul_ended(&mut payload, second);
        put_nul_ended(&mut payload, self.plugin.as_bytes());
        payload
    }

    /// Whether MariaDB greets: it alone leaves bit 0 to its further capabilities.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        !self.capabilities.flags.contains(CapabilityFlags::CLIENT_LONG_PASSWORD) || self.version.contains("MariaDB")
    }
}

/// MariaDB's further capabilities, where the others say that there are any.
pub(super) fn further(flags: CapabilityFlags, bits: u32) -> MariadbCapabilities {
    let none = flags.contains(CapabilityFlags::CLIENT_LONG_PASSWORD);
    MariadbCapabilities::from_bits_truncate(if none { 0 } else { bits })
}

/// What no server of the last twenty years lacks and our answer is written for.
fn require(capabilities: CapabilityFlags) -> Result<(), LoginError> {
    if !capabilities.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
        return Err(LoginError::NotAServer("CLIENT_PROTOCOL_41"));
    }
    if !capabilities.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
        return Err(LoginError::NotAServer("CLIENT_SECURE_CONNECTION"));
    }
    Ok(())
}

fn join(first: &[u8], second: &[u8]) -> Scramble {
    let mut scramble = Scramble::default();
    scramble.iter_mut().zip(first.iter().chain(second)).for_each(|(to, from)| *to = *from);
    scramble
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl fmt::Debug for Greeting {
    /// Without the scramble.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, thread_id, plugin, .. } = self;
        write!(f, "Greeting({version}, thread {thread_id}, {plugin})")
    }
}
