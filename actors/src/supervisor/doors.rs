//! The sockets of one endpoint, before its listeners have them, and when another process is to have them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::{Domain, SockRef};

use super::StartError;
use crate::inherited::{self, Bound, Handed, Inherited};
use crate::listener;
use crate::settings::EndpointSettings;

/// An endpoint's sockets.
pub(super) struct Doors {
    /// Those of each worker.
    pub(super) shares: Vec<Vec<Bound>>,
    /// The same once more, to hand them over; the kernel's lines behind them outlive the listeners by these.
    pub(super) sockets: Vec<Handed>,
    /// Where they listen.
    pub(super) place: String,
    /// Somebody else opened them.
    pub(super) inherited: bool,
}

impl Doors {
    /// Whether nobody else listens at an endpoint's address, unless sockets were handed over for it: a second process of one
    /// user could, and clients would meet either. `own`: where this process listens.
    pub(super) fn are_free(
        endpoint: &EndpointSettings,
        inherited: &Inherited,
        own: &[SocketAddr],
    ) -> Result<(), StartError> {
        if inherited.is_near(&endpoint.name, &endpoint.listen) {
            return Ok(());
        }
        let (endpoint, address) = (endpoint.name.clone(), endpoint.listen.clone());
        inherited::probe(&address, own).map_err(|cause| StartError::Listen { endpoint, address, cause })
    }

    /// Those of all endpoints, in their order.
    pub(super) fn find_all(
        endpoints: &[Arc<EndpointSettings>],
        inherited: &mut Inherited,
        workers: usize,
    ) -> Result<Vec<Self>, StartError> {
        // All before any: two endpoints may have one port, at different addresses.
        endpoints.iter().try_for_each(|endpoint| Self::are_free(endpoint, inherited, &[]))?;
        endpoints.iter().map(|endpoint| Self::find(endpoint, inherited, workers)).collect()
    }

    /// Those that were handed over for this endpoint, or new ones. All are kept, whether there are more or fewer than
    /// workers: to close one would turn away those who wait to be accepted there.
    pub(super) fn find(
        endpoint: &EndpointSettings,
        inherited: &mut Inherited,
        workers: usize,
    ) -> Result<Self, StartError> {
        let failed =
            |cause| StartError::Listen { endpoint: endpoint.name.clone(), address: endpoint.listen.clone(), cause };
        let (mut bound, by_name) = inherited.claim(&endpoint.name, &endpoint.listen);
        let inherited = !bound.is_empty();
        if !inherited {
            bound = listener::bind(&endpoint.listen, workers).map_err(failed)?;
        }
        let place = if inherited { bound.first().map(Bound::place) } else { None };
        // A name is handed on only where it decides: elsewhere it must not win over an address that has changed.
        let name = if inherited && by_name { endpoint.name.as_str() } else { "" };
        let share = |socket: &Bound| Ok(Handed { name: name.to_owned(), socket: socket.share()? });
        let sockets = bound.iter().map(share).collect::<io::Result<_>>().map_err(failed)?;
        let mut shares: Vec<_> = (0..workers).map(|_| Vec::new()).collect();
        for (at, socket) in bound.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(at % workers) {
                share.push(socket);
            }
        }
        Ok(Self { shares, sockets, place: place.unwrap_or_else(|| endpoint.listen.to_string()), inherited })
    }
}

impl Handed {
    /// Another handle of the same socket.
    pub(super) fn again(&self) -> io::Result<Self> {
        self.socket.try_clone().map(|socket: OwnedFd| Self { name: self.name.clone(), socket })
    }

    /// Where it listens, if that is TCP.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        SockRef::from(&self.socket).local_addr().ok()?.as_socket()
    }

    /// The same socket, to listen on it.
    pub(super) fn bound(&self) -> io::Result<Bound> {
        let socket = self.socket.try_clone()?;
        let is_unix = SockRef::from(&socket).domain()? == Domain::UNIX;
        Ok(if is_unix { Bound::Unix(socket.into()) } else { Bound::Tcp(socket.into()) })
    }
}
