//! What a session may do. A move is one or several lines of a script (see `step.rs`), `\n` between them; to add one,
//! add a string to a group. What each `{…}` becomes is in `fill.rs`.

#[path = "moves/binary.rs"]
mod binary;
#[path = "moves/data.rs"]
mod data;
#[path = "moves/held.rs"]
mod held;
#[path = "moves/reads.rs"]
mod reads;
#[path = "moves/variables.rs"]
mod variables;

use greenroom::demo::server::Flavor;

/// Moves of one kind. A chapter of a script is made of a few groups' moves.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) holds: Holds,
    pub(crate) both: &'static [&'static str],
    pub(crate) mysql: &'static [&'static str],
    pub(crate) mariadb: &'static [&'static str],
}

/// For how long a group's moves may hold the server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    /// For no more than a statement or what a move itself ends.
    Nothing,
    /// Until another of the group's moves.
    ForAWhile,
    /// Until the session is reset.
    ToTheEnd,
}

impl Group {
    /// Its moves on that server.
    pub(crate) fn moves(&self, flavor: Flavor) -> Vec<&'static str> {
        let own = match flavor {
            Flavor::MySql => self.mysql,
            Flavor::MariaDb => self.mariadb,
        };
        [self.both, own].concat()
    }
}

/// In every chapter: what shows the session's state.
pub(crate) const READS: &Group = &reads::STATE;

/// The others.
pub(crate) const GROUPS: &[&Group] = &[
    &variables::NUMBERS,
    &variables::TEXTS,
    &variables::CHARSETS,
    &variables::LASTING_TRANSACTION,
    &variables::DATABASES,
    &variables::HINTS,
    &variables::KEPT_USER_VARIABLES,
    &variables::RARE,
    &data::INSERTS,
    &data::CHANGES,
    &data::TRANSACTIONS,
    &data::NO_AUTOCOMMIT,
    &data::SEVERAL,
    &data::ERRORS,
    &data::WARNINGS,
    &data::XA,
    &data::DEFINITIONS,
    &reads::CATALOG,
    &reads::FUNCTIONS,
    &held::USER_VARIABLES,
    &held::TEMPORARY,
    &held::LOCKS,
    &held::TABLE_LOCKS,
    &held::SQL_PREPARE,
    &held::HANDLERS,
    &held::CALLS,
    &held::ROUTINES,
    &held::SEEDS,
    &held::SEQUENCES,
    &binary::STATEMENTS,
    &binary::STATE,
    &binary::CURSORS,
    &binary::LONG_DATA,
    &binary::COMMANDS,
];
