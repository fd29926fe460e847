//! Tables and views whose use runs code that no statement's text shows: triggers, and functions that views call.
//!
//! A trigger may take a named lock, assign a user variable by `SELECT … INTO @v`, or make a temporary table by
//! `CREATE TEMPORARY TABLE … SELECT`, and so may a function that a view calls: no server reports any of these
//! (measured). What is stored in the server is therefore read now and then, and judged here.

mod body;
mod routines;

use std::collections::BTreeSet;

use self::body::Body;
use super::facts::Facts;
use super::lexer::Lexer;
use super::mode::Mode;
use super::pin::PinReason;
use super::token::{MAX_NAME, Sink, Token};
use super::{Kind, Verdict};

/// What kind of thing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// A trigger, by the name of its table.
    Trigger,
    /// A view.
    View,
    /// A stored function.
    Function,
    /// A stored procedure.
    Procedure,
}

/// What a server stores and an account may see of it.
#[derive(Debug, Default)]
pub struct Catalog {
    objects: Vec<(Stored, Box<[u8]>, Body)>,
    /// The account may change tables whose triggers it may not see.
    triggers_hidden: bool,
}

/// What of it matters to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Their triggers or functions may do what nobody reports. Lower case, cut off as tokens are.
    leaky: BTreeSet<Box<[u8]>>,
    /// Views that may be such: their definitions can not be seen.
    opaque: BTreeSet<Box<[u8]>>,
    /// Views that ask about the statement before, and routines that begin with that.
    asking: BTreeSet<Box<[u8]>>,
    /// Views of what only the server at hand knows.
    bound: BTreeSet<Box<[u8]>>,
    /// Every view: a change of rows through one may be of several tables, or of what a subquery finds.
    views: BTreeSet<Box<[u8]>>,
    /// So may any table whose rows are changed.
    triggers_hidden: bool,
    /// So may everything.
    unknown: bool,
    /// Functions and procedures that do not, whichever of those with the name is meant.
    harmless: BTreeSet<Box<[u8]>>,
}

impl Catalog {
    /// Adds something; a `body` that is empty or not there can not be seen.
    pub fn add(&mut self, stored: Stored, name: &[u8], body: Option<&[u8]>, mode: &Mode) {
        let body = Body::read(body.unwrap_or_default(), mode);
        self.objects.push((stored, key(name), body));
    }

    /// The account may change tables whose triggers it may not see.
    pub fn hide_triggers(&mut self) {
        self.triggers_hidden = true;
    }

    /// Judges all of it.
    #[must_use]
    pub fn judge(self) -> Hidden {
        let objects = &self.objects;
        let functions = |leaky: bool, bad: &BTreeSet<usize>| -> BTreeSet<&[u8]> {
            let found = objects
                .iter()
                .enumerate()
                .filter(|(at, (stored, ..))| *stored == Stored::Function && bad.contains(at) == leaky);
            found.map(|(_, (_, name, _))| &**name).collect()
        };
        let mut bad: BTreeSet<usize> = BTreeSet::new();
        let mut tables: BTreeSet<Box<[u8]>> = BTreeSet::new();
        let mut opaque: BTreeSet<Box<[u8]>> = BTreeSet::new();
        // What calls or uses something bad is bad: on until nothing new turns up.
        loop {
            let (harmless, harmful) = (functions(false, &bad), functions(true, &bad));
            let fine = |name: &[u8]| harmless.contains(name) && !harmful.contains(name);
            let found: Vec<usize> = objects
                .iter()
                .enumerate()
                .filter(|(at, (stored, _, body))| {
                    let unseen = body.is_hidden() && *stored != Stored::View;
                    !bad.contains(at) && (unseen || body.may_leak(fine, |word| tables.contains(word)))
                })
                .map(|(at, _)| at)
                .collect();
            if found.is_empty() {
                break;
            }
            for at in found {
                bad.insert(at);
                if let Some((Stored::Trigger | Stored::View, name, _)) = objects.get(at) {
                    tables.insert(name.clone());
                }
            }
        }
        let views = || objects.iter().filter(|(stored, ..)| *stored == Stored::View);
        if views().any(|(_, _, body)| body.is_hidden()) {
            // Another view may stand on one of these.
            opaque.extend(views().map(|(_, name, _)| name.clone()).filter(|name| !tables.contains(name)));
        }
        let harmless = harmless(objects, &bad);
        let routines = objects.iter().filter(|(stored, ..)| matches!(stored, Stored::Function | Stored::Procedure));
        let asking = routines.filter(|(.., body)| body.asks_caller()).map(|(_, name, _)| name.clone()).collect();
        let asking = views_that(objects, asking, |body, names| body.may_ask(|word| names.contains(word)));
        let bound =
            views_that(objects, BTreeSet::new(), |body, names| body.may_ask_server(|word| names.contains(word)));
        let views = views().map(|(_, name, _)| name.clone()).collect();
        let triggers_hidden = self.triggers_hidden;
        Hidden { leaky: tables, opaque, asking, bound, views, triggers_hidden, unknown: false, harmless }
    }
}

