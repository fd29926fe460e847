//! Instances that come, go, grow and shrink in any order, each by what it has last read; and some are not told whether what they
//! wrote was written, which it may still be much later.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Claim, Claims, Ledger, Step, Turn};

const NODE: &str = "db1";

/// One instance: what it has been told to keep to, what it has said, what it has open, and what it has last read.
#[derive(Debug, Clone, Default)]
struct Instance {
    limit: usize,
    held: usize,
    open: usize,
    read: Option<(u64, Ledger)>,
    /// What it has written and was told nothing of.
    on_its_way: Vec<Put>,
}

/// What an instance would hold, if nobody has said anything since this revision; or if only it has not.
#[derive(Debug, Clone, Copy)]
struct Put {
    held: usize,
    since: u64,
    nobody: bool,
}

/// Etcd, and all who write there. A revision counts what was written.
#[derive(Debug, Clone)]
struct World {
    whole: usize,
    revision: u64,
    ledger: Ledger,
    /// When each has written last.
    written: BTreeMap<u8, u64>,
    instances: BTreeMap<u8, Instance>,
}

/// What may happen next, to the instance with this number.
#[derive(Debug, Clone, Copy)]
enum Event {
    Join(u8),
    Leave(u8),
    Read(u8),
    Act(u8),
    /// The same, and nothing is heard of it.
    ActUnheard(u8),
    /// What was written unheard comes to be written, the last of it first or the first of it first.
    Arrive(u8, bool),
    Open(u8),
    Close(u8),
}

impl World {
    fn new(whole: usize) -> Self {
        Self { whole, revision: 1, ledger: Ledger::default(), written: BTreeMap::new(), instances: BTreeMap::new() }
    }

    fn write(&mut self, number: u8, held: usize) {
        self.revision += 1;
        let claims = Claims::from([(NODE.to_owned(), Claim { held, whole: self.whole })]);
        self.ledger.0.insert(number, claims);
        self.written.insert(number, self.revision);
    }

    /// Writes it, if nothing is against it; says so.
    fn put(&mut self, number: u8, put: Put) -> bool {
        let against = self.written.iter().any(|(by, at)| *at > put.since && (put.nobody || *by == number));
        let writes = !against && self.written.contains_key(&number);
        if writes {
            self.write(number, put.held);
        }
        writes
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join(number) if !self.instances.contains_key(&number) => {
                self.instances.insert(number, Instance::default());
                self.write(number, 0);
            }
            Event::Leave(number) if self.instances.remove(&number).is_some() => {
                // A deletion is no obstacle to what was read before it.
                self.ledger.0.remove(&number);
                self.written.remove(&number);
            }
            Event::Read(number) => {
                let read = (self.revision, self.ledger.clone());
                if let Some(instance) = self.instances.get_mut(&number) {
                    instance.read = Some(read);
                }
            }
            Event::Act(number) => self.act(number, true),
            Event::ActUnheard(number) => self.act(number, false),
            Event::Arrive(number, last) => {
                let puts = self.instances.get_mut(&number).map(|instance| &mut instance.on_its_way);
                let put =
                    puts.filter(|puts| !puts.is_empty()).map(|puts| puts.remove(if last { puts.len() - 1 } else { 0 }));
                let _ = put.is_some_and(|put| self.put(number, put));
            }
            Event::Open(number) => {
                if let Some(instance) = self.instances.get_mut(&number)
                    && instance.open < instance.limit
                {
                    instance.open += 1;
                }
            }
            Event::Close(number) => {
                if let Some(instance) = self.instances.get_mut(&number) {
                    instance.open = instance.open.saturating_sub(1);
                }
            }
            Event::Join(_) | Event::Leave(_) => {}
        }
    }

    fn act(&mut self, number: u8, hears: bool) {
        let Some(instance) = self.instances.get_mut(&number) else { return };
        let Some((since, ledger)) = instance.read.clone() else { return };
        let written = ledger.0[&number][NODE].held;
        let (open, limit) = (instance.open, &mut instance.limit);
        let turn = ledger.turn((NODE, number), (instance.held, written), true, |bound| {
            *limit = bound;
            open
        });
        if !turn.grows && turn.held == written {
            return;
        }
        instance.held = instance.held.min(turn.held);
        let put = Put { held: turn.held, since, nobody: turn.grows };
        if !hears {
            instance.on_its_way.push(put);
        } else if self.put(number, put) && turn.grows {
            let instance = self.instances.get_mut(&number).unwrap();
            (instance.held, instance.limit) = (turn.held, turn.held);
        }
    }

    fn open(&self) -> usize {
        self.instances.values().map(|instance| instance.open).sum()
    }

    /// Everybody gives back what he has, reads and acts until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..4 * (self.instances.len() + 1) {
            for number in self.instances.keys().copied().collect::<Vec<_>>() {
                (0..self.whole).for_each(|_| self.happen(Event::Close(number)));
                self.happen(Event::Read(number));
                self.happen(Event::Act(number));
            }
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let number = 1..6_u8;
    (0..16_usize, number, any::<bool>()).prop_map(|(kind, number, last)| match kind {
        0 => Event::Join(number),
        1 => Event::Leave(number),
        2..5 => Event::Read(number),
        5..8 => Event::Act(number),
        8..9 => Event::ActUnheard(number),
        9..11 => Event::Arrive(number, last),
        11..14 => Event::Open(number),
        _ => Event::Close(number),
    })
}

