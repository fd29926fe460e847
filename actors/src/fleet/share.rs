//! How instances of a fleet divide a node's connections among themselves. Pure: what everybody holds is an argument, and a step
//! comes out.
//!
//! Each instance says how many connections of a node it may have open at most: what it *holds*. It takes more only where all
//! that is held, its own new part included, is within the whole; that and the writing of it are one transaction. It says that
//! it holds less only when no more than that are open, and from then on keeps to that, whether or not it hears that it was
//! written. So what is held never adds up to more than the whole, in whatever order instances come, go and read of each other,
//! and whatever they are not told.

use std::collections::BTreeMap;

/// What an instance says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Connections that it may have open.
    pub(crate) held: usize,
    /// The whole that it has configured for all instances together.
    pub(crate) whole: usize,
}

/// What an instance says, by nodes' names.
pub(crate) type Claims = BTreeMap<String, Claim>;

/// What all instances say, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger(pub(crate) BTreeMap<u8, Claims>);

/// What an instance is to do about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Open as many as it holds.
    Stay,
    /// Open no more than this; what is open beyond it is closed as it becomes idle. Hold less when that is done.
    Shrink(usize),
    /// Hold this, if nobody has said anything since; else open as many as it holds.
    Grow(usize),
}

/// What an instance is to say of a node next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) held: usize,
    /// It is more than it keeps to or than is written: nobody may have said anything since. To be written even where it says
    /// so already, so that nothing of before that is still on its way can be written behind it.
    pub(crate) grows: bool,
}

impl Ledger {
    /// What all who use a node say of it.
    fn of<'l>(&'l self, node: &'l str) -> impl Iterator<Item = (u8, Claim)> + 'l {
        self.0.iter().filter_map(move |(number, claims)| Some((*number, *claims.get(node)?)))
    }

    /// What there is to divide. Where instances have different configurations, say during a roll-out, it is the least.
    fn whole(&self, node: &str) -> usize {
        self.of(node).map(|(_, claim)| claim.whole).min().unwrap_or(0)
    }

    /// The part of an instance that uses the node: an equal one. What cannot be divided goes to some, one each, and to others at
    /// other nodes.
    pub(crate) fn part(&self, node: &str, number: u8) -> usize {
        let (count, whole) = (self.of(node).count(), self.whole(node));
        let Some(place) = self.of(node).position(|(known, _)| known == number) else { return 0 };
        let first = node.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte)) % count;
        let rank = (place + count - first) % count;
        whole / count + usize::from(rank < whole % count)
    }

    /// What an instance that holds this much of a node is to do.
    pub(crate) fn step(&self, node: &str, number: u8, held: usize) -> Step {
        let part = self.part(node, number);
        if part < held {
            return Step::Shrink(part);
        }
        let others: usize = self.of(node).filter(|(known, _)| *known != number).map(|(_, claim)| claim.held).sum();
        let grown = part.min(self.whole(node).saturating_sub(others));
        if grown > held { Step::Grow(grown) } else { Step::Stay }
    }

    /// What an instance that keeps to `held` of a node, and of which `written` is there, says of it next. `bind` lets it open no
    /// more than so many until that is written, and tells how many are open.
    pub(crate) fn turn(
        &self,
        (node, number): (&str, u8),
        (held, written): (usize, usize),
        may_grow: bool,
        bind: impl FnOnce(usize) -> usize,
    ) -> Turn {
        let next = match self.step(node, number, held) {
            Step::Shrink(part) => bind(part).clamp(part, held),
            Step::Grow(more) if may_grow => {
                bind(held);
                more
            }
            Step::Grow(_) | Step::Stay => {
                bind(held);
                held
            }
        };
        Turn { held: next, grows: next > held.min(written) }
    }
}

#[cfg(test)]
mod tests;
