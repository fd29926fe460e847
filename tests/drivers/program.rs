//! Drivers of other languages: a program each, which plays the scenario at every address in turn.

use std::{
    collections::BTreeMap,
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    stage::{Stage, each_stage},
    support::installed::installed,
};

/// Set to 1, a missing driver fails its test instead of skipping it.
const REQUIRE: &str = "GREENROOM_REQUIRE_DRIVERS";
/// Ends a program that hangs; the longest take a tenth of it.
const LIMIT: &str = "180";

/// How a driver's scenario is run, and how to see whether the driver is there.
pub(super) struct Program {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    probe: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

/// A script for a module of the tests' own Python environment.
pub(super) fn python(module: &'static str, script: &str) -> Program {
    let program = installed("python/bin/python");
    let arguments = vec!["-B".into(), "-W".into(), "ignore".into(), here("python").join(script).display().to_string()];
    Program {
        name: module,
        program,
        arguments,
        probe: words(&["-c", &format!("import {module}")]),
        environment: vec![],
    }
}

/// A script for a package of the tests' own Node modules.
pub(super) fn node(package: &'static str, script: &str) -> Program {
    let arguments = vec![here("node").join(script).display().to_string()];
    let environment = vec![("NODE_PATH", installed("node/node_modules"))];
    let probe = words(&["-e", &format!("require('{package}')")]);
    Program { name: package, program: "node".into(), arguments, probe, environment }
}

/// A script for an extension of the machine's PHP.
pub(super) fn php(extension: &'static str, script: &str) -> Program {
    let arguments = vec![here("php").join(script).display().to_string()];
    let probe = words(&["-r", &format!("exit(extension_loaded('{extension}') ? 0 : 1);")]);
    Program { name: extension, program: "php".into(), arguments, probe, environment: vec![] }
}

/// A script for a module of the machine's own Perl.
pub(super) fn perl(module: &'static str, script: &str) -> Program {
    let arguments = vec![here("perl").join(script).display().to_string()];
    let probe = words(&[&format!("-M{module}"), "-e", "1"]);
    Program { name: module, program: "/usr/bin/perl".into(), arguments, probe, environment: vec![] }
}

/// A Go file for a package that Debian installs as source; compiled at each run, which takes a second.
pub(super) fn go(package: &'static str, file: &str) -> Program {
    let environment = vec![
        ("GO111MODULE", "off".into()),
        ("GOPATH", "/usr/share/gocode".into()),
        ("GOFLAGS", PathBuf::new()),
        ("GOCACHE", installed("go")),
    ];
    let arguments = vec!["run".into(), here("go").join(file).display().to_string()];
    Program { name: package, program: "go".into(), arguments, probe: words(&["list", package]), environment }
}

/// A Java file for a driver of the machine's, compiled and run by Debian's own Java.
pub(super) fn java(name: &'static str, jar: &str, file: &str) -> Program {
    let mut arguments = words(&["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    arguments.extend(words(&["-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-cp", jar]));
    arguments.push(here("java").join(file).display().to_string());
    let program = "/usr/lib/jvm/default-java/bin/java".into();
    Program { name, program, probe: arguments.clone(), arguments, environment: vec![] }
}

impl Program {
    /// Plays the scenario on both servers, directly and in each mode, and compares what was printed.
    pub(super) fn plays(&self) {
        if !is_there(self.name, self.command().args(&self.probe)) {
            return;
        }
        each_stage(self.name, |stage| {
            let printed = self.print(stage);
            assert!(printed.values().all(|texts| texts.len() == stage.targets.len()), "one text for each target");
            for (kind, texts) in &printed {
                stage.compare(&format!("{} {kind}", self.name), texts);
            }
        });
    }

    fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(&self.program).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// By kind of session, where a script has several, what each target was seen to say.
    fn print(&self, stage: &Stage) -> BTreeMap<String, Vec<(String, String)>> {
        let mut command = self.command();
        command.args(&self.arguments).arg(here("statements.txt"));
        command.args([&stage.tenant.name, &stage.tenant.password, &stage.tenant.name]);
        command.args(stage.targets.iter().map(|(name, address)| format!("{name}={}", address.port())));
        let output = command.output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let tail = text.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        assert!(output.status.success(), "{} ended with {}\n{tail}\n{errors}", self.name, output.status);
        let mut printed: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for part in text.split("== target ").skip(1) {
            let (head, rest) = part.split_once('\n').unwrap();
            let (target, kind) = head.split_once(' ').unwrap_or((head, ""));
            let (body, _) = rest.split_once(&format!("== end {target}\n")).expect("the scenario came to its end");
            printed.entry(kind.to_owned()).or_default().push((target.to_owned(), body.to_owned()));
        }
        printed
    }
}

/// Whether the command that looks for a driver finds it; says loudly when not.
pub(super) fn is_there(name: &str, probe: &mut Command) -> bool {
    let probed = probe.output();
    let found = probed.as_ref().is_ok_and(|output| output.status.success());
    assert!(found || env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but no {name}: {probed:?}");
    if !found {
        // Past the test harness's capture, so that nobody takes half a run for a whole one.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no {name}; scripts/install-drivers gets it");
    }
    found
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers").join(path)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.into()).collect()
}