/// To those names come the views of which something is so, be it through something that is in the set already.
fn views_that(
    objects: &[(Stored, Box<[u8]>, Body)],
    mut names: BTreeSet<Box<[u8]>>,
    is_so: impl Fn(&Body, &BTreeSet<Box<[u8]>>) -> bool,
) -> BTreeSet<Box<[u8]>> {
    loop {
        let views = objects.iter().filter(|(stored, name, _)| *stored == Stored::View && !names.contains(name));
        let found: Vec<_> = views.filter(|(.., body)| is_so(body, &names)).map(|(_, name, _)| name.clone()).collect();
        if found.is_empty() {
            return names;
        }
        names.extend(found);
    }
}

/// The names of routines that leave nothing, unless another of the name may.
fn harmless(objects: &[(Stored, Box<[u8]>, Body)], bad: &BTreeSet<usize>) -> BTreeSet<Box<[u8]>> {
    let (mut fine, mut harmful) = (BTreeSet::new(), BTreeSet::new());
    for (at, (stored, name, body)) in objects.iter().enumerate() {
        if matches!(stored, Stored::Function | Stored::Procedure) {
            let names = if bad.contains(&at) || body.is_risky() { &mut harmful } else { &mut fine };
            names.insert(name.clone());
        }
    }
    &fine - &harmful
}

impl Hidden {
    /// Nothing is known yet.
    #[must_use]
    pub fn unknown() -> Self {
        let none = BTreeSet::new;
        let (leaky, opaque, asking, bound, views, harmless) = (none(), none(), none(), none(), none(), none());
        Self { leaky, opaque, asking, bound, views, triggers_hidden: true, unknown: true, harmless }
    }

    /// How many tables and views there are of which each use pins.
    #[must_use]
    pub fn leaky(&self) -> usize {
        self.leaky.len()
    }

    /// Whether the account may change tables whose triggers it may not see, or use views that it may not read.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.unknown && (self.triggers_hidden || !self.opaque.is_empty())
    }

    /// Adds to a verdict what is hidden from its text.
    pub fn add_to(&self, verdict: &mut Verdict, text: &[u8], mode: Mode) {
        let prepares = verdict.kind == Kind::Execute || verdict.pins.contains(PinReason::SqlPrepare);
        if prepares && self.names_leaky(text) {
            verdict.pins.insert(PinReason::UntrackedState);
        }
        let looks = self.is_looked_for(verdict);
        if !looks && !self.triggers_hidden {
            return;
        }
        let mut watch = Watch::new(mode);
        if looks {
            watch.feed(self, text);
        }
        watch.finish(self, verdict);
    }

    /// Whether every routine that a statement may run is known to leave nothing that no server reports.
    #[must_use]
    pub fn vouches(&self, verdict: &Verdict, text: &[u8], mode: Mode) -> bool {
        !self.unknown && !self.is_leaky(text, mode) && routines::vouches(&self.harmless, verdict, text, mode)
    }

    /// Whether a text names a table or view that may run a routine, which the text does not show.
    fn is_leaky(&self, text: &[u8], mode: Mode) -> bool {
        if self.leaky.is_empty() {
            return false;
        }
        let mut watch = Watch::new(mode);
        watch.feed(self, text);
        watch.lexer.finish(&mut Names { hidden: self, seen: &mut watch.seen });
        watch.seen.leaky || watch.seen.uncertain
    }

    /// Whether one of the names is somewhere in a text, be it in the quotes around what is to be prepared.
    fn names_leaky(&self, text: &[u8]) -> bool {
        let is_in = |name: &[u8]| {
            !name.is_ascii() || text.windows(name.len().max(1)).any(|part| part.eq_ignore_ascii_case(name))
        };
        self.leaky.iter().any(|name| is_in(name))
    }

    /// Whether there is anything to look for in a text.
    fn is_looked_for(&self, verdict: &Verdict) -> bool {
        let names = [&self.leaky, &self.opaque, &self.asking, &self.bound].iter().any(|names| !names.is_empty());
        let changes = !self.views.is_empty() && changes_rows(verdict);
        names || changes || verdict.kind == Kind::Ddl || verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND)
    }
}

/// Looks for names in a text that comes in pieces.
#[derive(Debug, Clone)]
pub struct Watch {
    lexer: Lexer,
    seen: Seen,
}

