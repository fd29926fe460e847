//! The machine that takes a client from its request to accept or refuse.
//!
//! ```text
//!                    ┌─ plugin differs, or a new challenge is due: AuthSwitch ─┐
//! request ──> begin ─┤                                                         v
//!                    └──────────────────────────────────────────────────── judge answer
//!   native:  right ─> Accept            wrong ─> Refuse (Remembered: switch to caching_sha2)
//!   sha2:    right ─> Accept with 0x03  wrong ─> Refuse
//!            password to be learned ─> 0x04 ─> [0x02 ─> key ─>] password or cipher ─> Accept or Refuse
//!   ed25519: right ─> Accept            wrong ─> Refuse
//!   parsec:  nothing ─> salt ─> answer, as ed25519
//!   sha256:  [0x01 ─> key ─>] password or cipher ─> Accept or Refuse
//!   clear:   password ─> Accept or Refuse
//! ```

use std::sync::Arc;

use super::{Answer, Known, Proof, Step, Terms};
use crate::{
    error::SqlError,
    login::{
        plugin::Plugin,
        rsa::RsaKey,
        scramble::{Scramble, native, sha2},
        signature::{Nonce, ed25519, parsec},
        switch::{FAST_OK, FULL_NEEDED, KEY_WANTED, SHA256_KEY_WANTED, more, switch_to, switch_with},
    },
    secret::Secret,
};

/// The longest password, in bytes: MySQL's own limit for `caching_sha2_password`.
const PASSWORD_LIMIT: usize = 256;

/// A client's login, from its request to accept or refuse.
pub struct ClientLogin {
    known: Known,
    secure: bool,
    scramble: Scramble,
    fresh: Scramble,
    nonce: Nonce,
    salt: parsec::Salt,
    rsa: Option<Arc<RsaKey>>,
    password_wanted: bool,
    can_switch: bool,
    renew: bool,
    plugin: Plugin,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The answer to an AuthSwitch to this plugin is due.
    Switched(Plugin),
    /// A password, a cipher or a request for the key is due.
    FullAsked,
    /// The cipher is due.
    KeySent,
    /// The answer to a salt is due.
    Salted,
    /// Over.
    Ended,
}

impl ClientLogin {
    /// Takes a client's request: the machine and the first step.
    #[must_use]
    pub fn begin(terms: Terms, answer: Answer<'_>) -> (Self, Step) {
        let Terms { known, secure, offered, scramble, fresh, nonce, salt, rsa, password_wanted, renew } = terms;
        // Before plugins there was only the native one.
        let named = answer.plugin.map_or(Some(Plugin::Native), Plugin::from_name);
        let plugin = known.plugin(named, offered, secure);
        let phase = Phase::Switched(plugin);
        let can_switch = answer.plugin.is_some();
        let mut login = Self {
            known,
            secure,
            scramble,
            fresh,
            nonce,
            salt,
            rsa,
            password_wanted,
            can_switch,
            renew,
            plugin,
            phase,
        };
        // A client whose plugin is not the one offered may have sent nothing yet rather than an empty password.
        let unsure = !plugin.answers_greeting() || plugin != offered && answer.auth.is_empty();
        let step = if named != Some(plugin) || (can_switch && (renew || unsure)) {
            login.switch(plugin)
        } else {
            login.judge(plugin, answer.auth)
        };
        (login, step)
    }

    /// Takes the client's next payload.
    pub fn step(&mut self, payload: &[u8]) -> Step {
        match self.phase {
            Phase::Switched(plugin) => self.judge(plugin, payload),
            Phase::FullAsked if payload == [KEY_WANTED] => self.send_key(),
            Phase::FullAsked if self.secure => self.take_password(payload),
            Phase::FullAsked | Phase::KeySent => self.decrypt(payload),
            Phase::Salted => self.judge_parsec(payload),
            Phase::Ended => self.fail(SqlError::out_of_order()),
        }
    }

    /// The plugin that the client is judged by.
    #[must_use]
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// The scramble that the client has last answered.
    #[must_use]
    pub fn scramble(&self) -> &Scramble {
        &self.scramble
    }

    fn switch(&mut self, plugin: Plugin) -> Step {
        if !self.can_switch {
            return self.fail(SqlError::plugin_not_supported());
        }
        // One switch is all that clients take, and only what hands a password over can bring a changed one.
        let kept = plugin.hands_over() || !matches!(self.known, Known::Remembered(_));
        let plugin = if kept { plugin } else { Plugin::CachingSha2 };
        // At a login the greeting's scramble stays good, as MariaDB has it: it was made for this login, and some clients
        // (sqlx) encrypt a password with it whatever a switch says. At COM_CHANGE_USER it has been answered before, save that the
        // native plugin of MariaDB's client library answers by the one that it has; MariaDB repeats that one (measured).
        if self.renew && plugin != Plugin::Native {
            self.scramble = self.fresh;
        }
        (self.plugin, self.phase) = (plugin, Phase::Switched(plugin));
        Step::Send(match plugin {
            Plugin::Native | Plugin::CachingSha2 | Plugin::Sha256 => switch_to(plugin, &self.scramble),
            Plugin::Ed25519 | Plugin::Parsec => switch_with(plugin, &self.nonce),
            Plugin::Clear => switch_with(plugin, &[]),
        })
    }

