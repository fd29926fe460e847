//! Telling a server, or a proxy before it, for whom a connection is: the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use greenroom_protocol::error::{GENERAL, SqlError};
use greenroom_protocol::proxy_header::{self, Route};

use super::connect::{Failure, UNABLE, failed};
use crate::end::BackendEnd;
use crate::pool::Refusal;
use crate::settings::NodeSettings;
use crate::stream::Stream;

/// The route of a client of whom only the address is known.
pub(super) fn route(client: Option<IpAddr>) -> Option<Route> {
    let at = SocketAddr::new(client?, 0);
    Some(Route { source: at, target: at })
}

/// Says for whom the connection is, where the node wants to hear it; `None`: for Greenroom itself. A server reads it with
/// the answer to its greeting, a proxy may wait for it.
pub(super) async fn introduce(
    stream: &mut Stream,
    settings: &NodeSettings,
    route: Option<Route>,
) -> Result<(), Failure> {
    let Some(version) = settings.proxy_protocol else { return Ok(()) };
    let header = proxy_header::write(version, route);
    stream.write_all(&header).await.map_err(|error| failed(error.to_string()))
}

/// Why a login failed behind a good greeting, which may be the header: a server that knows none takes it for a broken packet.
/// Trying again does not help then, so whoever waits is told.
pub(super) fn explain(failure: Failure, settings: &NodeSettings) -> Failure {
    /// Packets out of order, too long or without sense; and MariaDB's words where it knows the header, but not from us.
    const BROKEN: [u16; 6] = [1043, 1105, 1130, 1153, 1156, 1158];
    let said = match &failure.1 {
        _ if settings.proxy_protocol.is_none() => return failure,
        Refusal::Server(error) if BROKEN.contains(&error.code) => error.message.to_string(),
        Refusal::Failed(reason) => reason.to_string(),
        _ => return failure,
    };
    let text = format!(
        "node '{}' seems not to take the PROXY header of its proxy_protocol: MySQL knows none, MariaDB wants Greenroom's \
         address in its own proxy_protocol_networks (what came: {said})",
        settings.name
    );
    (BackendEnd::Refused, Refusal::Server(SqlError::new(UNABLE, GENERAL, text)))
}
