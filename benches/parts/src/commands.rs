//! Where a command ends, and which it is.

use std::hint::black_box;

use greenroom_protocol::command::{Command, Inbound};
use greenroom_protocol::packet;

use crate::Part;

/// The longest command that is taken.
const LIMIT: usize = 64 << 20;

/// A command as it comes from a client.
pub(crate) fn command(command: Command, argument: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet::frame(&mut bytes, 0, &[&[command.byte()], argument].concat());
    bytes
}

/// Its kind, and the sequence id of the reply to it.
#[inline]
pub(crate) fn scan(bytes: &[u8]) -> Option<(Command, u8)> {
    let mut inbound = Inbound::new(LIMIT);
    let scanned = inbound.scan(bytes).ok()?;
    let command = inbound.first().and_then(Command::from_byte)?;
    scanned.complete.then(|| (command, inbound.next_seq()))
}

pub(crate) fn parts() -> Vec<Part> {
    let select = command(Command::Query, crate::sql::POINT_SELECT);
    vec![Part::new("command/scan", move || scan(black_box(&select)))]
}
