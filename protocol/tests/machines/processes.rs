//! Lists of processes: any reads find the same list; what is written anew is the list that was read, with further rows.

use greenroom_protocol::{
    answer::Row,
    processes::{ProcessList, Progress},
};

use super::input::{Input, reads};

/// How it ended, and its rows.
fn read(pieces: &[&[u8]]) -> (Progress, Vec<Row>) {
    let (mut list, mut kept, mut progress) = (ProcessList::default(), Vec::new(), Progress::More);
    for piece in pieces {
        kept.extend_from_slice(piece);
        let now = list.advance(&kept);
        assert!(progress == Progress::More || now == progress, "an end stays");
        progress = now;
    }
    (progress, list.rows(&kept).collect())
}

fn whole(bytes: &[u8]) -> Option<ProcessList> {
    let mut list = ProcessList::default();
    (list.advance(bytes) == Progress::Whole).then_some(list)
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let longest = input.byte();
    let [framed, changes] = input.bits();
    let further = usize::from(input.byte() % 3);
    let wire = input.wire(framed, 1);
    let [first, others @ ..] = reads(&wire, longest).map(|pieces| read(&pieces));
    for other in others {
        assert_eq!(other, first);
    }
    let Some(list) = whole(&wire) else { return };
    assert_eq!(list.rewrite(&wire, |_| {}, Vec::new()).len(), wire.len(), "nothing to do changes no length");
    let _ = (list.has_several_users(&wire), list.is_ascii(&wire));
    let (new, further) = (row(b"7"), vec![row(b"8"); further]);
    let mut changed = 0;
    let change = |row: &mut Row| {
        changed += 1;
        if let Some(id) = row.first_mut().filter(|_| changes) {
            id.clone_from(&new[0]);
        }
    };
    let written = list.rewrite(&wire, change, further.clone());
    let again = whole(&written).expect("a list stays one");
    let rows: Vec<_> = again.rows(&written).collect();
    assert!(rows.len() == changed || rows.len() == changed + further.len());
    let expected = list.rows(&wire).map(|mut row| {
        if changes {
            row[0].clone_from(&new[0]);
        }
        row
    });
    assert!(expected.eq(rows.iter().take(changed).cloned()), "rows stay in order");
}

fn row(id: &[u8]) -> Row {
    vec![Some(id.into()), Some((*b"user").into()), None]
}
