//! A private, throw-away MySQL or MariaDB server on loopback, for `greenroom demo` and for the tests.
//!
//! Its files lie in a temporary directory; it ends with its [`Server`], and with this process even when that is killed.

mod flavor;
mod guard;
mod template;

use std::{
    ffi::OsString,
    fs,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use flavor::{Flavor, Program};
use guard::Guard;

/// The server's administrator: every privilege, from any host.
pub const ROOT: Account = Account { user: "root", password: "root-secret" };
/// The application's account: every privilege on the database [`DATABASE`], from any host.
pub const APP: Account = Account { user: "app", password: "app-secret" };
/// The database that the application's account owns.
pub const DATABASE: &str = "app";

/// A server that has not answered after this long never will; ten times the slowest start seen on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// After this long without an end, a stop becomes a kill.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// Another process may take the port between our look and the server's bind; this many ports are tried.
const PORT_ATTEMPTS: usize = 4;
/// Below the range that Linux hands to outgoing connections, so that a restart finds its port free again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A name and password that every server started here knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user's name.
    pub user: &'static str,
    /// The password in clear; it protects nothing but a throw-away server.
    pub password: &'static str,
}

/// What a caller may change about a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Given to the server after our own arguments, so that they win.
    pub extra_args: Vec<OsString>,
    /// Keeps a binary log, which an ordinary start turns off.
    pub binary_log: bool,
}

/// A running (or killed, and not yet restarted) private server.
#[derive(Debug)]
pub struct Server {
    program: Program,
    arguments: Vec<OsString>,
    address: SocketAddr,
    process: Option<Child>,
    // Fields drop in this order: the guard must still find the directory that it may have to remove.
    guard: Guard,
    directory: TempDir,
}

impl Server {
    /// Starts a fresh server and waits until it takes logins.
    ///
    /// The first start for a version also makes a template data directory, which takes some seconds; later ones copy it.
    ///
    /// # Errors
    /// When there is no such server on this machine, or it ended while starting (with the tail of its log).
    pub fn start(flavor: Flavor, options: &Options) -> anyhow::Result<Self> {
        let program = flavor.find()?;
        let directory = tempfile::Builder::new().prefix("greenroom-").tempdir().context("no temporary directory")?;
        let guard = Guard::over(directory.path())?;
        let data = directory.path().join("data");
        template::copy(&program, &data)?;
        fs::create_dir(directory.path().join("tmp")).context("the server's directory for temporary files")?;
        let arguments = arguments(&program, options, directory.path());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { program, arguments, address, process: None, guard, directory };
        server.start_on_a_free_port()?;
        Ok(server)
    }

    /// Where it listens for TCP connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    /// Whether it is MySQL or MariaDB.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.program.flavor
    }

    /// Its version as the program prints it, for example `9.7.4-2` or `10.11.19-MariaDB-0+deb12u1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.program.version
    }

    /// The directory that holds its data, log and socket, gone when the server is dropped.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it wrote into its error log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Asks it to end and waits until it has; its data stays for a [`Server::restart`].
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.process.take() else { return Ok(()) };
        if let Some(pid) = Pid::from_raw(i32::try_from(child.id())?) {
            kill_process(pid, Signal::TERM).context("signalling the server")?;
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends it as a crash would (SIGKILL); its data stays for a [`Server::restart`].
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.process.take() else { return Ok(()) };
        child.kill().context("killing the server")?;
        child.wait().context("waiting for the killed server")?;
        Ok(())
    }

    /// Starts it again on the same port and data, stopping it first when it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        self.launch()
    }

    fn start_on_a_free_port(&mut self) -> anyhow::Result<()> {
        for _ in 1..PORT_ATTEMPTS {
            self.address.set_port(free_port()?);
            match self.launch() {
                Err(_) if self.log().contains("already in use") => {}
                end => return end,
            }
        }
        self.address.set_port(free_port()?);
        self.launch()
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let log = fs::File::create(self.log_path()).context("the server's log file")?;
        let child = Command::new(&self.program.path)
            .args(&self.arguments)
            .arg(format!("--port={}", self.address.port()))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.program.path.display()))?;
        self.process = Some(child);
        self.wait_until_it_greets()
    }

    fn wait_until_it_greets(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !greets(self.address) {
            if let Some(status) = self.process.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.process = None;
                bail!("{} ended while starting ({status}):\n{}", self.program, tail(&self.log(), 20));
            }
            if Instant::now() > deadline {
                self.kill()?;
                bail!("{} did not answer within {START_LIMIT:?}:\n{}", self.program, tail(&self.log(), 20));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A throw-away server has nothing worth a slow shutdown.
        let _ = self.kill();
        self.guard.dismiss();
    }
}

fn arguments(program: &Program, options: &Options, directory: &Path) -> Vec<OsString> {
    let mut arguments = program.usual_arguments(&directory.join("data"));
    arguments.extend(["--bind-address=127.0.0.1", "--skip-name-resolve"].map(OsString::from));
    // A starting MariaDB deletes every temporary table that it finds, of other servers too: each has its own directory.
    for (key, file) in [("--socket=", "sock"), ("--pid-file=", "pid"), ("--tmpdir=", "tmp")] {
        let mut argument = OsString::from(key);
        argument.push(directory.join(file));
        arguments.push(argument);
    }
    arguments.push(if options.binary_log { "--log-bin=binlog" } else { "--skip-log-bin" }.into());
    arguments.extend(options.extra_args.iter().cloned());
    arguments
}

/// Whether a server at `address` begins a handshake: the greeting's first byte is the protocol version, 10.
///
/// A server listens before it is ready, and greets only then.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut head = [0; 5];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.read_exact(&mut head).is_ok()
        && head.last() == Some(&10)
}

/// A TCP port on loopback that nobody listens on.
///
/// # Errors
/// When every port of the range is taken.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    // Processes start their search at different places; threads of one share the counter.
    let base = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(width))?;
    for _ in 0..width {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % width;
        let port = PORTS.start + (base + step) % width;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).context("binding a port on loopback"),
        }
    }
    bail!("no free port on loopback between {} and {}", PORTS.start, PORTS.end)
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
pub(in crate::demo) mod tests;
