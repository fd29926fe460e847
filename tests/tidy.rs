//! The rules that no lint checks: layers, sizes, the head of every actor, reasons beside silenced lints.

#[path = "tidy/check.rs"]
mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Files and folders that are not the project's own text (`.git` is a file in a worktree).
const OUTSIDE: [&str; 6] = ["target", ".git", ".servers", "corpus", "Cargo.lock", "LICENSE"];
/// What is text worth reading for machine paths and unfinished marks.
const TEXT: [&str; 9] = ["rs", "toml", "md", "sh", "cfg", "yml", "json", "html", ""];

/// A crate and the crates that it must not stand on, however far down.
const LAYERS: [(&str, &[&str]); 5] = [
    ("greenroom-protocol", &["tokio", "actix", "actix-rt", "socket2", "config", "slog"]),
    (
        "greenroom-actors",
        &["config", "metrics-exporter-prometheus", "slog-term", "slog-json", "clap", "actix-web", "opentelemetry"],
    ),
    ("greenroom-otlp", &["greenroom", "config", "clap", "actix-web"]),
    ("greenroom-load", &["greenroom", "greenroom-actors", "tokio"]),
    ("greenroom-parts", &["greenroom", "greenroom-actors", "tokio"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type() {
            _ if OUTSIDE.contains(&name.as_str()) => {}
            Ok(kind) if kind.is_dir() => files_under(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// Every text file by its path from the root.
fn texts() -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    files_under(&root(), &mut paths);
    let is_text = |path: &Path| TEXT.contains(&path.extension().unwrap_or_default().to_string_lossy().as_ref());
    let named = paths.into_iter().filter(|path| is_text(path)).filter_map(|path| {
        let name = path.strip_prefix(root()).ok()?.to_string_lossy().into_owned();
        Some((name, fs::read_to_string(&path).ok()?))
    });
    named.collect()
}

/// Applies a checker to every Rust file that `wanted` accepts, and fails with everything it found.
fn each_source(wanted: impl Fn(&str) -> bool, checker: impl Fn(&str) -> Vec<String>) {
    let sources = texts().into_iter().filter(|(name, _)| name.ends_with(".rs") && wanted(name));
    let mut looked_at = 0;
    let faults: Vec<String> = sources
        .inspect(|_| looked_at += 1)
        .flat_map(|(name, text)| checker(&text).into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(looked_at > 0, "no file was looked at");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz"))
}

/// The names of everything that `package` needs to run, itself aside.
fn stands_on(metadata: &Metadata, package: &PackageId) -> BTreeSet<String> {
    let Some(graph) = &metadata.resolve else { return BTreeSet::new() };
    let mut seen = BTreeSet::new();
    let mut waiting = vec![package];
    while let Some(next) = waiting.pop() {
        let node = graph.nodes.iter().find(|node| node.id == *next);
        for dependency in node.into_iter().flat_map(|node| &node.deps) {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id))
        .map(|package| package.name.to_string())
        .collect()
}

#[test]
fn no_file_is_over_500_lines() {
    each_source(|name| !is_test(name), check::file_length);
}

#[test]
fn no_function_is_over_70_lines() {
    each_source(|_| true, check::function_lengths);
}

#[test]
fn every_silenced_lint_has_a_reason() {
    each_source(|_| true, check::silenced_without_reason);
}

#[test]
fn every_actor_says_first_what_it_owns_hears_tells_and_when_it_ends() {
    each_source(|name| name.starts_with("actors/src/"), check::actor_heads);
}

#[test]
fn nothing_is_left_unfinished_and_no_file_knows_its_machine() {
    let faults: Vec<String> = texts()
        .iter()
        .flat_map(|(name, text)| check::marks(text).into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_crates_stand_on_what_their_layer_may() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap();
    for (name, forbidden) in LAYERS {
        let package = metadata.workspace_packages().into_iter().find(|package| package.name == name).unwrap();
        let below = stands_on(&metadata, &package.id);
        let wrong: Vec<_> = forbidden.iter().filter(|other| below.contains(**other)).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn the_binary_leaves_the_protocol_to_the_crate_below() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let binary = metadata.packages.iter().find(|package| package.name == "greenroom").unwrap();
    let direct = binary.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    assert!(direct.into_iter().all(|dependency| dependency.name != "mysql_common"));
}

#[test]
fn a_graph_is_walked_to_its_end() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap();
    let binary = metadata.workspace_packages().into_iter().find(|package| package.name == "greenroom").unwrap();
    let below = stands_on(&metadata, &binary.id);
    // Two steps down, and a development dependency that is none of the program's.
    assert!(below.contains("greenroom-protocol") && below.contains("mysql_common"));
    assert!(!below.contains("cargo_metadata"));
}
