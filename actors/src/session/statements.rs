//! A session's prepared statements, under the ids that its client knows. Pure.

use std::sync::Arc;

use greenroom_protocol::reply::Prepared;
use greenroom_protocol::sql::named::{Named, named};
use greenroom_protocol::sql::{Doubt, Facts, Mode, PinReason, PinSet};
use greenroom_protocol::statement::Source;
use rustc_hash::FxHashMap;

use super::digest::Effects;
use super::observe::Shape;

/// What such a text gives depends on what stood on its connection before it was prepared, or before it is executed:
/// to prepare it anew in between would change that.
const STAYS: Facts = Facts::READS_DIAGNOSTICS
    .union(Facts::READS_ROW_COUNT)
    .union(Facts::READS_FOUND_ROWS)
    .union(Facts::USES_USER_VARIABLES);

/// Pins by what is open on a statement.
pub(super) const OPEN: PinSet = PinSet::of(&[PinReason::PreparedStatement, PinReason::Cursor, PinReason::LongData]);

/// One statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// What it does when it is executed, by its text alone.
    plain: Effects,
    /// The same with what its text does not show, as it was known at the time of `stamp`.
    pub(super) effects: Effects,
    pub(super) stamp: u64,
    /// How its text was read.
    pub(super) way: (Mode, Doubt),
    /// What to prepare on a connection that lacks it; `None` where nobody has kept the text, or nobody needs to.
    pub(super) source: Option<Arc<Source>>,
    /// Its shape, once somebody has asked for it.
    pub(super) shape: Option<Shape>,
    /// What is executed in its place, for now.
    pub(super) stand_in: Option<Arc<Source>>,
    pub(super) params: u16,
    /// The types of its parameters as the client last named them.
    pub(super) types: Option<Arc<[u8]>>,
    /// It works on the connection alone on which it was prepared.
    pub(super) stays: bool,
    /// A cursor is open.
    pub(super) cursor: bool,
    /// Long data was sent for its next execution.
    pub(super) long: bool,
    /// Some of that did not reach a server: the next execution would be of a part.
    pub(super) cut: bool,
}

impl Statement {
    /// One that the server has just prepared.
    pub(super) fn new(plain: Effects, effects: Effects, way: (Mode, Doubt), stamp: u64, prepared: Prepared) -> Self {
        Self {
            plain,
            effects,
            stamp,
            way,
            source: None,
            shape: None,
            stand_in: None,
            params: prepared.params,
            types: None,
            stays: effects.facts.intersects(STAYS),
            cursor: false,
            long: false,
            cut: false,
        }
    }

    /// What it does by its text alone.
    pub(super) fn plain(&self) -> Effects {
        self.plain
    }

    /// What its text names, where that was kept: tables of the database in which it was prepared (measured).
    pub(super) fn named(&self) -> Option<Named> {
        let source = self.source.as_ref()?;
        named(source.text(), self.way.0).map(|named| named.within(source.database().unwrap_or_default()))
    }

    /// Nobody else may use it on the server.
    pub(super) fn is_open(&self) -> bool {
        self.stays || self.cursor || self.long
    }

    /// What its text does not show has changed: begin again with what it shows.
    pub(super) fn forget_hidden(&mut self, stamp: u64) {
        (self.effects, self.stamp) = (self.plain, stamp);
    }
}

/// All of a session's.
#[derive(Debug, Default)]
pub(super) struct Statements {
    open: FxHashMap<u32, Statement>,
    /// Ids are counted from 1, those included of texts that could not be prepared, as MySQL does for each connection.
    last: u32,
    /// The one prepared last, if that went well.
    pub(super) latest: Option<u32>,
}

impl Statements {
    /// The id of the next one that is prepared.
    pub(super) fn next_id(&self) -> u32 {
        self.last.wrapping_add(1)
    }

    /// Takes note of an attempt to prepare one.
    pub(super) fn prepared(&mut self, id: u32, statement: Option<Statement>) {
        self.last = self.next_id();
        self.latest = statement.as_ref().map(|_| id);
        if let Some(statement) = statement {
            self.open.insert(id, statement);
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Statement> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Statement> {
        self.open.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Statement> {
        self.open.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether a cursor is open on any.
    pub(super) fn have_cursor(&self) -> bool {
        self.open.values().any(|statement| statement.cursor)
    }

    /// A new session, or one as new.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Which of these pins some statement still needs.
    pub(super) fn pins(&self) -> PinSet {
        let mut pins = PinSet::EMPTY;
        for statement in self.open.values().filter(|statement| statement.is_open()) {
            let reasons = [
                (PinReason::PreparedStatement, statement.stays),
                (PinReason::Cursor, statement.cursor),
                (PinReason::LongData, statement.long),
            ];
            for (reason, _) in reasons.iter().filter(|(_, needed)| *needed) {
                pins.insert(*reason);
            }
        }
        pins
    }
}
