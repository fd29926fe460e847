//! A real etcd of a test's own.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::servers::is_required;

const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A cluster of one, killed when dropped.
#[derive(Debug)]
pub(crate) struct Etcd {
    process: Child,
    directory: TempDir,
    ports: [u16; 2],
    arguments: Vec<String>,
    scheme: &'static str,
}

impl Etcd {
    /// One that asks nobody who he is; `None`, loudly, where there is no etcd and the environment does not insist.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("http", &[])
    }

    /// One whose clients' addresses begin with `scheme`, with these arguments.
    pub(crate) fn start_with(scheme: &'static str, arguments: &[String]) -> Option<Self> {
        if Command::new("etcd").arg("--version").output().is_err() {
            assert!(!is_required(), "there is no etcd; scripts/install-etcd gets one");
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no etcd; scripts/install-etcd gets one");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("greenroom-etcd-").tempdir().unwrap();
        let ports = [(); 2].map(|()| free_port().expect("a port is free"));
        let arguments = arguments.to_vec();
        let process = launch(&directory, ports, scheme, &arguments);
        let etcd = Self { process, directory, ports, arguments, scheme };
        etcd.wait_until_it_listens();
        Some(etcd)
    }

    /// Where its clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[0]))
    }

    /// A fleet of this name that meets there, as a configuration has it; with more lines for its table.
    pub(crate) fn fleet(&self, name: &str, lines: &[&str]) -> String {
        format!(
            "[fleet]\netcd = [\"{}://{}\"]\nname = \"{name}\"\nttl = \"5s\"\n{}\n",
            self.scheme,
            self.address(),
            lines.join("\n")
        )
    }

    /// Asks its gateway something, in clear.
    pub(crate) fn ask(&self, path: &str, question: &str) -> String {
        let mut stream = TcpStream::connect_timeout(&self.address(), LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let head = format!("POST {path} HTTP/1.0\r\nHost: etcd\r\nContent-Length: {}\r\n\r\n", question.len());
        write!(stream, "{head}{question}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not HTTP: {answer}"));
        assert!(head.split(' ').nth(1) == Some("200"), "{path}: {answer}");
        body.to_owned()
    }

    /// It says nothing more, and is still there.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// It is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// It is there again, with all that it knew; or with nothing.
    pub(crate) fn restart(&mut self, forgetful: bool) {
        if forgetful {
            std::fs::remove_dir_all(self.directory.path().join("data")).unwrap();
        }
        self.process = launch(&self.directory, self.ports, self.scheme, &self.arguments);
        self.wait_until_it_listens();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it has a leader; of one in TLS, whether it listens.
    fn is_well(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        if self.scheme == "https" {
            return true;
        }
        let _ = stream.set_read_timeout(Some(LIMIT));
        let _ = write!(stream, "GET /health HTTP/1.0\r\nHost: etcd\r\n\r\n");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.contains("\"true\"")
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + LIMIT;
        while !self.is_well() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "etcd does not answer:\n{log}");
            thread::sleep(POLL);
        }
    }
}

fn launch(directory: &TempDir, [clients, peers]: [u16; 2], scheme: &str, arguments: &[String]) -> Child {
    let log = File::create(directory.path().join("log")).unwrap();
    let (clients, peers) = (format!("{scheme}://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let mut command = Command::new("etcd");
    command
        .arg("--data-dir")
        .arg(directory.path().join("data"))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}"), "--log-level", "warn", "--logger", "zap"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().expect("etcd runs")
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