proptest! {
    #[test]
    fn no_more_are_ever_open_than_the_whole(whole in 0..12_usize, events in prop::collection::vec(event(), 0..400)) {
        let mut world = World::new(whole);
        for event in events {
            world.happen(event);
            prop_assert!(world.open() <= whole, "{event:?}: {world:#?}");
            let held: usize = world.instances.values().map(|instance| instance.held).sum();
            prop_assert!(held <= whole, "{event:?}: {world:#?}");
            for (number, instance) in &world.instances {
                let written = world.ledger.0[number][NODE].held;
                prop_assert!(instance.held <= written, "{event:?}: more than the others know: {world:#?}");
            }
        }
        world.settle();
        let held: Vec<usize> = world.instances.values().map(|instance| instance.held).collect();
        let (least, most) = (held.iter().min().copied(), held.iter().max().copied());
        prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "not fair: {held:?}");
        prop_assert_eq!(held.iter().sum::<usize>(), if held.is_empty() { 0 } else { whole });
    }
}

fn ledger(claims: &[(u8, usize, usize)]) -> Ledger {
    let claims =
        claims.iter().map(|&(number, held, whole)| (number, Claims::from([(NODE.to_owned(), Claim { held, whole })])));
    Ledger(claims.collect())
}

#[test]
fn what_is_left_over_goes_to_others_at_another_node() {
    let mut all = ledger(&[(1, 0, 10), (2, 0, 10), (3, 0, 10)]);
    for claims in all.0.values_mut() {
        claims.insert("db2".to_owned(), Claim { held: 0, whole: 10 });
    }
    let parts = |node| [1, 2, 3].map(|number| all.part(node, number));
    assert_eq!((parts("db1").iter().sum::<usize>(), parts("db2").iter().sum::<usize>()), (10, 10));
    assert_ne!(parts("db1"), parts("db2"));
    assert_eq!(all.part("db3", 1), 0, "nobody uses it");
}

#[test]
fn who_does_not_use_a_node_has_no_part_in_it() {
    let mut all = ledger(&[(1, 0, 10), (2, 0, 10)]);
    all.0.insert(3, Claims::new());
    assert_eq!([1, 2, 3].map(|number| all.part(NODE, number)), [5, 5, 0]);
}

#[test]
fn the_least_of_several_configurations_counts() {
    let all = ledger(&[(1, 10, 20), (2, 4, 8)]);
    assert_eq!(all.step(NODE, 1, 10), Step::Shrink(4));
    assert_eq!(all.step(NODE, 2, 4), Step::Stay);
}

#[test]
fn one_grows_by_what_others_have_given_up() {
    assert_eq!(ledger(&[(1, 10, 10), (2, 0, 10)]).step(NODE, 2, 0), Step::Stay);
    assert_eq!(ledger(&[(1, 8, 10), (2, 0, 10)]).step(NODE, 2, 0), Step::Grow(2));
    assert_eq!(ledger(&[(1, 5, 10), (2, 2, 10)]).step(NODE, 2, 2), Step::Grow(5));
    // Somebody came back with what he had kept: more is held than there is, and nobody grows.
    assert_eq!(ledger(&[(1, 9, 10), (2, 4, 10)]).step(NODE, 2, 4), Step::Stay);
}

#[test]
fn what_may_still_be_written_is_overtaken_before_one_grows() {
    // To keep to 5 was written, and nothing heard of it: it says 10, and is to be written again before 10 are opened.
    let all = ledger(&[(1, 5, 10)]);
    let turn = |held, written| all.turn((NODE, 1), (held, written), true, |bound| bound);
    assert_eq!(turn(5, 10), Turn { held: 10, grows: true });
    assert_eq!(turn(10, 5), Turn { held: 10, grows: true });
    assert_eq!(turn(10, 10), Turn { held: 10, grows: false });
    // Nobody grows while others may not be back; nor does what is open beyond a part count less.
    assert_eq!(all.turn((NODE, 1), (5, 5), false, |bound| bound), Turn { held: 5, grows: false });
    let less = ledger(&[(1, 10, 10), (2, 0, 10)]);
    let shrinks = |open| less.turn((NODE, 1), (10, 10), true, |_| open).held;
    assert_eq!([0, 7, 11].map(shrinks), [less.part(NODE, 1), 7, 10]);
}

#[test]
fn what_was_unheard_of_is_not_written_behind_what_came_after_it() {
    let mut world = World::new(10);
    let before = [Event::Join(1), Event::Read(1), Event::Act(1), Event::Join(2), Event::Read(1), Event::ActUnheard(1)];
    before.into_iter().for_each(|event| world.happen(event));
    let part = world.instances[&1].held;
    assert_eq!((part, world.instances[&1].on_its_way.len(), world.ledger.0[&1][NODE].held), (5, 1, 10));
    [Event::Leave(2), Event::Read(1), Event::Act(1)].into_iter().for_each(|event| world.happen(event));
    assert_eq!(world.instances[&1].limit, 10);
    world.happen(Event::Arrive(1, false));
    assert_eq!(world.ledger.0[&1][NODE].held, 10);
}
