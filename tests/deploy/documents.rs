//! Documents against the program: every error that it gives is in docs/troubleshooting.md, every exit code in
//! docs/operations.md, every document in the README.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{file, text};

/// Numbers of errors that Greenroom gives, from its sources: `SqlError::new(1040, …`; at its console, or anywhere else.
fn given(folder: &str, at_the_console: bool, found: &mut BTreeSet<u16>) {
    for entry in fs::read_dir(file(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            given(&path, at_the_console, found);
        } else if path.ends_with(".rs") && path.contains("/console/") == at_the_console && !path.contains("test") {
            let source: String = text(&path).split_whitespace().collect();
            for call in source.split("::new(").skip(1) {
                let (digits, rest) = call.split_at(call.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(0));
                let is_state = ["b\"", "*b\"", "GENERAL", "LINK", "greenroom_protocol::error"]
                    .iter()
                    .any(|word| rest.strip_prefix(',').is_some_and(|rest| rest.starts_with(word)));
                if digits.len() == 4 && is_state {
                    found.insert(digits.parse().unwrap());
                }
            }
        }
    }
}

#[test]
fn every_error_has_cause_and_cure() {
    let mut numbers = BTreeSet::new();
    given("protocol/src", false, &mut numbers);
    given("actors/src", false, &mut numbers);
    assert!(numbers.len() > 25 && numbers.contains(&1040) && numbers.contains(&1235), "{numbers:?}");
    let document = text("docs/troubleshooting.md");
    let missing: Vec<_> = numbers.iter().filter(|number| !document.contains(&format!("\n### {number}"))).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks {missing:?}");
    let mut numbers = BTreeSet::new();
    given("actors/src/console", true, &mut numbers);
    let (_, console) = document.split_once("\n## At the console\n").unwrap();
    let console = console.split("\n## ").next().unwrap();
    let missing: Vec<_> = numbers.iter().filter(|number| !console.contains(&format!("\n| {number}"))).collect();
    assert!(numbers.len() > 10 && missing.is_empty(), "At the console lacks {missing:?}");
    // Where one number has several texts, each begins with words of its own.
    let catalog = text("protocol/src/error/catalog.rs");
    let words = catalog.split("format!(").skip(1).filter_map(|rest| rest.split('"').nth(1)).filter_map(|text| {
        let start = text.split(['{', '\'', '(']).next()?.trim_end();
        (start.len() > 8).then(|| start.to_owned())
    });
    let words: BTreeSet<String> = words.collect();
    let missing: Vec<_> = words.iter().filter(|words| !document.contains(words.as_str())).collect();
    assert!(words.len() > 8 && missing.is_empty(), "docs/troubleshooting.md lacks {missing:#?}");
}

#[test]
fn every_exit_code_is_documented() {
    let document = text("docs/operations.md");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_greenroom")).args(arguments).output().unwrap();
        output.status.code().unwrap()
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("http.listen={}", taken.local_addr().unwrap());
    let cases: [(&[&str], i32); 7] = [
        (&["check"], 0),
        (&["explain", "SELECT 1"], 0),
        (&["explain", "CREATE TEMPORARY TABLE t (a INT)"], 2),
        (&["advise", "/nothing/there"], 1),
        (&["--no-such-option"], 64),
        (&["check", "--set", "server.stale_key=1"], 64),
        (&["--set", &taken], 1),
    ];
    for (arguments, code) in cases {
        assert_eq!(run(arguments), code, "{arguments:?}");
        assert!(document.contains(&format!("\n| {code} |")), "{code}");
    }
}

#[test]
fn the_readme_names_every_document() {
    let readme = text("README.md");
    for entry in fs::read_dir(file("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".md") || readme.contains(&format!("(docs/{name}")), "{name}");
    }
}

#[test]
fn what_the_first_steps_start_with_is_valid() {
    let document = text("docs/getting-started.md");
    let blocks: Vec<&str> = document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        crate::checked(block, &[("APP_PASSWORD", "secret")]);
    }
}

#[test]
fn every_key_that_is_named_exists() {
    let keys = text("config/default.toml");
    let mut looked_at = 0;
    for name in ["migration", "security", "troubleshooting", "modes"] {
        let document = text(&format!("docs/{name}.md"));
        for code in document.split('`').skip(1).step_by(2) {
            let Some((section, key)) = code.split(' ').next().and_then(|word| word.split_once('.')) else { continue };
            let heads = [format!("[{section}]"), format!("[[{section}]]")];
            let inside = heads.iter().find_map(|head| {
                let rest = keys
                    .split(&format!("\n{head}\n"))
                    .nth(1)
                    .or_else(|| keys.split(&format!("\n# {head}\n")).nth(1))?;
                Some(rest.split("\n[").next().unwrap_or(rest).to_owned())
            });
            let Some(inside) = inside else { continue };
            let there = [format!("\n{key} = "), format!("\n# {key} = ")].iter().any(|line| inside.contains(line));
            assert!(there, "docs/{name}.md: {code} is no key");
            looked_at += 1;
        }
    }
    assert!(looked_at > 25, "{looked_at}");
}

#[test]
fn a_version_says_what_it_was_built_from() {
    let output = Command::new(env!("CARGO_BIN_EXE_greenroom")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("greenroom {}", env!("CARGO_PKG_VERSION")));
    for (line, start) in lines[1..].iter().zip(["commit: ", "compiler: rustc 1.", "target: "]) {
        assert!(line.starts_with(start), "{said}");
    }
    assert_eq!(lines.len(), 4, "{said}");
}
