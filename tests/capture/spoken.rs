//! What passed on a connection, as commands and what the servers answered.

use std::collections::VecDeque;

use mysql_common::constants::CapabilityFlags;

use super::tap::{Passed, Side};

/// More of an answer is not kept.
const KEPT: usize = 1 << 16;

/// A command, and the packets that answered it: sequence id and payload.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) command: Vec<u8>,
    pub(crate) answer: Vec<(u8, Vec<u8>)>,
    kept: usize,
}

/// A connection.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// What both sides have.
    pub(crate) agreed: CapabilityFlags,
    pub(crate) exchanges: Vec<Exchange>,
    /// The greeting's flags, once there is one.
    offered: Option<CapabilityFlags>,
    logged_in: bool,
    /// Commands that are not answered: a client need not wait before it sends another.
    waiting: VecDeque<usize>,
    answered: Option<usize>,
    last: u8,
}

impl Exchange {
    /// The first byte of the command.
    pub(crate) fn code(&self) -> u8 {
        self.command[0]
    }

    /// The answer's first packets, as many as are whole within so many bytes, as they lie on the wire.
    pub(crate) fn wire(&self, limit: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        for (seq, payload) in &self.answer {
            if wire.len() + 4 + payload.len() > limit {
                break;
            }
            wire.extend(&(payload.len() as u32).to_le_bytes()[..3]);
            wire.push(*seq);
            wire.extend(payload);
        }
        wire
    }
}

impl Spoken {
    pub(crate) fn of(passed: &Passed) -> Self {
        let (mut spoken, mut halves) = (Self::default(), [Vec::new(), Vec::new()]);
        for (side, bytes) in passed {
            let half = &mut halves[usize::from(*side == Side::Server)];
            half.extend(bytes);
            while let Some((seq, payload)) = packet(half) {
                match side {
                    Side::Client => spoken.client(seq, payload),
                    Side::Server => spoken.server(seq, payload),
                }
            }
        }
        spoken
    }

    fn client(&mut self, seq: u8, payload: Vec<u8>) {
        if !self.logged_in {
            if let (1, Some(head), Some(offered)) = (seq, payload.first_chunk(), self.offered) {
                self.agreed = offered & CapabilityFlags::from_bits_retain(u32::from_le_bytes(*head));
                assert!(!self.agreed.contains(CapabilityFlags::CLIENT_SSL), "what is encrypted is not seen");
            }
            return;
        }
        // The others belong to a file, or to a change of user.
        if seq != 0 || payload.is_empty() {
            return;
        }
        // Neither COM_QUIT nor what sends or closes a part of a statement is answered.
        if !matches!(payload[0], 0x01 | 0x18 | 0x19) {
            self.waiting.push_back(self.exchanges.len());
        }
        self.exchanges.push(Exchange { command: payload, answer: Vec::new(), kept: 0 });
    }

    fn server(&mut self, seq: u8, payload: Vec<u8>) {
        if !self.logged_in {
            match (self.offered, payload.first()) {
                (None, _) => self.offered = greeting(&payload),
                (Some(_), Some(0)) => self.logged_in = true,
                _ => {}
            }
            return;
        }
        // An answer begins with 1; a long one comes there again, by way of 0.
        if seq == 1 && self.last != 0 || self.answered.is_none() {
            self.answered = self.waiting.pop_front();
        }
        self.last = seq;
        let Some(exchange) = self.answered.and_then(|at| self.exchanges.get_mut(at)) else { return };
        exchange.kept += 4 + payload.len();
        if exchange.kept <= KEPT {
            exchange.answer.push((seq, payload));
        }
    }
}

/// The capabilities that a greeting offers.
fn greeting(payload: &[u8]) -> Option<CapabilityFlags> {
    // The version ends with NUL; the connection's id, eight bytes, NUL, two bytes of flags, collation, status, two more.
    let rest = &payload[1 + payload.iter().position(|byte| *byte == 0)? + 4 + 9..];
    let bits = [rest[0], rest[1], rest[5], rest[6]];
    Some(CapabilityFlags::from_bits_retain(u32::from_le_bytes(bits)))
}

/// Takes a packet from the head of the bytes.
fn packet(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let head = *bytes.first_chunk::<4>()?;
    let end = 4 + u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let payload = bytes.get(4..end)?.to_vec();
    bytes.drain(..end);
    Some((head[3], payload))
}
