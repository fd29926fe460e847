//! What a statement's text does not show: triggers, and what views call, as a survey of the server found them.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::sql::{Doubt, Facts, Hidden, Mode, Watch};

use super::conversation::Conversation;
use super::digest::Effects;
use super::turn::Turn;
use crate::grant::Condition;
use crate::surveys::{Change, Survey};

/// What the session knows of each node of its endpoint, and of which generation that is.
#[derive(Debug, Default)]
pub(super) struct Insight {
    nodes: Vec<(u64, Option<Arc<Survey>>)>,
}

/// Follows a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Watches(Vec<(Watch, Option<Arc<Survey>>)>);

impl Insight {
    /// Grows with every change of what is known.
    pub(super) fn stamp(&self) -> u64 {
        self.nodes.iter().fold(0, |stamp, (generation, _)| stamp.wrapping_add(generation.wrapping_add(1)))
    }

    fn surveys(&self) -> impl Iterator<Item = &Option<Arc<Survey>>> {
        self.nodes.iter().map(|(_, survey)| survey)
    }
}

impl Watches {
    pub(super) fn feed(&mut self, text: &[u8]) {
        let unknown = Hidden::unknown();
        for (watch, survey) in &mut self.0 {
            watch.feed(survey.as_ref().map_or(&unknown, |survey| &survey.hidden), text);
        }
    }

    pub(super) fn finish(self, effects: &mut Effects) {
        let unknown = Hidden::unknown();
        for (watch, survey) in self.0 {
            watch.finish(survey.as_ref().map_or(&unknown, |survey| &survey.hidden), effects);
        }
    }
}

impl Conversation {
    /// Sees to it that what is known is of today. Where statements may have been judged by what is wrong now, the
    /// connection is soiled.
    pub(super) fn look_around(&mut self) {
        let Some(account) = self.account.as_ref().filter(|_| self.shares()) else { return };
        let nodes = &self.endpoint.nodes;
        let known = &mut self.insight.nodes;
        known.reserve_exact(nodes.len().saturating_sub(known.len()));
        known.resize_with(nodes.len(), || (u64::MAX, None));
        for (node, (generation, survey)) in nodes.iter().zip(known) {
            let now = node.surveys().generation();
            if *generation != now {
                let before = std::mem::replace(survey, node.surveys().get(account.id));
                *generation = now;
                self.soiled |= match (before, survey) {
                    (None, _) => false,
                    (Some(before), Some(now)) => before.hidden != now.hidden,
                    (Some(_), None) => true,
                };
            }
        }
    }

    /// The connection is there: adds to a statement's effects what its text does not show.
    pub(super) fn reveal(&mut self, turn: &mut Turn) {
        if !self.shares() {
            return;
        }
        self.look_around();
        if Self::may_be_read_again(turn) {
            self.read_again(turn);
        }
        if let Command::Query | Command::StmtPrepare = turn.command {
            let (way, argument) = (self.mode_and_doubt(), self.argument(&turn.incoming));
            let text = self.split_text(turn.command, argument).map_or(argument, |(_, text)| text);
            match turn.reader.as_mut() {
                Some(reader) => reader.watches = self.watches(way.0, text),
                None => self.add_hidden(&mut turn.effects, text, way),
            }
        }
        self.reveal_statement(turn);
        turn.change = self.change_stored(turn.effects);
    }

    /// A text in quotes may be a name in another way to read it.
    pub(super) fn add_hidden(&self, effects: &mut Effects, text: &[u8], (mode, doubt): (Mode, Doubt)) {
        let ways = || doubt.others(text, mode).chain([mode]);
        for survey in self.surveys_at_hand() {
            match survey {
                Some(survey) => ways().for_each(|mode| survey.hidden.add_to(effects, text, mode)),
                None => Hidden::unknown().add_to(effects, text, mode),
            }
        }
        let vouched = |hidden: &Hidden| ways().all(|mode| hidden.vouches(effects, text, mode));
        if effects.facts.contains(Facts::MAY_RUN_ROUTINE)
            && self.surveys_at_hand().all(|survey| survey.as_ref().is_some_and(|known| vouched(&known.hidden)))
        {
            effects.facts.insert(Facts::ROUTINES_ARE_KNOWN);
        }
    }

    /// What may be true of the statement's server: every node's, or where the endpoint splits that of the one at hand.
    fn surveys_at_hand(&self) -> impl Iterator<Item = &Option<Arc<Survey>>> {
        let node = self.grant.as_ref().filter(|_| self.split.is_some()).and_then(|grant| grant.card());
        let only = node.map(|card| card.permit.node().index);
        let nodes = self.endpoint.nodes.iter().zip(&self.insight.nodes);
        nodes.filter(move |(node, _)| only.is_none_or(|only| node.index == only)).map(|(_, (_, survey))| survey)
    }

    /// The same as one node's survey alone has it, by its place in the endpoint.
    pub(super) fn add_hidden_of(
        &self,
        node: Option<usize>,
        effects: &mut Effects,
        text: &[u8],
        (mode, doubt): (Mode, Doubt),
    ) {
        let survey = node.and_then(|at| self.insight.nodes.get(at)).and_then(|(_, survey)| survey.as_ref());
        match survey {
            Some(survey) => {
                doubt.others(text, mode).chain([mode]).for_each(|mode| survey.hidden.add_to(effects, text, mode))
            }
            None => Hidden::unknown().add_to(effects, text, mode),
        }
    }

    /// The same for a text that comes in pieces, of which this is the first.
    fn watches(&self, mode: Mode, text: &[u8]) -> Watches {
        let mut watches = Watches(self.insight.surveys().map(|survey| (Watch::new(mode), survey.clone())).collect());
        watches.feed(text);
        watches
    }

    /// A statement that changes what is stored begins; until what this gives is dropped, nothing is known.
    pub(super) fn change_stored(&self, effects: Effects) -> Vec<Change> {
        if !self.shares() || !effects.facts.contains(Facts::CHANGES_STORED) {
            return Vec::new();
        }
        self.endpoint.nodes.iter().map(Change::begin).collect()
    }

    /// How the connection goes back: reset where something may be left on it that nobody saw, and also where a survey is
    /// due, which is taken with a reset.
    pub(super) fn condition(&mut self) -> Condition {
        if self.soiled {
            return Condition::Used;
        }
        let due = self.insight.surveys().flatten().any(|survey| survey.is_due(self.clock));
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()).filter(|_| due) else {
            return Condition::Clean;
        };
        let card = &mut wire.card;
        card.claim = card.permit.node().surveys().claim(card.account.id);
        if card.claim.is_some() { Condition::Used } else { Condition::Clean }
    }
}
