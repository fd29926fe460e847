//! What operators deploy and read: units, alerts, dashboard, manifests and documents say what the program does.
//!
//! With `systemd-analyze`, `promtool` (`scripts/install-promtool`) and Python's yaml these are asked as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "deploy/chart.rs"]
mod chart;
#[path = "deploy/documents.rs"]
mod documents;
#[path = "deploy/manifests.rs"]
mod manifests;
#[path = "deploy/monitoring.rs"]
mod monitoring;
#[path = "deploy/units.rs"]
mod units;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of the project's.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a program that may be missing is there; says loudly when not.
fn have(program: &str, probe: &[&str]) -> bool {
    let required = program == "promtool" && std::env::var_os("GREENROOM_REQUIRE_PROMTOOL").is_some_and(|it| it == "1");
    let found = Command::new(program).args(probe).output().is_ok_and(|output| output.status.success());
    assert!(found || !required, "GREENROOM_REQUIRE_PROMTOOL=1, but there is no promtool");
    if !found {
        // Past the test harness's capture, so that nobody takes half a run for a whole one.
        let _ = writeln!(std::io::stderr(), "SKIPPED: what {program} would check; it is not there");
    }
    found
}

/// What the command prints, on either stream; it must succeed.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

/// What `greenroom check` says of this configuration, which must be valid and without a warning.
fn checked(toml: &str, environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("greenroom.toml");
    fs::write(&path, toml).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    let said = succeeds(check.args(["check", "--config"]).arg(&path).envs(environment.iter().copied()));
    assert!(!said.contains("warning: "), "{said}");
    said
}
