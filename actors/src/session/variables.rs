//! User variables: kept with the session where their values are known or can be asked for, so that they need not pin.

use std::sync::Arc;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::sql::read_back::{COLUMNS, Found, found, user_variables};
use greenroom_protocol::sql::{Assigned, Facts, Kind, PinReason, assigned};
use greenroom_protocol::state::{Charset, Full, Names, SessionState, UserVariables};

use super::conversation::Conversation;
use super::digest::Effects;

/// How many variables are asked for at a time.
const ASKED_AT_ONCE: usize = 16;

/// What a statement does to user variables, as far as its text tells.
#[derive(Debug, Default)]
pub(super) enum Assigns {
    /// Nothing, or what only the server knows.
    #[default]
    Unsaid,
    /// It does no more than that.
    Literals(Vec<Assigned>),
    /// None but these.
    Computed(Vec<Box<[u8]>>),
}

impl Conversation {
    /// What a statement assigns, where it can be kept.
    pub(super) fn assigns(&self, command: Command, effects: Effects, text: &[u8]) -> Assigns {
        let several = Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE;
        let by_name = !matches!(effects.kind, Kind::Call | Kind::Prepare | Kind::Execute | Kind::GetDiagnostics);
        let kept = self.shares() && !self.is_strict() && command == Command::Query;
        if !kept || !effects.pins.contains(PinReason::UserVariable) || effects.facts.intersects(several) || !by_name {
            return Assigns::Unsaid;
        }
        if effects.kind == Kind::Set
            && let Some(literals) = assigned(text, self.sql_mode())
        {
            return Assigns::Literals(literals);
        }
        user_variables(text, self.sql_mode()).map_or(Assigns::Unsaid, Assigns::Computed)
    }

    /// Takes them into the session's state after their statement has run. Gives what is left of the statement's effects.
    pub(super) fn keep(&mut self, assigns: &Assigns, effects: Effects) -> Effects {
        if !self.shares() || !effects.pins.contains(PinReason::UserVariable) {
            return effects;
        }
        let failed = self.summary.error.is_some();
        let kept = match assigns {
            Assigns::Unsaid => false,
            // It may have been killed half-way.
            Assigns::Literals(literals) if failed => self.ask_for(literals.iter().map(|one| &one.name)),
            Assigns::Literals(literals) => {
                self.keep_literals(literals) || self.ask_for(literals.iter().map(|one| &one.name))
            }
            Assigns::Computed(names) => self.ask_for(names.iter()),
        };
        let mut effects = effects;
        if kept {
            effects.pins.remove(PinReason::UserVariable);
            if effects.kind == Kind::Set {
                // It explains that the server says that something has changed.
                effects.facts.insert(Facts::SETS_ONLY_VARIABLES);
            }
        } else if failed {
            // What came before the mistake has been assigned all the same (measured).
            self.pin_variables();
        }
        effects
    }

    fn keep_literals(&mut self, literals: &[Assigned]) -> bool {
        let Some(state) = with(&self.state, literals, self.names()) else { return false };
        self.state = Arc::new(state);
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.state = Arc::clone(&self.state);
        }
        true
    }

    /// Notes which to ask for before the connection goes to somebody else; `false` where they are too many.
    fn ask_for<'a>(&mut self, names: impl Iterator<Item = &'a Box<[u8]>>) -> bool {
        for name in names {
            if !self.computed.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                self.computed.push(name.clone());
            }
        }
        let few = self.computed.len() <= ASKED_AT_ONCE;
        if !few {
            self.computed.clear();
        }
        self.debts.user_variables = few;
        few
    }

    /// Takes what the server says of them into the state, or pins.
    pub(super) fn note_computed(&mut self, answer: Option<&Answer>) {
        let names = std::mem::take(&mut self.computed);
        let row = match answer {
            Some(Answer::Rows(rows)) => rows.first().map(Vec::as_slice).unwrap_or_default(),
            _ => &[],
        };
        let mut cells = row.chunks(COLUMNS);
        let mut variables = self.state.user_variables().clone();
        let all = names.iter().all(|name| {
            let found = found(cells.next().unwrap_or_default(), self.flavor);
            note(&mut variables, name, found) == Some(Ok(()))
        });
        if all {
            Arc::make_mut(&mut self.state).set_user_variables(variables);
        } else {
            self.hold.pins.insert(PinReason::UserVariable);
        }
    }

    fn pin_variables(&mut self) {
        let before = self.hold.pins;
        self.hold.pins.insert(PinReason::UserVariable);
        self.tell_pins(before);
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
fn with(state: &SessionState, literals: &[Assigned], names: Option<&Names>) -> Option<SessionState> {
    // Under this mode of MariaDB's, an empty string is NULL.
    let sql_mode = state.variable(b"sql_mode").unwrap_or_default();
    if sql_mode.split(|byte| *byte == b',').any(|mode| mode == b"EMPTY_STRING_IS_NULL") {
        return None;
    }
    let mut variables = state.user_variables().clone();
    for Assigned { name, literal } in literals {
        variables.assign(name, &literal.sql(names)?).ok()?;
    }
    let mut state = state.clone();
    state.set_user_variables(variables);
    Some(state)
}

/// `None` where nobody knows what it is.
fn note(variables: &mut UserVariables, name: &[u8], found: Found) -> Option<Result<(), Full>> {
    match found {
        Found::Unset => Some(Ok(())),
        Found::Value(sql) => Some(variables.assign(name, &sql)),
        Found::Null(typed) => Some(variables.assign(name, &typed).and_then(|()| variables.assign(name, b"NULL"))),
        Found::Unknown => None,
    }
}
