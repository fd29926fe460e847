//! A client that says what it likes: sends bytes in pieces, stops, and reads to the end what comes back.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::support::wire::Wire;

/// A command, and the row that answers it.
pub(crate) const QUESTION: &[u8] = b"\x12\0\0\0\x03SELECT 'question'";
pub(crate) const QUESTION_ANSWER: &[u8] = b"\x08question";

/// Longer than anything but a hang takes.
const LIMIT: Duration = Duration::from_secs(20);

/// More than any case's right answer.
const ANSWER_LIMIT: usize = 1 << 20;

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Says that no more comes, and reads what there is.
    Orderly,
    /// The same, once [`QUESTION`] has been answered: whoever leaves before may be taken for gone.
    Answered,
    /// Resets the connection without reading.
    Abruptly,
}

/// Sends `pieces` as writes of their own, leaves, and gives what came back until the proxy closed.
pub(crate) fn send(stream: &TcpStream, pieces: &[&[u8]], leave: Leave) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(move || match leave {
            Leave::Orderly => read(stream, |_| false),
            Leave::Answered => read(stream, is_answered),
            Leave::Abruptly => Vec::new(),
        });
        for piece in pieces {
            let mut writer = stream;
            // The proxy may have had enough before the last of it.
            if writer.write_all(piece).is_err() {
                break;
            }
        }
        match leave {
            Leave::Orderly => drop(stream.shutdown(Shutdown::Write)),
            Leave::Answered => {}
            Leave::Abruptly => SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap(),
        }
        reader.join().unwrap()
    })
}

/// Whether the question's row is there, and the packet behind it.
fn is_answered(answer: &[u8]) -> bool {
    payloads(answer).iter().rev().skip(1).any(|payload| payload == QUESTION_ANSWER)
}

fn read(mut stream: &TcpStream, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    while !enough(&answer) {
        match stream.read(&mut room) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&room[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither an answer nor a close: {} so far", answer.escape_ascii())
            }
            Err(_) => return answer,
        }
        assert!(answer.len() < ANSWER_LIMIT, "an answer without an end");
    }
    answer
}

/// A session's socket, to abuse.
pub(crate) fn socket(wire: &Wire) -> &TcpStream {
    wire.stream()
}

/// The payloads of whole packets; a last one cut off is left out.
pub(crate) fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
        let Some((payload, behind)) = rest.split_at_checked(length) else { break };
        found.push(payload.to_vec());
        bytes = behind;
    }
    found
}

/// One packet.
pub(crate) fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..3], &[seq], payload].concat()
}
