//! The built proxy, as a process of its own with a configuration of the test's.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::{APP, free_port};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long the proxy may take to listen, or to end.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// The admin listener's user.
pub(crate) const ADMIN_USER: &str = "admin";
/// The admin listener's password.
pub(crate) const ADMIN_PASSWORD: &str = "admin-secret";

/// What a proxy is to be like; the fields that a test does not set are the usual ones.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    nodes: Vec<String>,
    node_names: Vec<String>,
    server: Vec<String>,
    endpoint: Vec<String>,
    users: Vec<(String, String)>,
    extra: String,
    environment: Vec<(String, String)>,
}

/// A running proxy, killed when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Child,
    directory: TempDir,
    address: SocketAddr,
    http: SocketAddr,
    admin: SocketAddr,
}

/// A process that has taken over from a proxy, killed when dropped.
#[derive(Debug)]
pub(crate) struct Heir(u32);

/// What `/metrics` said, by name with labels as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Setup {
    /// One endpoint with a transaction pool of 10, before this server; the account `app` may log in.
    pub(crate) fn new(server: SocketAddr) -> Self {
        let empty = Self {
            nodes: Vec::new(),
            node_names: Vec::new(),
            server: vec!["workers = 2".into()],
            endpoint: Vec::new(),
            users: Vec::new(),
            extra: String::new(),
            environment: Vec::new(),
        };
        empty.node("db1", server, &["max_connections = 10"]).user(APP.user, APP.password)
    }

    /// Adds a node, with lines of TOML for its table.
    pub(crate) fn node(mut self, name: &str, address: SocketAddr, lines: &[&str]) -> Self {
        let head = format!("[[nodes]]\nname = \"{name}\"\naddress = \"{address}\"\n");
        self.nodes.push(format!("{head}{}\n", lines.join("\n")));
        self.node_names.push(format!("\"{name}\""));
        self
    }

    /// Replaces the first node's lines.
    pub(crate) fn first_node(mut self, server: SocketAddr, lines: &[&str]) -> Self {
        (self.nodes, self.node_names) = (Vec::new(), Vec::new());
        self.node("db1", server, lines)
    }

    /// Adds a line of TOML to the endpoint's table, such as `pool = "session"`.
    pub(crate) fn endpoint(mut self, line: &str) -> Self {
        self.endpoint.push(line.into());
        self
    }

    /// Adds a line of TOML to the `[server]` table.
    pub(crate) fn server(mut self, line: &str) -> Self {
        self.server.push(line.into());
        self
    }

    /// Adds a user that the proxy knows.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Takes all users away, the usual one too.
    pub(crate) fn no_users(mut self) -> Self {
        self.users.clear();
        self
    }

    /// Adds whole tables of TOML.
    pub(crate) fn extra(mut self, toml: &str) -> Self {
        self.extra += toml;
        self.extra += "\n";
        self
    }

    /// Sets an environment variable of the process.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn toml(&self, listen: SocketAddr, http: SocketAddr, admin: SocketAddr) -> String {
        let users = self.users.iter().map(|(name, password)| {
            let (name, password) = (name.escape_default(), password.escape_default());
            format!("[[users]]\nname = \"{name}\"\npassword = \"{password}\"\n")
        });
        format!(
            "[server]\n{}\n\n{}\n[[endpoints]]\nname = \"app\"\nlisten = \"{listen}\"\nnodes = [{}]\n{}\n\n{}\n\
             [http]\nlisten = \"{http}\"\n\n\
             [admin]\nlisten = \"{admin}\"\nuser = \"{ADMIN_USER}\"\npassword_env = \"GREENROOM_ADMIN_PASSWORD\"\n\n{}",
            self.server.join("\n"),
            self.nodes.join("\n"),
            self.node_names.join(", "),
            self.endpoint.join("\n"),
            users.collect::<Vec<_>>().join("\n"),
            self.extra
        )
    }

    /// Starts the proxy and waits until its listeners accept.
    pub(crate) fn start(&self) -> Proxy {
        self.start_by(|_, _| {})
    }

    /// The same, by a command that is changed first; it is told where clients are to connect and where the pages are.
    pub(crate) fn start_by(&self, change: impl FnOnce(&mut Command, [SocketAddr; 2])) -> Proxy {
        let [address, http, admin] =
            [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().expect("a port is free"))));
        let directory = tempfile::Builder::new().prefix("greenroom-proxy-").tempdir().unwrap();
        let config = directory.path().join("greenroom.toml");
        fs::write(&config, self.toml(address, http, admin)).unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
        command
            .arg("--config")
            .arg(&config)
            .env("GREENROOM_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .envs(self.environment.iter().cloned());
        change(&mut command, [address, http]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().expect("the greenroom binary runs");
        let mut proxy = Proxy { process, directory, address, http, admin };
        proxy.wait_until_it_listens();
        proxy
    }
}

