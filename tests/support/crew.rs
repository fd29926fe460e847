//! Sessions under load while something goes wrong. Each has a tag, and every row that it reads carries it: a reply to the
//! wrong client is seen. What a session may be told is named by the test; anything else fails it.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    observe::until,
    proxy::Proxy,
    servers::Tenant,
    wire::{Param, Prepared, Reply, Wire, WireError},
};

/// What a session of the crew needs in its database. Without ids of the server's making: a session that has got one and whose
/// connection is lost before Greenroom could ask for it ends, by its right.
pub(crate) const TABLE: &str = "CREATE TABLE crew (tag VARCHAR(20), KEY (tag))";

/// Between two rounds of a session.
const PAUSE: Duration = Duration::from_millis(3);

/// How much more memory the proxy may hold after a fault than before, in KiB.
const GROWTH: u64 = 48 * 1024;

/// Errors with which Greenroom, or a server that goes away, says that something was lost: 1429, the node is down; 1105, the outcome
/// is unknown; 1180, the transaction is lost; 1053, 1317 and 1927, the server's own words.
pub(crate) const LOSSES: [u16; 6] = [1429, 1105, 1180, 1053, 1317, 1927];

/// A crew, and what may happen to it.
pub(crate) struct Crew<'a> {
    tenant: &'a Tenant,
    proxy: &'a Proxy,
    tolerated: &'a [u16],
    may_end: bool,
    members: Vec<Member>,
    told: Mutex<BTreeMap<u16, (usize, String)>>,
    ends: Mutex<Vec<String>>,
    stop: AtomicBool,
    files: usize,
    memory: u64,
}

#[derive(Default)]
struct Member {
    tag: String,
    good: AtomicUsize,
    bad: AtomicUsize,
    ended: AtomicUsize,
    /// Rows that are there for sure, and those of which nobody knows.
    written: AtomicUsize,
    unknown: AtomicUsize,
}

/// Why a round came to nothing.
enum Setback {
    Told,
    /// At this statement.
    Ended(String),
}

impl<'a> Crew<'a> {
    /// So many sessions, who may be told these errors and nothing else. Looks first what the proxy holds at rest, with `width`
    /// connections open.
    pub(crate) fn new(tenant: &'a Tenant, proxy: &'a Proxy, size: usize, width: usize, tolerated: &'a [u16]) -> Self {
        full_width(proxy, tenant, width);
        let tag = |at| format!("tag-{at}-{}", tenant.name.len() + at * 7);
        let members = (0..size).map(|at| Member { tag: tag(at), ..Member::default() }).collect();
        let (told, ends, stop) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let (files, memory) = (proxy.open_files(), proxy.resident());
        Self { tenant, proxy, tolerated, may_end: false, members, told, ends, stop, files, memory }
    }

    /// Sessions may end, too; their clients come again.
    pub(crate) fn who_may_end(self) -> Self {
        Self { may_end: true, ..self }
    }

