//! Letting an administrator in: the same exchange as on an endpoint, with one user who counts.

use std::time::Instant;

use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::constants::{CapabilityFlags, MariadbCapabilities, StatusFlags};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::login::greeting::Greeting;
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::request::LoginRequest;
use greenroom_protocol::login::server::{Answer, ClientLogin, Known, Step, Terms};
use greenroom_protocol::login::{LoginError, PAYLOAD_LIMIT};
use greenroom_protocol::secret::{Secret, SecretHash};
use greenroom_protocol::table::UTF8MB4;

use super::session::{Ended, Talk};
use super::{DATABASE, version};
use crate::packets::Packets;
use crate::random::random_text;
use crate::settings::{AdminSettings, UserSecret};
use crate::tls::EndpointTlsMode;

/// What the console can do.
const OFFERED: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_FOUND_ROWS)
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_CONNECT_WITH_DB)
    .union(CapabilityFlags::CLIENT_IGNORE_SPACE)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_INTERACTIVE)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

impl Talk {
    /// The whole login.
    pub(super) async fn login(&mut self, settings: &AdminSettings) -> Result<(), Ended> {
        let mut flags = OFFERED;
        flags.set(CapabilityFlags::CLIENT_SSL, settings.tls.acceptor().is_some());
        let offered = Plugin::CachingSha2;
        let greeting = Greeting {
            version: version(),
            thread_id: self.guest.id,
            scramble: random_text(),
            capabilities: Capabilities { flags, further: MariadbCapabilities::empty() },
            charset: UTF8MB4,
            status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
            plugin: offered.name().to_owned(),
        };
        self.send(0, &greeting.encode()).await?;
        self.capabilities = CapabilityFlags::CLIENT_PROTOCOL_41;
        let (request, seq) = self.request(settings).await?;
        self.capabilities = request.capabilities.flags.intersection(flags);
        self.guest.user = String::from_utf8_lossy(&request.user).into_owned();
        let private = self.stream.is_private();
        match settings.tls.mode() {
            EndpointTlsMode::Required if !private => return self.refuse(seq, &SqlError::insecure_transport()).await,
            EndpointTlsMode::VerifyClient if self.stream.certificate().is_none() => {
                return self.deny(seq, !request.auth.is_empty()).await;
            }
            _ => {}
        }
        let seq = self.prove(settings, &request, &greeting, seq).await?;
        if let Some(name) = request.database.filter(|name| !name.eq_ignore_ascii_case(DATABASE.as_bytes())) {
            return self.refuse(seq, &SqlError::unknown_database(&name)).await;
        }
        slog::info!(self.stage.log, "an administrator has logged in"; "console" => self.guest.id, "client" => &self.guest.host);
        self.send_ok(seq, "").await
    }

    async fn request(&mut self, settings: &AdminSettings) -> Result<(LoginRequest, u8), Ended> {
        let payload = self.read_login(1).await?;
        let (request, seq) = match (LoginRequest::parse(payload.expose()), settings.tls.acceptor()) {
            (Err(LoginError::TlsWanted), Some(acceptor)) => {
                let ahead = self.inlet.take();
                Box::pin(self.stream.accept_tls(acceptor, ahead)).await?;
                let payload = self.read_login(2).await?;
                (LoginRequest::parse_encrypted(payload.expose()), 3)
            }
            (request, _) => (request, 2),
        };
        match request {
            Ok(request) => Ok((request, seq)),
            Err(error) => self.refuse(seq, &error.sql_error()).await,
        }
    }

    /// Gives the sequence id for what comes next.
    async fn prove(
        &mut self,
        settings: &AdminSettings,
        request: &LoginRequest,
        greeting: &Greeting,
        mut seq: u8,
    ) -> Result<u8, Ended> {
        let Some(main) = self.stage.main() else { return Err(Ended::Closed) };
        let suspect = self.stage.throttle.suspect(self.peer, &request.user);
        let terms = main.credentials.like(&request.user, known(settings, &request.user));
        let terms = Terms {
            known: terms.known,
            secure: self.stream.is_private(),
            offered: Plugin::CachingSha2,
            scramble: greeting.scramble,
            fresh: random_text(),
            nonce: random_text(),
            salt: terms.salt,
            rsa: Some(terms.rsa),
            password_wanted: false,
            renew: false,
        };
        let answer = Answer { plugin: request.plugin.as_deref(), auth: request.auth.expose() };
        let (mut machine, mut step) = ClientLogin::begin(terms, answer);
        loop {
            match step {
                Step::Send(payload) => {
                    self.send(seq, &payload).await?;
                    let reply = self.read_login(seq.wrapping_add(1)).await?;
                    seq = seq.wrapping_add(2);
                    step = machine.step(reply.expose());
                }
                Step::Accept { prelude, .. } => {
                    self.hesitate(suspect).await;
                    self.stage.throttle.succeeded(suspect);
                    if let Some(prelude) = prelude {
                        self.send(seq, &prelude).await?;
                        seq = seq.wrapping_add(1);
                    }
                    return Ok(seq);
                }
                Step::Refuse { using_password } => {
                    self.stage.throttle.failed(suspect, Instant::now());
                    self.hesitate(suspect).await;
                    return self.deny(seq, using_password).await;
                }
                Step::Fail(error) => return self.refuse(seq, &error).await,
            }
        }
    }

    async fn hesitate(&self, suspect: crate::throttle::Suspect) {
        if let Some(wait) = self.stage.throttle.wait(suspect, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    async fn deny<T>(&mut self, seq: u8, using_password: bool) -> Result<T, Ended> {
        slog::warn!(self.stage.log, "a login to the console was refused"; "client" => &self.guest.host, "user" => &self.guest.user);
        let error = SqlError::access_denied(self.guest.user.as_bytes(), &self.guest.host, using_password);
        self.refuse(seq, &error).await
    }

    async fn refuse<T>(&mut self, seq: u8, error: &SqlError) -> Result<T, Ended> {
        self.send_error(seq, error).await?;
        Err(Ended::Refused)
    }

    /// One packet of the login, which may hold the password.
    async fn read_login(&mut self, seq: u8) -> Result<Secret, Ended> {
        let mut packets = Packets::resume(&mut self.stream, self.inlet.take(), seq);
        let read = packets.read(PAYLOAD_LIMIT).await;
        self.inlet = packets.into_rest();
        Ok(Secret::new(read?))
    }
}

/// What the user is judged by; who is not the administrator, by what nobody can prove.
fn known(settings: &AdminSettings, user: &[u8]) -> Known {
    let right = user == settings.user.as_bytes();
    match &settings.secret {
        UserSecret::Password(password) if right => Known::Password(password.clone()),
        UserSecret::NativeDoubleSha1(hash) if right => Known::Native(SecretHash::new(*hash)),
        UserSecret::Sha2Double(hash) if right => Known::Sha2(SecretHash::new(*hash)),
        UserSecret::Password(_) => Known::Password(Secret::new(random_text::<32>())),
        UserSecret::NativeDoubleSha1(_) => Known::Native(SecretHash::new(random_text())),
        UserSecret::Sha2Double(_) => Known::Sha2(SecretHash::new(random_text())),
    }
}
