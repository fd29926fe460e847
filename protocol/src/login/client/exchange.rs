//! The machine that takes a connection to a node from its greeting to OK or an error.
//!
//! ```text
//! greeting ──> request sent ──┬─ OK ───────────────────────────> Done
//!    AuthSwitch: answer again ┤  (at most SWITCH_LIMIT times)
//!          0x03, fast path ok ┼─ Wait, then OK ────────────────> Done
//!        0x04, full path ─────┼─ password (secure) or cipher (key known), then OK
//!                             └─ 0x02 ─> key ─> cipher, then OK
//!    sha256_password: as the full path, with 0x01 for 0x02
//!    parsec: nothing ─> salt ─> answer, then OK
//! ```

use super::{BackendSecret, Identity, NodeLoginError, NodeStep};
use crate::{
    login::{
        LoginError,
        change_user::ChangeUser,
        greeting::Greeting,
        plugin::Plugin,
        request::LoginRequest,
        rsa::NodeKey,
        scramble::Scramble,
        signature::{Nonce, ed25519, parsec},
        switch::{AuthSwitch, FAST_OK, FULL_NEEDED, KEY_WANTED, SHA256_KEY_WANTED, ServerWord},
    },
    secret::Secret,
};

/// How often a server may switch plugins: MariaDB's accounts may have several, tried in turn.
pub(super) const SWITCH_LIMIT: u8 = 4;

/// What we tell servers of the longest packet: the protocol's 1 GiB. Neither heeds it.
const MAX_PACKET: u32 = 1 << 30;

/// A login to a node, from its greeting to OK or an error.
pub struct NodeLogin {
    secret: BackendSecret,
    secure: bool,
    clear_text: bool,
    scramble: Scramble,
    phase: Phase,
    switches: u8,
    kept_key: Option<NodeKey>,
    kept_key_used: bool,
    learned_key: Option<NodeKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// We have answered a scramble with this plugin.
    Answered(Plugin),
    /// We have asked for the public key.
    KeyAsked(Plugin),
    /// We have asked for the salt to sign these bytes with.
    SaltAsked(Nonce),
    /// Nothing is left but OK or an error (or, on MariaDB, the next plugin of the account).
    Proven,
    /// Over.
    Ended,
}

impl NodeLogin {
    /// Asks for TLS in answer to a greeting: the payload, number 1. What [`new`](Self::new) gives for an identity with the same
    /// capabilities, `CLIENT_SSL` among them, follows inside TLS as number 2.
    #[must_use]
    pub fn tls_request(identity: &Identity) -> Vec<u8> {
        let request = LoginRequest {
            capabilities: identity.capabilities,
            max_packet: MAX_PACKET,
            charset: u8::try_from(identity.charset).unwrap_or(0),
            user: Vec::new(),
            auth: Secret::new([]),
            database: identity.database.clone(),
            plugin: Some(Vec::new()),
            attributes: identity.attributes.clone(),
        };
        request.encode_head()
    }

    /// Answers a greeting: the machine and the first payload, number 1. `secure` says that the channel is a Unix socket or TLS;
    /// `kept_key` is the node's RSA key from an earlier login.
    ///
    /// The plugin is the one that the secret and the greeting agree on, else the secret's own: the server switches.
    #[must_use]
    pub fn new(greeting: &Greeting, identity: Identity, secure: bool, kept_key: Option<NodeKey>) -> (Self, Vec<u8>) {
        let plugin = identity.secret.first_plugin(Plugin::from_name(greeting.plugin.as_bytes()));
        let auth = identity.secret.answer(plugin, &greeting.scramble).unwrap_or_else(|| Secret::new([]));
        let login = Self::answered(plugin, greeting, &identity, secure, kept_key);
        let request = LoginRequest {
            capabilities: identity.capabilities,
            max_packet: MAX_PACKET,
            charset: u8::try_from(identity.charset).unwrap_or(0),
            user: identity.user,
            auth,
            database: identity.database,
            plugin: Some(plugin.name().into()),
            attributes: identity.attributes,
        };
        (login, request.encode())
    }

    /// Logs in once more on the same connection, by `COM_CHANGE_USER`, which has room for a collation id of two bytes: the
    /// machine and the command, number 0. Nothing is answered yet, since servers challenge anew.
    #[must_use]
    pub fn again(greeting: &Greeting, identity: Identity, secure: bool, kept_key: Option<NodeKey>) -> (Self, Vec<u8>) {
        let plugin = identity.secret.first_plugin(Plugin::from_name(greeting.plugin.as_bytes()));
        let login = Self::answered(plugin, greeting, &identity, secure, kept_key);
        let change = ChangeUser {
            user: identity.user,
            auth: Secret::new([]),
            database: identity.database,
            charset: identity.charset,
            plugin: Some(plugin.name().into()),
            attributes: identity.attributes,
        };
        (login, change.encode(identity.capabilities.flags))
    }

    fn answered(
        plugin: Plugin,
        greeting: &Greeting,
        identity: &Identity,
        secure: bool,
        kept_key: Option<NodeKey>,
    ) -> Self {
        Self {
            secret: identity.secret.clone(),
            secure,
            clear_text: identity.clear_text,
            scramble: greeting.scramble,
            phase: Phase::Answered(plugin),
            switches: 0,
            kept_key,
            kept_key_used: false,
            learned_key: None,
        }
    }

    /// Takes the server's next payload.
    pub fn step(&mut self, payload: &[u8]) -> NodeStep {
        let next = match (self.phase, ServerWord::parse(payload)) {
            // MariaDB sends it without the byte that says what it is (measured).
            (Phase::SaltAsked(nonce), Err(_) | Ok(ServerWord::More(_))) => self.salted(&nonce, payload),
            (_, Ok(word)) => self.heed(word),
            (_, Err(error)) => Err(error.into()),
        };
        next.unwrap_or_else(|error| {
            self.phase = Phase::Ended;
            NodeStep::Failed(error)
        })
    }

