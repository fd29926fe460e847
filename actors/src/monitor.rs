//! owns: the judgement whether one node answers, and what it is; the connection over which it is asked.
//! is told: `Probe`, `Accuse`, `Observed`.
//! tells: shards `NodeChanged`; the supervisor `Recovered`.
//! ends when: the process does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle, WrapFuture};
use greenroom_protocol::login::client::BackendSecret;
use metrics::gauge;
use tokio::sync::oneshot;

use crate::account::{Account, Proven};
use crate::backend::{Heard, ask, probe};
use crate::cluster::Membership;
use crate::election::settle;
use crate::metrics::{NODE_LAG_SECONDS, NODE_ROLE, NODE_UP};
use crate::node::Node;
use crate::pool::{Health, NodeChanged};
use crate::quota::Quotas;
use crate::role::{Judge, Lag, Report};
use crate::settings::{MonitorSettings, Role};
use crate::stage::Stage;
use crate::supervisor::Recovered;
use crate::wire::Wire;

/// How often a node that nobody logs in to for the monitor is asked for its greeting while it is down. One that answers is
/// judged by the traffic alone: a greeting that nobody goes on with counts as a failed login on the server.
const WHILE_DOWN: Duration = Duration::from_secs(1);

/// How soon a result that differs from the judgement is looked at again.
const AGAIN: Duration = Duration::from_millis(100);

/// How soon it is looked again at a node of which the traffic has shown something.
const SOON: Duration = Duration::from_millis(25);

/// How long it may take until a monitor sees that there is something to look at of which nobody has told it, such as a reload.
const LONGEST: Duration = Duration::from_secs(1);

/// How long a refused account is left alone: servers lock accounts that fail too often.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Whom the monitors log in as, and how they judge.
#[derive(Debug)]
pub(crate) struct Watch {
    account: Option<Arc<Account>>,
    interval: Duration,
    results: usize,
}

impl Watch {
    pub(crate) fn new(settings: &MonitorSettings) -> Self {
        let account = settings.account.as_ref().map(|account| {
            let user: Box<[u8]> = account.user.as_bytes().into();
            let secret = BackendSecret::Password(account.password.clone());
            let (client, proven, quotas) = (None, Proven::default(), Quotas::default());
            Arc::new(Account { id: 0, user: user.clone(), backend_user: user, client, secret, proven, quotas })
        });
        Self { account, interval: settings.interval, results: settings.results }
    }
}

/// Watches one node.
pub(crate) struct NodeMonitor {
    node: Arc<Node>,
    stage: Arc<Stage>,
    probing: bool,
    judge: Judge,
    line: Option<Box<Wire>>,
    /// The last account was refused, and what was said of that.
    refused: Option<(Instant, String)>,
    /// Whoever could be asked for how far the node is behind may not see it; that is logged once.
    hidden: bool,
    /// The same of what its cluster makes of it.
    blind: bool,
    next: Instant,
    /// The timer that is set for that.
    clock: SpawnHandle,
    /// Who waits for the answer: a crowd of clients asks once, or the server would have a crowd of its own.
    asked: Vec<oneshot::Sender<Result<(), String>>>,
}

/// Does the node answer, and what is it?
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub(crate) struct Probe;

/// What came of looking.
struct Seen {
    answer: Result<(), String>,
    report: Option<Report>,
    line: Option<Box<Wire>>,
    refused: Option<String>,
}

/// Shows what a node is taken for; `None`: for nothing any more.
fn show_as(name: &str, taken_for: Option<Role>) {
    for (role, word) in [(Role::Primary, "primary"), (Role::Replica, "replica"), (Role::Auto, "unknown")] {
        let is = if taken_for == Some(role) { 1.0 } else { 0.0 };
        gauge!(NODE_ROLE, "node" => name.to_owned(), "role" => word).set(is);
    }
}

/// The node of that name is configured no more: what was last seen of it is nobody's business.
pub(crate) fn forget(name: &str) {
    show_as(name, None);
    // No series ends while the process runs. Of NaN nothing is true, so nobody is alerted by it.
    gauge!(NODE_UP, "node" => name.to_owned()).set(f64::NAN);
    gauge!(NODE_LAG_SECONDS, "node" => name.to_owned()).set(f64::NAN);
}

impl NodeMonitor {
    pub(crate) fn new(node: Arc<Node>, stage: Arc<Stage>) -> Self {
        let next = Instant::now();
        let (judge, asked, clock) = (Judge::new(), Vec::new(), SpawnHandle::default());
        let (line, refused) = (None, None);
        Self { node, stage, probing: false, judge, line, refused, hidden: false, blind: false, next, clock, asked }
    }

    /// Whether the node is asked again and again, and not only while it is down.
    fn is_watched(&self) -> bool {
        let settings = self.node.settings();
        let wanted = settings.role == Role::Auto || settings.max_lag.is_some() || self.stage.watch().account.is_some();
        wanted && !self.node.is_retired()
    }

