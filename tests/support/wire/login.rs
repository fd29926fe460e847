//! The greeting, and proving a password.

use mysql_common::{
    auth::plugins::{
        ChallengeResponsePlugin, Context, Response, caching_sha2_password::scramble_sha256,
        client_ed25519::ClientEd25519, mysql_native_password::scramble_native, parsec::Parsec,
    },
    constants::{CapabilityFlags, Command},
    crypto,
};

use super::{
    ErrPacket, OkPacket, Wire, WireError, malformed,
    packet::{Reader, put_lenenc},
};

/// utf8mb4_general_ci, which both servers know.
const COLLATION: u16 = 45;

/// How the server introduced itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    pub(crate) thread_id: u32,
    pub(crate) capabilities: CapabilityFlags,
    /// MariaDB's further capabilities; 0 from MySQL.
    pub(crate) mariadb_capabilities: u32,
    pub(crate) collation: u8,
    pub(crate) status: u16,
    pub(crate) scramble: Vec<u8>,
    pub(crate) plugin: String,
}

/// Which way a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthPath {
    /// There was none yet.
    None,
    /// mysql_native_password.
    Native,
    /// caching_sha2_password, from the server's cache.
    Fast,
    /// caching_sha2_password, with the whole password under the server's RSA key.
    FullRsa,
    /// caching_sha2_password, with the whole password as it is.
    FullClear,
    /// client_ed25519.
    Signed,
    /// parsec.
    Salted,
    /// sha256_password, with the whole password under the server's RSA key.
    Sha256Rsa,
    /// sha256_password, with the whole password as it is.
    Sha256Clear,
    /// mysql_clear_password.
    Clear,
}

/// Who logs in, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    user: String,
    password: String,
    database: Option<String>,
    plugin: Option<String>,
    capabilities: CapabilityFlags,
    mariadb_capabilities: u32,
    collation: u16,
    attributes: Vec<(String, String)>,
    in_clear: bool,
}

impl Login {
    /// A user, with the capabilities that modern drivers ask for.
    pub(crate) fn new(user: &str, password: &str) -> Self {
        let capabilities = CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_MULTI_STATEMENTS
            | CapabilityFlags::CLIENT_MULTI_RESULTS
            | CapabilityFlags::CLIENT_PS_MULTI_RESULTS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_CONNECT_ATTRS
            | CapabilityFlags::CLIENT_SESSION_TRACK
            | CapabilityFlags::CLIENT_DEPRECATE_EOF;
        Self {
            user: user.into(),
            password: password.into(),
            database: None,
            plugin: None,
            capabilities,
            mariadb_capabilities: 0,
            collation: COLLATION,
            attributes: Vec::new(),
            in_clear: false,
        }
    }

    /// Asks for a default database.
    pub(crate) fn database(mut self, name: &str) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Asks for no default database.
    pub(crate) fn no_database(mut self) -> Self {
        self.database = None;
        self
    }

    /// Adds capabilities; what the server lacks is left out of the login.
    pub(crate) fn with(mut self, flags: CapabilityFlags) -> Self {
        self.capabilities |= flags;
        self
    }

    /// Takes capabilities away.
    pub(crate) fn without(mut self, flags: CapabilityFlags) -> Self {
        self.capabilities &= !flags;
        self
    }

    /// Takes some of MariaDB's further capabilities away.
    pub(crate) fn without_mariadb(mut self, flags: u32) -> Self {
        self.mariadb_capabilities &= !flags;
        self
    }

    /// Adds MariaDB's further capabilities, and so tells MariaDB that a client of its own speaks.
    pub(crate) fn with_mariadb(mut self, flags: u32) -> Self {
        self.mariadb_capabilities |= flags;
        self
    }

    /// Starts with this plugin whatever the server greets with.
    pub(crate) fn plugin(mut self, name: &str) -> Self {
        self.plugin = Some(name.into());
        self
    }

    /// Logs in with this collation id, both bytes of it.
    pub(crate) fn collation(mut self, id: u16) -> Self {
        self.collation = id;
        self
    }

    /// Hands the whole password over as it is, where it is asked for: nobody listens.
    pub(crate) fn in_clear(mut self) -> Self {
        self.in_clear = true;
        self
    }

