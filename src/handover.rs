//! Sockets from whoever was here before, and for whoever comes after: one process hands over to the next without a moment in
//! which nobody listens.
//!
//! Both ways are systemd's protocol for socket activation: open descriptors from 3 on, counted by `LISTEN_FDS` and named by
//! `LISTEN_FDNAMES` (`sd_listen_fds(3)`). A new process starts with the sockets of the old one and says over its standard
//! input, which is a socket then, that it listens. Only then does the old one stop to accept. Whoever waits to be accepted
//! waits at a socket that both have, and is accepted by either.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use greenroom_actors::inherited::{Bound, Handed, Inherited};
use listenfd::ListenFd;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

/// The first of the descriptors.
const FIRST: RawFd = 3;

/// Says how many processes have handed over to each other before this one.
const GENERATION: &str = "GREENROOM_GENERATION";

/// What the new process says when it listens.
const READY: &[u8] = b"READY\n";

/// How long it may take until then. It reads its configuration and binds what is new: more than this is a fault.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The sockets that this process was started with. To be asked once, before there are other threads.
///
/// # Errors
/// When one of them is of no use.
pub fn inherited() -> anyhow::Result<Inherited> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut inherited = Inherited::of_generation(generation());
    // Looks whether they are for this process at all (LISTEN_PID).
    let mut sockets = ListenFd::from_env();
    for index in 0..sockets.len() {
        let name = names.next().unwrap_or_default();
        let what =
            || format!("file descriptor {}, {name:?}, which a service manager has handed over", FIRST + index as RawFd);
        let socket = match sockets.take_tcp_listener(index) {
            Ok(tcp) => tcp.map(Bound::Tcp),
            Err(_) => sockets.take_unix_listener(index).with_context(what)?.map(Bound::Unix),
        };
        if let Some(socket) = socket {
            inherited.add(name, socket).with_context(what)?;
        }
    }
    Ok(inherited)
}

/// Tells the process before this one, if there is one, that this one listens.
///
/// # Errors
/// When it can not be told; it may have ended.
pub fn announce() -> io::Result<()> {
    if generation() == 0 {
        return Ok(());
    }
    let predecessor = io::stdin().as_fd().try_clone_to_owned()?;
    UnixStream::from(predecessor).write_all(READY)
}

fn generation() -> u32 {
    env::var(GENERATION).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The process that is to take over. Ended when dropped, unless it has.
#[derive(Debug)]
pub struct Successor {
    process: Child,
    says: tokio::net::UnixStream,
    heard: Vec<u8>,
    deadline: Instant,
    has_taken_over: bool,
}

impl Successor {
    /// Starts whatever is by now where this program was started from, with the same arguments and these sockets.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn launch(sockets: Vec<Handed>) -> anyhow::Result<Self> {
        // Where this process is the first of its container, the container ends with it.
        if std::process::id() == 1 {
            bail!("this process is number 1, the first of its container: nothing outlives it; replace the container");
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut arguments = env::args_os();
        // Its own name, not the file that it turned out to be: a symbolic link may point to another version by now.
        let program = arguments.next().map_or_else(|| env::current_exe().map(OsString::from), Ok)?;
        let names: Vec<&str> = sockets.iter().map(|socket| socket.name.as_str()).collect();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env(GENERATION, generation().saturating_add(1).to_string())
            // Neither can be known before there is a process.
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        let mappings = (FIRST..).zip(sockets);
        command.fd_mappings(mappings.map(|(child_fd, it)| FdMapping { parent_fd: it.socket, child_fd }).collect())?;
        let process = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        let says = tokio::net::UnixStream::from_std(ours)?;
        let deadline = Instant::now() + READY_LIMIT;
        Ok(Self { process, says, heard: Vec::new(), deadline, has_taken_over: false })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Comes back when it listens. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When it has ended instead, or did not come that far in time.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        while self.heard != READY {
            match timeout_at(self.deadline, self.says.read_buf(&mut self.heard)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => {
                    let _ = self.process.kill();
                    bail!("it ended before it was ready ({}); its own lines say why", self.process.wait()?);
                }
                Err(_) => bail!("it was not ready within {READY_LIMIT:?}"),
            }
        }
        self.has_taken_over = true;
        Ok(())
    }

    /// How it has ended, if it has.
    pub fn end(&mut self) -> Option<String> {
        self.process.try_wait().ok().flatten().map(|status| status.to_string())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.has_taken_over {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
