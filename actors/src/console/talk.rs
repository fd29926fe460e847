//! What clients and their users' tools ask of any server when they connect. Pure.

use greenroom_protocol::answer::Row;
use greenroom_protocol::table::{Kind, Table};

use super::office::Sample;
use super::{COMMENT, version};

/// What a server would have for these variables; drivers adapt themselves to them.
const VARIABLES: [(&str, &str); 54] = [
    ("auto_increment_increment", "1"),
    ("autocommit", "1"),
    ("basedir", ""),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_filesystem", "binary"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8mb3"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_database", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("datadir", ""),
    ("default_storage_engine", "GREENROOM"),
    ("disabled_storage_engines", ""),
    ("foreign_key_checks", "1"),
    ("group_concat_max_len", "1024"),
    ("have_profiling", "NO"),
    ("have_query_cache", "NO"),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("lc_messages", "en_US"),
    ("license", "Apache-2.0"),
    ("log_bin", "0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "1048576"),
    ("max_connections", "64"),
    ("max_execution_time", "0"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "30"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("protocol_version", "10"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("read_only", "0"),
    ("server_id", "0"),
    ("session_track_schema", "0"),
    ("skip_networking", "0"),
    ("sql_auto_is_null", "0"),
    ("sql_mode", ""),
    ("sql_safe_updates", "0"),
    ("sql_select_limit", "18446744073709551615"),
    ("storage_engine", "GREENROOM"),
    ("system_time_zone", "UTC"),
    ("time_zone", "+00:00"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("transaction_read_only", "0"),
    ("tx_isolation", "REPEATABLE-READ"),
    ("tx_read_only", "0"),
    ("unique_checks", "1"),
    ("version_compile_os", "Linux"),
    ("wait_timeout", "28800"),
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

/// `SHOW STATUS`: what tools count with; what the console has none of is 0.
pub(super) fn status(samples: &[Sample], facts: &[(String, String)], agreed: Option<(&str, &str)>) -> Table {
    let sum = |name: &str, label: &str| {
        let all = samples.iter().filter(|it| it.name == name && it.labels.contains(label)).map(|it| it.value);
        format!("{:.0}", all.sum::<f64>())
    };
    let queries = sum("greenroom_queries_total", "");
    let uptime = facts.iter().find(|(name, _)| name == "uptime_seconds").map_or("0", |(_, value)| value);
    let (version, cipher) = agreed.unwrap_or_default();
    let known = [
        ("Aborted_connects", sum("greenroom_logins_total", "result=\"denied\"")),
        ("Bytes_received", sum("greenroom_bytes_total", "direction=\"from_clients\"")),
        ("Bytes_sent", sum("greenroom_bytes_total", "direction=\"to_clients\"")),
        ("Connections", sum("greenroom_logins_total", "")),
        ("Queries", queries.clone()),
        ("Questions", queries),
        ("Slow_queries", sum("greenroom_slow_queries_total", "")),
        ("Ssl_cipher", cipher.to_owned()),
        ("Ssl_version", version.to_owned()),
        ("Threads_connected", sum("greenroom_clients", "")),
        ("Threads_running", sum("greenroom_clients", "state=\"active\"")),
        ("Uptime", uptime.to_owned()),
    ];
    let none = [
        "Aborted_clients",
        "Flush_commands",
        "Max_used_connections",
        "Open_tables",
        "Opened_tables",
        "Threads_created",
    ];
    let mut table = Table::new("status", &[("Variable_name", Kind::Text), ("Value", Kind::Text)]);
    table.rows.extend(known.iter().map(|(name, value)| texts(&[name, value])));
    table.rows.extend(none.iter().map(|name| texts(&[name, "0"])));
    table.rows.sort();
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
const HELP: [(&str, &str); 32] = [
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
    ("SHOW TABLES", "the names of all these"),
    ("DESCRIBE table", "a table's columns"),
    ("SHOW … LIKE 'x%'", "rows whose first column is like that"),
    ("SHOW … WHERE … [ORDER BY column] [LIMIT n]", "other rows, by any condition of SQL"),
    ("SELECT … FROM table …", "the same tables, with joins and groups"),
    ("PAUSE [endpoint|node] [WAIT 10s]", "new statements wait; answers when all is quiet"),
    ("RESUME [endpoint|node]", "ends a pause"),
    ("DRAIN name", "no new leases to a node, no new clients to an endpoint"),
    ("ENABLE name", "undoes DRAIN"),
    ("KILL [QUERY] id", "ends a client session, or its statement"),
    ("RELOAD", "reads the configuration again"),
    ("RESET QUERIES", "forgets what SHOW QUERIES shows"),
    ("SHOW VARIABLES", "settings that SET changes, among others"),
    ("SHOW STATUS", "counts, by the names that servers have for them"),
    ("SHOW PROCESSLIST", "client sessions, in the columns that servers have"),
    ("SET [endpoint.|node.]setting = value", "changes one until the next RELOAD or restart"),
    ("SHUTDOWN [WAIT]", "stops as by SIGTERM; WAIT: however long open transactions take"),
    ("HELP", "this"),
];

/// The commands; those that a word is about as servers' `HELP` has them, for the client that knows that command itself.
pub(super) fn help(about: Option<&str>) -> Table {
    let Some(about) = about else {
        let mut table = Table::new("help", &[("command", Kind::Text), ("meaning", Kind::Text)]);
        table.rows.extend(HELP.iter().map(|(command, meaning)| texts(&[command, meaning])));
        return table;
    };
    let about = about.to_uppercase();
    let found: Vec<_> = HELP.iter().filter(|(command, _)| command.to_uppercase().contains(&about)).collect();
    let columns: &[&str] =
        if found.len() == 1 { &["name", "description", "example"] } else { &["name", "is_it_category"] };
    let columns: Vec<_> = columns.iter().map(|name| (*name, Kind::Text)).collect();
    let mut table = Table::new("help", &columns);
    table.rows.extend(match found.as_slice() {
        [(command, meaning)] => vec![texts(&[command, &format!("{meaning}\n"), ""])],
        many => many.iter().map(|(command, _)| texts(&[command, "N"])).collect(),
    });
    table
}

#[cfg(test)]
mod tests {
    use super::{HELP, help};
    use crate::console::tables::TABLES;

    /// The commands of the table in the page.
    fn documented() -> Vec<String> {
        let page = include_str!("../../../docs/console.md");
        let (_, below) = page.split_once("| command | what it does |").unwrap();
        let rows = below.lines().skip(2).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|line| line.split('|').nth(1));
        let commands = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        commands
            .map(|command| command.split(['[', 'n', 'i', '=']).next().unwrap_or_default().trim().to_owned())
            .collect()
    }

    #[test]
    fn help_has_every_command_that_is_documented() {
        let commands = documented();
        assert!(commands.len() >= 15 && commands.contains(&"SHUTDOWN WAIT".to_owned()), "{commands:?}");
        for command in commands {
            // With and without what may be left out.
            let known = |line: &str| line.starts_with(&command) || line.replace(['[', ']'], "").starts_with(&command);
            assert!(HELP.iter().any(|(line, _)| known(line)), "{command}");
        }
    }

    #[test]
    fn help_about_one_thing_is_what_the_command_line_client_shows() {
        let names = |about: &str| help(Some(about)).columns.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names("pause"), help(Some("pause")).rows.len()),
            (vec!["name".into(), "description".into(), "example".into()], 1)
        );
        assert_eq!(names("show"), ["name", "is_it_category"]);
        assert!(help(Some("show")).rows.len() > TABLES.len() && help(Some("nonsense")).rows.is_empty());
    }

    #[test]
    fn help_has_every_table() {
        for (name, _) in TABLES {
            let command = format!("SHOW {}", name.to_uppercase());
            assert!(HELP.iter().any(|(known, _)| *known == command), "{command}");
        }
    }
}
