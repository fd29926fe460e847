//! Listening sockets: opened here, or by somebody else (a service manager, the process before this one) and handed over.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::settings::Address;

/// Connections that the kernel holds until they are accepted; it takes the smaller of this and its own limit.
const BACKLOG: i32 = 4096;

/// A bound socket that listens.
#[derive(Debug)]
pub enum Bound {
    /// Over IP.
    Tcp(std::net::TcpListener),
    /// At a path.
    Unix(std::os::unix::net::UnixListener),
}

/// Sockets that were handed over and that nobody has claimed yet.
#[derive(Debug, Default)]
pub struct Inherited {
    given: Vec<(String, Bound)>,
    generation: u32,
}

/// A socket to hand over.
#[derive(Debug)]
pub struct Handed {
    /// The name that it is to be claimed by; empty: its address tells.
    pub name: String,
    /// The socket, shared with whoever listens on it now.
    pub socket: OwnedFd,
}

impl Bound {
    /// Opens an address.
    ///
    /// # Errors
    /// What the system says; a path on which somebody listens is not taken away.
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), *port))?.next();
                let address =
                    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))?;
                open_tcp(&address.into())
            }
            Address::Unix(path) => {
                clear(path)?;
                let listener = std::os::unix::net::UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// Another handle of the same socket, with the same line of those who were not accepted yet.
    ///
    /// # Errors
    /// When there are no more file descriptors.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(OwnedFd::from),
            Self::Unix(listener) => listener.try_clone().map(OwnedFd::from),
        }
    }

    /// Whether it listens there.
    fn is_at(&self, address: &Address) -> bool {
        match (self, address) {
            (Self::Tcp(listener), Address::Tcp { .. }) => {
                address.socket().is_some_and(|wanted| listener.local_addr().is_ok_and(|here| here == wanted))
            }
            (Self::Unix(listener), Address::Unix(path)) => {
                listener.local_addr().is_ok_and(|here| here.as_pathname() == Some(path))
            }
            _ => false,
        }
    }

    /// Where it listens, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string()),
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "unix:?".to_owned(), |path| format!("unix:{}", path.display()))
            }
        }
    }

    /// Makes a socket that somebody else opened like our own.
    fn settle(&self) -> io::Result<()> {
        let socket = match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        };
        if !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen (Accept=no, ListenStream=)"));
        }
        if matches!(self, Self::Tcp(_)) {
            // What is accepted inherits it.
            socket.set_tcp_nodelay(true)?;
        }
        socket.set_nonblocking(true)
    }
}

/// Takes a socket file away that nobody listens on: it is left over from a crash. Whatever else is there is in the way, and stays.
fn clear(path: &Path) -> io::Result<()> {
    if !std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Whether an address of TCP can be had alone: whoever shares his own could listen there as well. `own`: where this process
/// listens already, which is not in its way.
///
/// # Errors
/// What the system says.
pub(crate) fn probe(address: &Address, own: &[SocketAddr]) -> io::Result<()> {
    match address.socket() {
        Some(address) if !own.iter().any(|own| overlaps(*own, address)) => {
            tcp_socket(&address.into())?.bind(&address.into())
        }
        _ => Ok(()),
    }
}

/// Whether one is in the other's way.
fn overlaps(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (any || one.ip() == other.ip())
}

/// One that connections which are over are not in the way of.
fn tcp_socket(address: &SockAddr) -> io::Result<Socket> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn open_tcp(address: &SockAddr) -> io::Result<Bound> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    // What is accepted inherits it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(Bound::Tcp(socket.into()))
}

impl Inherited {
    /// Nothing was handed over; this is the so-manyth process in a row of upgrades, from 0.
    #[must_use]
    pub fn of_generation(generation: u32) -> Self {
        Self { given: Vec::new(), generation }
    }

    /// Adds a socket, with its name if it has one.
    ///
    /// # Errors
    /// When it is not one that listens.
    pub fn add(&mut self, name: &str, socket: Bound) -> io::Result<()> {
        socket.settle()?;
        self.given.push((name.to_owned(), socket));
        Ok(())
    }

    /// Takes the sockets that listen at an address; where none does, those of that name. Says whether the name decided.
    pub fn claim(&mut self, name: &str, address: &Address) -> (Vec<Bound>, bool) {
        let at: Vec<_> = self.given.extract_if(.., |(_, socket)| socket.is_at(address)).collect();
        let by_name = at.is_empty();
        let found = if by_name { self.given.extract_if(.., |(given, _)| given == name).collect() } else { at };
        (found.into_iter().map(|(_, socket)| socket).collect(), by_name)
    }

    /// Whether some are for that name, or in the way of that address.
    pub(crate) fn is_near(&self, name: &str, address: &Address) -> bool {
        let at = |socket: &Bound| match socket {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix(_) => None,
        };
        let near = |socket: &Bound| at(socket).zip(address.socket()).is_some_and(|(one, other)| overlaps(one, other));
        self.given.iter().any(|(given, socket)| given == name || near(socket))
    }

    /// What nobody has claimed: names and places.
    pub fn unclaimed(&self) -> impl Iterator<Item = (&str, String)> {
        self.given.iter().map(|(name, socket)| (name.as_str(), socket.place()))
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;

    use super::{Bound, Inherited};
    use crate::settings::Address;

    fn tcp() -> (Bound, Address) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (Bound::Tcp(listener), Address::Tcp { host: "127.0.0.1".to_owned(), port })
    }

    #[test]
    fn an_address_decides_before_a_name() {
        let ((one, at_one), (two, at_two)) = (tcp(), tcp());
        let mut inherited = Inherited::default();
        inherited.add("app", one).unwrap();
        inherited.add("more", two).unwrap();
        let (found, by_name) = inherited.claim("app", &at_two);
        assert!(found.len() == 1 && found[0].is_at(&at_two) && !by_name);
        assert!(inherited.claim("other", &at_two).0.is_empty(), "it is taken");
        let (found, by_name) = inherited.claim("app", &at_two);
        assert!(found.len() == 1 && found[0].is_at(&at_one) && by_name);
        assert_eq!(inherited.unclaimed().count(), 0);
    }

    #[test]
    fn all_sockets_of_one_address_go_together() {
        let address = tcp().1;
        let mut inherited = Inherited::default();
        for _ in 0..3 {
            inherited.add("", Bound::open(&address).unwrap()).unwrap();
        }
        assert_eq!(inherited.claim("app", &address).0.len(), 3);
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let (connected, _other) = UnixStream::pair().unwrap();
        let socket = Bound::Unix(std::os::fd::OwnedFd::from(connected).into());
        assert!(Inherited::default().add("app", socket).is_err());
    }

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_taken_away() {
        let directory = std::env::temp_dir().join(format!("greenroom-sockets-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = |name: &str| directory.join(name);
        let stale = std::os::unix::net::UnixListener::bind(path("stale")).unwrap();
        drop(stale);
        assert!(Bound::open(&Address::Unix(path("stale"))).is_ok());
        std::fs::write(path("data"), "precious").unwrap();
        assert!(Bound::open(&Address::Unix(path("data"))).is_err());
        assert_eq!(std::fs::read_to_string(path("data")).unwrap(), "precious");
        let _datagrams = std::os::unix::net::UnixDatagram::bind(path("notify")).unwrap();
        assert!(Bound::open(&Address::Unix(path("notify"))).is_err());
        assert!(path("notify").exists());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