    /// Whom to log in as, if anybody.
    fn account(&self) -> Option<Arc<Account>> {
        if !self.is_watched() {
            return None;
        }
        match &self.stage.watch().account {
            Some(account) => {
                let pause = self.refused.as_ref().is_some_and(|(at, _)| at.elapsed() < REFUSED_PAUSE);
                (!pause).then(|| Arc::clone(account))
            }
            None => self.node.account(),
        }
    }

    fn judge(&mut self, answer: &Result<(), String>, results: usize) {
        let name = self.node.settings().name.clone();
        let was_up = self.node.is_up();
        let is_up = self.judge.health(was_up, answer.is_ok(), results);
        if !self.node.is_retired() {
            gauge!(NODE_UP, "node" => name.clone()).set(if is_up { 1.0 } else { 0.0 });
        }
        match answer {
            Ok(()) if is_up && !was_up => slog::info!(self.stage.log, "node is up"; "node" => name),
            Err(reason) if was_up && !is_up => {
                slog::warn!(self.stage.log, "node is down"; "node" => name, "reason" => reason);
            }
            _ => {}
        }
        if is_up == answer.is_ok() {
            self.node.mark(answer.as_ref().err().map(String::as_str));
        }
        if was_up == is_up {
            return;
        }
        if is_up {
            // Another may have taken its place meanwhile.
            self.node.renew();
        }
        if !is_up {
            // Before its waiters are told: another may be theirs.
            self.settle(false);
        }
        self.announce(&self.node, if is_up { Health::Up } else { Health::Down });
    }

    fn announce(&self, node: &Node, health: Health) {
        if let (Health::Up, Some(main)) = (health, self.stage.main()) {
            main.supervisor.do_send(Recovered { node: node.index });
        }
        for shard in self.stage.shards() {
            shard.do_send(NodeChanged { node: node.index, health });
        }
    }

    /// Takes the server at its word. Gives whether it has begun to take writes.
    fn believe(&mut self, report: &Report, results: usize) -> bool {
        let begun = self.take_role(report, results);
        let busy = report.cluster.as_ref().is_some_and(|cluster| cluster.busy);
        if let Some(replication) = report.replication {
            let lag = self.judge.lag(replication, Instant::now());
            let settings = self.node.settings();
            self.node.note_lagging(lag.is_over(settings.max_lag) || busy);
            let hidden = lag == Lag::Unknown;
            if hidden && !self.hidden {
                slog::warn!(self.stage.log, "how far the node is behind cannot be seen: the monitor's account lacks the right";
                    "node" => &settings.name);
            }
            self.hidden = hidden;
            if !self.node.is_retired() {
                gauge!(NODE_LAG_SECONDS, "node" => settings.name.clone()).set(lag.seconds());
            }
        }
        if report.blind && !self.blind {
            slog::warn!(self.stage.log, "what its replication group makes of the node cannot be seen, only whether it is read-only: \
                the monitor's account lacks SELECT on performance_schema.replication_group_members";
                "node" => &self.node.settings().name);
        }
        self.blind = report.blind;
        self.show_role(&self.node);
        begun
    }

    /// A cluster's members are settled among themselves which of those who take writes is the primary; others are what they say.
    fn take_role(&mut self, report: &Report, results: usize) -> bool {
        let (before, known) = (self.node.role(), self.node.membership());
        let was_able = known.as_ref().is_some_and(|known| known.able);
        let claimed = if was_able { Role::Primary } else { before };
        let role = self.judge.role(claimed, report.writable, results);
        let stands = role == Role::Primary;
        // Who has begun to be unfit is not elected, though it may turn out well; who was elected keeps its place so long.
        let able = stands && (report.unfit.is_none() || before == Role::Primary);
        let mut cluster = report.cluster.clone();
        if let Some(cluster) = &mut cluster {
            cluster.busy = self.judge.busy(cluster.busy, results);
        }
        let alone = cluster.is_none();
        self.node.note_membership(Membership { cluster, able });
        if (alone || !stands || before == Role::Auto) && self.node.take_for(role) {
            self.tell_role(&self.node, before);
        }
        able && known.is_some() && !was_able
    }

    /// Whatever has become of the node, its cluster has a primary again if it can.
    fn settle(&self, begun: bool) {
        for (node, before) in settle(&self.stage.nodes(), &self.node, begun) {
            self.tell_role(&node, before);
        }
    }

    fn show_role(&self, node: &Node) {
        if !node.is_retired() {
            show_as(&node.settings().name, Some(node.role()));
        }
    }

    /// A node's role is another now.
    fn tell_role(&self, node: &Node, before: Role) {
        slog::info!(self.stage.log, "node has another role"; "node" => node.settings().name.clone(),
            "before" => word(before), "now" => word(node.role()));
        self.show_role(node);
        self.announce(node, Health::Role);
    }

