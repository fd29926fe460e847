//! `PAUSE`, `RESUME`, `DRAIN` and `ENABLE`: sluices are closed and opened, and the workers told to look at them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::error::SqlError;

use super::command::nearest;
use super::gather::{ask, headcount, of_endpoint};
use crate::monitor::Probe;
use crate::node::Node;
use crate::pool::Regate;
use crate::session::{Attendee, Noise, SendAway, Unrest};
use crate::sluice::Sluice;
use crate::stage::Stage;

/// How often it is looked whether all is quiet.
const LOOK: Duration = Duration::from_millis(20);

/// How long servers may take to say what they are before sessions are let go on.
const ROLES: Duration = Duration::from_secs(5);

/// So many of those who still work are named.
const NAMED: usize = 3;

/// Something that can be paused.
struct Target {
    name: String,
    sluice: Arc<Sluice>,
    /// What has to be quiet.
    unrest: Unrest,
}

/// Everything of that name, or everything.
fn targets(stage: &Stage, name: Option<&str>) -> Result<Vec<Target>, SqlError> {
    let (nodes, endpoints) = (stage.nodes(), stage.endpoints());
    let all = endpoints.iter().map(|endpoint| {
        let served: Arc<[u16]> = endpoint.nodes.iter().map(|node| node.index).collect();
        let own = endpoint.settings.name.clone();
        let unrest = Unrest { endpoint: Some(Arc::clone(&endpoint.sluice)), nodes: served };
        Target { name: own, sluice: Arc::clone(&endpoint.sluice), unrest }
    });
    let Some(name) = name else { return Ok(all.collect()) };
    let of_nodes = nodes.iter().filter(|node| node.settings().name == name).map(|node| {
        let unrest = Unrest { endpoint: None, nodes: Arc::from([node.index]) };
        Target { name: name.to_owned(), sluice: Arc::clone(&node.sluice), unrest }
    });
    let found: Vec<_> = all.filter(|target| target.name == name).chain(of_nodes).collect();
    if found.is_empty() {
        let known = endpoints.iter().map(|endpoint| endpoint.settings.name.clone());
        let known: Vec<_> = known.chain(nodes.iter().map(|node| node.settings().name.clone())).collect();
        return Err(no_such("endpoint or node", name, &known));
    }
    Ok(found)
}

fn no_such(kind: &str, name: &str, known: &[String]) -> SqlError {
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    SqlError::new(1146, *b"42S02", format!("there is no {kind} '{name}'{}", nearest(name, &known)))
}

fn tell(stage: &Stage) {
    for shard in stage.shards() {
        shard.do_send(Regate);
    }
}