    /// Sends a connection attribute.
    pub(crate) fn attribute(mut self, key: &str, value: &str) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    fn agreed(&self, greeting: &Greeting) -> (CapabilityFlags, u32) {
        let mut wanted = self.capabilities;
        wanted.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, self.database.is_some());
        let further = self.mariadb_capabilities & greeting.mariadb_capabilities;
        // Bit 0 set means "not MariaDB's protocol": the server then ignores the further capabilities.
        let own = CapabilityFlags::CLIENT_LONG_PASSWORD;
        let offered = greeting.capabilities | own;
        (if further == 0 { wanted & offered } else { wanted & offered & !own }, further)
    }

    /// The head of a response, which asks for TLS.
    pub(super) fn tls_request(&self, greeting: &Greeting) -> Vec<u8> {
        self.response_in_tls(greeting, "")[..32].to_vec()
    }

    fn response_in_tls(&self, greeting: &Greeting, plugin: &str) -> Vec<u8> {
        let mut response = self.response(greeting, plugin);
        response[1] |= (CapabilityFlags::CLIENT_SSL.bits() >> 8) as u8;
        response
    }

    fn response(&self, greeting: &Greeting, plugin: &str) -> Vec<u8> {
        let (flags, further) = self.agreed(greeting);
        let mut out = Vec::new();
        out.extend(flags.bits().to_le_bytes());
        out.extend(0x4000_0000_u32.to_le_bytes());
        out.extend(self.collation.to_le_bytes());
        out.extend([0; 18]);
        out.extend(further.to_le_bytes());
        out.extend([self.user.as_bytes(), &[0]].concat());
        put_lenenc(&mut out, &prove(plugin, &greeting.scramble, &self.password));
        if let Some(database) = &self.database {
            out.extend([database.as_bytes(), &[0]].concat());
        }
        if flags.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH) {
            out.extend([plugin.as_bytes(), &[0]].concat());
        }
        if flags.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS) {
            put_lenenc(&mut out, &self.encoded_attributes());
        }
        out
    }

    fn encoded_attributes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.attributes {
            put_lenenc(&mut out, key.as_bytes());
            put_lenenc(&mut out, value.as_bytes());
        }
        out
    }
}

impl Greeting {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let mut read = Reader(payload);
        if read.int(1)? != 10 {
            return malformed("not a protocol 10 greeting");
        }
        let version = String::from_utf8_lossy(read.until_zero()).into_owned();
        let thread_id = read.int(4)? as u32;
        let mut scramble = read.take(8)?.to_vec();
        read.take(1)?;
        let low = read.int(2)? as u32;
        let (collation, status) = (read.int(1)? as u8, read.int(2)? as u16);
        let capabilities = CapabilityFlags::from_bits_retain(low | (read.int(2)? as u32) << 16);
        read.take(1 + 6)?;
        let further = read.int(4)? as u32;
        scramble.extend(read.take(12)?);
        read.take(1)?;
        let plugin = String::from_utf8_lossy(read.until_zero()).into_owned();
        let mariadb = !capabilities.contains(CapabilityFlags::CLIENT_LONG_PASSWORD);
        let mariadb_capabilities = if mariadb { further } else { 0 };
        Ok(Self { version, thread_id, capabilities, mariadb_capabilities, collation, status, scramble, plugin })
    }
}

/// Goes on from the greeting to the OK.
pub(super) fn log_in(mut wire: Wire, login: &Login) -> Result<Wire, WireError> {
    let plugin = login.plugin.clone().unwrap_or_else(|| wire.greeting.plugin.clone());
    let scramble = wire.greeting.scramble.clone();
    wire.capabilities = login.agreed(&wire.greeting).0;
    wire.auth = if plugin == "mysql_native_password" { AuthPath::Native } else { AuthPath::None };
    let (response, sequence) = match wire.is_encrypted() {
        true => (login.response_in_tls(&wire.greeting, &plugin), 2),
        false => (login.response(&wire.greeting, &plugin), 1),
    };
    wire.send_payload(sequence, &response)?;
    prove_on(&mut wire, login, scramble)?;
    Ok(wire)
}

/// Answers what the server asks until it says OK.
fn prove_on(wire: &mut Wire, login: &Login, mut scramble: Vec<u8>) -> Result<(), WireError> {
    loop {
        let payload = wire.packet()?.payload;
        match payload.split_first() {
            Some((0x00, _)) => {
                wire.welcome = OkPacket::parse(&payload, wire.capabilities)?;
                return Ok(());
            }
            Some((0xFF, _)) => return Err(WireError::Refused(ErrPacket::parse(&payload)?)),
            Some((0xFE, rest)) => {
                let mut read = Reader(rest);
                let plugin = String::from_utf8_lossy(read.until_zero()).into_owned();
                let data = read.0.to_vec();
                scramble = data.strip_suffix(&[0]).unwrap_or(&data).to_vec();
                wire.auth = if plugin == "mysql_native_password" { AuthPath::Native } else { AuthPath::None };
                match &*plugin {
                    "client_ed25519" => wire.sign(&data, &login.password)?,
                    "parsec" => wire.sign_salted(&data, &login.password)?,
                    "sha256_password" => wire.hand_over(&scramble, login)?,
                    "mysql_clear_password" => {
                        wire.auth = AuthPath::Clear;
                        wire.answer(&[login.password.as_bytes(), &[0]].concat())?;
                    }
                    _ => wire.answer(&prove(&plugin, &scramble, &login.password))?,
                }
            }
            Some((0x01, [0x03])) => wire.auth = AuthPath::Fast,
            Some((0x01, [0x04])) if login.in_clear => {
                wire.auth = AuthPath::FullClear;
                wire.answer(&[login.password.as_bytes(), &[0]].concat())?;
            }
            Some((0x01, [0x04])) => {
                wire.auth = AuthPath::FullRsa;
                wire.send_whole_password(0x02, &scramble, &login.password)?;
            }
            _ => return malformed(format!("a login's packet {payload:02x?}")),
        }
    }
}

