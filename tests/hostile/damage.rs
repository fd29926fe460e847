//! Random numbers from a seed, and what they do to bytes.

/// The generator "splitmix64": small, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number under `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Damages the bytes in one place.
pub(crate) fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + 1 + dice.below(16)).min(bytes.len());
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        3 => drop(bytes.splice(at..at, (0..=dice.below(8)).map(|_| 0).collect::<Vec<u8>>())),
        4 | 5 => {
            let telling = *dice.one_of(&[0, 1, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF]);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = telling);
        }
        6 => {
            let bit = 1 << dice.below(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
        }
        _ => {
            let random = dice.next() as u8;
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = random);
        }
    }
}

/// Cuts the bytes into writes.
pub(crate) fn pieces<'a>(dice: &mut Dice, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let longest = *dice.one_of(&[3, 64, 1 << 20]);
    let mut pieces = Vec::new();
    while !bytes.is_empty() && pieces.len() < 64 {
        let (piece, rest) = bytes.split_at((1 + dice.below(longest)).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

#[test]
fn the_same_seed_gives_the_same_damage() {
    let damaged = |seed| {
        let (mut dice, mut bytes) = (Dice::new(seed), b"\x05\0\0\0\x03DO 1".to_vec());
        (0..4).for_each(|_| damage(&mut dice, &mut bytes));
        bytes
    };
    assert_eq!(damaged(7), damaged(7));
    assert_ne!(damaged(7), damaged(8));
}