    /// Works while `faults` happen, and until everybody works again.
    pub(crate) fn work(&self, faults: impl FnOnce()) {
        let outcome = thread::scope(|scope| {
            for member in &self.members {
                scope.spawn(move || self.serve(member));
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                self.goes_on("everybody works");
                faults();
                self.goes_on("everybody works again");
            }));
            self.stop.store(true, Ordering::Relaxed);
            outcome
        });
        println!("told {:?}, ended {:?}", self.told.lock().unwrap(), self.ends.lock().unwrap());
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    /// Waits until every session has come some rounds farther than it is now.
    pub(crate) fn goes_on(&self, what: &str) {
        let before: Vec<usize> = self.count(|member| &member.good);
        until(what, || {
            // One that has panicked will never.
            self.stop.load(Ordering::Relaxed)
                || self.count(|member| &member.good).iter().zip(&before).all(|(now, before)| *now >= before + 8)
        });
    }

    /// Waits until somebody has been told something.
    pub(crate) fn is_told(&self, what: &str) {
        let before = self.errors();
        until(what, || self.stop.load(Ordering::Relaxed) || self.errors() > before);
    }

    /// How often somebody was told an error.
    pub(crate) fn errors(&self) -> usize {
        self.count(|member| &member.bad).iter().sum()
    }

    /// How often somebody was told this one.
    pub(crate) fn told(&self, code: u16) -> usize {
        self.told.lock().unwrap().get(&code).map_or(0, |(count, _)| *count)
    }

    /// How many sessions have ended by themselves.
    pub(crate) fn ended(&self) -> usize {
        self.count(|member| &member.ended).iter().sum()
    }

    /// How many rounds each session came through.
    pub(crate) fn rounds(&self) -> Vec<usize> {
        self.count(|member| &member.good)
    }

    fn count(&self, of: impl Fn(&Member) -> &AtomicUsize) -> Vec<usize> {
        self.members.iter().map(|member| of(member).load(Ordering::Relaxed)).collect()
    }

    /// After it: no lease, waiter, pin or socket is left over, memory is what it was, all connections can be had at once, and
    /// what is stored is what was confirmed, and no more than may be.
    pub(crate) fn leaves_nothing(&self, width: usize) {
        until("rest", || self.proxy.is_at_rest());
        full_width(self.proxy, self.tenant, width);
        until("no more open files than before", || self.proxy.open_files() <= self.files);
        let memory = self.proxy.resident();
        assert!(memory < self.memory + GROWTH, "{memory} KiB held, {} before", self.memory);
        let mut wire = self.tenant.connect(self.proxy.address());
        for member in &self.members {
            let sql = format!("SELECT COUNT(*) FROM crew WHERE tag = '{}'", member.tag);
            let stored: usize = wire.scalar(&sql).unwrap().parse().unwrap();
            let written = member.written.load(Ordering::Relaxed);
            let most = written + member.unknown.load(Ordering::Relaxed);
            assert!((written..=most).contains(&stored), "{stored} rows of {}, not {written} to {most}", member.tag);
        }
        drop(wire);
        until("rest", || self.proxy.is_at_rest());
    }

    fn serve(&self, member: &Member) {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let mut session = None;
            for number in 0.. {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                match self.round(member, &mut session, number) {
                    Ok(()) => drop(member.good.fetch_add(1, Ordering::Relaxed)),
                    Err(Setback::Told) => drop(member.bad.fetch_add(1, Ordering::Relaxed)),
                    Err(Setback::Ended(at)) => {
                        assert!(self.may_end, "the session of {} has ended at {at}", member.tag);
                        self.ends.lock().unwrap().push(at);
                        member.ended.fetch_add(1, Ordering::Relaxed);
                        session = None;
                    }
                }
                thread::sleep(PAUSE);
            }
        }));
        if let Err(panic) = done {
            self.stop.store(true, Ordering::Relaxed);
            resume_unwind(panic);
        }
    }

    fn round(&self, member: &Member, session: &mut Option<(Wire, Prepared)>, number: usize) -> Result<(), Setback> {
        let (wire, prepared) = match session {
            Some(session) => session,
            None => session.insert(self.begin(member)?),
        };
        let tag = member.tag.as_str();
        match number % 6 {
            0 => self.reads(wire, &format!("SELECT '{tag}', {number}"), tag),
            1 => self.writes(wire, member, &[]),
            2 => self.reads(wire, "SELECT @tag", tag),
            3 => self.writes(wire, member, &["START TRANSACTION", "COMMIT"]),
            4 => {
                let replies = wire.execute(prepared, &[Param::Text(tag)]);
                self.carries(self.heard(replies, "an execution")?, tag)
            }
            _ => self.reads(wire, &format!("SELECT tag FROM crew WHERE tag = '{tag}' LIMIT 5"), tag),
        }
    }

    fn begin(&self, member: &Member) -> Result<(Wire, Prepared), Setback> {
        let mut wire = match Wire::connect(self.proxy.address(), &self.tenant.login()) {
            Ok(wire) => wire,
            Err(WireError::Refused(error)) => {
                self.note(&Reply::Err(error));
                return Err(Setback::Told);
            }
            Err(WireError::Io(_)) => return Err(Setback::Ended("a login".into())),
            Err(error) => panic!("{error}"),
        };
        self.asks(&mut wire, &format!("SET @tag = '{}'", member.tag))?;
        // Prepared anew wherever it runs; what cannot be prepared now is no session's end.
        match wire.prepare("SELECT ?") {
            Ok(prepared) => Ok((wire, prepared)),
            Err(WireError::Io(_)) => Err(Setback::Ended("a prepare".into())),
            Err(WireError::Refused(error)) => {
                self.note(&Reply::Err(error));
                Err(Setback::Told)
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn reads(&self, wire: &mut Wire, sql: &str, tag: &str) -> Result<(), Setback> {
        let replies = self.asks(wire, sql)?;
        self.carries(replies, tag)
    }

    fn asks(&self, wire: &mut Wire, sql: &str) -> Result<Vec<Reply>, Setback> {
        let replies = wire.query(sql);
        self.heard(replies, sql)
    }

    /// One row, by itself or in a transaction.
    fn writes(&self, wire: &mut Wire, member: &Member, around: &[&str]) -> Result<(), Setback> {
        let tag = &member.tag;
        let insert = format!("INSERT INTO crew (tag) VALUES ('{tag}')");
        let Some((begin, end)) = around.first().zip(around.last()) else {
            return self.commits(wire, member, &insert);
        };
        self.asks(wire, begin)?;
        let inside = (|| {
            self.asks(wire, &insert)?;
            self.reads(wire, &format!("SELECT '{tag}' FROM crew WHERE tag = '{tag}' LIMIT 1"), tag)
        })();
        if inside.is_err() {
            // Where it was not lost it is open still.
            if matches!(inside, Err(Setback::Told)) {
                self.asks(wire, "ROLLBACK")?;
            }
            return inside;
        }
        self.commits(wire, member, end)
    }

    fn commits(&self, wire: &mut Wire, member: &Member, sql: &str) -> Result<(), Setback> {
        let heard = self.asks(wire, sql);
        let count = if heard.is_ok() { &member.written } else { &member.unknown };
        count.fetch_add(1, Ordering::Relaxed);
        heard.map(drop)
    }

    fn carries(&self, replies: Vec<Reply>, tag: &str) -> Result<(), Setback> {
        let [Reply::Rows(rows)] = replies.as_slice() else { panic!("rows of {tag} were due, not {replies:?}") };
        let foreign = rows.rows.iter().find(|row| row.first() != Some(&Some(tag.to_owned())));
        assert_eq!(foreign, None, "a row that is not of {tag}");
        Ok(())
    }

    /// A reply that is no error; one that the test tolerates is noted.
    fn heard(&self, replies: Result<Vec<Reply>, WireError>, at: &str) -> Result<Vec<Reply>, Setback> {
        let replies = match replies {
            Ok(replies) => replies,
            Err(WireError::Refused(error)) => vec![Reply::Err(error)],
            Err(WireError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer came"),
            Err(WireError::Io(_)) => return Err(Setback::Ended(at.to_owned())),
            Err(error) => panic!("{error}"),
        };
        match replies.last() {
            Some(last @ Reply::Err(_)) => {
                self.note(last);
                Err(Setback::Told)
            }
            _ => Ok(replies),
        }
    }

    fn note(&self, reply: &Reply) {
        let Reply::Err(error) = reply else { return };
        assert!(self.tolerated.contains(&error.code), "nobody may be told this: {error}");
        let mut told = self.told.lock().unwrap();
        told.entry(error.code).or_insert_with(|| (0, error.message.clone())).0 += 1;
    }
}

/// All connections are in as many transactions at once.
pub(crate) fn full_width(proxy: &Proxy, tenant: &Tenant, width: usize) {
    let mut wires: Vec<Wire> = (0..width).map(|_| tenant.connect(proxy.address())).collect();
    for wire in &mut wires {
        wire.ok("START TRANSACTION");
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
    }
    until("all are leased", || proxy.backends("leased") == width as f64);
    wires.iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
    drop(wires);
    until("rest", || proxy.is_at_rest());
}
