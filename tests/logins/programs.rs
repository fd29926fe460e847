//! Real clients that can be told which plugin to begin with.

use std::{io::Write, process::Command};

use greenroom::demo::server::Flavor;

use super::{
    field::{Field, PASSWORD},
    support::installed::installed,
};

const MARIADB: &str = "`mariadb`";
const MYSQL: &str = "`mysql`";
const CONNECTOR: &str = "mysql-connector-python";

/// A query through MySQL's driver for Python.
const SCRIPT: &str = "import sys, mysql.connector as m
user, password, plugin, port, socket, encrypted = sys.argv[1:]
more = {'unix_socket': socket} if socket else {'host': '127.0.0.1', 'port': int(port)}
c = m.connect(user=user, password=password, auth_plugin=plugin, use_pure=True, ssl_disabled=(encrypted == 'no'), **more)
k = c.cursor(); k.execute('SELECT 40 + 2'); print(k.fetchone()[0])";

/// Program, plugin and channel.
pub(super) fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let maria = ["mysql_native_password", "caching_sha2_password", "client_ed25519", "sha256_password"];
    let maria = maria.into_iter().map(|plugin| (MARIADB, plugin, "TCP"));
    let mysql = ["caching_sha2_password", "sha256_password"].into_iter().map(|plugin| (MYSQL, plugin, "TCP"));
    let python = ["caching_sha2_password", "sha256_password"].into_iter().map(|plugin| (CONNECTOR, plugin, "TCP"));
    let clear = [MARIADB, MYSQL].into_iter().map(|program| (program, "mysql_clear_password", "Unix socket"));
    let encrypted = ["caching_sha2_password", "sha256_password", "mysql_clear_password"];
    let encrypted = [MYSQL, CONNECTOR].into_iter().flat_map(|program| encrypted.map(|plugin| (program, plugin, "TLS")));
    maria.chain(mysql).chain(python).chain(encrypted).chain(clear).collect()
}

/// Whether this machine has it; says loudly when not.
pub(super) fn is_there(program: &str) -> bool {
    let mut probe = command(program);
    let probe =
        if program == CONNECTOR { probe.args(["-c", "import mysql.connector"]) } else { probe.arg("--version") };
    let found = probe.output().is_ok_and(|output| output.status.success());
    if !found {
        // Past the test harness's capture, so that nobody takes half a run for a whole one.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no {program}; scripts/install-drivers or scripts/fetch-mysql gets it"
        );
    }
    found
}

fn command(program: &str) -> Command {
    match program {
        MARIADB => Command::new("mariadb"),
        MYSQL => Command::new(Flavor::MySql.find().unwrap().path.with_file_name("mysql")),
        _ => Command::new(installed("python/bin/python")),
    }
}

/// Whether it logs in and gets its row.
pub(super) fn outcome(program: &str, plugin: &str, channel: &str, field: &Field) -> &'static str {
    let (port, socket) = (field.address().port().to_string(), field.socket("password"));
    let mut command = command(program);
    if program == CONNECTOR {
        let socket = if channel == "Unix socket" { socket.display().to_string() } else { String::new() };
        let encrypted = if channel == "TLS" { "yes" } else { "no" };
        command.args(["-c", SCRIPT, "user0", PASSWORD, plugin, &port, &socket, encrypted]);
    } else {
        command.args(["--no-defaults", "-N", "-uuser0", &format!("-p{PASSWORD}"), &format!("--default-auth={plugin}")]);
        match channel {
            "Unix socket" => command.arg(format!("-S{}", socket.display())),
            _ => command.args(["-h127.0.0.1", &format!("-P{port}")]),
        };
        if program == MYSQL {
            let mode = if channel == "TLS" { "--ssl-mode=REQUIRED" } else { "--ssl-mode=DISABLED" };
            command.args(["--get-server-public-key", mode, "--enable-cleartext-plugin"]);
        }
        command.args(["-e", "SELECT 40 + 2"]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if text.trim() == "42" {
        return "yes";
    }
    println!("{program} {plugin} {channel}: {text} {}", String::from_utf8_lossy(&output.stderr));
    "no"
}
