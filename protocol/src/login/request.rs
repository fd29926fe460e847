//! The client's first packet: handshake response 41, or a request for TLS.

use mysql_common::constants::CapabilityFlags as Flags;

use super::{
    LoginError,
    attributes::Attributes,
    fields::{Fields, put_counted, put_nul_ended},
    greeting::further,
};
use crate::capability::Capabilities;
use crate::secret::Secret;

/// Bytes that servers ignore, before the further capabilities of MariaDB's clients.
const FILLER: usize = 19;

/// A client's wish to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// What the client can do, and the server shall do; the optional fields follow it when encoding.
    pub capabilities: Capabilities,
    /// The longest packet that the client wants, in bytes. Both servers ignore it.
    pub max_packet: u32,
    /// Collation id. Both servers read this one byte and ignore the next (measured), take 0 and, with a
    /// warning at most, unknown ids for the server's own collation. Ids above 255 need SET NAMES afterwards, or
    /// `COM_CHANGE_USER`.
    pub charset: u8,
    /// User name as the client wrote it, in its character set.
    pub user: Vec<u8>,
    /// Answer to the greeting's scramble.
    pub auth: Secret,
    /// Database to start in.
    pub database: Option<Vec<u8>>,
    /// Name of the plugin that answered; `None` from a client without `CLIENT_PLUGIN_AUTH`.
    pub plugin: Option<Vec<u8>>,
    /// Connection attributes.
    pub attributes: Attributes,
}

impl LoginRequest {
    /// Reads the payload as strictly as MySQL does, but for what MariaDB lets pass: a database without its NUL.
    ///
    /// # Errors
    /// When a field is cut short or too long, or the client is older than MySQL 4.1; [`LoginError::TlsWanted`].
    pub fn parse(payload: &[u8]) -> Result<Self, LoginError> {
        Self::read(payload, false)
    }

    /// The same inside TLS, where the flag that had asked for it stands once more, or does not.
    ///
    /// # Errors
    /// When a field is cut short or too long, or the client is older than MySQL 4.1.
    pub fn parse_encrypted(payload: &[u8]) -> Result<Self, LoginError> {
        Self::read(payload, true)
    }

    fn read(payload: &[u8], encrypted: bool) -> Result<Self, LoginError> {
        let mut fields = Fields::new(payload)?;
        let low = fields.u16("the capabilities")?;
        if !Flags::from_bits_truncate(u32::from(low)).contains(Flags::CLIENT_PROTOCOL_41) {
            return Err(LoginError::OldProtocol);
        }
        let high = fields.u16("the capabilities")?;
        let capabilities = Flags::from_bits_truncate(u32::from(high) << 16 | u32::from(low));
        let max_packet = fields.u32("the packet size")?;
        let charset = fields.u8("the character set")?;
        fields.take(FILLER, "the filler")?;
        let further = further(capabilities, fields.u32("the filler")?);
        // Servers look at the flag, not at the length: with it, what follows this is TLS.
        if capabilities.contains(Flags::CLIENT_SSL) && !encrypted {
            return Err(LoginError::TlsWanted);
        }
        let user = fields.nul_ended("the user name")?.to_vec();
        let auth = Secret::new(auth(&mut fields, capabilities)?);
        let database = database(&mut fields, capabilities)?;
        let plugin = capabilities.contains(Flags::CLIENT_PLUGIN_AUTH).then(|| fields.nul_or_end().to_vec());
        let attributes = attributes(&mut fields, capabilities)?;
        let capabilities = Capabilities { flags: capabilities, further };
        Ok(Self { capabilities, max_packet, charset, user, auth, database, plugin, attributes })
    }

    /// The payload that asks for TLS: the head of what is then sent inside it.
    #[must_use]
    pub fn encode_head(&self) -> Vec<u8> {
        self.head(self.present())
    }

    /// The payload. The flags of the optional fields are set by what there is.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let capabilities = self.present();
        let mut payload = self.head(capabilities);
        put_nul_ended(&mut payload, &self.user);
        let lenenc = capabilities.contains(Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);
        put_counted(&mut payload, self.auth.expose(), lenenc);
        if let Some(database) = &self.database {
            put_nul_ended(&mut payload, database);
        }
        if let Some(plugin) = &self.plugin {
            put_nul_ended(&mut payload, plugin);
        }
        if capabilities.contains(Flags::CLIENT_CONNECT_ATTRS) {
            self.attributes.put(&mut payload);
        }
        payload
    }

    fn head(&self, capabilities: Flags) -> Vec<u8> {
        let mut payload = capabilities.bits().to_le_bytes().to_vec();
        payload.extend(self.max_packet.to_le_bytes());
        payload.push(self.charset);
        payload.extend([0; FILLER]);
        payload.extend(self.capabilities.further.bits().to_le_bytes());
        payload
    }

    fn present(&self) -> Flags {
        let mut capabilities = self.capabilities.flags | Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_SECURE_CONNECTION;
        capabilities.set(Flags::CLIENT_CONNECT_WITH_DB, self.database.is_some());
        capabilities.set(Flags::CLIENT_PLUGIN_AUTH, self.plugin.is_some());
        if self.attributes.is_empty() {
            capabilities.remove(Flags::CLIENT_CONNECT_ATTRS);
        }
        capabilities
    }
}

fn auth<'a>(fields: &mut Fields<'a>, capabilities: Flags) -> Result<&'a [u8], LoginError> {
    const FIELD: &str = "the authentication data";
    if capabilities.contains(Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        fields.lenenc_bytes(FIELD)
    } else if capabilities.contains(Flags::CLIENT_SECURE_CONNECTION) {
        fields.short_bytes(FIELD)
    } else {
        fields.nul_ended(FIELD)
    }
}

fn database(fields: &mut Fields<'_>, capabilities: Flags) -> Result<Option<Vec<u8>>, LoginError> {
    if !capabilities.contains(Flags::CLIENT_CONNECT_WITH_DB) {
        return Ok(None);
    }
    if fields.is_empty() {
        return Err(LoginError::Truncated("the database"));
    }
    let name = fields.nul_or_end();
    // Clients that know no database say so with an empty name.
    Ok((!name.is_empty()).then(|| name.to_vec()))
}

pub(super) fn attributes(fields: &mut Fields<'_>, capabilities: Flags) -> Result<Attributes, LoginError> {
    if !capabilities.contains(Flags::CLIENT_CONNECT_ATTRS) {
        return Ok(Attributes::default());
    }
    Attributes::parse(fields)
}