/// Closes the sluices, and waits until nothing is under way behind them. Gives a line about it.
pub(super) async fn pause(stage: &Stage, name: Option<&str>, wait: Option<Duration>) -> Result<String, SqlError> {
    let targets = targets(stage, name)?;
    for target in &targets {
        if target.sluice.close() {
            slog::info!(stage.log, "paused by an administrator"; "what" => &target.name);
        }
    }
    tell(stage);
    let limit = wait.unwrap_or_else(|| stage.pause_limit());
    let deadline = Instant::now() + limit;
    loop {
        let mut noise = Noise::default();
        let mut silent = 0;
        for target in &targets {
            let (answers, unheard) = ask(stage, target.unrest.clone()).await;
            silent += unheard;
            for answer in answers {
                noise.sessions.extend(answer.sessions);
                noise.passing += answer.passing;
            }
        }
        if noise.sessions.is_empty() && noise.passing == 0 && silent == 0 {
            return Ok("paused, and quiet; RESUME lets sessions go on".to_owned());
        }
        if Instant::now() >= deadline {
            return Err(still_busy(&noise, limit));
        }
        // Somebody else may have ended it.
        if targets.iter().all(|target| !target.sluice.is_closed()) {
            return Err(SqlError::new(1317, *b"70100", "the pause was ended by another RESUME before all was quiet"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn still_busy(noise: &Noise, waited: Duration) -> SqlError {
    let name = |client: &Attendee| {
        let user = client.user().map(String::from_utf8_lossy).unwrap_or_default();
        let doing = if client.is_running { "a statement" } else { "a transaction" };
        format!("{} ({user}@{}, {doing})", client.id, client.host())
    };
    let named: Vec<_> = noise.sessions.iter().take(NAMED).map(name).collect();
    let text = format!(
        "paused, but after {waited:?} {} sessions are not at rest: {}{}; PAUSE again waits on, SHOW CLIENTS has them, RESUME gives up",
        noise.sessions.len().max(noise.passing),
        named.join(", "),
        if noise.sessions.len() > NAMED { ", …" } else { "" },
    );
    SqlError::new(1205, *b"HY000", text)
}

/// Opens the sluices. First the servers that say themselves what they are say it anew: sessions go on where that is now.
pub(super) async fn resume(stage: &Stage, name: Option<&str>) -> Result<String, SqlError> {
    let mut paused = stage.paused();
    paused.retain(|(known, _)| name.is_none_or(|name| name == known));
    if paused.is_empty() {
        // What there is not is told apart from what was not paused.
        targets(stage, name)?;
    } else {
        look_at_roles(stage).await;
    }
    let mut opened = 0;
    for (name, sluice) in &paused {
        if sluice.open() {
            opened += 1;
            slog::info!(stage.log, "resumed by an administrator"; "what" => name);
        }
    }
    tell(stage);
    Ok(if opened > 0 { "resumed".to_owned() } else { "nothing was paused".to_owned() })
}

async fn look_at_roles(stage: &Stage) {
    let asked = stage.nodes().into_iter().filter(|node| node.is_auto() && node.is_up());
    // Each is asked twice: the first answer may be to a question from before the roles were changed.
    let probes: Vec<_> = asked.filter_map(|node| node.monitor()).collect();
    let look = async {
        for _ in 0..2 {
            let sent: Vec<_> = probes.iter().map(|monitor| monitor.send(Probe)).collect();
            for answer in sent {
                // A node that does not answer is what it is.
                let _ = answer.await;
            }
        }
    };
    let _ = tokio::time::timeout(ROLES, look).await;
}

/// Says whether a node gets new leases, or an endpoint new clients. Gives a line about it.
pub(super) async fn drain(stage: &Stage, name: &str, drained: bool) -> Result<String, SqlError> {
    let targets = targets(stage, Some(name))?;
    let mut said = Vec::new();
    if let Some(endpoint) = targets.iter().find(|target| target.unrest.endpoint.is_some()) {
        said.push(drain_endpoint(stage, endpoint, drained).await);
    }
    if let Some(node) = stage.nodes().iter().find(|node| node.settings().name == name) {
        said.push(drain_node(stage, node, drained).await);
    }
    Ok(said.join("; "))
}

async fn drain_endpoint(stage: &Stage, Target { name, sluice, .. }: &Target, drained: bool) -> String {
    if sluice.drain(drained) {
        let what =
            if drained { "endpoint drained by an administrator" } else { "endpoint enabled by an administrator" };
        slog::info!(stage.log, "{what}"; "endpoint" => name);
    }
    if !drained {
        return format!("{name} takes clients again");
    }
    for shard in stage.shards() {
        shard.do_send(SendAway { endpoint: Some(Arc::clone(sluice)) });
    }
    let (heads, _) = headcount(stage).await;
    format!(
        "{name} takes no new clients; {} are still there; not kept over a restart",
        of_endpoint(&heads, name).clients
    )
}

async fn drain_node(stage: &Stage, node: &Arc<Node>, drained: bool) -> String {
    let name = &node.settings().name;
    if node.sluice.drain(drained) {
        let what = if drained { "node drained by an administrator" } else { "node enabled by an administrator" };
        slog::info!(stage.log, "{what}"; "node" => name);
        // Its cluster may have another primary now.
        node.suspect();
    }
    tell(stage);
    if !drained {
        return format!("{name} takes new leases again");
    }
    format!(
        "{name} takes no new leases; {} connections are still held; not kept over a restart",
        held(stage, node).await
    )
}

async fn held(stage: &Stage, node: &Arc<Node>) -> usize {
    let (views, _) = ask(stage, crate::pool::ShowPool).await;
    let of_node = views.into_iter().flat_map(|view| view.pools).filter(|pool| pool.node == node.index);
    let busy = |[opening, _, leased, cleaning]: [usize; 4]| opening + leased + cleaning;
    of_node.map(|pool| busy(pool.counts)).sum()
}
