//! What a session has by name on its connection: temporary tables, texts prepared by SQL, user locks. Pure.

use std::collections::BTreeSet;

use greenroom_protocol::sql::named::{Named, Table};
use greenroom_protocol::sql::{Facts, Kind, PinReason, PinSet, Verdict};

/// Pins for things that have names.
pub(super) const BY_NAME: PinSet = PinSet::of(&[PinReason::TemporaryTable, PinReason::SqlPrepare, PinReason::UserLock]);

/// More than that are not told apart.
const MOST: usize = 256;

/// A temporary table: its database and its name.
type Whole = (Box<[u8]>, Box<[u8]>);

/// Things of one kind.
#[derive(Debug)]
struct Names<T> {
    known: BTreeSet<T>,
    /// There may be others.
    others: bool,
}

/// All of a session's.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    tables: Names<Whole>,
    texts: Names<Box<[u8]>>,
    locks: Names<Box<[u8]>>,
    /// The server is to be asked which locks it holds.
    pub(super) ask: bool,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { known: BTreeSet::new(), others: false }
    }
}

impl<T: Ord> Names<T> {
    fn add(&mut self, name: T) {
        self.known.insert(name);
        self.others |= self.known.len() > MOST;
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.others
    }
}

impl Belongings {
    /// Whether a statement may change what there is, so that its text must be looked at.
    pub(super) fn concern(pins: PinSet, effects: &Verdict) -> bool {
        let makes = !effects.pins.intersection(BY_NAME).is_empty();
        let ends = matches!(effects.kind, Kind::Ddl | Kind::Deallocate);
        let has = |reason: PinReason| pins.contains(reason);
        makes || ends && (has(PinReason::TemporaryTable) || has(PinReason::SqlPrepare)) || has(PinReason::UserLock)
    }

    /// Takes note of a statement that has done its work, `pins` of this kind being in force by now. `named`: what its text
    /// names, if that is known. Gives the pins that are over.
    pub(super) fn note(
        &mut self,
        pins: PinSet,
        effects: &Verdict,
        named: Option<&Named>,
        database: &[u8],
        failed: bool,
    ) -> PinSet {
        let alone = !effects.facts.intersects(Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE);
        let named = named.filter(|_| alone);
        let had = [self.tables.is_empty(), self.texts.is_empty(), self.locks.is_empty()];
        let begins = |reason| effects.pins.contains(reason);
        match named {
            Some(named) => self.note_tables(named, database, begins(PinReason::TemporaryTable), failed),
            // Any of them may have another name now.
            None => self.tables.others |= pins.contains(PinReason::TemporaryTable) && !is_harmless(effects),
        }
        match named {
            Some(named) => self.note_texts(named, begins(PinReason::SqlPrepare), failed),
            None => self.texts.others |= begins(PinReason::SqlPrepare),
        }
        match named {
            Some(named) if !named.odd_locks => {
                named.locks.iter().for_each(|name| self.locks.add(name.clone()));
                self.ask |= named.releases || !named.locks.is_empty();
            }
            _ => {
                self.locks.others |=
                    begins(PinReason::UserLock) || pins.contains(PinReason::UserLock) && !is_harmless(effects)
            }
        }
        let now = [self.tables.is_empty(), self.texts.is_empty(), self.locks.is_empty()];
        let reasons = [PinReason::TemporaryTable, PinReason::SqlPrepare, PinReason::UserLock];
        let over = reasons
            .into_iter()
            .zip(had.into_iter().zip(now))
            .filter(|(_, (was_empty, is_empty))| !was_empty && *is_empty);
        over.fold(PinSet::EMPTY, |mut pins, (reason, _)| {
            pins.insert(reason);
            pins
        })
    }

    fn note_tables(&mut self, named: &Named, database: &[u8], begins: bool, failed: bool) {
        let whole = |(qualifier, name): &Table| (qualifier.clone().unwrap_or_else(|| database.into()), name.clone());
        match &named.made {
            Some(table) if !failed => self.tables.add(whole(table)),
            _ => self.tables.others |= begins && !failed,
        }
        self.tables.others |= named.renames && !self.tables.known.is_empty();
        if !failed {
            for table in &named.dropped {
                self.tables.known.remove(&whole(table));
            }
        }
    }

    fn note_texts(&mut self, named: &Named, begins: bool, failed: bool) {
        match &named.prepared {
            Some(name) if !failed => self.texts.add(name.clone()),
            _ => self.texts.others |= begins && !failed,
        }
        if let Some(name) = named.deallocated.as_ref().filter(|_| !failed) {
            self.texts.known.remove(name);
        }
    }

