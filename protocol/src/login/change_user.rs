//! `COM_CHANGE_USER`: another login on the same connection.

use mysql_common::constants::CapabilityFlags as Flags;

use super::{
    LoginError,
    attributes::Attributes,
    fields::{Fields, put_counted, put_nul_ended},
    request::attributes,
};
use crate::secret::Secret;

/// The command byte.
pub const COM_CHANGE_USER: u8 = 0x11;

/// What the command carries. Both servers pay no heed to the authentication data and challenge again: MySQL with a
/// fresh scramble, MariaDB with the greeting's (measured).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeUser {
    /// User name as the client wrote it.
    pub user: Vec<u8>,
    /// Answer to an earlier scramble.
    pub auth: Secret,
    /// Database to start in.
    pub database: Option<Vec<u8>>,
    /// Collation id, all 16 bits of it.
    pub charset: u16,
    /// Name of the plugin that answered.
    pub plugin: Option<Vec<u8>>,
    /// Connection attributes.
    pub attributes: Attributes,
}

impl ChangeUser {
    /// Reads the payload, command byte included, of a client that logged in with these capabilities.
    ///
    /// # Errors
    /// When a field is cut short or too long. Both servers answer that with 1047 (measured).
    pub fn parse(payload: &[u8], client: Flags) -> Result<Self, LoginError> {
        let mut fields = Fields::new(payload)?;
        match fields.u8("the command")? {
            COM_CHANGE_USER => {}
            other => return Err(LoginError::Unexpected(other)),
        }
        let user = fields.nul_ended("the user name")?.to_vec();
        let auth = if client.contains(Flags::CLIENT_SECURE_CONNECTION) {
            fields.short_bytes("the authentication data")?
        } else {
            fields.nul_ended("the authentication data")?
        };
        let name = fields.nul_ended("the database")?;
        let database = (!name.is_empty()).then(|| name.to_vec());
        let charset = fields.u16("the character set")?;
        let plugin = client.contains(Flags::CLIENT_PLUGIN_AUTH).then(|| fields.nul_or_end().to_vec());
        // Unlike at login, clients may leave the attributes out.
        let attributes = if fields.is_empty() { Attributes::default() } else { attributes(&mut fields, client)? };
        Ok(Self { user, auth: Secret::new(auth), database, charset, plugin, attributes })
    }

    /// The payload, command byte included, for a server that agreed on these capabilities.
    #[must_use]
    pub fn encode(&self, agreed: Flags) -> Vec<u8> {
        let mut payload = vec![COM_CHANGE_USER];
        put_nul_ended(&mut payload, &self.user);
        put_counted(&mut payload, self.auth.expose(), false);
        put_nul_ended(&mut payload, self.database.as_deref().unwrap_or_default());
        payload.extend(self.charset.to_le_bytes());
        if agreed.contains(Flags::CLIENT_PLUGIN_AUTH) {
            put_nul_ended(&mut payload, self.plugin.as_deref().unwrap_or_default());
        }
        if agreed.contains(Flags::CLIENT_CONNECT_ATTRS) {
            self.attributes.put(&mut payload);
        }
        payload
    }
}
