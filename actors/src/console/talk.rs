//! What clients and their users' tools ask of any server when they connect. Pure.

use greenroom_protocol::answer::Row;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::{Kind, Table};

use super::command::Item;
use super::{COMMENT, DATABASE, version};

/// What a server would have for these variables; drivers adapt themselves to them.
const VARIABLES: [(&str, &str); 37] = [
    ("auto_increment_increment", "1"),
    ("autocommit", "1"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8mb3"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_database", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("default_storage_engine", ""),
    ("have_query_cache", "NO"),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("license", "Apache-2.0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "1048576"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "30"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("read_only", "0"),
    ("session_track_schema", "0"),
    ("sql_auto_is_null", "0"),
    ("sql_mode", ""),
    ("sql_select_limit", "18446744073709551615"),
    ("system_time_zone", "UTC"),
    ("time_zone", "+00:00"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("transaction_read_only", "0"),
    ("tx_isolation", "REPEATABLE-READ"),
    ("tx_read_only", "0"),
    ("version_compile_os", "Linux"),
    ("wait_timeout", "28800"),
];

/// Further ones that clients set and nobody reads.
pub(super) const OTHER_VARIABLES: [&str; 8] = [
    "foreign_key_checks",
    "group_concat_max_len",
    "information_schema_stats_expiry",
    "sql_big_selects",
    "sql_notes",
    "sql_quote_show_create",
    "sql_safe_updates",
    "unique_checks",
];

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) id: u32,
    pub(super) port: u16,
}

/// The value of a server's variable.
pub(super) fn variable(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let name = ["session.", "global.", "local."].iter().find_map(|scope| name.strip_prefix(scope)).unwrap_or(&name);
    match name {
        "version" => Some(version()),
        "version_comment" => Some(COMMENT.to_owned()),
        name => VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    }
}

/// `SHOW VARIABLES`, with the settings of Greenroom's that can be changed while it runs.
pub(super) fn variables(settings: Vec<(String, String)>) -> Table {
    let mut table = Table::new("variables", &[("Variable_name", Kind::Text), ("Value", Kind::Text)]);
    let own = ["version", "version_comment"].map(|name| (name.to_owned(), variable(name).unwrap_or_default()));
    let known = VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut all: Vec<_> = known.chain(own).chain(settings).collect();
    all.sort();
    table.rows.extend(all.into_iter().map(|(name, value)| texts(&[&name, &value])));
    table
}

/// A `SELECT` from nothing.
pub(super) fn select(items: &[(Item, String)], limit: Option<usize>, guest: &Guest) -> Result<Table, SqlError> {
    let mut table = Table::new("", &[]);
    let mut row = Row::new();
    for (item, name) in items {
        let (value, kind) = evaluate(item, guest)?;
        table.columns.push(greenroom_protocol::table::Column { name: name.clone(), kind });
        row.push(value.map(|value| value.into_bytes().into()));
    }
    table.rows.push(row);
    table.rows.truncate(limit.unwrap_or(1));
    Ok(table)
}

fn evaluate(item: &Item, guest: &Guest) -> Result<(Option<String>, Kind), SqlError> {
    let of = |text: String| {
        let kind =
            if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) { Kind::Count } else { Kind::Text };
        (Some(text), kind)
    };
    Ok(match item {
        Item::Null => (None, Kind::Text),
        Item::Literal(text) => of(text.clone()),
        Item::Variable(name) if name.eq_ignore_ascii_case("hostname") => (Some(DATABASE.to_owned()), Kind::Text),
        Item::Variable(name) if name.eq_ignore_ascii_case("port") => of(guest.port.to_string()),
        Item::Variable(name) => of(variable(name)
            .ok_or_else(|| SqlError::new(1193, *b"HY000", format!("Unknown system variable '{name}'")))?),
        Item::Function(name) => match name.as_str() {
            "DATABASE" | "SCHEMA" => (Some(DATABASE.to_owned()), Kind::Text),
            "USER" | "SESSION_USER" | "SYSTEM_USER" | "CURRENT_USER" => {
                (Some(format!("{}@{}", guest.user, guest.host)), Kind::Text)
            }
            "VERSION" => (Some(version()), Kind::Text),
            "CONNECTION_ID" => (Some(guest.id.to_string()), Kind::Count),
            "LAST_INSERT_ID" | "ROW_COUNT" | "FOUND_ROWS" => (Some("0".to_owned()), Kind::Count),
            _ => {
                let known = ["DATABASE", "USER", "VERSION", "CONNECTION_ID"];
                return Err(super::command::unknown("function", name, &known));
            }
        },
    })
}

