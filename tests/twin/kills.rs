//! Twins while the server's administrator kills the pool's connections, one after the other, whatever they are at.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, sleep},
    time::Duration,
};

use greenroom::demo::server::Server;

use super::{
    client::Client,
    generate::{self, Script},
    moves::{GROUPS, Group},
    pair::Pair,
    run::Runner,
    stage::{CONNECTIONS, Place, Stage, USER},
};
use crate::support::{
    dice::Dice,
    observe::{Root, until},
};

/// Sessions and their twins at a time.
const AT_A_TIME: usize = 8;
/// At most so long between two kills.
const PAUSE: usize = 12_000;
/// How often a login may meet a connection that is killed.
const LOGINS: usize = 10;
/// Groups that are left out: of what is lost of these, nobody can tell how it must have ended.
const LEFT_OUT: [&str; 2] = ["xa", "seeds"];

/// Lines that are left out: a sum of the session's name, too; a language that errors of the proxy's own do not have; and
/// columns after whose change a statement that is prepared anew is not marked as changed (docs/pinning.md).
const LINES_LEFT_OUT: [&str; 3] = ["CHECKSUM", "lc_messages", "ADD COLUMN added"];

/// What happened to the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Transaction,
    Outcome,
    Refused,
    ByServer,
    Ended,
    Killed,
}

/// The stage, whose twins are not to be killed.
pub(crate) struct Arena<'a> {
    pub(crate) stage: &'a Stage<'a>,
    /// Ids of the twins' connections. Locked while one logs in, and while one of the others is killed.
    twins: Mutex<BTreeSet<u64>>,
    /// Ids of those that were killed and may not have gone yet.
    killed: Mutex<BTreeSet<u64>>,
    root: Mutex<Root>,
    counts: [AtomicUsize; 6],
}

impl<'a> Arena<'a> {
    fn new(stage: &'a Stage<'a>) -> Self {
        let root = Mutex::new(Root::on(stage.server));
        Self { stage, twins: Mutex::default(), killed: Mutex::default(), root, counts: Default::default() }
    }

    pub(crate) fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn counted(&self, what: Count) -> usize {
        self.counts[what as usize].load(Ordering::Relaxed)
    }

    /// Logs a twin in.
    pub(crate) fn direct(&self, place: &Place, client: Client) -> Runner {
        let mut twins = self.twins.lock().unwrap();
        let runner = self.stage.direct(place, client);
        twins.insert(runner.id());
        runner
    }

    /// Logs a session in.
    pub(crate) fn proxied(&self, place: &Place, client: Client) -> Runner {
        let mut attempts = (0..LOGINS).map(|_| self.stage.try_proxied(place, client));
        attempts.find_map(Result::ok).expect("a session logs in, at last")
    }

    /// Waits until nothing is left on the server of connections that were killed: neither locks nor an open transaction.
    pub(crate) fn wait_for_the_killed(&self) {
        let killed = self.killed.lock().unwrap().clone();
        until("those that were killed are gone", || {
            let there = self.root.lock().unwrap().all_connections(USER);
            killed.iter().all(|id| !there.contains_key(id))
        });
        self.killed.lock().unwrap().retain(|id| !killed.contains(id));
    }

    /// Kills one of the pool's connections.
    fn kill_one(&self, root: &mut Root, dice: &mut Dice) {
        let twins = self.twins.lock().unwrap();
        let mut killed = self.killed.lock().unwrap();
        let mut others = Vec::new();
        // The server notices that a connection was closed when it gets to it.
        until("the pool keeps to its limit", || {
            let there = root.all_connections(USER).into_iter().filter(|(_, does)| does != "Quit");
            others = there.map(|(id, _)| id).filter(|id| !twins.contains(id) && !killed.contains(id)).collect();
            others.len() <= CONNECTIONS
        });
        if !others.is_empty() {
            let id = dice.one_of(&others);
            killed.insert(id);
            // It may have gone by itself.
            let _ = root.0.query(&format!("KILL {id}"));
            self.count(Count::Killed);
        }
    }

    fn kill_until(&self, stop: &AtomicBool) {
        let (mut root, mut dice) = (Root::on(self.stage.server), Dice::new(7));
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_micros(dice.roll(PAUSE) as u64));
            self.kill_one(&mut root, &mut dice);
        }
    }
}

fn script(seed: u64, steps: usize, server: &Server) -> Script {
    let groups: Vec<&Group> = GROUPS.iter().copied().filter(|group| !LEFT_OUT.contains(&group.name)).collect();
    let mut script = generate::script_of(&groups, seed, steps, server.flavor());
    script.lines.retain(|line| !LINES_LEFT_OUT.iter().any(|part| line.contains(part)));
    // What changed unseen it hears at any time, or never (docs/pinning.md).
    if script.client == Client::Tracking {
        script.client = Client::Modern;
    }
    script
}

/// Runs the seeds' scripts; gives what those that failed have to say.
pub(crate) fn play(server: &Server, seeds: &[u64], steps: usize, goes_on: bool) -> Vec<String> {
    let stage = Stage::new(server);
    let arena = Arena::new(&stage);
    let stop = AtomicBool::new(false);
    let (reports, waiting) = (Mutex::new(Vec::new()), Mutex::new(seeds.to_vec()));
    thread::scope(|scope| {
        let killer = scope.spawn(|| arena.kill_until(&stop));
        let players: Vec<_> = (0..AT_A_TIME.min(seeds.len()))
            .map(|number| {
                let (arena, reports, waiting) = (&arena, &reports, &waiting);
                scope.spawn(move || {
                    let mut pair = Pair::new(arena, number);
                    loop {
                        let Some(seed) = waiting.lock().unwrap().pop() else { return };
                        let Some(found) = pair.play(script(seed, steps, server)) else { continue };
                        reports.lock().unwrap().push(format!("killed, seed {seed} on {}:\n{found}", server.flavor()));
                        if !goes_on {
                            waiting.lock().unwrap().clear();
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = players.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        killer.join().unwrap();
        ended.into_iter().for_each(|end| end.unwrap());
    });
    let counts = [Count::Killed, Count::Transaction, Count::Outcome, Count::Refused, Count::ByServer, Count::Ended]
        .map(|what| (what, arena.counted(what)));
    println!("{}: {counts:?}", server.flavor());
    // With few scripts it may be over too soon.
    if seeds.len() >= AT_A_TIME {
        assert!(arena.counted(Count::Killed) > 20 && arena.counted(Count::Outcome) > 3, "{counts:?}");
    }
    at_rest(&stage);
    reports.into_inner().unwrap()
}

/// Nothing is left of anybody.
fn at_rest(stage: &Stage<'_>) {
    until("nobody has or wants a connection", || {
        let metrics = stage.proxy.metrics();
        let sum = |name: &str, state: &str| metrics.sum(name, &[&format!("state=\"{state}\"")]);
        let busy: f64 =
            ["opening", "leased", "cleaning"].map(|state| sum("greenroom_backend_connections", state)).iter().sum();
        let others = ["greenroom_clients", "greenroom_waiters", "greenroom_pinned"].map(|name| metrics.sum(name, &[]));
        let open = metrics.sum("greenroom_backend_connections", &[]);
        open <= CONNECTIONS as f64 && busy == 0.0 && others.iter().all(|count| *count == 0.0)
    });
}
