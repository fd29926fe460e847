//! The command-line clients of both makers, and drivers of four languages.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{
    installed::installed,
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy},
    servers::mariadb,
};

/// Set to 1, a missing driver fails its test instead of skipping it.
const REQUIRE: &str = "GREENROOM_REQUIRE_DRIVERS";

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console").join(file)
}

/// A client, with the options by which it comes in TLS and without.
type Client = (PathBuf, [&'static [&'static str]; 2]);

/// Those that are there.
fn clients() -> Vec<Client> {
    let mysql = PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/greenroom/mysql/bin/mysql");
    let all: [Client; 2] = [
        ("mariadb".into(), [&["--ssl"], &["--skip-ssl"]]),
        (mysql, [&[], &["--ssl-mode=DISABLED", "--get-server-public-key"]]),
    ];
    let is_there =
        |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
    all.into_iter().filter(|(program, _)| is_there(program)).collect()
}

fn run(client: &Path, proxy: &Proxy, password: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(client)
        .args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1"])
        .arg(format!("--port={}", proxy.admin().port()))
        .args([format!("--user={ADMIN_USER}"), format!("--password={password}")])
        .args(more)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn the_command_line_clients_speak_with_it() {
    let proxy = Proxy::before(mariadb().address());
    let clients = clients();
    assert!(!clients.is_empty());
    for (client, ways) in &clients {
        for (options, is_tls) in ways.iter().copied().zip([true, false]) {
            let name = format!("{} {options:?}", client.display());
            let with = |sql: &'static str| [options, &["--batch", "-e", sql]].concat();
            let (code, out, err) =
                run(client, &proxy, ADMIN_PASSWORD, &with("SHOW ENDPOINTS; SHOW NODES LIKE 'db%'; HELP"));
            assert_eq!(code, Some(0), "{name}: {err}");
            assert!(
                out.contains("\napp\t") && out.contains("\ndb1\t") && out.contains("\nSHUTDOWN [WAIT]\t"),
                "{name}: {out}"
            );
            // The interactive client completes names, and asks for them.
            let sql = "SELECT DATABASE(), USER(); SHOW STATUS LIKE 'Ssl_cipher'";
            let more = [options, &["--auto-rehash", "--batch", "greenroom", "-e", sql]].concat();
            let (code, out, err) = run(client, &proxy, ADMIN_PASSWORD, &more);
            assert_eq!(code, Some(0), "{name}: {err}");
            assert!(out.contains("greenroom\tadmin@127.0.0.1\n"), "{name}: {out}");
            assert_eq!(is_tls, out.contains("Ssl_cipher\tAES_"), "{name}: {out}");
            let (code, _, err) = run(client, &proxy, ADMIN_PASSWORD, &with("SHOW CLIENT"));
            assert_eq!(code, Some(1), "{name}: {err}");
            assert!(err.contains("ERROR 1064") && err.contains("did you mean CLIENTS?"), "{name}: {err}");
            let (code, _, err) = run(client, &proxy, "wrong", &with("SHOW NODES"));
            assert_eq!(code, Some(1), "{name}: {err}");
            assert!(
                err.contains("ERROR 1045 (28000): Access denied for user 'admin'@'127.0.0.1' (using password: YES)"),
                "{name}: {err}"
            );
            let (_, _, err) =
                run(client, &proxy, ADMIN_PASSWORD, &[options, &["elsewhere", "-e", "SHOW NODES"]].concat());
            assert!(err.contains("Unknown database 'elsewhere'"), "{name}: {err}");
        }
    }
    assert!(!proxy.log().contains(ADMIN_PASSWORD));
}

/// Runs a driver's program, if the driver is there.
fn plays(mut probe: Command, program: &mut Command, proxy: &Proxy, says: &[&str]) {
    let there = probe.output().is_ok_and(|output| output.status.success());
    assert!(there || env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but {probe:?} fails");
    if !there {
        return;
    }
    let arguments = [&proxy.admin().port().to_string(), ADMIN_USER, ADMIN_PASSWORD];
    let output = program.args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program:?}\n{out}\n{err}");
    assert_eq!(out.lines().collect::<Vec<_>>(), says);
}

#[test]
fn drivers_speak_with_it() {
    let proxy = Proxy::before(mariadb().address());
    let python = || Command::new(installed("python/bin/python"));
    let mut probe = python();
    probe.args(["-c", "import pymysql, mysql.connector"]);
    let says = ["pymysql", "connector pure", "connector C"];
    plays(probe, python().args(["-B", "-W", "ignore"]).arg(here("drivers.py")), &proxy, &says);

    let node = || {
        let mut node = Command::new("node");
        node.env("NODE_PATH", installed("node/node_modules"));
        node
    };
    let mut probe = node();
    probe.args(["-e", "require('mysql2'); require('mariadb')"]);
    plays(probe, node().arg(here("drivers.cjs")), &proxy, &["mysql2", "mariadb"]);

    let java = || Command::new("/usr/lib/jvm/default-java/bin/java");
    let mut probe = java();
    probe.args(["-cp", "/usr/share/java/mariadb-java-client.jar", "-version"]);
    let arguments = ["-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/mariadb-java-client.jar"];
    plays(probe, java().args(arguments).arg(here("Console.java")), &proxy, &["connector/j"]);
}
