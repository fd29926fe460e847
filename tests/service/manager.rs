//! A service manager: sockets that it opens, and what it is told.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
    process::Command,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use tempfile::TempDir;

use crate::support::{
    observe::until,
    proxy::Setup,
    servers::{Tenant, mariadb},
    wire::Wire,
};

/// Starts the command with sockets from descriptor 3 on, as a service manager does: they are for this process alone.
fn activate(command: &mut Command, sockets: Vec<(&str, OwnedFd)>) {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    let mappings = (3..).zip(sockets).map(|(child_fd, (_, parent_fd))| FdMapping { parent_fd, child_fd });
    shell.fd_mappings(mappings.collect()).unwrap();
    *command = shell;
}

fn setup(tenant: &Tenant) -> Setup {
    Setup::new(mariadb().address()).user(&tenant.name, &tenant.password)
}

#[test]
fn an_endpoint_takes_the_socket_of_its_address_or_name() {
    let tenant = Tenant::new(mariadb(), "activated");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("named.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobodys = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = nobodys.local_addr().unwrap();
    // The address in the configuration is another: the name decides.
    let more = "[[endpoints]]\nname = \"more\"\nlisten = \"127.0.0.1:1\"\n[[endpoints]]\nname = \"local\"\nlisten = \"unix:/nowhere/at/all\"\n";
    let more_at = elsewhere.local_addr().unwrap();
    let (mut waiting, mut early) = (None, None);
    let mut proxy = setup(&tenant).extra(more).start_by(|command, [address, http]| {
        let bind = |address: SocketAddr| TcpListener::bind(address).unwrap();
        let (app, page) = (bind(address), bind(http));
        // Whoever connects before the service runs waits at the socket.
        early = Some(TcpStream::connect(address).unwrap());
        waiting = Some(std::thread::spawn({
            let login = tenant.login();
            move || Wire::connect(more_at, &login).unwrap().scalar("SELECT 'waited'")
        }));
        let sockets = vec![
            ("unknown", app.into()),
            ("more", elsewhere.into()),
            ("local", unix.into()),
            ("unknown", page.into()),
            ("spare", nobodys.into()),
        ];
        activate(command, sockets);
    });
    assert_eq!(waiting.unwrap().join().unwrap().as_deref(), Some("waited"));
    assert!(early.unwrap().peer_addr().is_ok());
    assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
    assert_eq!(Wire::connect_unix(&path, &tenant.login()).unwrap().scalar("SELECT 2").as_deref(), Some("2"));
    until("ready", || proxy.get("/readyz").0 == 200);
    assert!(TcpStream::connect(place).is_err(), "it is closed");
    until("it says so", || proxy.log().contains("is nobody's"));
    let log = proxy.log();
    let spare = log.lines().find(|line| line.contains("is nobody's")).unwrap();
    assert!(spare.contains("spare") && spare.contains(&place.to_string()), "{spare}");
    assert_eq!(log.matches("inherited: true").count(), 3, "{log}");
    proxy.term();
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let tenant = Tenant::new(mariadb(), "notmine");
    let proxy = setup(&tenant).start_by(|command, _| {
        command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    });
    assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
    assert!(!proxy.log().contains("inherited: true"));
}

#[test]
fn what_is_no_listening_socket_is_refused_by_its_name() {
    let (one, _other) = UnixDatagram::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    activate(&mut command, vec![("strange", one.into())]);
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("file descriptor 3") && log.contains("strange"), "{log}");
}

/// A service manager's end of `NOTIFY_SOCKET`.
struct Hearing {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Hearing {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, directory }
    }

    fn path(&self) -> String {
        self.directory.path().join("notify").display().to_string()
    }

    /// The next that it is told, but for signs of life.
    fn next(&self) -> Vec<String> {
        loop {
            let mut bytes = [0; 512];
            let length = self.socket.recv(&mut bytes).expect("the service says something");
            let text = String::from_utf8_lossy(&bytes[..length]);
            if text.trim() != "WATCHDOG=1" {
                return text.lines().map(str::to_owned).collect();
            }
        }
    }

    fn is_told(&self, expected: &str) -> Vec<String> {
        let told = self.next();
        assert!(told.iter().any(|line| line == expected), "{told:?}");
        told
    }
}

#[test]
fn a_service_manager_hears_of_start_reload_upgrade_and_end() {
    let tenant = Tenant::new(mariadb(), "told");
    let hearing = Hearing::new();
    let mut proxy = setup(&tenant).environment("NOTIFY_SOCKET", &hearing.path()).start();
    hearing.is_told("READY=1");
    proxy.hup();
    let told = hearing.is_told("RELOADING=1");
    let time = told.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    hearing.is_told("READY=1");
    proxy.rewrite(|text| format!("mistake\n{text}"));
    proxy.hup();
    hearing.is_told("RELOADING=1");
    // Nothing has changed, and so it goes on.
    let told = hearing.is_told("READY=1");
    assert!(told.iter().any(|line| line.starts_with("STATUS=") && line.contains("refused")), "{told:?}");
    proxy.rewrite(|text| text.replace("mistake\n", ""));
    proxy.hup();
    hearing.is_told("RELOADING=1");
    let told = hearing.is_told("READY=1");
    assert!(told.iter().any(|line| line == "STATUS=serving clients"), "{told:?}");
    let idle = tenant.connect(proxy.address());
    let heir = proxy.upgrade();
    hearing.is_told("READY=1");
    hearing.is_told(&format!("MAINPID={}", heir.pid()));
    idle.quit().unwrap();
    assert_eq!(proxy.wait().code(), Some(0));
    heir.stop();
    // The process of before has said nothing of its end: the service went on without it.
    hearing.is_told("STOPPING=1");
}

/// Whose main process has ended has its other processes cut off.
#[test]
fn a_service_ends_with_its_old_process_where_that_still_drains() {
    let tenant = Tenant::new(mariadb(), "outlives");
    let hearing = Hearing::new();
    let mut proxy = setup(&tenant).environment("NOTIFY_SOCKET", &hearing.path()).start();
    let mut busy = tenant.connect(proxy.address());
    busy.ok("START TRANSACTION");
    let heir = proxy.upgrade();
    heir.term();
    proxy.term();
    until("the heir has nothing more to do", || proxy.log().contains("stopped"));
    std::thread::sleep(Duration::from_secs(1));
    assert!(heir.runs());
    busy.ok("COMMIT");
    assert_eq!(proxy.wait().code(), Some(0));
    heir.wait();
}

#[test]
fn a_watchdog_sees_signs_of_life() {
    let tenant = Tenant::new(mariadb(), "watchdog");
    let hearing = Hearing::new();
    let setup = setup(&tenant).environment("NOTIFY_SOCKET", &hearing.path());
    let _proxy = setup.environment("WATCHDOG_USEC", "300000").start();
    hearing.is_told("READY=1");
    let mut bytes = [0; 64];
    for _ in 0..5 {
        let length = hearing.socket.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"WATCHDOG=1\n");
    }
}
