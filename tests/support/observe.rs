//! Seeing what the server sees: its own list of connections, read as its administrator; and waiting for conditions.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::{ROOT, Server};

use super::{
    proxy::Proxy,
    wire::{Login, Reply, Wire},
};

/// Nothing that a test waits for takes longer on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// The server's administrator, on the server itself.
#[derive(Debug)]
pub(crate) struct Root(pub(crate) Wire);

impl Root {
    /// Logs in.
    pub(crate) fn on(server: &Server) -> Self {
        Self(Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).expect("root logs in"))
    }

    /// The ids of a user's connections, as the server lists them, but for those that have said good-bye to it.
    pub(crate) fn connections(&mut self, user: &str) -> Vec<u64> {
        let sql = format!(
            "SELECT id FROM information_schema.processlist WHERE user = '{user}' AND command <> 'Quit' ORDER BY id"
        );
        let rows = self.0.rows(&sql).into_iter();
        rows.filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect()
    }

    /// The same, whatever these run, and with what each does. The table can not be read on MySQL while one runs a text that
    /// is not of its character set (error 3854).
    pub(crate) fn all_connections(&mut self, user: &str) -> BTreeMap<u64, String> {
        let rows = self.0.rows("SHOW PROCESSLIST").into_iter().filter(|row| row[1].as_deref() == Some(user));
        rows.map(|row| (row[0].as_deref().unwrap().parse().unwrap(), row[4].clone().unwrap_or_default())).collect()
    }

    /// The server's id of the connection that runs the session's statements now.
    pub(crate) fn backend_of(&mut self, session: &mut Wire) -> u64 {
        let id = session.scalar("SELECT @@pseudo_thread_id").expect("every connection has an id").parse().unwrap();
        let known = self.0.scalar(&format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}"));
        assert_eq!(known.as_deref(), Some("1"), "the server knows connection {id}");
        id
    }

    /// Ends a connection, which may have ended since it was listed.
    pub(crate) fn kill(&mut self, id: u64) {
        match self.0.one(&format!("KILL {id}")) {
            Reply::Ok(_) => {}
            Reply::Err(error) => assert_eq!(error.code, 1094, "{error}"),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the server lists this many connections of the user's, and gives their ids.
    pub(crate) fn wait_for(&mut self, user: &str, count: usize) -> Vec<u64> {
        until(&format!("{count} connections of {user}"), || self.connections(user).len() == count);
        self.connections(user)
    }
}

/// A worker shows its counts at every tick of a tenth of a second; the rest is for a busy machine.
const SHOWN_WITHIN: Duration = Duration::from_millis(300);

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl FnMut() -> bool) -> Duration {
    within(LIMIT, what, is_so)
}

/// Waits until something is so, but not longer than this. Gives how long it took.
pub(crate) fn within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        thread::sleep(POLL);
    }
    begun.elapsed()
}

impl Proxy {
    /// Its backend connections in a state.
    pub(crate) fn backends(&self, state: &str) -> f64 {
        self.metrics().sum("greenroom_backend_connections", &[&format!("state=\"{state}\"")])
    }

    /// Its client sessions, over all states.
    pub(crate) fn clients(&self) -> f64 {
        self.metrics().sum("greenroom_clients", &[])
    }

    /// Waits until this many backend connections are idle, and none is anything else.
    pub(crate) fn wait_until_idle(&self, count: u32) {
        // What is shown may be as old as the last tick, from before what the test has just done.
        let asked = Instant::now();
        until(&format!("{count} idle connections and no others"), || {
            if asked.elapsed() < SHOWN_WITHIN {
                return false;
            }
            let metrics = self.metrics();
            let all = metrics.sum("greenroom_backend_connections", &[]);
            let idle = metrics.sum("greenroom_backend_connections", &["state=\"idle\""]);
            all == f64::from(count) && idle == f64::from(count)
        });
    }

    /// Nobody is there, nobody waits, and no connection is under way: nothing has leaked.
    pub(crate) fn is_at_rest(&self) -> bool {
        let metrics = self.metrics();
        let count = |state: &str| metrics.sum("greenroom_backend_connections", &[&format!("state=\"{state}\"")]);
        let sums = ["greenroom_clients", "greenroom_waiters", "greenroom_pinned"].map(|name| metrics.sum(name, &[]));
        ["opening", "leased", "cleaning"].map(count) == [0.0; 3] && sums == [0.0; 3]
    }

    /// Its open files, sockets among them.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the proxy lives").count()
    }

    /// Its resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the proxy lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits until this many clients wait, be it in a node's line or for a pass.
    pub(crate) fn wait_for_waiting_clients(&self, count: u32) {
        until(&format!("{count} waiting clients"), || {
            self.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == f64::from(count)
        });
    }

    /// Waits until this many sessions wait for a connection.
    pub(crate) fn wait_for_waiters(&self, count: u32) {
        until(&format!("{count} waiters"), || self.metrics().sum("greenroom_waiters", &[]) == f64::from(count));
    }
}

/// An address where nobody listens, for as long as the socket is kept.
pub(crate) fn deserted() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}
