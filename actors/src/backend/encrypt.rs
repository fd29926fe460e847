//! Between a server's greeting and the login: encrypting the connection, as the node's `tls` wants it.

use std::io;

use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::login::client::{Identity, NodeLogin};
use greenroom_protocol::login::greeting::Greeting;
use metrics::counter;

use super::connect::{Failure, failed};
use super::introduction::explain;
use crate::buffer::Buffer;
use crate::end::BackendEnd;
use crate::metrics::TLS_OPENS;
use crate::packets::Packets;
use crate::pool::Refusal;
use crate::settings::NodeSettings;
use crate::stream::Stream;
use crate::tls::NodeTlsMode;

/// Encrypts the connection, or leaves it as it is where that is allowed. Gives the sequence id of the login request, and what
/// was read ahead where that is still to be heeded.
///
/// # Errors
/// [`Failure`].
pub(super) async fn encrypt(
    stream: &mut Stream,
    greeting: &Greeting,
    identity: &mut Identity,
    ahead: Option<Buffer>,
    settings: &NodeSettings,
) -> Result<(u8, Option<Buffer>), Failure> {
    let offers = greeting.capabilities.flags.contains(CapabilityFlags::CLIENT_SSL);
    let Some(dialer) = settings.tls.dialer() else { return Ok((1, ahead)) };
    match settings.tls.mode() {
        NodeTlsMode::Preferred if !offers || stream.is_unix() => {
            count(settings, None);
            return Ok((1, ahead));
        }
        _ if !offers => return Err(refused(settings, "it does not offer TLS, which the node's tls wants")),
        _ => {}
    }
    // A server waits for the login: what is there already, somebody else has put in before the encryption.
    if ahead.is_some() {
        let reason = "it sent more than its greeting";
        return Err(match settings.tls.mode() {
            // Nobody is kept out in this mode, and MySQL may send what another connection, killed by somebody, was to get
            // (measured): the next is well.
            NodeTlsMode::Preferred => explain(failed(reason.to_owned()), settings),
            _ => odd(settings, reason),
        });
    }
    identity.capabilities.flags.insert(CapabilityFlags::CLIENT_SSL);
    let request = NodeLogin::tls_request(identity);
    let mut packets = Packets::resume(stream, None, 1);
    packets.write(&request).await.map_err(|error| failed(error.to_string()))?;
    match Box::pin(stream.connect_tls(dialer)).await {
        Ok(()) => {
            count(settings, Some(stream));
            Ok((2, None))
        }
        // The same that came a moment later.
        Err(error) if settings.tls.mode() == NodeTlsMode::Preferred && is_no_tls(&error) => {
            let reason = format!("the TLS handshake with {} failed: {error}", settings.address);
            Err(explain(failed(reason), settings))
        }
        // What one side does not like of the other's, it will not like the next time.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(odd(settings, &format!("no TLS with it: {error}")))
        }
        Err(error) => {
            let reason = format!("the TLS handshake with {} failed: {error}", settings.address);
            Err(explain(failed(reason), settings))
        }
    }
}

/// Whether what came is no message of a handshake: a packet in clear text, or what belongs into another's TLS.
fn is_no_tls(error: &io::Error) -> bool {
    use rustls::Error::{InappropriateHandshakeMessage, InappropriateMessage, InvalidMessage};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(InvalidMessage(_) | InappropriateMessage { .. } | InappropriateHandshakeMessage { .. }))
}

/// What came is no TLS: where a PROXY header went ahead, because of that.
fn odd(settings: &NodeSettings, reason: &str) -> Failure {
    if settings.proxy_protocol.is_some() {
        return explain(failed(reason.to_owned()), settings);
    }
    refused(settings, reason)
}

fn refused(settings: &NodeSettings, reason: &str) -> Failure {
    (BackendEnd::Refused, Refusal::Server(SqlError::node_down(&settings.name, reason)))
}

fn count(settings: &NodeSettings, stream: Option<&Stream>) {
    let (version, cipher, handshake) = match stream.and_then(Stream::agreed) {
        Some(agreed) => (agreed.version, agreed.cipher, agreed.handshake),
        None => ("none", "none", "none"),
    };
    let node = settings.name.clone();
    counter!(TLS_OPENS, "node" => node, "version" => version, "cipher" => cipher, "handshake" => handshake)
        .increment(1);
}
