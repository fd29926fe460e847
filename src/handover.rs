//! Sockets from whoever was here before, and for whoever comes after: one process hands over to the next without a moment in
//! which nobody listens.
//!
//! Both ways are systemd's protocol for socket activation: open descriptors from 3 on, counted by `LISTEN_FDS` and named by
//! `LISTEN_FDNAMES` (`sd_listen_fds(3)`). A new process starts with the sockets of the old one and says over its standard
//! input, which is a socket then, that it listens. Only then does the old one stop to accept. Whoever waits to be accepted
//! waits at a socket that both have, and is accepted by either.
//!
//! The new process must not be a child of the old one. systemd, whose child it is not then, would not wait for it when the
//! service is stopped, but kill it at once, and would not see it end. So there is a starter between the two, the new program,
//! which the old process ends when the new one listens: whom it leaves behind is the service manager's child.

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
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout_at};

/// The first of the descriptors.
const FIRST: RawFd = 3;

/// Says how many processes have handed over to each other before this one.
const GENERATION: &str = "GREENROOM_GENERATION";

/// Says to a process that it is the starter, by the process id of whose child it is: a version that knows nothing of starters
/// passes this on.
const STARTER: &str = "GREENROOM_STARTER";

/// The starter's process id, for the one that it starts.
const STARTED_BY: &str = "GREENROOM_STARTED_BY";

/// What the new process says when it listens; before that, where a starter has started it, its process id.
const READY: &[u8] = b"READY\n";

/// What stands before the process id.
const PID: &str = "PID ";

/// How long a process is still to be seen, at most, after its connections are closed.
const EXIT: Duration = Duration::from_millis(200);

/// How long it may take until then. It reads its configuration and binds what is new: more than this is a fault.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where this process is a starter: starts the process that is to take over, waits for its end and gives its exit code, if it had one.
#[must_use]
pub fn start() -> Option<anyhow::Result<Option<i32>>> {
    let starter_of = env::var(STARTER).ok()?.parse().ok().and_then(Pid::from_raw)?;
    if getppid() != Some(starter_of) {
        return None;
    }
    let status = this_program().and_then(|mut command| {
        command.env_remove(STARTER).env(STARTED_BY, std::process::id().to_string());
        command.status().context("the process that is to take over cannot be started")
    });
    Some(status.map(|status| status.code()))
}

/// Whatever is by now where this program was started from, with the same arguments.
fn this_program() -> anyhow::Result<Command> {
    let mut arguments = env::args_os();
    // Its own name, not the file that it turned out to be: a symbolic link may point to another version by now.
    let program = arguments.next().map_or_else(|| env::current_exe().map(OsString::from), Ok)?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Ends with the starter, if there is one, until this process has taken over.
fn follow_starter() -> anyhow::Result<()> {
    let Some(starter) = started_by() else { return Ok(()) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(starter) {
        bail!("the process that has started this one to take over has ended");
    }
    Ok(())
}

fn started_by() -> Option<Pid> {
    Pid::from_raw(env::var(STARTED_BY).ok()?.parse().ok()?)
}

/// The sockets that this process was started with. To be asked once, before there are other threads.
///
/// # Errors
/// When one of them is of no use.
pub fn inherited() -> anyhow::Result<Inherited> {
    follow_starter()?;
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

/// Tells the process before this one, if there is one, that this one listens. To be called by the thread that asked for the sockets.
///
/// # Errors
/// When it can not be told; it may have ended.
pub fn announce() -> io::Result<()> {
    if generation() == 0 {
        return Ok(());
    }
    let predecessor = io::stdin().as_fd().try_clone_to_owned()?;
    let mut word = Vec::new();
    if started_by().is_some() {
        // Before the word, which ends the starter.
        set_parent_process_death_signal(None)?;
        word.extend(format!("{PID}{}\n", std::process::id()).into_bytes());
    }
    word.extend(READY);
    UnixStream::from(predecessor).write_all(&word)
}

/// Comes back when there is no process before this one any more: it holds its end of the connection as long as it lives.
pub async fn predecessor_ended() {
    if generation() == 0 {
        return;
    }
    let Ok(stream) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { return };
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    if let Ok(mut stream) = tokio::net::UnixStream::from_std(stream) {
        // It says nothing more.
        let _ = stream.read(&mut [0; 1]).await;
        sleep(EXIT).await;
    }
}

fn generation() -> u32 {
    env::var(GENERATION).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The process that is to take over. Ended when dropped, unless it has.
#[derive(Debug)]
pub struct Successor {
    /// The starter, or, where the program is of before there were any, the process itself.
    process: Child,
    /// The process that a starter has started.
    heir: Option<Pid>,
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
        let names: Vec<&str> = sockets.iter().map(|socket| socket.name.as_str()).collect();
        let mut command = this_program()?;
        command
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env(GENERATION, generation().saturating_add(1).to_string())
            .env(STARTER, std::process::id().to_string())
            .env_remove(STARTED_BY)
            // Neither can be known before there is a process.
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        let mappings = (FIRST..).zip(sockets);
        command.fd_mappings(mappings.map(|(child_fd, it)| FdMapping { parent_fd: it.socket, child_fd }).collect())?;
        let process =
            command.spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let says = tokio::net::UnixStream::from_std(ours)?;
        let deadline = Instant::now() + READY_LIMIT;
        Ok(Self { process, heir: None, says, heard: Vec::new(), deadline, has_taken_over: false })
    }

    /// Its process id, once it is ready.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.heir.unwrap_or_else(|| Pid::from_child(&self.process)).as_raw_nonzero().get()
    }

    /// Comes back when it listens. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When it has ended instead, or did not come that far in time.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        while !self.heard.ends_with(READY) {
            match timeout_at(self.deadline, self.says.read_buf(&mut self.heard)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => {
                    let _ = self.process.kill();
                    bail!("it ended before it was ready ({}); its own lines say why", self.process.wait()?);
                }
                Err(_) => bail!("it was not ready within {READY_LIMIT:?}"),
            }
        }
        self.heir = named(&self.heard);
        if self.heir.is_some() {
            self.end_process();
        }
        self.has_taken_over = true;
        Ok(())
    }

    fn end_process(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Whether it has ended after it was ready: it holds its end of the connection until then.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.says.try_read(&mut [0; 16]), Ok(0))
    }
}

/// The process that has said this.
fn named(heard: &[u8]) -> Option<Pid> {
    let line = std::str::from_utf8(heard).ok()?.lines().find_map(|line| line.strip_prefix(PID))?;
    Pid::from_raw(line.parse().ok()?)
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.has_taken_over {
            return;
        }
        self.end_process();
        // One that has become ready by now has outlived its starter.
        let _ = self.says.try_read_buf(&mut self.heard);
        if let Some(heir) = named(&self.heard) {
            let _ = kill_process(heir, Signal::KILL);
        }
    }
}
