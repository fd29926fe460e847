//! Statements that belong to a trace: whether one does, and what is told of it when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use greenroom_protocol::command::{Command, attributes};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::trace::{NAME, TraceParent};

use super::conversation::Conversation;
use super::observe::{Ended, Parts, Watch};
use super::turn::Turn;
use crate::random::random;
use crate::settings::NodeSettings;
use crate::spans::{Part, PartSpan, StatementSpan};

/// The trace of the statement under way.
#[derive(Debug)]
pub(super) struct Trace {
    id: [u8; 16],
    parent: Option<[u8; 8]>,
    /// The server that it went to.
    pub(super) server: Option<Arc<NodeSettings>>,
}

impl Conversation {
    /// The trace that a statement belongs to, where that is recorded.
    pub(super) fn trace_of(&self, turn: &Turn) -> Option<Box<Trace>> {
        let tracer = self.stage.tracer()?;
        let (id, parent) = match self.trace_parent(turn) {
            Some(said) => said.sampled.then_some((said.trace_id, Some(said.parent_id)))?,
            None => {
                let (one_in, met) = (tracer.one_in?, &self.local.traceless);
                met.set((met.get() + 1) % one_in);
                (met.get() == 0).then(|| (random(), None))?
            }
        };
        Some(Box::new(Trace { id, parent, server: None }))
    }

    /// What its client says: in a query attribute, or in a comment of the text.
    fn trace_parent(&self, turn: &Turn) -> Option<TraceParent> {
        let argument = self.argument(&turn.incoming);
        let attributed = self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
        if turn.command == Command::Query {
            let attribute = attributes::of_query(argument, NAME).filter(|_| attributed).and_then(TraceParent::parse);
            let text = || self.split_text(turn.command, argument).map(|(_, text)| text);
            return attribute.or_else(|| TraceParent::in_comments(text()?, self.sql_mode()));
        }
        let statement = self.executed(turn).and_then(|id| self.statements.get(id))?;
        let attribute = attributes::of_execute(argument, statement.params, NAME).filter(|_| attributed);
        let text = || statement.source.as_ref().map(|source| source.text());
        attribute.and_then(TraceParent::parse).or_else(|| TraceParent::in_comments(text()?, statement.way.0))
    }

    /// Hands on what is known of a statement that is over.
    pub(super) fn export(&self, watch: &Watch, trace: &Trace, ended: &Ended, shape: String) {
        let Some(tracer) = self.stage.tracer() else { return };
        let shown = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let since = watch.arrived().map_or(Duration::ZERO, |arrived| Instant::now().saturating_duration_since(arrived));
        tracer.sink.offer(StatementSpan {
            trace_id: trace.id,
            span_id: random(),
            parent_id: trace.parent,
            began: SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH),
            whole: ended.parts.whole,
            parts: parts(&ended.parts),
            shape,
            endpoint: self.endpoint.settings.name.clone(),
            user: shown(self.account.as_ref().map(|account| &*account.user)),
            database: shown(self.state.database()),
            session: self.id,
            flavor: self.flavor,
            server: trace.server.as_ref().map(|server| server.address.clone()),
            rows: ended.rows,
            affected: ended.affected,
            error: ended.error,
            cut_off: ended.broke,
            pins: watch.pins().iter().map(|reason| reason.name()).collect(),
        });
    }
}

/// Each part that took place, one behind the other up to the end.
fn parts(times: &Parts) -> Vec<PartSpan> {
    let all = [
        (Part::Wait, times.granted.map(|at| (at.saturating_sub(times.wait), times.wait))),
        (Part::Adapt, times.granted.map(|at| (at, times.adapt))),
        (Part::Server, times.sent.map(|at| (at, times.server))),
        (Part::Relay, times.answered.map(|at| (at, times.relay))),
    ];
    let took_place = all.into_iter().filter_map(|(part, place)| Some((part, place?)));
    took_place.map(|(part, (at, length))| PartSpan { part, span_id: random(), at, length }).collect()
}
