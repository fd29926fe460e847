//! One who stands between the proxy and its server, and does not want them to encrypt.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

/// What he does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Says that the server has no TLS.
    Strip,
    /// Cuts the connection when it is asked for.
    Cut,
    /// Answers it with something else.
    Garble,
    /// Does so every other time.
    GarbleSome,
    /// Adds to the greeting what is to be taken for said in TLS.
    Slip,
}

/// `CLIENT_SSL`, in the second byte of the capabilities.
const SSL: u8 = 0x08;

/// Listens before a server.
pub(crate) fn between(server: SocketAddr, trick: Trick) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let trick = if trick == Trick::GarbleSome && number % 2 == 1 { Trick::Garble } else { trick };
            thread::spawn(move || {
                let _ = stand(client, server, trick);
            });
        }
    });
    address
}

fn stand(mut client: TcpStream, server: SocketAddr, trick: Trick) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let mut greeting = packet(&mut server)?;
    if trick == Trick::Strip {
        let version = greeting.iter().skip(5).position(|byte| *byte == 0).unwrap() + 5;
        // NUL, thread id, scramble, filler, and the lower byte of the capabilities.
        greeting[version + 1 + 4 + 8 + 1 + 1] &= !SSL;
    }
    if trick == Trick::Slip {
        greeting.extend([7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
    }
    client.write_all(&greeting)?;
    if matches!(trick, Trick::Cut | Trick::Garble) {
        packet(&mut client)?;
        if trick == Trick::Garble {
            client.write_all(&[7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0])?;
            let _ = client.read(&mut [0; 1024]);
        }
        return client.shutdown(Shutdown::Both);
    }
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

fn packet(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    socket.read_exact(&mut packet)?;
    packet.resize(4 + usize::from(packet[0]) + (usize::from(packet[1]) << 8), 0);
    socket.read_exact(&mut packet[4..])?;
    Ok(packet)
}
