use greenroom_protocol::sql::{PinReason, PinSet};

use super::{Boards, Name, Observed, PAIRS, Presence, Whose};

fn name(user: &str) -> Name {
    Name { endpoint: "app".into(), whose: Whose::One(user.as_bytes().into(), Box::default()) }
}

#[test]
fn those_for_whom_there_is_no_room_count_together() {
    let (observed, boards) = (Observed::default(), Boards::default());
    let all: Vec<_> = (0..PAIRS + 50)
        .map(|number| Presence::new(&observed, &boards, name(&format!("u{number}")), (0, 1), false))
        .collect();
    assert_eq!((boards.0.lock().unwrap().len(), observed.0.borrow().len()), (PAIRS + 1, PAIRS + 1));
    let rest = boards.of(Name { endpoint: "app".into(), whose: Whose::Rest }, 1);
    assert_eq!(rest.comings().present, 50);
    drop(all);
    let comings = rest.comings().clone();
    assert_eq!((comings.present, comings.peak, comings.connections, comings.short), (0, 50, 50, 50));
}

#[test]
fn leases_of_other_workers_count_as_they_were_last_told() {
    let (boards, here, there) = (Boards::default(), Observed::default(), Observed::default());
    let one = Presence::new(&here, &boards, name("app"), (0, 2), false);
    let two = Presence::new(&there, &boards, name("app"), (1, 2), false);
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
    let one = Presence::new(&observed, &boards, name("app"), (0, 1), false);
    let two = Presence::new(&observed, &boards, name("app"), (0, 1), false);
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
    assert_eq!((pair.pinned.get(), comings.pinned, pair.suspects.borrow().certain()), (0, 1, 1));
}

#[test]
fn everybody_counts_together_where_that_is_wanted() {
    let (observed, boards) = (Observed::default(), Boards::default());
    let one = Presence::new(&observed, &boards, name("one"), (0, 1), true);
    let two = Presence::new(&observed, &boards, name("two"), (0, 1), true);
    let leases = [one.begin(), two.begin()];
    let whole = std::rc::Rc::clone(one.whole.as_ref().unwrap());
    assert_eq!((whole.active.get(), whole.levels.borrow().max(), one.pair.levels.borrow().max()), (2, 2, 1));
    drop(leases);
    assert_eq!((whole.active.get(), whole.leases.get(), whole.fresh.borrow().count()), (0, 2, 2));
    assert_eq!(whole.board.name, Name { endpoint: "app".into(), whose: Whose::All });
}
