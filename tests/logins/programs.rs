//! Real clients: what each does when it logs in to the server itself, and to Greenroom by each source of credentials.

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use greenroom::demo::server::Flavor;

use super::{
    field::{CHANNELS, Field, KINDS, OWN, PASSWORD, SOURCES, authority},
    rust,
    support::program::{Program, go, is_there, java, node, php, python},
};

/// The way that goes past Greenroom.
const DIRECTLY: &str = "directly";
/// What each can be told to begin with, beside what it is greeted with.
const ORACLE: [&str; 4] = ["", "caching_sha2_password", "sha256_password", "mysql_clear_password"];
const MARIA: [&str; 6] =
    ["", "mysql_native_password", "caching_sha2_password", "client_ed25519", "sha256_password", "mysql_clear_password"];
/// The client has not got the plugin that it is asked for.
const LACKS: &str = "no plugin";
/// How clients say that.
const LACKING: [&str; 5] = [
    "is not supported",
    "nknown authentication plugin",
    "unknown plugin",
    "'pynacl' package is required",
    "not loaded",
];
/// How clients say that they would, in TLS.
const WANTS_TLS: [&str; 2] = ["requires SSL", "not supported over insecure channels"];
const JAR: &str = "/usr/share/java/mariadb-java-client.jar";

/// A client, the plugins that it can be told to begin with (none: it begins with what it is greeted with), and the channels
/// that it knows.
pub(super) struct Client {
    name: &'static str,
    plugins: &'static [&'static str],
    channels: &'static [&'static str],
    how: How,
}

enum How {
    /// A command-line program, run for each login.
    Terminal(PathBuf),
    /// A script for a driver, which does one login after another.
    Script(Program, &'static str),
    /// A driver in Rust.
    Here(fn(&Case) -> String),
}

/// One login.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) channel: &'static str,
    pub(super) address: SocketAddr,
    pub(super) socket: PathBuf,
    pub(super) user: String,
    plugin: &'static str,
}

/// A client's logins, with all plugins and channels by which they went alike.
pub(super) struct Row {
    pub(super) client: &'static str,
    begun: Vec<(&'static str, &'static str)>,
    /// For each kind of account, how it went by each of [`ways`].
    pub(super) outcomes: Vec<Vec<String>>,
}

