//! Whom a client speaks for: a proxy before this one says it ahead of everything else, where it may.

use std::future::poll_fn;
use std::net::SocketAddr;

use greenroom_protocol::error::SqlError;
use greenroom_protocol::proxy_header::{self, Found, Origin, Route};

use super::conversation::{Client, Conversation, client_failed};
use crate::buffer::{self, Buffer};
use crate::end::SessionEnd;
use crate::tally::LoginResult;

/// So many bytes tell a PROXY header from a packet.
const TELLING: usize = 4;

/// From where a client comes, as the server may be told.
pub(super) fn route(source: Option<SocketAddr>, target: Option<SocketAddr>) -> Option<Route> {
    let source = source?;
    Some(Route { source, target: target.unwrap_or_else(|| SocketAddr::new(source.ip(), 0)) })
}

impl Client {
    /// Whether nobody else can read what it sends. Behind a proxy nobody knows how it came there.
    pub(super) fn is_private(&self) -> bool {
        self.stream.is_private() && !self.is_proxied
    }

    /// Whether nobody but the machine's owner can listen, and a password to be learned may come in clear: MariaDB's own
    /// client library sends it so when asked, without a look at the RSA key (measured).
    pub(super) fn is_local(&self) -> bool {
        self.peer.is_some_and(|peer| peer.is_loopback()) && !self.is_proxied
    }
}

impl Conversation {
    /// Takes a PROXY header off the client's first bytes, if there is one: it may be left out, and comes after the greeting
    /// or before, as on MariaDB (measured).
    pub(super) async fn introduce(&mut self) -> Result<(), SessionEnd> {
        let trusted = self.endpoint.settings.trusts(self.client.peer);
        let mut spoken = false;
        loop {
            let bytes = self.client.inlet.as_ref().map_or(&[][..], Buffer::filled);
            match proxy_header::find(bytes) {
                Ok(Found::Nothing) => return Ok(()),
                Ok(Found::Part | Found::Header(..)) if bytes.len() >= TELLING && !trusted => {
                    return self.distrust("its address is not in proxy_protocol_networks").await;
                }
                Ok(Found::Header(..)) if spoken => return self.distrust("it is the second").await,
                Ok(Found::Header(used, origin)) => {
                    if let Some(buffer) = self.client.inlet.as_mut() {
                        buffer.consume(used);
                    }
                    self.client.inlet.take_if(|buffer| buffer.is_empty());
                    self.speak_for(origin);
                    spoken = true;
                    continue;
                }
                Ok(Found::Part) => {}
                Err(error) => return self.distrust(&error.to_string()).await,
            }
            let client = &mut self.client;
            let read = poll_fn(|cx| buffer::poll_fill(&mut client.inlet, &mut client.stream, cx)).await;
            if read.map_err(client_failed)? == 0 {
                return Err(SessionEnd::ClientClosed);
            }
        }
    }

    fn speak_for(&mut self, origin: Origin) {
        let source = match origin {
            Origin::Proxy => return,
            Origin::Local => None,
            Origin::Client(route) => Some(SocketAddr::new(route.source.ip().to_canonical(), route.source.port())),
        };
        self.client.is_proxied = true;
        self.client.peer = source.map(|source| source.ip());
        self.client.route = match origin {
            Origin::Client(route) => Some(route),
            Origin::Proxy | Origin::Local => None,
        };
        self.attendance.came_from(source);
    }

    async fn distrust(&mut self, reason: &str) -> Result<(), SessionEnd> {
        self.tally.login(LoginResult::Failed);
        let peer = self.host();
        slog::info!(self.stage.log, "a PROXY header was refused"; "session" => self.id, "client" => peer, "reason" => reason);
        // The client behind the proxy sends its login whatever we say, and takes this for the answer.
        self.send_error(2, &SqlError::bad_handshake()).await?;
        Err(SessionEnd::Violation)
    }

    /// Its client's address, as servers write it that look up no names.
    pub(super) fn host(&self) -> String {
        self.client.peer.map_or_else(|| "localhost".to_owned(), |peer| peer.to_string())
    }
}