impl Proxy {
    /// The usual proxy before this server; see [`Setup::new`].
    pub(crate) fn before(server: SocketAddr) -> Self {
        Setup::new(server).start()
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where /metrics and the status page are.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the admin console listens.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Everything it wrote to its standard output and error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Changes the text of its configuration file; [`Proxy::hup`] makes it read it.
    pub(crate) fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let path = self.directory.path().join("greenroom.toml");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> std::path::PathBuf {
        self.directory.path().join("greenroom.toml")
    }

    /// Asks it to drain and end.
    pub(crate) fn term(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hup(&self) {
        self.signal(Signal::HUP);
    }

    /// Asks it to start a process that takes over; gives that one's id when it has.
    pub(crate) fn upgrade(&self) -> Heir {
        let before = self.taken_over();
        self.signal(Signal::USR2);
        self.heir(&before)
    }

    /// The process that takes over next, once it has.
    pub(crate) fn heir(&self, before: &[u32]) -> Heir {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(pid) = self.taken_over().get(before.len()) {
                return Heir(*pid);
            }
            assert!(Instant::now() < deadline, "nobody took over:\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    /// The ids of those that have taken over so far.
    pub(crate) fn taken_over(&self) -> Vec<u32> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains("the new process has taken over"));
        let pid = |line: &str| line.split("pid: ").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        lines.filter_map(pid).collect()
    }

    /// Asks it to start a process that takes over, which may fail.
    pub(crate) fn usr2(&self) {
        self.signal(Signal::USR2);
    }

    /// The other processes of its configuration: whoever starts and has not ended.
    pub(crate) fn others(&self) -> Vec<Heir> {
        let config = self.config().display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_ours =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it.contains(&config));
        // Heirs of those alone that are: dropping one kills it.
        pids.filter(|pid| *pid != self.process.id() && is_ours(pid)).map(Heir).collect()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for its end, after [`Proxy::term`].
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the proxy did not end:\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    /// What it reports of itself now.
    pub(crate) fn metrics(&self) -> Metrics {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        Metrics::parse(&body)
    }

    /// The status and body of one HTTP request.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&self.http, LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // 1.0, so that the answer comes in one piece and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("not HTTP: {head}")), body.to_owned())
    }

    fn signal(&self, signal: Signal) {
        assert!(send(self.process.id(), signal), "it has ended");
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + LIMIT;
        for address in [self.address, self.http, self.admin] {
            while TcpStream::connect(address).is_err() {
                if let Some(status) = self.process.try_wait().unwrap() {
                    panic!("the proxy ended while starting ({status}):\n{}", self.log());
                }
                assert!(Instant::now() < deadline, "nothing listens on {address}:\n{}", self.log());
                thread::sleep(POLL);
            }
        }
    }
}

/// Says whether there is such a process.
fn send(pid: u32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).is_ok()
}

/// The state of a process, and its parent's id; `None` where there is none.
fn state(pid: u32) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit(") ").next()?.split(' ').map(str::to_owned);
    words.next().zip(words.next())
}

impl Heir {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0
    }

    /// Asks it to let another take over.
    pub(crate) fn usr2(&self) {
        assert!(send(self.0, Signal::USR2), "it has ended");
    }

    /// Whose child it is.
    pub(crate) fn parent(&self) -> u32 {
        state(self.0).and_then(|(_, parent)| parent.parse().ok()).expect("it runs")
    }

    /// Asks it to drain and end, if it has not ended.
    pub(crate) fn term(&self) {
        send(self.0, Signal::TERM);
    }

    /// Asks it to drain and end, and waits until it has.
    pub(crate) fn stop(self) {
        assert!(send(self.0, Signal::TERM), "it has ended");
        self.wait();
    }

    /// Waits for its end.
    pub(crate) fn wait(&self) {
        let deadline = Instant::now() + LIMIT;
        while self.runs() {
            assert!(Instant::now() < deadline, "process {} did not end", self.0);
            thread::sleep(POLL);
        }
    }

    /// Whether it runs; one that has ended and that its parent has not asked about does not.
    pub(crate) fn runs(&self) -> bool {
        state(self.0).is_some_and(|(state, _)| state != "Z")
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        send(self.0, Signal::KILL);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            println!("the proxy's log:\n{}", self.log());
        }
    }
}

impl Metrics {
    /// From the text format of Prometheus.
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let parsed = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("not a number: {line}")))
        });
        Self(parsed.collect())
    }

    /// One sample, named as in the text, labels and all.
    pub(crate) fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The sum of a metric over all samples that carry these labels (`name="value"`); 0 when there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let matching = self.0.iter().filter(|(sample, _)| {
            let (base, rest) = sample.split_once('{').unwrap_or((sample, "}"));
            let present: Vec<&str> = rest.trim_end_matches('}').split(',').collect();
            base == name && labels.iter().all(|label| present.contains(label))
        });
        matching.map(|(_, value)| value).sum()
    }
}
