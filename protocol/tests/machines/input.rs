//! How a check takes its choices from the head of its bytes, and cuts the rest into reads.

use greenroom_protocol::{
    packet::frame,
    sql::{ClientCharset, Flavor, Mode},
};

/// What is left of the bytes.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte, 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().map_or((0, self.0), |(byte, rest)| (*byte, rest));
        self.0 = rest;
        byte
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// One bit of the next byte as each of these.
    pub fn bits<const N: usize>(&mut self) -> [bool; N] {
        let byte = self.byte();
        std::array::from_fn(|at| byte >> at & 1 != 0)
    }

    /// The next bytes, as many as a length of two bytes before them says; fewer at the end.
    pub fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (chunk, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        chunk
    }

    /// All that is left, as it is or, so that the insides of packets are reached, its chunks framed with the ids that
    /// are due from `seq` on.
    pub fn wire(&mut self, framed: bool, mut seq: u8) -> Vec<u8> {
        if !framed {
            return std::mem::take(&mut self.0).to_vec();
        }
        let mut wire = Vec::new();
        while !self.0.is_empty() {
            seq = frame(&mut wire, seq, self.chunk());
        }
        wire
    }

    /// How the server and the client read SQL.
    pub fn mode(&mut self) -> Mode {
        let (flavor, version) = self.pick(&[
            (Flavor::MySql, 90704),
            (Flavor::MariaDb, 101_119),
            (Flavor::MySql, 80040),
            (Flavor::MySql, 50744),
        ]);
        let charset = self.pick(&[
            ClientCharset::Plain,
            ClientCharset::SingleByte,
            ClientCharset::Gbk,
            ClientCharset::Big5,
            ClientCharset::Sjis,
        ]);
        let [ansi_quotes, no_backslash_escapes] = self.bits();
        Mode { ansi_quotes, no_backslash_escapes, charset, ..Mode::new(flavor, version) }
    }
}

/// Where reads of `bytes` may end: in one piece, byte by byte, and in pieces of differing lengths up to `longest`.
pub fn reads(bytes: &[u8], longest: u8) -> [Vec<&[u8]>; 3] {
    let (mut rest, mut mixed, mut size) = (bytes, Vec::new(), usize::from(longest));
    while !rest.is_empty() {
        size = (size * 7 + 3) % (usize::from(longest) + 1) + 1;
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        mixed.push(piece);
        rest = behind;
    }
    [vec![bytes], bytes.chunks(1).collect(), mixed]
}
