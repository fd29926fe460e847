//! What becomes of a reply: every way to spoil one, by name.

use crate::{guest::packet, meddler::Packet};

/// What is sent in place of a reply, and what comes after it.
pub(crate) struct Falsified {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ending: Ending,
}

/// How a falsified reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The connection goes on as if nothing were.
    Goes,
    /// The server closes.
    Closes,
    /// The server says nothing more, and does not close.
    Hangs,
}

/// One way to spoil a reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tamper {
    pub(crate) name: &'static str,
    spoil: fn(&mut Vec<Packet>) -> Option<Vec<u8>>,
    ending: Ending,
}

impl Tamper {
    pub(crate) fn apply(self, packets: &[Packet]) -> Falsified {
        let mut packets = packets.to_vec();
        let bytes = (self.spoil)(&mut packets).unwrap_or_else(|| raw(&packets));
        Falsified { bytes, ending: self.ending }
    }
}

fn raw(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(|(seq, payload)| packet(*seq, payload)).collect()
}

fn cut(packets: &[Packet], behind: usize) -> Option<Vec<u8>> {
    let mut bytes = raw(packets);
    bytes.truncate(bytes.len().saturating_sub(behind));
    Some(bytes)
}

/// Another first packet, as an answer of one.
fn only(packets: &[Packet], payload: &[u8]) -> Option<Vec<u8>> {
    Some(packet(packets.first().map_or(1, |packet| packet.0), payload))
}

const GOES: Ending = Ending::Goes;
const CLOSES: Ending = Ending::Closes;

/// All of them. What a proxy has to notice by itself ends with `Goes`.
pub(crate) const ALL: [Tamper; 34] = [
    tamper("no answer", |_| Some(Vec::new()), CLOSES),
    tamper("half a header", |packets| Some(raw(packets)[..2].to_vec()), CLOSES),
    tamper("a header alone", |packets| Some(raw(packets)[..4].to_vec()), CLOSES),
    tamper("one byte of the first packet", |packets| Some(raw(packets)[..5].to_vec()), CLOSES),
    tamper("all but the last byte", |packets| cut(packets, 1), CLOSES),
    tamper("all but the last packet", |packets| cut(packets, packets.last()?.1.len() + 4), CLOSES),
    tamper("all but two packets", |packets| Some(raw(&packets[..packets.len().saturating_sub(2)])), CLOSES),
    tamper("half of it", |packets| cut(packets, raw(packets).len() / 2), CLOSES),
    tamper("ids one too high", |packets| each(packets, |packet| packet.0 = packet.0.wrapping_add(1)), GOES),
    tamper("ids that stand still", |packets| each(packets, |packet| packet.0 = 9), GOES),
    tamper("the last id skipped", |packets| last(packets, |packet| packet.0 = packet.0.wrapping_add(1)), GOES),
    tamper("the last id repeated", |packets| last(packets, |packet| packet.0 = packet.0.wrapping_sub(1)), GOES),
    tamper("an empty first packet", |packets| first(packets, Vec::clear), GOES),
    tamper("an empty last packet", |packets| last(packets, |packet| packet.1.clear()), GOES),
    tamper("an empty packet among them", empty_among, GOES),
    tamper(
        "the longest packet announced",
        |packets| Some([&[0xFF, 0xFF, 0xFF, packets[0].0][..], &[0; 9]].concat()),
        CLOSES,
    ),
    tamper("a packet of 2 MiB for an OK", |packets| only(packets, &[&[0][..], &[0; 2 << 20]].concat()), GOES),
    tamper("an error of 2 MiB", |packets| only(packets, &[0xFF; 2 << 20]), GOES),
    tamper("noise", |_| Some((0..200_u8).map(|n| n.wrapping_mul(151) ^ 0x5A).collect()), CLOSES),
    tamper("text of another protocol", |_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), CLOSES),
    tamper("an error cut short", |packets| only(packets, b"\xff\x15"), GOES),
    tamper("an OK cut short", |packets| only(packets, b"\0\0\0\x02"), GOES),
    tamper("an OK with an unending number", |packets| only(packets, b"\0\xfe\xff\xff"), GOES),
    tamper("a count of no columns", |packets| only(packets, b"\xfc\0\0"), GOES),
    tamper("a count cut short", |packets| only(packets, b"\xfd\x01"), GOES),
    tamper("2^64 columns", |packets| first(packets, |payload| *payload = vec![0xFE; 9]), CLOSES),
    tamper("a file wanted that nobody offered", |packets| only(packets, b"\xfb/etc/passwd"), GOES),
    tamper("session state cut short", |packets| only(packets, b"\0\0\0\x02\x40\0\0\0\x09\0\x05\x04au"), GOES),
    tamper(
        "session state without end",
        |packets| only(packets, b"\0\0\0\x02\x40\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
        GOES,
    ),
    tamper("an end cut short", |packets| last(packets, |packet| packet.1.truncate(2)), GOES),
    tamper("a packet behind the end", |packets| Some([raw(packets), packet(9, b"more")].concat()), GOES),
    tamper("everything twice", |packets| Some([raw(packets), raw(packets)].concat()), GOES),
    tamper("more announced behind the end", |packets| more_announced(packets), CLOSES),
    tamper("an old end of the rows in between", |packets| Some(old_end(packets)), CLOSES),
];

/// A server that works for ever.
pub(crate) const SILENCE: Tamper = tamper("silence", |_| Some(Vec::new()), Ending::Hangs);
/// And one that stops amid a packet.
pub(crate) const STANDSTILL: Tamper = tamper("a standstill", |packets| cut(packets, 3), Ending::Hangs);

const fn tamper(name: &'static str, spoil: fn(&mut Vec<Packet>) -> Option<Vec<u8>>, ending: Ending) -> Tamper {
    Tamper { name, spoil, ending }
}

fn each(packets: &mut [Packet], change: fn(&mut Packet)) -> Option<Vec<u8>> {
    packets.iter_mut().for_each(change);
    None
}

fn last(packets: &mut [Packet], change: fn(&mut Packet)) -> Option<Vec<u8>> {
    packets.last_mut().into_iter().for_each(change);
    None
}

fn first(packets: &mut [Packet], change: fn(&mut Vec<u8>)) -> Option<Vec<u8>> {
    packets.first_mut().into_iter().for_each(|packet| change(&mut packet.1));
    None
}

fn empty_among(packets: &mut Vec<Packet>) -> Option<Vec<u8>> {
    let at = packets.len() / 2;
    let seq = packets[at].0;
    packets.insert(at, (seq, Vec::new()));
    packets[at + 1..].iter_mut().for_each(|packet| packet.0 = packet.0.wrapping_add(1));
    None
}

/// The flag in an OK, whose numbers before it are short.
fn more_announced(packets: &mut [Packet]) -> Option<Vec<u8>> {
    last(packets, |packet| packet.1.get_mut(3).into_iter().for_each(|status| *status |= 8))
}

/// The end in the middle of the packets, as servers sent it to clients of before 5.7.
fn old_end(packets: &[Packet]) -> Vec<u8> {
    let (head, _) = packets.split_at(packets.len() / 2);
    [raw(head), packet(head.last().map_or(1, |packet| packet.0 + 1), b"\xfe\0\0")].concat()
}
