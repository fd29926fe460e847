//! Idle clients: logged in, one statement, and then nothing.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use crate::say;
use crate::wire::{Target, Wire};

/// Clients that log in at once.
const AT_ONCE: usize = 8;

/// Ports that the clients of an address have at most. A port that was bound is one less for the proxy's own connections,
/// whatever the address, so all addresses have the same few.
const PORTS: usize = 100;

const BUFFER: usize = 16 * 1024;

/// Brings so many clients in, says how many came, and holds them until standard input ends or the time is over.
pub(crate) fn run(target: &Target, clients: usize, of_address: usize, hold: Duration) -> anyhow::Result<String> {
    let (streams, failure) = enter(target, clients, of_address)?;
    say(&format!("{} {}", streams.len(), failure.map_or_else(String::new, |error| format!("{error:#}"))))?;
    wait(hold);
    let lost = streams.iter().filter(|stream| is_lost(stream)).count();
    Ok(lost.to_string())
}

/// The clients, and why there are no more of them.
fn enter(
    target: &Target,
    clients: usize,
    of_address: usize,
) -> anyhow::Result<(Vec<TcpStream>, Option<anyhow::Error>)> {
    let ports = &ports(of_address)?;
    let parts = thread::scope(|scope| {
        let doors = (0..AT_ONCE.min(clients)).map(|first| scope.spawn(move || door(target, first, clients, ports)));
        let doors: Vec<_> = doors.collect();
        let parts = doors.into_iter().map(|door| door.join().map_err(|_| anyhow!("a client panicked")));
        parts.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let (mut streams, mut failure) = (Vec::with_capacity(clients), None);
    for (entered, failed) in parts {
        streams.extend(entered);
        failure = failure.or(failed);
    }
    Ok((streams, failure))
}

/// Every so-many-th client, up to the first that does not get in.
fn door(target: &Target, first: usize, clients: usize, ports: &[u16]) -> (Vec<TcpStream>, Option<anyhow::Error>) {
    let (mut buffer, mut streams) = (vec![0; BUFFER], Vec::new());
    for number in (first..clients).step_by(AT_ONCE) {
        match client(target, source(number, ports), &mut buffer) {
            Ok(stream) => streams.push(stream),
            Err(error) => return (streams, Some(error)),
        }
    }
    (streams, None)
}

fn client(target: &Target, source: Option<SocketAddrV4>, buffer: &mut [u8]) -> anyhow::Result<TcpStream> {
    let mut wire = Wire::open(target, source, buffer)?;
    wire.run("SELECT 1")?;
    Ok(wire.into_line().into_stream())
}

/// Ports that are free now.
fn ports(of_address: usize) -> io::Result<Vec<u16>> {
    let bound: io::Result<Vec<_>> =
        (0..of_address.clamp(1, PORTS)).map(|_| TcpListener::bind((address(0), 0))).collect();
    bound?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn source(number: usize, ports: &[u16]) -> Option<SocketAddrV4> {
    let port = ports.get(number % ports.len())?;
    Some(SocketAddrV4::new(address(number / ports.len()), *port))
}

/// 127.0.1.1 and those that follow.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1 + (number / 250) as u8, 1 + (number % 250) as u8)
}

fn wait(hold: Duration) {
    let (tell, told) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _tell = tell;
        // However it ends, it has ended.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
    });
    // An error either way: the time is over, or the sender is gone.
    let _ = told.recv_timeout(hold);
}

/// Whether the other side has closed, or said what nobody asked.
fn is_lost(stream: &TcpStream) -> bool {
    let waits = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    !waits.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::{PORTS, is_lost, ports, source};
    use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};

    #[test]
    fn every_client_has_an_address_and_port_of_its_own() {
        let ports = ports(PORTS).unwrap();
        let mut sources: Vec<_> = (0..30_000).map(|number| source(number, &ports).unwrap()).collect();
        assert_eq!(sources[PORTS], SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, 2), ports[0]));
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), 30_000);
    }

    #[test]
    fn a_client_that_was_closed_is_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        assert!(!is_lost(&client));
        drop(server);
        client.set_nonblocking(false).unwrap();
        assert_eq!(client.peek(&mut [0]).unwrap(), 0, "the end has come");
        assert!(is_lost(&client));
    }
}
