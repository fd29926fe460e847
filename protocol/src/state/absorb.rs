//! What a server reported → the session's new state.

use super::SessionState;

/// What the reports of one reply amount to, beyond the state itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Absorbed {
    /// The state is another than before.
    pub changed: bool,
    /// A character set was reported: the whole group must be read back, because servers name only part of it (measured).
    pub charset: bool,
    /// `character_set_server` or `collation_server` was set, which changes the other unreported (measured): read
    /// `collation_server` back.
    pub server_collation: bool,
    /// `max_join_size` or `sql_big_selects` was set; the first changes the second unreported (measured): read both back.
    pub join_limits: bool,
    /// A variable that is used up by the next statement or whose value is reported wrongly: not restorable.
    pub unrestorable: bool,
    /// `insert_id` was set: the next insert takes it.
    pub insert_id: bool,
    /// `last_insert_id` was set: read it back.
    pub last_insert_id: bool,
}

/// Applies reported variables and a reported schema to a state.
///
/// `schema` is `Some("")` where the server says that no database is selected any more.
pub fn absorb<'a>(
    state: &mut SessionState,
    variables: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    schema: Option<&[u8]>,
) -> Absorbed {
    let mut absorbed = Absorbed::default();
    if let Some(schema) = schema {
        let database = (!schema.is_empty()).then_some(schema);
        if state.database() != database {
            state.set_database(database);
            absorbed.changed = true;
        }
    }
    for (name, value) in variables {
        variable(state, name, value, schema.is_some(), &mut absorbed);
    }
    absorbed
}

/// MariaDB has several names for one variable, each reported as it was written (measured).
fn one_name(name: &[u8]) -> &[u8] {
    match name {
        b"storage_engine" => b"default_storage_engine",
        b"log_slow_query_time" => b"long_query_time",
        b"log_slow_min_examined_row_limit" => b"min_examined_row_limit",
        b"log_slow_query" => b"slow_query_log",
        b"sql_low_priority_updates" => b"low_priority_updates",
        _ => name,
    }
}

/// `moved`: the default database was reported as well.
fn variable(state: &mut SessionState, name: &[u8], value: &[u8], moved: bool, absorbed: &mut Absorbed) {
    let name = one_name(name);
    match name {
        b"character_set_client" => {
            absorbed.charset = true;
            absorbed.changed |= state.set_client_charset(value);
        }
        b"character_set_results" | b"character_set_connection" | b"collation_connection" => {
            absorbed.charset = true;
        }
        // These follow the default database, and a restore that selects it brings them along; set by themselves,
        // nothing would give the next session its own.
        b"character_set_database" | b"collation_database" => absorbed.unrestorable |= !moved,
        b"character_set_server" | b"collation_server" => absorbed.server_collation = true,
        b"max_join_size" | b"sql_big_selects" => absorbed.join_limits = true,
        b"last_insert_id" | b"identity" => absorbed.last_insert_id = true,
        b"insert_id" => absorbed.insert_id = true,
        // Reported as the moment's value even where they were given back to the clock (timestamp), wrongly
        // (rand_seed, MySQL: always 0), or consumed by what follows.
        b"timestamp" | b"rand_seed1" | b"rand_seed2" | b"gtid_next" | b"pseudo_thread_id" => {
            absorbed.unrestorable = true
        }
        // MySQL numbers every statement; it is no state.
        b"statement_id" => {}
        // MariaDB with a binary log tells of each commit's; nobody can set it (measured).
        b"last_gtid" => {}
        _ if state.variable(name) == Some(value) => {}
        _ => {
            state.set_variable(name, value);
            absorbed.changed = true;
        }
    }
}
