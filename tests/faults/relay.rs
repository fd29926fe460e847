//! A network between the proxy and a real server that fails as it is told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

/// What becomes of what the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// A few bytes at a time.
    Slow,
    /// Now and then a part of it, and then the end of the connection.
    Cut,
    /// Now and then the server's half is closed behind it, and the proxy's is not.
    HalfClosed,
    /// Now and then nothing of it comes, nor anything after it.
    Lost,
}

const MANNERS: [Manner; 5] = [Manner::Whole, Manner::Slow, Manner::Cut, Manner::HalfClosed, Manner::Lost];

/// One in so many pieces is struck.
const EVERY: usize = 29;

/// A listening relay; connections that it has accepted end with their peers.
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    manner: AtomicUsize,
    pieces: AtomicUsize,
    struck: AtomicUsize,
}

impl Relay {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let for_all = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&for_all);
                thread::spawn(move || state.stand_between(client, server));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub(crate) fn be(&self, manner: Manner) {
        let at = MANNERS.iter().position(|known| *known == manner).unwrap();
        self.state.manner.store(at, Ordering::SeqCst);
    }

    /// How many connections were struck.
    pub(crate) fn struck(&self) -> usize {
        self.state.struck.load(Ordering::SeqCst)
    }
}

impl State {
    fn stand_between(self: Arc<Self>, mut client: TcpStream, server: SocketAddr) {
        let Ok(mut server) = TcpStream::connect(server) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (gone, proxy_is_gone) = channel();
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
            let _ = gone.send(());
        });
        let mut room = [0; 4096];
        while let Ok(count @ 1..) = server.read(&mut room) {
            if self.pass(&mut client, &room[..count]).is_none() {
                // Until the proxy has had enough.
                let _ = proxy_is_gone.recv();
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    }

    /// `None` where nothing more passes.
    fn pass(&self, client: &mut TcpStream, bytes: &[u8]) -> Option<()> {
        let manner = MANNERS[self.manner.load(Ordering::SeqCst)];
        let strikes = !matches!(manner, Manner::Whole | Manner::Slow)
            && self.pieces.fetch_add(1, Ordering::SeqCst) % EVERY == EVERY - 1;
        if strikes {
            self.struck.fetch_add(1, Ordering::SeqCst);
        }
        match manner {
            Manner::Slow => {
                for part in bytes.chunks(5) {
                    client.write_all(part).ok()?;
                    thread::sleep(Duration::from_micros(300));
                }
                Some(())
            }
            Manner::Cut if strikes => {
                client.write_all(&bytes[..bytes.len() / 2]).ok()?;
                let _ = client.shutdown(Shutdown::Both);
                None
            }
            Manner::HalfClosed if strikes => {
                client.write_all(bytes).ok()?;
                let _ = client.shutdown(Shutdown::Write);
                None
            }
            Manner::Lost if strikes => None,
            _ => client.write_all(bytes).ok(),
        }
    }
}