    /// The locks to ask for; `None` where the answer would settle nothing.
    pub(super) fn locks_to_ask_for(&self) -> Option<impl Iterator<Item = &[u8]>> {
        (self.ask && !self.locks.others && !self.locks.known.is_empty())
            .then(|| self.locks.known.iter().map(|name| &**name))
    }

    /// The server holds these of them, in their order. `true`: none is left.
    pub(super) fn keep_locks(&mut self, held: impl Iterator<Item = bool>) -> bool {
        self.ask = false;
        let mut held = held;
        self.locks.known.retain(|_| held.next().unwrap_or(true));
        self.locks.is_empty()
    }
}

/// Statements that touch none of it, whatever stands beside them.
fn is_harmless(effects: &Verdict) -> bool {
    !effects.facts.intersects(Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE)
        && !matches!(effects.kind, Kind::Ddl | Kind::Execute)
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::sql::named::named;
    use greenroom_protocol::sql::{Flavor, Mode, PinReason, PinSet, classify};

    use super::Belongings;

    /// Plays statements that succeed; gives whether the last one ended the pin.
    fn over(reason: PinReason, statements: &[&str]) -> bool {
        let (mut all, mut pins, mode) = (Belongings::default(), PinSet::EMPTY, Mode::new(Flavor::MariaDb, 101_119));
        let mut last = false;
        for sql in statements {
            let effects = classify(sql.as_bytes(), mode);
            pins = pins.union(effects.pins);
            let named = named(sql.as_bytes(), mode);
            last = all.note(pins, &effects, named.as_ref(), b"app", false).contains(reason);
            if last {
                pins.remove(reason);
            }
        }
        last
    }

    #[test]
    fn the_last_table_ends_the_pin() {
        let table = |statements| over(PinReason::TemporaryTable, statements);
        assert!(table(&["CREATE TEMPORARY TABLE a (x INT)", "DROP TABLE app.a"]));
        assert!(!table(&["CREATE TEMPORARY TABLE a (x INT)", "DROP TABLE other.a"]));
        assert!(!table(&["CREATE TEMPORARY TABLE a (x INT)", "CREATE TEMPORARY TABLE b (x INT)", "DROP TABLE a"]));
        assert!(table(&["CREATE TEMPORARY TABLE a (x INT)", "CREATE TEMPORARY TABLE b (x INT)", "DROP TABLE a, b"]));
    }

    #[test]
    fn what_can_not_be_followed_ends_nothing() {
        let table =
            |between| over(PinReason::TemporaryTable, &["CREATE TEMPORARY TABLE a (x INT)", between, "DROP TABLE a"]);
        assert!(table("SELECT 1"));
        for between in ["ALTER TABLE a RENAME b", "RENAME TABLE a TO b", "EXECUTE s", "SELECT 1; SELECT 2", "CALL p()"]
        {
            assert!(!table(between), "{between}");
        }
        assert!(!over(PinReason::TemporaryTable, &["CREATE TEMPORARY TABLE a (x INT); SELECT 1", "DROP TABLE a"]));
    }

    #[test]
    fn texts_are_known_by_name() {
        let text = |statements| over(PinReason::SqlPrepare, statements);
        assert!(text(&["PREPARE a FROM 'DO 1'", "PREPARE A FROM 'DO 2'", "EXECUTE a", "DROP PREPARE a"]));
        assert!(!text(&["PREPARE a FROM 'DO 1'", "PREPARE b FROM 'DO 1'", "DROP PREPARE a"]));
    }

    #[test]
    fn locks_are_asked_for_by_name_and_kept_while_held() {
        let mode = Mode::new(Flavor::MySql, 90_704);
        let mut all = Belongings::default();
        let sql = b"SELECT GET_LOCK('a', 1), GET_LOCK('B', 1)";
        let effects = classify(sql, mode);
        assert!(all.note(effects.pins, &effects, named(sql, mode).as_ref(), b"", false).is_empty());
        let names: Vec<_> = all.locks_to_ask_for().unwrap().collect();
        assert_eq!(names, [b"B", b"a"]);
        assert!(!all.keep_locks([true, false].into_iter()));
        assert!(all.locks_to_ask_for().is_none(), "once is enough");
        assert!(all.keep_locks([false].into_iter()));
    }
}