/// What servers have and the console has nothing of, in the shape that tools expect.
pub(super) fn nothing(what: &str) -> Table {
    let columns: &[&str] = match what {
        "STATUS" => &["Variable_name", "Value"],
        "WARNINGS" | "ERRORS" => &["Level", "Code", "Message"],
        "ENGINES" => &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"],
        "PLUGINS" => &["Name", "Status", "Type", "Library", "License"],
        _ => &["Name"],
    };
    let columns: Vec<_> = columns.iter().map(|name| (*name, Kind::Text)).collect();
    Table::new(&what.to_lowercase(), &columns)
}

/// Collations and character sets, of which the console has one.
pub(super) fn charsets(what: &str) -> Table {
    let (columns, row): (&[&str], &[&str]) = if what == "COLLATION" {
        let columns = &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"];
        (columns, &["utf8mb4_general_ci", "utf8mb4", "45", "Yes", "Yes", "1"])
    } else {
        (
            &["Charset", "Description", "Default collation", "Maxlen"],
            &["utf8mb4", "UTF-8 Unicode", "utf8mb4_general_ci", "4"],
        )
    };
    let columns: Vec<_> = columns.iter().map(|name| (*name, Kind::Text)).collect();
    let mut table = Table::new(&what.to_lowercase(), &columns);
    table.rows.push(texts(row));
    table
}

/// A row of texts.
pub(super) fn texts(values: &[&str]) -> Row {
    values.iter().map(|value| Some(value.as_bytes().into())).collect()
}

/// A table of names.
pub(super) fn names(column: &str, names: &[&str]) -> Table {
    let mut table = Table::new("names", &[(column, Kind::Text)]);
    table.rows.extend(names.iter().map(|name| texts(&[name])));
    table
}

/// Every command and what it does.
const HELP: [(&str, &str); 27] = [
    ("SHOW POOLS", "what sessions of one user share on a node"),
    ("SHOW CLIENTS", "client sessions, and what each is doing"),
    ("SHOW BACKENDS", "server connections"),
    ("SHOW NODES", "servers: role, health, connections"),
    ("SHOW FLEET", "what each instance of the fleet has of each node"),
    ("SHOW ENDPOINTS", "addresses for applications"),
    ("SHOW USERS", "who is known, and from where"),
    ("SHOW PINS", "what keeps sessions on their server connections, and what to do about it"),
    ("SHOW ADVICE", "which pool mode suits each user and database, and why"),
    ("SHOW CAUSES", "which statements have pinned since the start, and what to do about each"),
    ("SHOW QUERIES", "statements by their shapes: how many, how long, and what they pinned"),
    ("SHOW STATS", "the metrics"),
    ("SHOW CONFIG", "the configuration in force, and where each value is from"),
    ("SHOW VERSION", "the version, and how it was built"),
    ("SHOW … LIKE 'x%'", "rows whose first column is like that"),
    ("SHOW … WHERE column = value [AND …] [ORDER BY column] [LIMIT n]", "other rows; also <, >, <>, LIKE, IS NULL"),
    ("PAUSE [endpoint|node] [WAIT 10s]", "new statements wait; answers when all is quiet"),
    ("RESUME [endpoint|node]", "ends a pause"),
    ("DRAIN name", "no new leases to a node, no new clients to an endpoint"),
    ("ENABLE name", "undoes DRAIN"),
    ("KILL [QUERY] id", "ends a client session, or its statement"),
    ("RELOAD", "reads the configuration again"),
    ("RESET QUERIES", "forgets what SHOW QUERIES shows"),
    ("SHOW VARIABLES", "settings that SET changes, among others"),
    ("SET [endpoint.|node.]setting = value", "changes one until the next RELOAD or restart"),
    ("SHUTDOWN [WAIT]", "stops as by SIGTERM; WAIT: however long open transactions take"),
    ("HELP", "this"),
];

/// The commands.
pub(super) fn help() -> Table {
    let mut table = Table::new("help", &[("command", Kind::Text), ("meaning", Kind::Text)]);
    table.rows.extend(HELP.iter().map(|(command, meaning)| texts(&[command, meaning])));
    table
}

#[cfg(test)]
mod tests {
    use super::HELP;
    use crate::console::tables::TABLES;

    #[test]
    fn help_has_every_table() {
        for (name, _) in TABLES {
            let command = format!("SHOW {}", name.to_uppercase());
            assert!(HELP.iter().any(|(known, _)| *known == command), "{command}");
        }
    }
}
