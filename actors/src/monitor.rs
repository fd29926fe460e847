//! owns: the judgement whether one node answers, and what it is.
//! is told: `Probe`.
//! tells: shards `NodeChanged`; the supervisor `Recovered`.
//! ends when: the process does.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture};
use metrics::gauge;
use tokio::sync::oneshot;

use crate::backend::probe;
use crate::metrics::NODE_UP;
use crate::node::Node;
use crate::pool::{Health, NodeChanged};
use crate::stage::Stage;
use crate::supervisor::Recovered;

/// How often a node that is down is asked. One that answers is judged by the traffic alone: a greeting
/// that nobody goes on with counts as a failed login on the server.
const WHILE_DOWN: Duration = Duration::from_secs(1);

/// Watches one node.
pub(crate) struct NodeMonitor {
    node: Arc<Node>,
    stage: Arc<Stage>,
    probing: bool,
    /// Who waits for the answer: a crowd of clients asks once, or the server would have a crowd of its own.
    asked: Vec<oneshot::Sender<Result<(), String>>>,
}

/// Does the node answer, and what is it?
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub(crate) struct Probe;

impl NodeMonitor {
    pub(crate) fn new(node: Arc<Node>, stage: Arc<Stage>) -> Self {
        Self { node, stage, probing: false, asked: Vec::new() }
    }

    fn judge(&mut self, answer: &Result<(), String>) {
        let name = self.node.settings().name.clone();
        if !self.node.is_retired() {
            gauge!(NODE_UP, "node" => name.clone()).set(if answer.is_ok() { 1.0 } else { 0.0 });
        }
        let was_up = self.node.is_up();
        match answer {
            Ok(()) if !was_up => slog::info!(self.stage.log, "node is up"; "node" => name),
            Err(reason) if was_up => slog::warn!(self.stage.log, "node is down"; "node" => name, "reason" => reason),
            _ => {}
        }
        self.node.mark(answer.as_ref().err().map(String::as_str));
        if was_up == answer.is_ok() {
            return;
        }
        let health = if answer.is_ok() { Health::Up } else { Health::Down };
        if let (Health::Up, Some(main)) = (health, self.stage.main()) {
            main.supervisor.do_send(Recovered { node: self.node.index });
        }
        for shard in self.stage.shards() {
            shard.do_send(NodeChanged { node: self.node.index, health });
        }
    }
}

impl Actor for NodeMonitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.notify(Look);
        ctx.run_interval(WHILE_DOWN, |this, ctx| {
            if !this.node.is_up() || this.node.facts().is_none() {
                ctx.notify(Look);
            }
        });
    }
}

/// Connections to the node fail again and again. If it greets nevertheless, it is down all the same
/// for those who wait: they are told, and the next who come try anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Accuse;

impl Handler<Accuse> for NodeMonitor {
    type Result = ();

    fn handle(&mut self, _: Accuse, ctx: &mut Context<Self>) {
        self.judge(&Err("connections to it failed again and again".to_owned()));
        ctx.notify(Look);
    }
}

/// The monitor's note to itself.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Look;

impl Handler<Look> for NodeMonitor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.probing, true) {
            return;
        }
        let node = Arc::clone(&self.node);
        ctx.spawn(async move { probe(&node).await }.into_actor(self).map(|answer, this, _| {
            this.probing = false;
            this.judge(&answer);
            for asked in this.asked.drain(..) {
                // Whoever asked may be gone.
                let _ = asked.send(answer.clone());
            }
        }));
    }
}

impl Handler<Probe> for NodeMonitor {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, _: Probe, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.asked.push(reply);
        ctx.notify(Look);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err("nobody watches the node any more".to_owned())) })
    }
}
