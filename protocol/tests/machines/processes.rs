//! Lists of processes: any reads find the same list; what is written anew is the list that was read, with further rows.

use greenroom_protocol::{
    answer::Row,
    packet::{HEADER, header},
    processes::{ProcessList, Progress},
};

use super::input::{Input, reads};

/// How bytes are taken for a list.
struct Taken {
    longest: u8,
    /// The rows are those of a prepared statement.
    prepared: bool,
    changes: bool,
    further: usize,
    wire: Vec<u8>,
}

impl Taken {
    fn from(data: &[u8]) -> Self {
        let mut input = Input(data);
        let longest = input.byte();
        let [framed, changes, prepared] = input.bits();
        let further = usize::from(input.byte() % 3);
        Self { longest, prepared, changes, further, wire: input.wire(framed, 1) }
    }

    fn list(&self) -> ProcessList {
        if self.prepared { ProcessList::prepared() } else { ProcessList::default() }
    }

    /// How it ended, and its rows.
    fn read(&self, pieces: &[&[u8]]) -> (Progress, Vec<Row>) {
        let (mut list, mut kept, mut progress) = (self.list(), Vec::new(), Progress::More);
        for piece in pieces {
            kept.extend_from_slice(piece);
            let now = list.advance(&kept);
            assert!(progress == Progress::More || now == progress, "an end stays");
            progress = now;
        }
        (progress, list.rows(&kept).collect())
    }

    fn whole(&self, bytes: &[u8]) -> Option<ProcessList> {
        let mut list = self.list();
        (list.advance(bytes) == Progress::Whole).then_some(list)
    }
}

/// Whether it is a whole list each of whose rows is understood, or an error in its place.
pub fn understands(data: &[u8]) -> bool {
    let taken = Taken::from(data);
    let Some(list) = taken.whole(&taken.wire) else { return false };
    let mut packets = 0;
    let mut wire = &taken.wire[..];
    while let Some(head) = header(wire) {
        (packets, wire) = (packets + 1, &wire[HEADER + head.len..]);
    }
    let rows: Vec<_> = list.rows(&taken.wire).collect();
    // One packet for the number of columns, as many as that for them, one for the end.
    packets == 1 || rows.first().is_some_and(|row| packets == 2 + row.len() + rows.len())
}

pub fn check(data: &[u8]) {
    let taken = Taken::from(data);
    let wire = &taken.wire[..];
    let [first, others @ ..] = reads(wire, taken.longest).map(|pieces| taken.read(&pieces));
    for other in others {
        assert_eq!(other, first);
    }
    let Some(list) = taken.whole(wire) else { return };
    assert_eq!(list.rewrite(wire, |_| {}, Vec::new()).len(), wire.len(), "nothing to do changes no length");
    let _ = (list.has_several_users(wire), list.is_ascii(wire));
    let (new, further) = (row(b"7"), vec![row(b"8"); taken.further]);
    let mut changed = 0;
    let change = |row: &mut Row| {
        changed += 1;
        if let Some(id) = row.first_mut().filter(|_| taken.changes) {
            id.clone_from(&new[0]);
        }
    };
    let written = list.rewrite(wire, change, further.clone());
    let again = taken.whole(&written).expect("a list stays one");
    let rows: Vec<_> = again.rows(&written).collect();
    assert!(rows.len() == changed || rows.len() == changed + further.len());
    let expected = list.rows(wire).map(|mut row| {
        if taken.changes {
            row[0].clone_from(&new[0]);
        }
        row
    });
    assert!(expected.eq(rows.iter().take(changed).cloned()), "rows stay in order");
}

fn row(id: &[u8]) -> Row {
    vec![Some(id.into()), Some((*b"user").into()), None]
}