/// What of a text has been seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    leaky: bool,
    opaque: bool,
    asking: bool,
    bound: bool,
    view: bool,
    /// A word of those that change what is stored.
    stored: bool,
    /// Bytes that may be read in more than one way.
    uncertain: bool,
}

impl Watch {
    /// Before the first byte.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { lexer: Lexer::new(mode), seen: Seen::default() }
    }

    /// Takes the next bytes of the text.
    pub fn feed(&mut self, hidden: &Hidden, text: &[u8]) {
        self.lexer.feed(text, &mut Names { hidden, seen: &mut self.seen });
    }

    /// Ends the text, and adds what was found to what else it says.
    pub fn finish(mut self, hidden: &Hidden, verdict: &mut Verdict) {
        self.lexer.finish(&mut Names { hidden, seen: &mut self.seen });
        let Seen { leaky, opaque, asking, bound, view, stored, uncertain } = self.seen;
        let through_view = view || hidden.unknown || uncertain && !hidden.views.is_empty();
        if through_view && changes_rows(verdict) {
            verdict.facts |= Facts::COUNTS_ROWS | Facts::COUNTS_UNTOLD | Facts::MAY_COUNT;
        }
        if bound || uncertain && !hidden.bound.is_empty() {
            verdict.facts |= Facts::READS_SERVER;
        }
        if asking || uncertain && !hidden.asking.is_empty() {
            verdict.facts |= Facts::MAY_ASK;
            verdict.facts.remove(Facts::READ_ONLY);
        }
        if leaky || uncertain && !hidden.leaky.is_empty() {
            verdict.facts |= Facts::MAY_RUN_ROUTINE;
            verdict.facts.remove(Facts::READ_ONLY | Facts::SETS_ONLY_VARIABLES);
        }
        let changes_rows = hidden.triggers_hidden && verdict.facts.intersects(Facts::IS_DML | Facts::COMPOUND);
        // The text that it runs was in quotes.
        let executes = verdict.kind == Kind::Execute && (!hidden.leaky.is_empty() || hidden.is_partial());
        let anything = hidden.unknown && !is_plain(verdict);
        if opaque || changes_rows || executes || anything || uncertain && !hidden.opaque.is_empty() {
            verdict.facts |= Facts::MAY_LEAK;
        }
        if stored {
            verdict.facts |= Facts::CHANGES_STORED;
        }
    }
}

/// Statements that change rows of tables which they name first, as may one of several.
fn changes_rows(verdict: &Verdict) -> bool {
    let several = verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND) && verdict.facts.contains(Facts::IS_DML);
    matches!(verdict.kind, Kind::Update | Kind::Delete) || several
}

/// Statements that use no table, whatever is stored.
fn is_plain(verdict: &Verdict) -> bool {
    use Kind::{Begin, Commit, Empty, Rollback, Savepoint, Set, Show, ShowWarnings, Use};
    let plain = [Empty, Set, Use, Begin, Commit, Rollback, Savepoint, Show, ShowWarnings].contains(&verdict.kind);
    plain && !verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND)
}

struct Names<'a> {
    hidden: &'a Hidden,
    seen: &'a mut Seen,
}

impl Sink for Names<'_> {
    fn token(&mut self, token: Token<'_>, _: usize, _: usize) {
        const STORED: [&[u8]; 5] = [b"trigger", b"view", b"function", b"procedure", b"rename"];
        let (Token::Word(name) | Token::Quoted(name)) = token else {
            self.seen.uncertain |= token == Token::Uncertain;
            return;
        };
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let lower: &[u8] = lower;
        self.seen.stored |= STORED.contains(&lower);
        if !name.is_ascii() {
            // The name may be written in another character set than the one that it was read in.
            let foreign = |names: &BTreeSet<Box<[u8]>>| names.iter().any(|name| !name.is_ascii());
            self.seen.leaky |= foreign(&self.hidden.leaky);
            self.seen.opaque |= foreign(&self.hidden.opaque);
            self.seen.asking |= foreign(&self.hidden.asking);
            self.seen.bound |= foreign(&self.hidden.bound);
            self.seen.view |= foreign(&self.hidden.views);
        }
        self.seen.leaky |= self.hidden.leaky.contains(lower);
        self.seen.opaque |= self.hidden.opaque.contains(lower);
        self.seen.asking |= self.hidden.asking.contains(lower);
        self.seen.bound |= self.hidden.bound.contains(lower);
        self.seen.view |= self.hidden.views.contains(lower);
    }
}

/// A name as it is compared: servers differ in whether letter case counts, so it never does.
fn key(name: &[u8]) -> Box<[u8]> {
    let mut key: Box<[u8]> = name.get(..MAX_NAME).unwrap_or(name).into();
    key.make_ascii_lowercase();
    key
}

#[cfg(test)]
mod tests;