    /// The account was refused: the node is what the configuration says, or what was known of it last.
    fn turned_away(&mut self, account: &Account, reason: String) {
        if self.stage.watch().account.is_none() {
            // Clients that log in may do better.
            self.node.forget_account(account);
        }
        if self.refused.as_ref().is_none_or(|(_, before)| *before != reason) {
            slog::warn!(self.stage.log, "the monitor cannot ask the node what it is; its role stays as it is";
                "node" => self.node.settings().name.clone(), "role" => word(self.node.role()), "reason" => &reason);
        }
        self.refused = Some((Instant::now(), reason));
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.probing, true) {
            return;
        }
        let (node, account, line) = (Arc::clone(&self.node), self.account(), self.line.take());
        let lag = self.is_watched();
        let asked_as = account.clone();
        ctx.spawn(async move { see(node, account, line, lag).await }.into_actor(self).map(move |seen, this, ctx| {
            this.probing = false;
            this.take_in(seen, asked_as);
            this.wind(ctx);
        }));
    }

    fn take_in(&mut self, seen: Seen, account: Option<Arc<Account>>) {
        let watch = self.stage.watch();
        // Nobody looks again soon at a node that is not watched, or that has never answered.
        let results = if self.is_watched() && self.node.facts().is_some() { watch.results } else { 1 };
        self.line = seen.line.filter(|_| self.is_watched());
        self.judge(&seen.answer, results);
        match (seen.refused, account) {
            (Some(reason), Some(account)) => self.turned_away(&account, reason),
            (None, Some(_)) if seen.report.is_some() => self.refused = None,
            _ => {}
        }
        if let Some(report) = seen.report {
            let begun = self.believe(&report, results);
            self.settle(begun);
        } else {
            self.show_role(&self.node);
            if !self.is_watched() && !self.node.is_retired() {
                gauge!(NODE_LAG_SECONDS, "node" => self.node.settings().name.clone()).set(Lag::Unknown.seconds());
            }
        }
        let doubt = self.is_watched() && self.judge.is_in_doubt(results);
        self.next = Instant::now() + if doubt { AGAIN.min(watch.interval) } else { self.interval(watch.interval) };
        for asked in self.asked.drain(..) {
            // Whoever asked may be gone.
            let _ = asked.send(seen.answer.clone());
        }
    }

    fn interval(&self, watched: Duration) -> Duration {
        if self.is_watched() { watched } else { WHILE_DOWN }
    }

    /// Whether it is looked at the node without being asked.
    fn looks(&self) -> bool {
        !self.node.is_up() || self.node.facts().is_none() || self.account().is_some()
    }

    /// Sets the timer anew. One that ran at a steady pace fine enough for all of this would keep an idle process awake.
    fn wind(&mut self, ctx: &mut Context<Self>) {
        ctx.cancel_future(self.clock);
        let pause = match self.looks() && !self.probing {
            true => self.next.saturating_duration_since(Instant::now()).min(LONGEST),
            false => LONGEST,
        };
        self.clock = ctx.run_later(pause, |this, ctx| {
            if this.looks() && Instant::now() >= this.next {
                this.look(ctx);
            }
            this.wind(ctx);
        });
    }
}

/// Looks at a node, as this account if there is one.
async fn see(node: Arc<Node>, account: Option<Arc<Account>>, line: Option<Box<Wire>>, lag: bool) -> Seen {
    let Some(account) = account else {
        return Seen { answer: probe(&node).await, report: None, line: None, refused: None };
    };
    match ask(Arc::clone(&node), account, line, lag).await {
        Heard::Report(report, line) => {
            // A server whose group was left or never begun may stand alone by intent, where its role is fixed.
            let unfit = report.unfit.clone().filter(|_| node.is_auto() || !report.outside);
            let answer = unfit.map_or(Ok(()), Err);
            Seen { answer, report: Some(report), line: Some(line), refused: None }
        }
        Heard::Refused(reason) => Seen { answer: Ok(()), report: None, line: None, refused: Some(reason) },
        Heard::Silent(reason) => Seen { answer: Err(reason), report: None, line: None, refused: None },
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
        Role::Auto => "unknown",
    }
}

impl Actor for NodeMonitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.look(ctx);
        self.wind(ctx);
    }
}

/// Connections to the node fail again and again. If it greets nevertheless, it is down all the same
/// for those who wait: they are told why the last of them failed, and the next who come try anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Accuse(pub(crate) String);

impl Handler<Accuse> for NodeMonitor {
    type Result = ();

    fn handle(&mut self, accuse: Accuse, ctx: &mut Context<Self>) {
        self.judge(&Err(format!("connections to it failed again and again: {}", accuse.0)), 1);
        self.look(ctx);
    }
}

/// The traffic has shown something of the node's role, which was this before.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Observed {
    pub(crate) before: Role,
}

impl Handler<Observed> for NodeMonitor {
    type Result = ();

    fn handle(&mut self, observed: Observed, ctx: &mut Context<Self>) {
        if self.node.role() != observed.before {
            self.tell_role(&self.node, observed.before);
        }
        self.next = self.next.min(Instant::now() + SOON);
        self.wind(ctx);
    }
}

impl Handler<Probe> for NodeMonitor {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, _: Probe, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.asked.push(reply);
        self.look(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err("nobody watches the node any more".to_owned())) })
    }
}
