//! The membership itself: one conversation with etcd, again and again from its beginning when that fails.
//!
//! Whatever is written by anybody rings a bell (a watch); then all is read anew and acted upon. So nothing is lost between one
//! watch and the next, and there is one way for everything.

mod alone;
mod letters;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until};

use self::alone::Silence;
use self::letters::Letters;
use super::etcd::{Condition, Etcd, Write};
use super::http::Fault;
use super::record::{Board, Held, Keys, Record, Reply};
use super::share::Claim;
use super::{Fleet, Kept, Shown, Wish};
use crate::metrics::{FLEET_MEMBERS, FLEET_SHARE};
use crate::node::Node;
use crate::stage::Stage;

/// How often it is looked whether connections that are too many have been closed, and whether limits are still the same.
const LOOK: Duration = Duration::from_millis(100);

/// What is written within so short a time is read together.
const PAUSE: Duration = Duration::from_millis(5);

/// How often it is tried to write while others do.
const TRIES: usize = 8;

/// The first pause after etcd has failed, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Who finds nobody where once were some waits for so long for them before he takes what they may have: longer than any of
/// them takes to notice that etcd is back.
const DESERTED: Duration = Duration::from_secs(4);

pub(super) struct Membership {
    stage: Arc<Stage>,
    fleet: Arc<Fleet>,
    keys: Keys,
    etcd: Etcd,
    host: String,
    /// Until when nobody is to take more, for its sake.
    settled: Instant,
    silence: Silence,
    kept: Kept,
    /// What is written of this instance, as far as it knows.
    written: Option<Record>,
    /// The nodes of the configuration, and those that once were for as long as anybody uses them.
    nodes: BTreeMap<String, Arc<Node>>,
    /// Those that are configured no more, and nobody uses. Sessions of an earlier configuration may want them again.
    gone: Vec<Arc<Node>>,
    letters: Letters,
    wishes: UnboundedReceiver<Wish>,
    /// Answers to what others have asked.
    answers: UnboundedReceiver<(String, Reply)>,
    answering: UnboundedSender<(String, Reply)>,
}

/// Why attending ends.
enum End {
    Left,
    Lost(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Lost(fault)
    }
}

impl Membership {
    pub(super) fn new(fleet: Arc<Fleet>, stage: Arc<Stage>, wishes: UnboundedReceiver<Wish>) -> Self {
        let (answering, answers) = unbounded_channel();
        Self {
            keys: Keys::new(&fleet.settings.name),
            etcd: Etcd::new(Arc::clone(&fleet.settings)),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            settled: Instant::now(),
            silence: Silence::default(),
            kept: fleet.kept(),
            written: None,
            nodes: BTreeMap::new(),
            gone: Vec::new(),
            letters: Letters::new(),
            stage,
            fleet,
            wishes,
            answers,
            answering,
        }
    }