    fn judge(&mut self, plugin: Plugin, answer: &[u8]) -> Step {
        match (plugin, answer) {
            (Plugin::Parsec, []) => {
                self.phase = Phase::Salted;
                Step::Send(self.salt.encode())
            }
            // Clients of these two may send the NUL of an empty password (as MySQL's own do).
            (_, []) | (Plugin::CachingSha2 | Plugin::Sha256, [0]) => self.judge_empty(),
            (Plugin::Native, _) => self.judge_native(answer),
            (Plugin::CachingSha2, _) => self.judge_sha2(answer),
            (Plugin::Ed25519, _) => self.judge_ed25519(answer),
            (Plugin::Parsec, _) => self.judge_parsec(answer),
            (Plugin::Sha256, [SHA256_KEY_WANTED]) => self.send_key(),
            (Plugin::Sha256, _) if !self.secure => self.decrypt(answer),
            (Plugin::Sha256 | Plugin::Clear, _) => self.take_password(answer),
        }
    }

    fn judge_empty(&mut self) -> Step {
        let empty = Secret::new([]);
        match &self.known {
            Known::Password(password) | Known::Remembered(password) if password.is_empty() => {
                self.accept(None, Proof::Password(empty))
            }
            Known::Learn | Known::Remembered(_) => self.accept(None, Proof::Learned(empty)),
            Known::Password(_) | Known::Native(_) | Known::Sha2(_) => self.refuse(false),
        }
    }

    fn judge_native(&mut self, answer: &[u8]) -> Step {
        let stage2 = match (&self.known, self.known.password()) {
            (Known::Native(stage2), _) => stage2.clone(),
            (_, Some(password)) => native::stage2(&native::stage1(password)),
            (_, None) => return self.refuse(true),
        };
        match (&self.known, native::recover(&self.scramble, answer, &stage2)) {
            (Known::Native(_), Some(stage1)) => self.accept(None, Proof::NativeStage1(stage1)),
            (_, Some(_)) => self.accept_known(None),
            (Known::Remembered(_), None) if self.can_switch => self.switch(Plugin::CachingSha2),
            (_, None) => self.refuse(true),
        }
    }

    fn judge_sha2(&mut self, answer: &[u8]) -> Step {
        let stage2 = match (&self.known, self.known.password()) {
            (Known::Sha2(stage2), _) => stage2.clone(),
            (_, Some(password)) => sha2::stage2(&sha2::stage1(password)),
            // No answer to SHA-256 shows anything of these; only the password does.
            (_, None) => return self.full(),
        };
        let fast = || Some(more(&[FAST_OK]));
        match (&self.known, sha2::recover(&self.scramble, answer, &stage2)) {
            (Known::Sha2(_), Some(_)) if self.password_wanted => self.full(),
            (Known::Sha2(_), Some(stage1)) => self.accept(fast(), Proof::Sha2Stage1(stage1)),
            (_, Some(_)) => self.accept_known(fast()),
            (Known::Remembered(_), None) => self.full(),
            (_, None) => self.refuse(true),
        }
    }

    fn judge_ed25519(&mut self, answer: &[u8]) -> Step {
        let right = self.known.password().is_some_and(|password| ed25519::is_right(&self.nonce, answer, password));
        if right { self.accept_known(None) } else { self.refuse(true) }
    }

    fn judge_parsec(&mut self, answer: &[u8]) -> Step {
        let right = |password: &Secret| parsec::is_right(&self.nonce, &self.salt, answer, password);
        if self.known.password().is_some_and(right) { self.accept_known(None) } else { self.refuse(true) }
    }

    fn full(&mut self) -> Step {
        if !self.secure && self.rsa.is_none() {
            return self.fail(SqlError::new(
                1045,
                *b"28000",
                "Access denied: the password is needed, but this connection is not secure and there is no RSA key; connect with TLS",
            ));
        }
        self.phase = Phase::FullAsked;
        Step::Send(more(&[FULL_NEEDED]))
    }

    fn send_key(&mut self) -> Step {
        let Some(key) = &self.rsa else { return self.refuse(true) };
        self.phase = Phase::KeySent;
        Step::Send(more(key.public_pem().as_bytes()))
    }

    fn decrypt(&mut self, cipher: &[u8]) -> Step {
        match self.rsa.as_ref().and_then(|key| key.decrypt(cipher, &self.scramble)) {
            Some(plain) => self.take_password(plain.expose()),
            None => self.refuse(true),
        }
    }

    /// Judges the password itself, which comes with its NUL.
    fn take_password(&mut self, plain: &[u8]) -> Step {
        match plain.strip_suffix(&[0]) {
            Some(password) if password.len() <= PASSWORD_LIMIT && !password.contains(&0) => {
                match self.known.prove(Secret::new(password)) {
                    Some(proof) => self.accept(None, proof),
                    None => self.refuse(!password.is_empty()),
                }
            }
            _ => self.refuse(true),
        }
    }

    fn accept(&mut self, prelude: Option<Vec<u8>>, proof: Proof) -> Step {
        self.phase = Phase::Ended;
        Step::Accept { prelude, proof }
    }

    /// Accepts by the password that is known.
    fn accept_known(&mut self, prelude: Option<Vec<u8>>) -> Step {
        match self.known.password().cloned() {
            Some(password) => self.accept(prelude, Proof::Password(password)),
            None => self.refuse(true),
        }
    }

    fn refuse(&mut self, using_password: bool) -> Step {
        self.phase = Phase::Ended;
        Step::Refuse { using_password }
    }

    fn fail(&mut self, error: SqlError) -> Step {
        self.phase = Phase::Ended;
        Step::Fail(error)
    }
}
