//! What a general log says of each user and database.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use rustc_hash::FxHashMap;

use super::meter::{Meter, Need};
use super::session::Session;
use super::tally::{Group, Tally};
use crate::general_log::{self, Deed, Entry, Login};
use crate::sql::shape::shape;
use crate::sql::{Doubt, Facts, Flavor, Foreseen, Kind, Mode, PinReason};

/// Users and databases that are told apart; later ones count together.
const GROUPS: usize = 1000;

/// Connections at once. Where there seem to be more, those that were silent for longest have left without a word.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99_999);

/// A statement as long as this takes more than one packet.
const LARGE: u64 = 0xff_ffff;

/// No name is longer, in bytes.
const NAME: usize = 256;

/// Which versions' comments are read, where a log does not say which servers wrote it.
pub const MYSQL: u32 = 90_704;
/// The same of MariaDB.
pub const MARIADB: u32 = 101_119;

/// How a log is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How its texts are read; `None`: as a server of the log's kind reads them.
    pub mode: Option<Mode>,
    /// As an endpoint with `pinning = "strict"` takes them.
    pub strict: bool,
    /// How long a statement is taken to last.
    pub statement_time: Duration,
}

/// A user, if the log has the login, and a database.
type Name = (Option<Box<[u8]>>, Box<[u8]>);

/// Takes a log's entries in.
#[derive(Debug)]
pub struct Study {
    options: Options,
    sessions: LruCache<u64, Session>,
    groups: Vec<Tally>,
    names: FxHashMap<Name, u32>,
    all: Tally,
    /// By the time that statements are taken to last, and by ten times that.
    meters: [Meter; 2],
    begun: Option<i64>,
    now: i64,
    entries: u64,
    /// The highest id so far.
    highest: u64,
    restarted: bool,
    mode: Mode,
    unended: u64,
    refused: u64,
    cut: u64,
}

/// What a log has shown.
#[derive(Debug, Clone)]
pub struct Findings {
    /// When its first and its last entry were written, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Entries.
    pub entries: u64,
    /// Connections that are not seen to end: their clients went without a word, or the log ends before.
    pub unended: u64,
    /// Logins that the server refused.
    pub refused: u64,
    /// Statements that were too long to be read whole.
    pub cut: u64,
    /// Everything together.
    pub all: Group,
    /// Users and databases, the busiest first.
    pub groups: Vec<Group>,
}