    pub(super) async fn live(mut self) {
        let [first, longest] = PAUSES;
        let mut pause = first;
        loop {
            let fault = match self.attend(&mut pause).await {
                Ok(()) | Err(End::Left) => return,
                Err(End::Lost(fault)) => fault,
            };
            self.lost(&fault);
            self.etcd.turn();
            if self.sit_out(pause).await {
                return;
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Registers, if need be, and takes part for as long as etcd answers.
    async fn attend(&mut self, pause: &mut Duration) -> Result<(), End> {
        self.renew().await?;
        let revision = self.settle().await?;
        let mut bell = self.etcd.watch(&self.keys.base, revision).await?;
        self.found();
        *pause = PAUSES[0];
        let third = self.fleet.settings.ttl / 3;
        let (mut due, mut look) = (Instant::now() + third, Instant::now() + LOOK);
        loop {
            tokio::select! {
                rung = bell.rung() => {
                    rung?;
                    sleep(PAUSE).await;
                    self.settle().await?;
                }
                () = sleep_until(due) => {
                    self.renew().await?;
                    self.settle().await?;
                    due = Instant::now() + third;
                }
                () = sleep_until(look) => {
                    self.withdraw().await?;
                    if self.has_news() {
                        self.settle().await?;
                    }
                    look = Instant::now() + LOOK;
                }
                Some(wish) = self.wishes.recv() => self.grant(wish).await?,
                Some((name, reply)) = self.answers.recv() => self.answer(&name, &reply).await?,
            }
        }
    }

    /// Waits before etcd is tried again. Says whether the process stops meanwhile.
    async fn sit_out(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            self.help_itself();
            tokio::select! {
                () = sleep_until(until.min(Instant::now() + LOOK)) => {
                    if Instant::now() >= until {
                        return false;
                    }
                }
                Some(wish) = self.wishes.recv() => {
                    // Whoever calls is told by the end of his channel.
                    if let Wish::Leave(done) = wish {
                        let _ = done.send(());
                        return true;
                    }
                }
            }
        }
    }

    /// Lengthens the lease; without one, registers.
    async fn renew(&mut self) -> Result<(), Fault> {
        if let Some(lease) = self.kept.lease.clone() {
            if self.etcd.keep_alive(&lease).await? {
                return Ok(());
            }
            slog::warn!(self.stage.log, "the fleet's etcd has ended this instance's lease: it registers anew");
            self.kept.lease = None;
        }
        self.register().await
    }

    async fn register(&mut self) -> Result<(), Fault> {
        let lease = self.etcd.lease().await?;
        self.gather_nodes();
        let again = self.kept.held.values().any(|held| *held > 0);
        for name in self.nodes.keys() {
            self.kept.held.entry(name.clone()).or_insert(0);
        }
        for _ in 0..TRIES {
            let snapshot = self.etcd.read(&self.keys.base).await?;
            let board = self.keys.read(&snapshot.stored, 0);
            // Where it was written and the answer was lost, it is there already.
            let there = board.number_of(&self.fleet.mark);
            let own = there.or_else(|| Some(self.fleet.number()).filter(|own| *own != 0 && !board.has(*own)));
            let Some(number) = own.or_else(|| board.free_number(self.fleet.first)) else {
                return Err(Fault::Refused("255 instances are registered".to_owned()));
            };
            let settling = match (again, board.is_deserted()) {
                (true, _) => self.fleet.settings.ttl,
                (false, true) => DESERTED,
                (false, false) => Duration::ZERO,
            };
            self.settled = self.settled.max(Instant::now() + settling);
            let record = self.record(self.claims());
            let member = self.keys.member(number);
            let condition = match there {
                Some(_) => Condition::Unchanged { prefix: member, revision: snapshot.revision },
                None => Condition::Absent(member),
            };
            let mut writes = vec![self.put(number, &record, &lease)];
            if own.is_none() {
                let value = number.to_string().into_bytes();
                writes.push(Write::Put { key: self.keys.last(), value, lease: None });
            }
            if self.etcd.write(&[condition], &writes).await? {
                slog::info!(self.stage.log, "registered with the fleet"; "fleet" => &self.fleet.settings.name,
                    "instance" => number, "etcd" => self.etcd.asked());
                self.written = Some(record);
                self.kept.lease = Some(lease);
                self.fleet.keep(&self.kept);
                self.fleet.number.store(number, Ordering::Relaxed);
                return Ok(());
            }
        }
        Err(Fault::Refused("others register all the time".to_owned()))
    }

    /// Reads everything, and does what follows of it. Gives the revision that was read.
    async fn settle(&mut self) -> Result<i64, Fault> {
        let mut revision = 0;
        for _ in 0..TRIES {
            let number = self.fleet.number();
            let snapshot = self.etcd.read(&self.keys.base).await?;
            revision = snapshot.revision;
            let board = self.keys.read(&snapshot.stored, number);
            self.written = board.record_of(number).filter(|record| record.mark == self.fleet.mark).cloned();
            if self.written.is_none() {
                // Its lease ended between one question and the next, and another may have its number.
                self.kept.lease = None;
                self.register().await?;
                continue;
            }
            self.deliver(&board).await?;
            let (claims, grows) = self.claim(&board, number);
            self.show(&board);
            let record = self.record(claims);
            if !grows && self.written.as_ref() == Some(&record) {
                break;
            }
            let Some(lease) = self.kept.lease.clone() else { break };
            self.give_up(&record);
            // Of its own record, too: what it wrote before and heard nothing of must not be written behind this.
            let prefix = if grows { self.keys.members() } else { self.keys.member(number) };
            let put = self.put(number, &record, &lease);
            if self.etcd.write(&[Condition::Unchanged { prefix, revision }], &[put]).await? {
                self.hold(record);
                break;
            }
        }
        Ok(revision)
    }

    /// What it may say that it holds, by what others hold; and whether that is more of anything than before or than is written.
    /// Until that is written, nodes are given no more than both the old and the new.
    fn claim(&mut self, board: &Board, number: u8) -> (BTreeMap<String, Claim>, bool) {
        self.gather_nodes();
        let mut ledger = board.ledger();
        let own = self.claims();
        let written = ledger.0.insert(number, own.clone()).unwrap_or_default();
        let may_grow = board.is_whole() && self.is_settled();
        let (mut new, mut grows, mut decided) = (own, false, true);
        for (name, claim) in &mut new {
            let Some(node) = self.nodes.get(name) else { continue };
            let held = (claim.held, written.get(name).map_or(0, |written| written.held));
            let turn = ledger.turn((name, number), held, may_grow, |most| {
                node.set_share(most);
                node.occupied()
            });
            decided &= claim.held > 0 || ledger.part(name, number) == 0;
            self.kept.decided.insert(name.clone());
            claim.held = turn.held;
            grows |= turn.grows;
        }
        if decided {
            self.fleet.decided.store(true, Ordering::Relaxed);
        }
        (new, grows)
    }

    /// It keeps to what is to be written where that is less: it may be written without being heard of.
    fn give_up(&mut self, record: &Record) {
        for it in &record.nodes {
            let held = self.kept.held.entry(it.node.clone()).or_insert(0);
            if it.held < *held {
                *held = it.held;
                gauge!(FLEET_SHARE, "node" => it.node.clone()).set(small(it.held));
                slog::info!(self.stage.log, "this instance has given up a part of its share"; "node" => &it.node,
                    "share" => it.held, "of" => it.whole);
            }
        }
        self.fleet.keep(&self.kept);
    }

    /// It holds this now, by what is written.
    fn hold(&mut self, record: Record) {
        for it in &record.nodes {
            let before = self.kept.held.insert(it.node.clone(), it.held).unwrap_or(0);
            if let Some(node) = self.nodes.get(&it.node).filter(|_| it.held > before) {
                node.set_share(it.held);
                slog::info!(self.stage.log, "the fleet gives this instance a larger share"; "node" => &it.node, "share" => it.held,
                    "of" => it.whole);
            }
            gauge!(FLEET_SHARE, "node" => it.node.clone()).set(small(it.held));
        }
        self.fleet.keep(&self.kept);
        self.written = Some(record);
    }

    /// Whether something has changed here that the others should know.
    fn has_news(&mut self) -> bool {
        self.gather_nodes();
        let known = self.written.as_ref() == Some(&self.record(self.claims()));
        let given_back = |(name, node): (&String, &Arc<Node>)| {
            let held = self.kept.held.get(name).copied().unwrap_or(0);
            node.share().is_some_and(|share| share < held && node.occupied() < held)
        };
        !known || self.nodes.iter().any(given_back)
    }

    fn gather_nodes(&mut self) {
        for node in self.stage.nodes() {
            self.nodes.insert(node.settings().name.clone(), node);
        }
        for node in std::mem::take(&mut self.gone) {
            let name = &node.settings().name;
            match node.is_wanted() && !self.nodes.contains_key(name) {
                true => drop(self.nodes.insert(name.clone(), node)),
                false => self.gone.push(node),
            }
        }
        for (name, node) in std::mem::take(&mut self.nodes) {
            if node.is_retired() && !node.is_wanted() {
                node.set_share(0);
                // One may have been opened just before that.
                if !node.is_wanted() {
                    self.gone.push(node);
                    continue;
                }
            }
            self.nodes.insert(name, node);
        }
        let nodes = &self.nodes;
        self.kept.held.retain(|name, _| {
            let stays = nodes.contains_key(name);
            if !stays {
                // Of a node that is configured no more there is no share, not one of 0.
                gauge!(FLEET_SHARE, "node" => name.clone()).set(f64::NAN);
            }
            stays
        });
    }

    /// What it holds, and of what.
    fn claims(&self) -> BTreeMap<String, Claim> {
        let claim = |(name, node): (&String, &Arc<Node>)| {
            let held = self.kept.held.get(name).copied().unwrap_or(0);
            (name.clone(), Claim { held, whole: node.ceiling() })
        };
        self.nodes.iter().map(claim).collect()
    }

    fn record(&self, claims: BTreeMap<String, Claim>) -> Record {
        let held = |(node, Claim { held, whole })| Held { node, held, whole };
        let nodes = claims.into_iter().map(held).collect();
        Record {
            host: self.host.clone(),
            process: std::process::id(),
            mark: self.fleet.mark.clone(),
            settling: !self.is_settled(),
            nodes,
        }
    }

    fn is_settled(&self) -> bool {
        Instant::now() >= self.settled
    }

    fn put(&self, number: u8, record: &Record, lease: &str) -> Write {
        // Texts and numbers can always be written.
        let value = serde_json::to_vec(record).unwrap_or_default();
        Write::Put { key: self.keys.member(number), value, lease: Some(lease.to_owned()) }
    }

    fn show(&self, board: &Board) {
        gauge!(FLEET_MEMBERS).set(small(board.members.len()));
        let of = |(instance, record): &(u8, Record)| {
            let (instance, host, process) = (*instance, record.host.clone(), record.process);
            let shown = move |it: &Held| Shown {
                instance,
                host: host.clone(),
                process,
                node: it.node.clone(),
                held: it.held,
                whole: it.whole,
            };
            record.nodes.iter().map(shown).collect::<Vec<_>>()
        };
        let shown = board.members.iter().flat_map(of).collect();
        *self.fleet.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = shown;
    }
}

/// A count, for a metric.
#[expect(clippy::cast_precision_loss, reason = "nobody has that many connections")]
fn small(count: usize) -> f64 {
    count as f64
}
