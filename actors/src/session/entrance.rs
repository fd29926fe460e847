//! A client's first words: in TLS, where it asks for that or must.

use std::sync::Arc;

use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::LoginError;
use greenroom_protocol::login::request::LoginRequest;
use greenroom_protocol::secret::Secret;
use metrics::counter;

use super::conversation::Conversation;
use crate::end::SessionEnd;
use crate::metrics::TLS_LOGINS;
use crate::tally::LoginResult;
use crate::tls::{EndpointTlsMode, subject};

impl Conversation {
    /// Reads the login request, and encrypts the connection first where the client asks for it. Gives the sequence id of what
    /// comes next.
    pub(super) async fn login_request(&mut self) -> Result<(LoginRequest, u8), SessionEnd> {
        let (payload, seq) = self.read_packet(1).await?;
        // It may hold the password.
        let payload = Secret::new(payload);
        let endpoint = Arc::clone(&self.endpoint);
        let (request, seq) = match (LoginRequest::parse(payload.expose()), endpoint.settings.tls.acceptor()) {
            (Err(LoginError::TlsWanted), Some(acceptor)) => {
                // Whatever came behind the request in clear text is read as TLS: nobody can slip in commands there.
                let ahead = self.client.inlet.take();
                // On the heap for as long as it takes: in the future of the login it would take up room for good.
                if let Err(error) = Box::pin(self.client.stream.accept_tls(acceptor, ahead)).await {
                    self.tally.login(LoginResult::Failed);
                    slog::info!(self.stage.log, "no TLS with a client"; "session" => self.id, "reason" => %error);
                    return Err(SessionEnd::ClientFailed);
                }
                let (payload, next) = self.read_packet(seq).await?;
                (LoginRequest::parse_encrypted(Secret::new(payload).expose()), next)
            }
            (request, _) => (request, seq),
        };
        match request {
            Ok(request) => Ok((request, seq)),
            Err(error) => {
                self.tally.login(LoginResult::Failed);
                if error == LoginError::OldProtocol {
                    self.client.capabilities = CapabilityFlags::empty();
                }
                self.send_error(seq, &error.sql_error()).await?;
                Err(SessionEnd::Violation)
            }
        }
    }

    /// What is wrong with the connection that a client wants to log in over: found before its password is looked at.
    pub(super) fn objection(&self, user: &[u8], using_password: bool) -> Option<SqlError> {
        let stream = &self.client.stream;
        match self.endpoint.settings.tls.mode() {
            EndpointTlsMode::Disabled | EndpointTlsMode::Preferred => None,
            EndpointTlsMode::Required if stream.is_private() => None,
            // In the words of a server that wants it of everybody; MariaDB has none of its own (measured).
            EndpointTlsMode::Required if self.flavor == Flavor::MySql => Some(SqlError::insecure_transport()),
            EndpointTlsMode::VerifyClient if stream.certificate().is_some() => None,
            // As servers answer an account that is to show one (measured).
            EndpointTlsMode::Required | EndpointTlsMode::VerifyClient => Some(self.denial_of(user, using_password)),
        }
    }

    /// Whether the client has shown the certificate of this subject.
    pub(super) fn shows(&self, wanted: &str) -> bool {
        let shown = self.client.stream.certificate().and_then(subject);
        let right = shown.as_deref() == Some(wanted);
        if !right {
            let shown = shown.unwrap_or_else(|| "none".to_owned());
            slog::info!(self.stage.log, "not the certificate that the user's tls_subject wants"; "session" => self.id, "shown" => shown);
        }
        right
    }

    /// Counts a login by how its connection is encrypted.
    pub(super) fn count_encryption(&self) {
        let endpoint = self.endpoint.settings.name.clone();
        let (version, cipher, handshake) = match self.client.stream.agreed() {
            Some(agreed) => (agreed.version, agreed.cipher, agreed.handshake),
            None => ("none", "none", "none"),
        };
        counter!(TLS_LOGINS, "endpoint" => endpoint, "version" => version, "cipher" => cipher, "handshake" => handshake)
            .increment(1);
    }
}