impl Study {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let lasts = i64::try_from(options.statement_time.as_micros()).unwrap_or(i64::MAX / 10);
        Self {
            options,
            sessions: LruCache::new(CONNECTIONS),
            groups: Vec::new(),
            names: FxHashMap::default(),
            all: Tally::default(),
            meters: [Meter::new(lasts), Meter::new(lasts.saturating_mul(10))],
            begun: None,
            now: i64::MIN,
            entries: 0,
            highest: 0,
            restarted: false,
            mode: options.mode.unwrap_or(Mode::new(Flavor::MySql, MYSQL)),
            unended: 0,
            refused: 0,
            cut: 0,
        }
    }

    /// Takes an entry in.
    pub fn note(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        self.restarted |= entry.after_banner;
        self.mode = self.options.mode.unwrap_or(match entry.flavor {
            Flavor::MySql => Mode::new(Flavor::MySql, MYSQL),
            Flavor::MariaDb => Mode::new(Flavor::MariaDb, MARIADB),
        });
        // Clocks are set back, and threads write in another order than they looked at it.
        self.now = self.now.max(entry.at);
        self.begun.get_or_insert(self.now);
        match entry.deed {
            Deed::Connect => self.connect(entry),
            Deed::Quit => self.leave(entry.thread, true),
            Deed::ChangeUser => self.change_user(entry),
            Deed::Statistics => self.statistics(entry),
            Deed::Reset => self.at(entry.thread).reset(),
            Deed::InitDb => {
                self.at(entry.thread).database = name(entry.text);
            }
            Deed::Query | Deed::Execute => self.statement(entry),
            Deed::Prepare => self.prepare(entry),
            Deed::FieldList | Deed::CloseStatement | Deed::Replication | Deed::Other => {
                self.at(entry.thread);
            }
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        let threads: Vec<u64> = self.sessions.iter().map(|(thread, _)| *thread).collect();
        for thread in threads {
            self.leave(thread, false);
        }
        let span = self.begun.map(|begun| (begun, self.now));
        let observed = span.map_or(Duration::ZERO, |(from, to)| Duration::from_micros(to.abs_diff(from)));
        let [usual, slow] = self.meters.map(Meter::finish);
        let all = self.all.finish(observed, [Some(&usual.0), Some(&slow.0)]);
        let groups = self.groups.into_iter().zip(0..);
        let mut groups: Vec<_> =
            groups.map(|(tally, at)| tally.finish(observed, [usual.1.get(at), slow.1.get(at)])).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.traffic.statements));
        let Self { entries, unended, refused, cut, .. } = self;
        Findings { span, entries, unended, refused, cut, all, groups }
    }

    /// The connection of this id, which has just done something.
    fn at(&mut self, thread: u64) -> &mut Session {
        if !self.sessions.contains(&thread) {
            self.enter(thread, Session::default());
        }
        let now = self.now;
        let session = self.sessions.get_or_insert_mut(thread, Session::default);
        session.last = now;
        session
    }

    fn enter(&mut self, thread: u64, session: Session) {
        let mut session = session;
        session.last = self.now;
        if let Some((old, silent)) = self.sessions.push(thread, session) {
            self.part(old, silent, false);
        }
    }

    fn connect(&mut self, entry: &Entry<'_>) {
        let (user, database) = match general_log::login(entry.text) {
            // Some servers write the login before they refuse it.
            Some(Login::Refused) => {
                self.refused += 1;
                self.sessions.pop(&entry.thread);
                return;
            }
            Some(Login::In { user, database }) => (Some(name(user)), name(database)),
            None => (None, Box::default()),
        };
        if std::mem::take(&mut self.restarted) && entry.thread <= self.highest {
            // Ids begin anew with a server's start, which ended all connections.
            while let Some((thread, session)) = self.sessions.pop_lru() {
                self.part(thread, session, false);
            }
        }
        self.highest = self.highest.max(entry.thread);
        self.leave(entry.thread, false);
        self.enter(entry.thread, Session::new(user, database, self.now));
    }

    fn change_user(&mut self, entry: &Entry<'_>) {
        if let Some(Login::In { user, database }) = general_log::login(entry.text) {
            let session = self.at(entry.thread);
            session.reset();
            (session.user, session.database) = (Some(name(user)), name(database));
        }
    }

    fn statistics(&mut self, entry: &Entry<'_>) {
        let now = self.now;
        self.at(entry.thread);
        let group = self.group_of(entry.thread);
        self.all.statistics.note(now);
        self.tally(group).statistics.note(now);
    }

    fn prepare(&mut self, entry: &Entry<'_>) {
        let (strict, mode) = (self.options.strict, self.mode);
        let session = self.at(entry.thread);
        let pins = match session.before {
            Some(Kind::Prepare) if std::mem::take(&mut session.elided) => Foreseen::of(entry.text, mode, strict).pins,
            // The text has been read already.
            Some(Kind::Prepare) => return,
            _ if strict => PinReason::PreparedStatement.into(),
            _ => return,
        };
        session.pins = session.pins.union(pins);
        let group = self.group_of(entry.thread);
        pins.iter().for_each(|reason| self.suspect(group, reason, false, entry.text));
    }

    fn statement(&mut self, entry: &Entry<'_>) {
        let (options, mode) = (self.options, self.mode);
        let before = self.at(entry.thread).before.take();
        // What EXECUTE runs is written again, by itself.
        if entry.deed == Deed::Execute && matches!(before, Some(Kind::Execute)) {
            return;
        }
        let mut foreseen = Foreseen::of(entry.text, mode, options.strict);
        // MySQL writes what a text is prepared from only as it is prepared.
        let elided = foreseen.verdict.kind == Kind::Prepare && entry.text.trim_ascii_end().ends_with(b" ...");
        if elided {
            foreseen.pins.remove(PinReason::UntrackedState);
            foreseen.may = false;
        }
        // What an EXECUTE runs is known since its text was prepared.
        foreseen.may &= foreseen.verdict.kind != Kind::Execute || foreseen.verdict.facts.contains(Facts::MULTI);
        self.cut += u64::from(entry.length > entry.text.len() as u64);
        if options.strict && entry.length >= LARGE {
            foreseen.pins.insert(PinReason::LargePacket);
        }
        let group = self.group_of(entry.thread);
        let session = self.at(entry.thread);
        let begins = session.run(entry.text, mode, &foreseen);
        session.elided = elided;
        if foreseen.verdict.kind == Kind::Use
            && let Some(database) = used(entry.text)
        {
            session.database = database;
        }
        let (need, maybe) = (session.need(), foreseen.may && !std::mem::replace(&mut session.may, true));
        for meter in &mut self.meters {
            meter.note(self.now, entry.resolution, entry.thread, group, need);
        }
        for tally in [&mut self.all, tally_of(&mut self.groups, group)] {
            tally.traffic.statements += 1;
            tally.traffic.transactions += u64::from(begins);
            tally.maybe += u64::from(maybe);
        }
        for reason in foreseen.pins.iter() {
            self.suspect(group, reason, false, entry.text);
        }
        if foreseen.may && !foreseen.pins.contains(PinReason::UntrackedState) {
            self.suspect(group, PinReason::UntrackedState, true, entry.text);
        }
    }

    fn suspect(&mut self, group: u32, reason: PinReason, may: bool, text: &[u8]) {
        let shape = shape(text, self.mode, Doubt::ALL).unwrap_or_default();
        self.all.suspects.note(reason, may, &shape);
        self.tally(group).suspects.note(reason, may, &shape);
    }

    fn tally(&mut self, group: u32) -> &mut Tally {
        tally_of(&mut self.groups, group)
    }

    /// The group of a connection; it enters it with its first statement.
    fn group_of(&mut self, thread: u64) -> u32 {
        let now = self.now;
        let session = self.sessions.get_or_insert_mut(thread, Session::default);
        if let Some(group) = session.group {
            return group;
        }
        let (name, opened) = ((session.user.clone(), session.database.clone()), session.opened);
        let group = self.group_named(name);
        if let Some(session) = self.sessions.get_mut(&thread) {
            session.group = Some(group);
        }
        for tally in [&mut self.all, tally_of(&mut self.groups, group)] {
            tally.enter(opened.is_some(), now, true);
        }
        group
    }

    fn group_named(&mut self, name: Name) -> u32 {
        if let Some(known) = self.names.get(&name) {
            return *known;
        }
        let rest = GROUPS as u32;
        if self.groups.len() >= GROUPS {
            if self.groups.len() == GROUPS {
                self.groups.push(Tally::rest());
            }
            return rest;
        }
        let group = self.groups.len() as u32;
        self.groups.push(Tally::of(name.0.clone(), name.1.clone()));
        self.names.insert(name, group);
        group
    }

    fn leave(&mut self, thread: u64, quit: bool) {
        if let Some(session) = self.sessions.pop(&thread) {
            self.part(thread, session, quit);
        }
    }

    /// A connection has ended, or is taken to have.
    fn part(&mut self, thread: u64, mut session: Session, quit: bool) {
        self.unended += u64::from(!quit);
        if session.group.is_none() {
            // One that did nothing counts as well.
            let group = self.group_named((session.user.take(), std::mem::take(&mut session.database)));
            for tally in [&mut self.all, tally_of(&mut self.groups, group)] {
                tally.enter(session.opened.is_some(), self.now, false);
                tally.part(&session, quit, self.now);
            }
            return;
        }
        for meter in &mut self.meters {
            meter.note(self.now, 1, thread, session.group.unwrap_or_default(), Need::Gone);
        }
        let group = session.group.unwrap_or_default();
        for tally in [&mut self.all, tally_of(&mut self.groups, group)] {
            tally.part(&session, quit, self.now);
        }
    }
}

fn tally_of(groups: &mut Vec<Tally>, group: u32) -> &mut Tally {
    let index = group as usize;
    if groups.len() <= index {
        groups.resize_with(index + 1, Tally::default);
    }
    &mut groups[index]
}

/// The database that a USE names.
fn used(text: &[u8]) -> Option<Box<[u8]>> {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b";").unwrap_or(text).get(3..)?.trim_ascii();
    Some(name(text.strip_prefix(b"`").and_then(|text| text.strip_suffix(b"`")).unwrap_or(text)))
}

/// A name, of which not more is kept than names are long.
fn name(bytes: &[u8]) -> Box<[u8]> {
    bytes.get(..NAME).unwrap_or(bytes).into()
}
