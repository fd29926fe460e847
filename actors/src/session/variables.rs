//! User variables: kept with the session where their values are known, so that they need not pin.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::sql::{Assigned, Facts, Kind, PinReason, assigned};
use greenroom_protocol::state::{Charset, Names, SessionState};

use super::conversation::Conversation;
use super::digest::Effects;

impl Conversation {
    /// What a statement assigns to user variables, where it does no more than that and its text tells the values.
    pub(super) fn assigned(&self, command: Command, effects: Effects, text: &[u8]) -> Vec<Assigned> {
        let assigns = effects.kind == Kind::Set && effects.pins.contains(PinReason::UserVariable);
        let kept = self.shares() && !self.is_strict() && command == Command::Query;
        if !assigns || !kept || effects.facts.contains(Facts::MULTI) {
            return Vec::new();
        }
        assigned(text, self.sql_mode()).unwrap_or_default()
    }

    /// Takes them into the session's state after their statement has run. Gives what is left of the statement's effects.
    pub(super) fn keep(&mut self, assigned: &[Assigned], effects: Effects) -> Effects {
        if assigned.is_empty() {
            return effects;
        }
        if self.summary.error.is_some() {
            // It may have been killed half-way; the session goes on with the values before.
            self.soiled = true;
            return effects;
        }
        let Some(state) = with(&self.state, assigned, self.names()) else { return effects };
        self.state = Arc::new(state);
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.state = Arc::clone(&self.state);
        }
        let mut effects = effects;
        effects.pins.remove(PinReason::UserVariable);
        // It explains that the server says that something has changed.
        effects.facts.insert(Facts::SETS_ONLY_VARIABLES);
        effects
    }

    /// The character sets that a literal is read in, if they are known at this moment.
    fn names(&self) -> Option<&Names> {
        match self.state.charset() {
            Charset::Named(names) if !self.debts.charset => Some(names),
            _ => None,
        }
    }
}

/// The state with those assigned as well; `None` where the text alone does not give their values, or they are too many.
fn with(state: &SessionState, assigned: &[Assigned], names: Option<&Names>) -> Option<SessionState> {
    // Under this mode of MariaDB's, an empty string is NULL.
    let sql_mode = state.variable(b"sql_mode").unwrap_or_default();
    if sql_mode.split(|byte| *byte == b',').any(|mode| mode == b"EMPTY_STRING_IS_NULL") {
        return None;
    }
    let mut variables = state.user_variables().clone();
    for Assigned { name, literal } in assigned {
        variables.assign(name, &literal.sql(names)?).ok()?;
    }
    let mut state = state.clone();
    state.set_user_variables(variables);
    Some(state)
}
