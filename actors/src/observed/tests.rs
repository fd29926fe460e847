use greenroom_protocol::sql::{PinReason, PinSet};

use super::{Boards, Name, Observed, PAIRS, Presence};

fn name(user: &str) -> Name {
    Name { endpoint: "app".into(), whose: Some((user.as_bytes().into(), Box::default())) }
}

#[test]
fn those_for_whom_there_is_no_room_count_together() {
    let (observed, boards) = (Observed::default(), Boards::default());
    let all: Vec<_> =
        (0..PAIRS + 50).map(|number| Presence::new(&observed, &boards, name(&format!("u{number}")), (0, 1))).collect();
    assert_eq!((boards.0.lock().unwrap().len(), observed.0.borrow().len()), (PAIRS + 1, PAIRS + 1));
    let rest = boards.of(Name { endpoint: "app".into(), whose: None }, 1);
    assert_eq!(rest.comings().present, 50);
    drop(all);
    let comings = rest.comings().clone();
    assert_eq!((comings.present, comings.peak, comings.connections, comings.short), (0, 50, 50, 50));
}

#[test]
fn leases_of_other_workers_count_as_they_were_last_told() {
    let (boards, here, there) = (Boards::default(), Observed::default(), Observed::default());
    let one = Presence::new(&here, &boards, name("app"), (0, 2));
    let two = Presence::new(&there, &boards, name("app"), (1, 2));
    let leases: Vec<_> = (0..3).map(|_| two.begin()).collect();
    there.publish();
    here.publish();
    drop(one.begin());
    drop(leases);
    there.publish();
    here.publish();
    drop(one.begin());
    let levels = one.pair.levels.borrow();
    assert_eq!((levels.count(), levels.max(), levels.percentile(50)), (2, 4, 1));
}

#[test]
fn a_session_counts_as_pinned_while_it_is_and_if_it_leaves_so() {
    let (observed, boards) = (Observed::default(), Boards::default());
    let one = Presence::new(&observed, &boards, name("app"), (0, 1));
    let two = Presence::new(&observed, &boards, name("app"), (0, 1));
    let pair = std::rc::Rc::clone(&one.pair);
    one.held_by(PinReason::Diagnostics.into());
    assert_eq!(pair.pinned.get(), 0);
    one.held_by(PinReason::TemporaryTable.into());
    two.held_by(PinReason::UserLock.into());
    two.pins_begun(PinReason::UserLock.into(), || "SELECT GET_LOCK(?, ?)".into());
    two.pins_begun(PinReason::Diagnostics.into(), || unreachable!("nobody asks for it"));
    assert_eq!(pair.pinned.get(), 2);
    one.held_by(PinSet::EMPTY);
    drop(one);
    // The connection goes before the session does.
    two.leaves();
    two.held_by(PinSet::EMPTY);
    drop(two);
    let comings = pair.board.comings();
    assert_eq!((pair.pinned.get(), comings.pinned, comings.suspects.certain()), (0, 1, 1));
}
