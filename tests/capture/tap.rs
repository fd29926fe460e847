//! A relay that keeps what passes.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What passed on one connection, in the order in which it came.
pub(crate) type Passed = Vec<(Side, Vec<u8>)>;

/// Listens before a server, for as long as the process runs.
pub(crate) struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>>,
}

impl Tap {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Arc<Mutex<Passed>>>>>::default();
        let all = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let passed = Arc::default();
                all.lock().unwrap().push(Arc::clone(&passed));
                thread::spawn(move || stand_between(client, server, &passed));
            }
        });
        Self { address, connections }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has passed so far, by connection.
    pub(crate) fn connections(&self) -> Vec<Passed> {
        self.connections.lock().unwrap().iter().map(|passed| passed.lock().unwrap().clone()).collect()
    }
}

fn stand_between(client: TcpStream, server: SocketAddr, passed: &Arc<Mutex<Passed>>) {
    let Ok(server) = TcpStream::connect(server) else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let up = (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(passed));
    thread::spawn(move || pass(up.0, up.1, Side::Client, &up.2));
    pass(server, client, Side::Server, passed);
}

fn pass(mut from: TcpStream, mut to: TcpStream, side: Side, passed: &Mutex<Passed>) {
    let mut room = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut room) {
        // Kept before it is sent on, so that no answer is kept before what it answers.
        passed.lock().unwrap().push((side, room[..count].to_vec()));
        if to.write_all(&room[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
