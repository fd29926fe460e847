//! Each test starts real servers; MySQL's are left out, and named, where there is none.

use std::os::unix::process::ExitStatusExt;

use super::*;

/// Runs a body on both servers; a missing one is skipped unless GREENROOM_REQUIRE_MYSQL=1.
pub(in crate::demo) fn each(body: impl Fn(Flavor)) {
    for flavor in Flavor::ALL {
        match flavor.find() {
            Ok(_) => body(flavor),
            Err(why) if std::env::var_os("GREENROOM_REQUIRE_MYSQL").is_some_and(|value| value == "1") => {
                panic!("{why}")
            }
            Err(why) => eprintln!("SKIPPED: {why}"),
        }
    }
}

#[test]
fn a_server_starts_is_killed_and_comes_back_on_its_port() {
    each(|flavor| {
        let mut server = Server::start(flavor, &Options::default()).unwrap();
        let address = server.address();
        assert!(greets(address));
        server.kill().unwrap();
        assert!(TcpStream::connect(address).is_err());
        server.restart().unwrap();
        assert_eq!(server.address(), address);
        assert!(greets(address));
        server.stop().unwrap();
        assert!(server.pid().is_none());
    });
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let server = Server::start(Flavor::MariaDb, &Options::default()).unwrap();
    let (directory, address) = (server.directory().to_owned(), server.address());
    drop(server);
    assert!(!directory.exists());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let options = Options { extra_args: vec!["--no-such-option".into()], ..Options::default() };
    let error = Server::start(Flavor::MariaDb, &options).unwrap_err().to_string();
    assert!(error.contains("ended while starting"), "{error}");
    assert!(error.contains("no-such-option"), "{error}");
}

/// The guard's pipe closes when its owner ends, however that ends; a stand-in takes the server's place.
#[test]
fn an_orphaned_server_is_killed_and_its_directory_removed() {
    let directory = tempfile::tempdir().unwrap().keep();
    let mut guard = Guard::over(&directory).unwrap();
    let argument = format!("--datadir={}/data", directory.display());
    let mut server =
        Command::new("/bin/sh").args(["-c", "read -r _", "server", &argument]).stdin(Stdio::piped()).spawn().unwrap();
    assert!(server.try_wait().unwrap().is_none());
    guard.dismiss();
    assert_eq!(server.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    assert!(!directory.exists());
}

#[test]
fn free_ports_differ() {
    let ports: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
    let mut unique = ports.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ports.len());
}

#[test]
fn a_tail_is_the_last_lines() {
    assert_eq!(tail("a\nb\nc", 2), "b\nc");
    assert_eq!(tail("a", 2), "a");
}