impl Wire {
    /// Becomes another user on the same connection; the OK is also the new [`Wire::welcome`].
    pub(crate) fn change_user(&mut self, login: &Login) -> Result<OkPacket, WireError> {
        let plugin = login.plugin.clone().unwrap_or_else(|| self.greeting.plugin.clone());
        let has_plugins = self.capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH);
        let mut body = [login.user.as_bytes(), &[0]].concat();
        // The answer is to a scramble that is still to come; without plugins none will, and the greeting's serves again.
        let proof = if has_plugins { Vec::new() } else { prove(&plugin, &self.greeting.scramble, &login.password) };
        put_lenenc(&mut body, &proof);
        body.extend([login.database.as_deref().unwrap_or_default().as_bytes(), &[0]].concat());
        body.extend(login.collation.to_le_bytes());
        if has_plugins {
            body.extend([plugin.as_bytes(), &[0]].concat());
        }
        if self.capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS) {
            put_lenenc(&mut body, &login.encoded_attributes());
        }
        self.send(Command::COM_CHANGE_USER, &body)?;
        prove_on(self, login, self.greeting.scramble.clone())?;
        Ok(self.welcome.clone())
    }

    /// Sends a payload with the sequence id that is due.
    pub(crate) fn answer(&mut self, payload: &[u8]) -> Result<(), WireError> {
        self.send_payload(self.sequence, payload)
    }

    /// Answers a challenge of client_ed25519.
    fn sign(&mut self, nonce: &[u8], password: &str) -> Result<(), WireError> {
        self.auth = AuthPath::Signed;
        let signed = ClientEd25519::default().run(Password(password), nonce);
        self.answer(&answered(signed)?)
    }

    /// Answers a challenge of parsec, and what follows.
    fn sign_salted(&mut self, nonce: &[u8], password: &str) -> Result<(), WireError> {
        self.auth = AuthPath::Salted;
        let mut plugin = Parsec::default();
        let first = plugin.run(Password(password), nonce);
        self.answer(&answered(first)?)?;
        let salt = self.packet()?.payload;
        if salt.first() == Some(&0xFF) {
            return Err(WireError::Refused(ErrPacket::parse(&salt)?));
        }
        self.answer(&answered(plugin.run(Password(password), &salt))?)
    }

    /// Answers sha256_password.
    fn hand_over(&mut self, scramble: &[u8], login: &Login) -> Result<(), WireError> {
        self.auth = AuthPath::Sha256Clear;
        if login.password.is_empty() || login.in_clear {
            return self.answer(&[login.password.as_bytes(), &[0]].concat());
        }
        self.auth = AuthPath::Sha256Rsa;
        self.send_whole_password(0x01, scramble, &login.password)
    }

    fn send_whole_password(&mut self, ask: u8, scramble: &[u8], password: &str) -> Result<(), WireError> {
        self.answer(&[ask])?;
        let payload = self.packet()?.payload;
        let Some(([0x01], key)) = payload.split_at_checked(1) else {
            return malformed(format!("a public key was due, not {payload:02x?}"));
        };
        let plain = [password.as_bytes(), &[0]].concat();
        let hidden: Vec<u8> = plain.iter().zip(scramble.iter().cycle()).map(|(a, b)| a ^ b).collect();
        let sealed = crypto::encrypt(&hidden, key).map_err(|error| WireError::Malformed(error.to_string()))?;
        self.answer(&sealed)
    }
}

/// What mysql_common's plugins are told.
struct Password<'a>(&'a str);

impl Context for Password<'_> {
    fn pass(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        false
    }

    fn scramble(&self) -> &[u8] {
        &[]
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

fn answered(response: Result<Response, mysql_common::auth::plugins::Error>) -> Result<Vec<u8>, WireError> {
    match response {
        Ok(Response::Last { packet } | Response::Next { packet }) => Ok(packet.unwrap_or_default()),
        Err(error) => malformed(error.to_string()),
    }
}

fn prove(plugin: &str, scramble: &[u8], password: &str) -> Vec<u8> {
    let proof = match plugin {
        "mysql_native_password" => scramble_native(scramble, password.as_bytes()).map(Vec::from),
        "caching_sha2_password" => {
            let nonce = scramble.try_into().expect("the scramble is 20 bytes");
            scramble_sha256(nonce, password.as_bytes()).map(Vec::from)
        }
        _ => None,
    };
    // No password is proven by nothing; so is what we cannot prove, and the server then switches or refuses.
    proof.unwrap_or_default()
}
