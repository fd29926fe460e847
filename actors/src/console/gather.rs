//! What everybody has to say of himself, asked for one by one, each within a moment.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};

use crate::node::Node;
use crate::pool::{PoolShard, PoolView, ShowPool};
use crate::session::{Attendee, CountClients, Counts, Headcount, ShowClients};
use crate::stage::Stage;

/// How long a worker may take to answer; one that is so busy is left out, and said to be.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks every worker. All get the question before the first answer is waited for.
pub(crate) async fn ask<M>(stage: &Stage, question: M) -> (Vec<M::Result>, usize)
where
    M: Message + Clone + Send + 'static,
    M::Result: Send,
    PoolShard: Handler<M>,
    <PoolShard as actix::Actor>::Context: ToEnvelope<PoolShard, M>,
{
    let asked: Vec<_> = stage.shards().iter().map(|shard: &Addr<PoolShard>| shard.send(question.clone())).collect();
    let (mut answers, mut silent) = (Vec::new(), 0);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for asked in asked {
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => answers.push(answer),
            Ok(Err(_)) | Err(_) => silent += 1,
        }
    }
    (answers, silent)
}

/// Pools and connections, and how many workers did not say theirs.
pub(crate) async fn pools(stage: &Stage) -> (PoolView, usize) {
    let (views, silent) = ask(stage, ShowPool).await;
    let mut all = PoolView::default();
    for view in views {
        all.pools.extend(view.pools);
        all.backends.extend(view.backends);
    }
    all.backends.sort_unstable_by_key(|backend| (backend.node, backend.id.shard, backend.id.slot));
    (all, silent)
}

/// Sessions, in the order of their ids.
pub(crate) async fn clients(stage: &Stage) -> Vec<Attendee> {
    let mut all: Vec<_> = ask(stage, ShowClients).await.0.into_iter().flatten().collect();
    all.sort_unstable_by_key(|client| client.id);
    all
}

/// How many there are, without a look at each of them here.
pub(crate) async fn headcount(stage: &Stage) -> (Headcount, usize) {
    let (counts, silent) = ask(stage, CountClients).await;
    let mut all = Headcount::default();
    for count in counts {
        all.endpoints.extend(count.endpoints);
        all.waits.add(count.waits);
        for (reason, pins, since) in count.pins {
            all.pin(reason, pins, since);
        }
    }
    (all, silent)
}

/// Those of an endpoint; sessions may still be of what it was before a reload.
pub(crate) fn of_endpoint(all: &Headcount, name: &str) -> Counts {
    let mut sum = Counts::default();
    let own = all.endpoints.iter().filter(|(endpoint, _)| endpoint.settings.name == name);
    own.for_each(|(_, counts)| sum.add(*counts));
    sum
}

/// The name of a node by its index, also of one that is configured no more.
pub(crate) fn node_name(nodes: &[Arc<Node>], index: u16) -> String {
    let known = nodes.iter().find(|node| node.index == index);
    known.map_or_else(|| format!("(node {index}, configured no more)"), |node| node.settings().name.clone())
}
