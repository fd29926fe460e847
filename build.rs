//! Tells the program what it was built from and by: `greenroom --version` says it.
//!
//! Cargo runs this again when the compiler or the commit has changed, and not otherwise.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is said where nobody knows: in a tarball, or in a build for development.
const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=GREENROOM_COMMIT");
    let given = env::var("GREENROOM_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(checked_out).unwrap_or_else(|| UNKNOWN.into());
    let compiler = env::var_os("RUSTC").and_then(|rustc| output(Command::new(rustc).arg("--version")));
    let compiler = compiler.unwrap_or_else(|| UNKNOWN.into());
    println!("cargo:rustc-env=GREENROOM_BUILD_COMMIT={commit}");
    println!("cargo:rustc-env=GREENROOM_BUILD_COMPILER={compiler}");
    println!("cargo:rustc-env=GREENROOM_BUILD_TARGET={}", env::var("TARGET").unwrap_or_else(|_| UNKNOWN.into()));
}

/// The commit of the checkout that this is, if it is one. Only for release builds: all others would be linked anew with each
/// commit.
fn checked_out() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    if env::var("PROFILE").as_deref() != Ok("release") || !root.join(".git").exists() {
        return None;
    }
    // Written with every commit and checkout. Only what exists may be named, or this runs each time.
    let log = root.join(git(&root, &["rev-parse", "--git-path", "logs/HEAD"])?);
    if log.exists() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    git(&root, &["rev-parse", "HEAD"])
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    output(Command::new("git").arg("-C").arg(root).args(arguments))
}

/// The first line that the command prints, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}