impl Row {
    /// The plugins, each with its channels.
    pub(super) fn beginnings(&self) -> String {
        let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
        for (plugin, channel) in &self.begun {
            match told.iter_mut().find(|(name, _)| name == plugin) {
                Some((_, channels)) => channels.push(channel),
                None => told.push((plugin, vec![channel])),
            }
        }
        let told = told.into_iter().map(|(plugin, channels)| {
            let plugin = if plugin.is_empty() { "as greeted" } else { plugin };
            if channels.len() == CHANNELS.len() {
                plugin.to_owned()
            } else {
                format!("{plugin} ({})", channels.join(", "))
            }
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// Past Greenroom, and by each source of credentials.
pub(super) fn ways() -> Vec<&'static str> {
    [DIRECTLY].into_iter().chain(SOURCES).collect()
}

/// How many accounts that nobody has used [`play`] takes of each kind.
pub(super) fn appetite() -> usize {
    clients().iter().map(|client| client.plugins.len() * client.channels.len() * 3).sum()
}

fn clients() -> Vec<Client> {
    let mysql = Flavor::MySql.find().map(|found| found.path.with_file_name("mysql")).unwrap_or_default();
    let script = |name, how: Program, driver| Client { how: How::Script(how, driver), ..client(name) };
    let connector = script("mysql-connector-python", python("mysql.connector", "logins/login.py"), "mysql.connector");
    let jdbc = script("MariaDB Connector/J", java("MariaDB Connector/J", JAR, "logins/Login.java"), "");
    vec![
        Client { plugins: &ORACLE, how: How::Terminal(mysql), ..client("`mysql`") },
        Client { plugins: &MARIA, how: How::Terminal("mariadb".into()), ..client("`mariadb`") },
        Client { plugins: &ORACLE, ..connector },
        script("PyMySQL", python("pymysql", "logins/login.py"), "pymysql"),
        script("mysql2 (Node)", node("mysql2", "logins/login.cjs"), "mysql2"),
        script("mariadb (Node)", node("mariadb", "logins/login.cjs"), "mariadb"),
        Client { how: How::Here(rust::sqlx), ..client("sqlx (Rust)") },
        Client { how: How::Here(rust::mysql_async), ..client("mysql_async (Rust)") },
        script("mysqli (PHP)", php("mysqli", "logins/login.php"), ""),
        script("go-sql-driver", go("github.com/go-sql-driver/mysql", "logins/login.go"), ""),
        // Without Java's bindings to the system's own libraries it knows no Unix sockets.
        Client { channels: &CHANNELS[..2], ..jdbc },
    ]
}

/// What most are.
fn client(name: &'static str) -> Client {
    Client { name, plugins: &[""], channels: &CHANNELS, how: How::Here(rust::sqlx) }
}

impl Client {
    fn is_there(&self) -> bool {
        match &self.how {
            How::Terminal(program) => is_there(self.name, Command::new(program).arg("--version")),
            How::Script(program, _) => program.is_there(),
            How::Here(_) => true,
        }
    }

    /// How these logins went.
    fn outcomes(&self, cases: &[Case]) -> Vec<String> {
        let told = match &self.how {
            How::Terminal(program) => cases.iter().map(|case| at_terminal(program, self.name, case)).collect(),
            How::Script(program, driver) => by_script(program, driver, cases),
            How::Here(log_in) => cases.iter().map(log_in).collect::<Vec<_>>(),
        };
        assert_eq!(told.len(), cases.len(), "{}: {told:?}", self.name);
        told.iter().map(|told| outcome(told)).collect()
    }
}

/// Every client that is there logs in by every way; and whether all are there.
pub(super) fn play(fields: &[Field]) -> (Vec<Row>, bool) {
    let clients = clients();
    let there: Vec<_> = clients.iter().filter(|client| client.is_there()).collect();
    let rows = thread::scope(|scope| {
        let playing = there.iter().map(|client| {
            let begun: Vec<_> =
                client.plugins.iter().flat_map(|plugin| client.channels.iter().map(move |at| (*plugin, *at))).collect();
            let cases: Vec<_> = begun.iter().flat_map(|(plugin, channel)| cases(plugin, channel, fields)).collect();
            scope.spawn(move || rows(client, begun, &cells(&client.outcomes(&cases))))
        });
        let playing: Vec<_> = playing.collect();
        playing.into_iter().flat_map(|rows| rows.join().unwrap()).collect()
    });
    (rows, there.len() == clients.len())
}

fn rows(client: &Client, begun: Vec<(&'static str, &'static str)>, cells: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (cells, beginning) in cells.chunks(KINDS.len() * ways().len()).zip(begun) {
        let outcomes: Vec<_> = cells.chunks(ways().len()).map(<[_]>::to_vec).collect();
        match rows.iter_mut().find(|row| row.outcomes == outcomes) {
            Some(row) => row.begun.push(beginning),
            None => rows.push(Row { client: client.name, begun: vec![beginning], outcomes }),
        }
    }
    rows
}

/// By kind of account, and each way to it; twice where Greenroom knows more the second time.
fn cases(plugin: &'static str, channel: &'static str, fields: &[Field]) -> Vec<Case> {
    let case = |field: &Field, way: &str| {
        let (address, socket) = if way == DIRECTLY { field.direct() } else { field.doors(way) };
        let case = Case { channel, address, socket, user: field.user(way), plugin };
        if OWN.contains(&way) { vec![case.clone(), case] } else { vec![case] }
    };
    fields.iter().flat_map(|field| ways().into_iter().flat_map(move |way| case(field, way))).collect()
}

/// One for each way; where the second login went otherwise than the first, it says both.
fn cells(outcomes: &[String]) -> Vec<String> {
    let (mut left, mut cells) = (outcomes.iter(), Vec::new());
    for way in ways().into_iter().cycle() {
        let Some(first) = left.next() else { break };
        let again = if OWN.contains(&way) { left.next().unwrap() } else { first };
        cells.push(if again == first { first.clone() } else { format!("{first}, then {again}") });
    }
    cells
}

/// `= VALUE` or `! NUMBER WORDS`, as the scripts say it.
fn at_terminal(program: &PathBuf, name: &str, case: &Case) -> String {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-N", &format!("-u{}", case.user), &format!("-p{PASSWORD}")]);
    if !case.plugin.is_empty() {
        command.arg(format!("--default-auth={}", case.plugin));
    }
    match case.channel {
        "Unix socket" => command.arg(format!("-S{}", case.socket.display())),
        _ => command.args(["-h127.0.0.1", &format!("-P{}", case.address.port())]),
    };
    let ca = format!("--ssl-ca={}", authority().file.display());
    match (name, case.channel) {
        ("`mysql`", "TLS") => command.args(["--ssl-mode=VERIFY_IDENTITY", &ca]),
        ("`mysql`", _) => command.args(["--ssl-mode=DISABLED", "--get-server-public-key"]),
        (_, "TLS") => command.args(["--ssl-verify-server-cert", &ca]),
        _ => command.arg("--skip-ssl"),
    };
    if name == "`mysql`" {
        command.arg("--enable-cleartext-plugin");
    }
    let output = command.args(["-e", "SELECT 40 + 2"]).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match errors.split_once("ERROR ") {
        Some((_, error)) => format!("! {}", error.trim_end()),
        None => format!("= {}{}", text.trim(), if output.status.success() { "" } else { &*errors }),
    }
}

fn by_script(program: &Program, driver: &str, cases: &[Case]) -> Vec<String> {
    let mut command = program.command();
    command.arg(driver).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = cases.iter().map(|case| {
        let (port, socket) = (case.address.port(), case.socket.display());
        let ca = authority().file.display();
        format!("{}\t{port}\t{socket}\t{}\t{PASSWORD}\t{ca}\t{}\n", case.channel, case.user, case.plugin)
    });
    // Short enough for a pipe to hold, whether it is read or not.
    child.stdin.take().unwrap().write_all(lines.collect::<String>().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}: {errors}", program.name, output.status);
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// In as few words as tell it: the server's error, or Greenroom's, by number, and a client's own by what it wants.
fn outcome(told: &str) -> String {
    let Some(error) = told.strip_prefix("! ") else {
        assert_eq!(told, "= 42");
        return "yes".into();
    };
    println!("{told}");
    let (number, words) = error.split_once(' ').unwrap();
    match number.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>() {
        Ok(2054 | 2059) => LACKS.into(),
        Ok(number) if number > 0 => number.to_string(),
        _ if WANTS_TLS.iter().any(|sign| words.contains(sign)) => "wants TLS".into(),
        _ if LACKING.iter().any(|sign| words.contains(sign)) => LACKS.into(),
        _ => panic!("{told} is not known"),
    }
}
