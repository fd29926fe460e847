//! Drivers of other languages: how a script of the tests' is run with one, and how to see whether the driver is there.

use std::{
    env,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use greenroom::demo::server::{Flavor, ROOT, Server};

use super::installed::installed;

/// Set to 1, a missing driver fails its test instead of skipping it.
const REQUIRE: &str = "GREENROOM_REQUIRE_DRIVERS";
/// Ends a program that hangs; the longest take a tenth of it.
const LIMIT: &str = "180";

/// A driver, and a script for it.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    probe: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

/// A script for a module of the tests' own Python environment.
pub(crate) fn python(module: &'static str, script: &str) -> Program {
    let program = installed("python/bin/python");
    let arguments = vec!["-B".into(), "-W".into(), "ignore".into(), here(script).display().to_string()];
    let probe = words(&["-c", &format!("import {module}")]);
    Program { name: module, program, arguments, probe, environment: vec![] }
}

/// A script for a package of the tests' own Node modules.
pub(crate) fn node(package: &'static str, script: &str) -> Program {
    let arguments = vec![here(script).display().to_string()];
    let environment = vec![("NODE_PATH", installed("node/node_modules"))];
    let probe = words(&["-e", &format!("require('{package}')")]);
    Program { name: package, program: "node".into(), arguments, probe, environment }
}

/// A script for an extension of the machine's PHP.
pub(crate) fn php(extension: &'static str, script: &str) -> Program {
    let arguments = vec![here(script).display().to_string()];
    let probe = words(&["-r", &format!("exit(extension_loaded('{extension}') ? 0 : 1);")]);
    Program { name: extension, program: "php".into(), arguments, probe, environment: vec![] }
}

/// A script for a module of the machine's own Perl.
pub(crate) fn perl(module: &'static str, script: &str) -> Program {
    let arguments = vec![here(script).display().to_string()];
    let probe = words(&[&format!("-M{module}"), "-e", "1"]);
    Program { name: module, program: "/usr/bin/perl".into(), arguments, probe, environment: vec![] }
}

/// A Go file for a package that Debian installs as source; compiled at each run, which takes a second.
pub(crate) fn go(package: &'static str, file: &str) -> Program {
    let environment = vec![
        ("GO111MODULE", "off".into()),
        ("GOPATH", "/usr/share/gocode".into()),
        ("GOFLAGS", PathBuf::new()),
        ("GOCACHE", installed("go")),
    ];
    let arguments = vec!["run".into(), here(file).display().to_string()];
    Program { name: package, program: "go".into(), arguments, probe: words(&["list", package]), environment }
}

/// A Java file for a driver of the machine's, compiled and run by Debian's own Java.
pub(crate) fn java(name: &'static str, jar: &str, file: &str) -> Program {
    let mut arguments = words(&["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    arguments.extend(words(&["-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-cp", jar]));
    arguments.push(here(file).display().to_string());
    let program = "/usr/lib/jvm/default-java/bin/java".into();
    Program { name, program, probe: arguments.clone(), arguments, environment: vec![] }
}

/// A program of the server's own, by its names on MySQL and on MariaDB, which logs in at `address` as root without TLS.
pub(crate) fn tool(server: &Server, names: [&str; 2], address: SocketAddr) -> Command {
    let mysql = env::home_dir().unwrap_or_default().join(".cache/greenroom/mysql/bin").join(names[0]);
    let (program, own): (PathBuf, &[&str]) = match server.flavor() {
        Flavor::MySql => (mysql, &["--ssl-mode=DISABLED", "--get-server-public-key"]),
        Flavor::MariaDb => (names[1].into(), &["--skip-ssl"]),
    };
    let mut command = Command::new(program);
    command.args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1"]).arg(format!("--port={}", address.port()));
    command.args(own).args([format!("--user={}", ROOT.user), format!("--password={}", ROOT.password)]);
    command
}

impl Program {
    /// Whether the driver is there; says loudly when not.
    pub(crate) fn is_there(&self) -> bool {
        is_there(self.name, self.bare().args(&self.probe))
    }

    /// The script, to be given its own arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.bare();
        command.args(&self.arguments);
        command
    }

    fn bare(&self) -> Command {
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(&self.program).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Whether the command that looks for a driver finds it; says loudly when not.
pub(crate) fn is_there(name: &str, probe: &mut Command) -> bool {
    let probed = probe.output();
    let found = probed.as_ref().is_ok_and(|output| output.status.success());
    assert!(found || env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but no {name}: {probed:?}");
    if !found {
        // Past the test harness's capture, so that nobody takes half a run for a whole one.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no {name}; scripts/install-drivers gets it");
    }
    found
}

/// A file of the tests'.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.into()).collect()
}