    /// The node's RSA key, if this login has asked for it. Keep it only when the login succeeded.
    #[must_use]
    pub fn learned_key(&self) -> Option<NodeKey> {
        self.learned_key.clone()
    }

    fn heed(&mut self, word: ServerWord) -> Result<NodeStep, NodeLoginError> {
        match (self.phase, word) {
            (Phase::Ended, _) => Err(NodeLoginError::OutOfOrder("a packet after the last")),
            (_, ServerWord::Err(error)) if self.kept_key_used => Err(NodeLoginError::RefusedWithKeptKey(error)),
            (_, ServerWord::Err(error)) => Err(NodeLoginError::Refused(error)),
            (Phase::KeyAsked(plugin), ServerWord::More(pem)) => self.use_new_key(plugin, &pem),
            (Phase::KeyAsked(_), _) => Err(NodeLoginError::OutOfOrder("something else than its public key")),
            (Phase::SaltAsked(_), ServerWord::Ok(_)) => Err(NodeLoginError::OutOfOrder("an OK instead of its salt")),
            (_, ServerWord::Ok(welcome)) => {
                self.phase = Phase::Ended;
                Ok(NodeStep::Done(welcome))
            }
            (_, ServerWord::Switch(switch)) => self.switch(&switch),
            (Phase::Answered(Plugin::CachingSha2), ServerWord::More(data)) => self.more(&data),
            (_, ServerWord::More(_)) => Err(NodeLoginError::OutOfOrder("more authentication data")),
        }
    }

    fn switch(&mut self, switch: &AuthSwitch) -> Result<NodeStep, NodeLoginError> {
        self.switches += 1;
        if self.switches > SWITCH_LIMIT {
            return Err(NodeLoginError::OutOfOrder("one plugin after another"));
        }
        let plugin = Plugin::from_name(switch.plugin.as_bytes())
            .ok_or_else(|| NodeLoginError::Unsupported { plugin: switch.plugin.clone() })?;
        self.phase = Phase::Answered(plugin);
        let nonce = || switch.nonce().ok_or(LoginError::Truncated("the bytes to sign"));
        match plugin {
            Plugin::Native | Plugin::CachingSha2 => {
                self.scramble = switch.scramble().ok_or(LoginError::Truncated("the scramble"))?;
                let answer = self.secret.answer(plugin, &self.scramble);
                answer.map(NodeStep::Send).ok_or(NodeLoginError::PasswordNeeded { plugin })
            }
            Plugin::Ed25519 => {
                Ok(NodeStep::Send(Secret::new(ed25519::answer(&nonce()?, self.secret.password(plugin)?))))
            }
            Plugin::Parsec => {
                self.secret.password(plugin)?;
                self.phase = Phase::SaltAsked(nonce()?);
                Ok(NodeStep::Send(Secret::new([])))
            }
            Plugin::Sha256 => {
                self.scramble = switch.scramble().ok_or(LoginError::Truncated("the scramble"))?;
                if self.secret.password(plugin)?.is_empty() {
                    return Ok(NodeStep::Send(Secret::new([0])));
                }
                self.hand_over(plugin, SHA256_KEY_WANTED)
            }
            Plugin::Clear if self.secure && self.clear_text => self.in_clear(plugin),
            Plugin::Clear => Err(NodeLoginError::ClearText),
        }
    }

    fn more(&mut self, data: &[u8]) -> Result<NodeStep, NodeLoginError> {
        self.phase = Phase::Proven;
        match data {
            [FAST_OK] => Ok(NodeStep::Wait),
            [FULL_NEEDED] => self.hand_over(Plugin::CachingSha2, KEY_WANTED),
            _ => Err(NodeLoginError::OutOfOrder("unknown authentication data")),
        }
    }

    /// Hands over the password in the way the channel allows; `ask` is how this plugin asks for the key.
    fn hand_over(&mut self, plugin: Plugin, ask: u8) -> Result<NodeStep, NodeLoginError> {
        let password = self.secret.password(plugin)?;
        if self.secure {
            return self.in_clear(plugin);
        }
        let Some(key) = &self.kept_key else {
            self.phase = Phase::KeyAsked(plugin);
            return Ok(NodeStep::Send(Secret::new([ask])));
        };
        self.kept_key_used = true;
        self.phase = Phase::Proven;
        Ok(NodeStep::Send(Secret::new(key.encrypt(password, &self.scramble)?)))
    }

    fn in_clear(&mut self, plugin: Plugin) -> Result<NodeStep, NodeLoginError> {
        let password = self.secret.password(plugin)?;
        self.phase = Phase::Proven;
        Ok(NodeStep::Send(Secret::new([password.expose(), &[0]].concat())))
    }

    fn use_new_key(&mut self, plugin: Plugin, pem: &[u8]) -> Result<NodeStep, NodeLoginError> {
        let key = NodeKey::parse(pem)?;
        let cipher = key.encrypt(self.secret.password(plugin)?, &self.scramble)?;
        self.learned_key = Some(key);
        self.phase = Phase::Proven;
        Ok(NodeStep::Send(Secret::new(cipher)))
    }

    fn salted(&mut self, nonce: &Nonce, payload: &[u8]) -> Result<NodeStep, NodeLoginError> {
        let salt = parsec::Salt::parse(payload)?;
        let answer = parsec::answer(nonce, &salt, self.secret.password(Plugin::Parsec)?);
        self.phase = Phase::Proven;
        answer.map(|answer| NodeStep::Send(Secret::new(answer))).ok_or(NodeLoginError::Randomness)
    }
}
