//! Between the proxy and a real server: passes everything on until it is told to falsify a reply. So a fault comes at
//! the very place where the test wants it, and all around it is real.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use crate::tampers::{Ending, Falsified, Tamper};

/// One packet: its id and its payload.
pub(crate) type Packet = (u8, Vec<u8>);

/// Which replies are falsified.
#[derive(Clone)]
pub(crate) enum Target {
    /// That packet of every login: 0 is the greeting.
    Login(usize),
    /// The next reply to a command whose payload holds these bytes; that one alone.
    Command(&'static [u8]),
}

/// A listening meddler; connections that it has accepted end with the process.
pub(crate) struct Meddler {
    address: SocketAddr,
    orders: Arc<Orders>,
}

struct Orders {
    server: SocketAddr,
    order: Mutex<Option<(Target, Tamper)>>,
    struck: AtomicUsize,
}

impl Meddler {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let orders = Arc::new(Orders { server, order: Mutex::new(None), struck: AtomicUsize::new(0) });
        let for_all = Arc::clone(&orders);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let orders = Arc::clone(&for_all);
                thread::spawn(move || orders.stand_between(client));
            }
        });
        Self { address, orders }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub(crate) fn falsify(&self, target: Target, tamper: Tamper) {
        *self.orders.order.lock().unwrap() = Some((target, tamper));
        self.orders.struck.store(0, Ordering::SeqCst);
    }

    /// Leaves everything as it is from now on.
    pub(crate) fn relent(&self) {
        *self.orders.order.lock().unwrap() = None;
    }

    /// How many replies were falsified since the last order.
    pub(crate) fn struck(&self) -> usize {
        self.orders.struck.load(Ordering::SeqCst)
    }
}

/// A command on its way: its byte, and what is to become of its reply.
type Expected = (u8, Option<Tamper>);

impl Orders {
    fn stand_between(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let (expected, replies) = channel();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let orders = Arc::clone(&self);
        let up = thread::spawn(move || {
            orders.pass_commands(&mut from_client, &mut to_server, &expected);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        self.pass_replies(server, &client, &replies);
        // The proxy is to see a close, even where it had sent something that was not read.
        let _ = client.shutdown(Shutdown::Both);
        let _ = up.join();
    }

    fn pass_commands(&self, client: &mut TcpStream, server: &mut TcpStream, expected: &Sender<Expected>) {
        while let Some((seq, payload)) = read(client) {
            // The id of a command; those of logins and files are higher.
            if seq == 0 && !payload.is_empty() && expected.send((payload[0], self.order_for(&payload))).is_err() {
                return;
            }
            if write(server, &[(seq, payload)]).is_none() {
                return;
            }
        }
    }

    fn order_for(&self, payload: &[u8]) -> Option<Tamper> {
        let mut order = self.order.lock().unwrap();
        let meant = order.as_ref().is_some_and(|(target, _)| match target {
            Target::Command(bytes) => payload.windows(bytes.len()).any(|window| window == *bytes),
            Target::Login(_) => false,
        });
        order.take_if(|_| meant).map(|(_, tamper)| tamper)
    }

    fn pass_replies(&self, mut server: TcpStream, client: &TcpStream, replies: &Receiver<Expected>) -> Option<()> {
        for index in 0.. {
            let packet = read(&mut server)?;
            let over = index > 0 && matches!(packet.1.first(), Some(0 | 0xFF));
            let order = self.order.lock().unwrap().clone();
            match order {
                Some((Target::Login(at), tamper)) if at == index => self.strike(client, tamper, &[packet])?,
                _ => write(client, &[packet])?,
            }
            if over {
                break;
            }
        }
        while let Ok((command, tamper)) = replies.recv() {
            // COM_QUIT, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE.
            if matches!(command, 0x01 | 0x18 | 0x19) {
                continue;
            }
            let packets = reply(&mut server, client, command)?;
            match tamper {
                Some(tamper) => self.strike(client, tamper, &packets)?,
                None => write(client, &packets)?,
            }
        }
        None
    }

    /// Sends the falsified packets; `None` where the connection is over with that.
    fn strike(&self, mut client: &TcpStream, tamper: Tamper, packets: &[Packet]) -> Option<()> {
        let Falsified { bytes, ending } = tamper.apply(packets);
        self.struck.fetch_add(1, Ordering::SeqCst);
        client.write_all(&bytes).ok()?;
        match ending {
            Ending::Goes => Some(()),
            Ending::Closes => None,
            // Until the proxy has had enough.
            Ending::Hangs => {
                let mut room = [0; 4096];
                while client.read(&mut room).is_ok_and(|count| count > 0) {}
                None
            }
        }
    }
}

/// One whole reply to a command, from a server that speaks `DEPRECATE_EOF`.
fn reply(server: &mut TcpStream, client: &TcpStream, command: u8) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    loop {
        let head = read(server)?;
        let first = head.1.first().copied();
        let payload = head.1.clone();
        packets.push(head);
        match first {
            Some(0x00) if command == 0x16 => {
                let number = |at: usize| usize::from(u16::from_le_bytes([payload[at], payload[at + 1]]));
                for _ in 0..number(5) + number(7) {
                    packets.push(read(server)?);
                }
                return Some(packets);
            }
            // A file goes up meanwhile; the reply goes on behind it.
            Some(0xFB) if matches!(command, 0x03 | 0x17) => write(client, &std::mem::take(&mut packets))?,
            Some(columns @ 1..=250) if matches!(command, 0x03 | 0x17) => {
                for _ in 0..columns {
                    packets.push(read(server)?);
                }
                while !matches!(packets.last()?.1.first(), Some(0xFE | 0xFF)) {
                    packets.push(read(server)?);
                }
                return Some(packets);
            }
            _ => return Some(packets),
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Packet> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).ok()?;
    let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((header[3], payload))
}

fn write(mut stream: &TcpStream, packets: &[Packet]) -> Option<()> {
    let bytes: Vec<u8> = packets.iter().flat_map(|(seq, payload)| crate::guest::packet(*seq, payload)).collect();
    stream.write_all(&bytes).ok()
}
