//! Settles which member of a cluster is the primary, among the nodes of the configuration. Monitors do so, which all live on
//! the main thread: no two elections are held at once.

use std::sync::Arc;

use crate::cluster::{Candidate, Kind, Membership, elect};
use crate::node::Node;
use crate::settings::Role;

/// A node that has another role now, and the one that it had.
pub(crate) type Turned = (Arc<Node>, Role);

/// Holds an election in a node's cluster, if it belongs to one. `begun`: it has begun to take writes just now.
pub(crate) fn settle(nodes: &[Arc<Node>], node: &Arc<Node>, begun: bool) -> Vec<Turned> {
    let Some(cluster) = node.membership().and_then(|membership| membership.cluster) else { return Vec::new() };
    let candidates: Vec<Candidate> = nodes.iter().map(|node| candidate(node, &cluster.name)).collect();
    let place = nodes.iter().position(|one| Arc::ptr_eq(one, node)).filter(|_| begun);
    let Some(elected) = elect(&candidates, cluster.single, place).and_then(|at| nodes.get(at)) else {
        return Vec::new();
    };
    elected.note_peer(false);
    let mut turned = Vec::new();
    let mut turn = |node: &Arc<Node>, role| {
        let before = node.role();
        if node.take_for(role) {
            turned.push((Arc::clone(node), before));
        }
    };
    turn(elected, Role::Primary);
    let members = nodes.iter().zip(&candidates).filter(|(_, candidate)| candidate.kind == Kind::Member);
    for (member, candidate) in members.filter(|(member, _)| !Arc::ptr_eq(member, elected)) {
        if member.sluice.is_drained() && member.is_up() && candidate.primary {
            // Transactions go on there to their ends; it must not take the writes back afterwards.
            if member.promoted() <= elected.promoted() {
                member.renew();
            }
            continue;
        }
        turn(member, Role::Replica);
        member.note_peer(candidate.able && !cluster.single);
    }
    turned
}

fn candidate(node: &Arc<Node>, cluster: &str) -> Candidate {
    let heard = node.membership();
    let kind = match &heard {
        Some(Membership { cluster: Some(known), .. }) if node.is_auto() && known.name == cluster => Kind::Member,
        None if node.is_auto() && node.is_up() => Kind::Unheard,
        _ => Kind::Stranger,
    };
    let busy = heard.as_ref().and_then(|heard| heard.cluster.as_ref()).is_some_and(|cluster| cluster.busy);
    Candidate {
        kind,
        able: heard.is_some_and(|heard| heard.able) && node.is_open(),
        busy,
        primary: node.role() == Role::Primary,
        promoted: node.promoted(),
    }
}
