//! `docs/reference.md`: every key by the types that read it and the words of `config/default.toml`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use super::inventory::Effect;
use super::schema::{SECTIONS, Section};

/// Set to 1, the page is written instead of compared.
const WRITE: &str = "GREENROOM_WRITE_REFERENCE";

const HEAD: &str = "\
# Every key

Made from the types that read a configuration and from [config/default.toml](../config/default.toml), which is built into the
binary: a test fails where this page is not what they say (`GREENROOM_WRITE_REFERENCE=1 cargo test --workspace --lib` writes it).
[Configuration](configuration.md) is about how files, environment and command line come together.

Durations are `500ms`, `10s`, `1h 30m`; sizes `512KiB`, `16MiB`; numbers may have underscores. A key of a table is
`GREENROOM__SECTION__KEY` in the environment and `--set section.key=value` on the command line; one of a list's entry has the
entry's number between them, counted from 0: `GREENROOM__NODES__0__ADDRESS`, `--set nodes.0.address=…`. Behind each key stand
what it takes, what it is where it is left out, and for whom a reload changes it.
";

/// What the file says of one key.
#[derive(Debug, Default)]
struct Entry {
    key: String,
    about: Vec<String>,
    value: String,
    /// It stands in a comment: left out, there is nothing in its place.
    is_example: bool,
}

/// A section of the file: what stands above its header, and its keys in their order.
#[derive(Debug)]
struct Part {
    name: String,
    about: Vec<String>,
    entries: Vec<Entry>,
    /// Comments that belong to no key.
    rest: Vec<String>,
}

fn parts(file: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut about = Vec::new();
    for line in file.lines() {
        let text = line.strip_prefix('#').map(|text| text.strip_prefix(' ').unwrap_or(text));
        // A list of which none is built in has its header in a comment.
        if line.starts_with('[') || text.is_some_and(|text| text.starts_with("[[") && text.ends_with("]]")) {
            let name = text.unwrap_or(line).trim_matches(['[', ']']).to_owned();
            parts.push(Part { name, about: std::mem::take(&mut about), entries: Vec::new(), rest: Vec::new() });
            continue;
        }
        let known = parts.last().map_or(&[][..], |part| section(&part.name).types);
        let entry =
            text.unwrap_or(line).split_once(" = ").filter(|(key, _)| known.iter().any(|(name, ..)| name == key));
        match (entry, parts.last_mut()) {
            (Some((key, value)), Some(part)) => part.entries.push(Entry {
                key: key.to_owned(),
                about: std::mem::take(&mut about),
                value: value.to_owned(),
                is_example: text.is_some(),
            }),
            // What stands apart, above the first section or below the last key.
            _ if line.is_empty() => match parts.last_mut() {
                Some(part) => part.rest.append(&mut about),
                None => about.clear(),
            },
            _ => about.push(text.expect("a comment, a header or a key").to_owned()),
        }
    }
    parts
}

fn section(name: &str) -> &'static Section {
    SECTIONS.iter().find(|section| section.name == name).expect("the file has no section that nothing reads")
}

/// What a key takes, by the type that reads it.
fn kind(of: &str) -> &str {
    match of {
        "usize" => "a number",
        "OrOff<usize>" => "a number or `\"off\"`",
        "Size" => "a size",
        "OrOff<Size>" => "a size or `\"off\"`",
        "Duration" => "a duration",
        "OrOff<Duration>" => "a duration or `\"off\"`",
        "bool" => "`true` or `false`",
        "String" | "Secret" => "text",
        "OrOff<String>" => "text or `\"off\"`",
        "Vec<Listed>" => "a list of texts",
        "Address" | "SocketAddr" => "an address",
        "OrOff<SocketAddr>" => "an address or `\"off\"`",
        _ => "one of these words",
    }
}

/// Comment lines as Markdown: what is set in by spaces is a list.
fn prose(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        match line.strip_prefix("  ") {
            Some(item) if item.starts_with('"') => {
                let _ = writeln!(text, "- {item}");
            }
            Some(more) => {
                let _ = writeln!(text, "  {more}");
            }
            // Markdown ends a list at an empty line alone.
            None if text.lines().last().is_some_and(|last| last.starts_with(['-', ' '])) => {
                let _ = writeln!(text, "\n{line}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

fn write_part(page: &mut String, part: &Part) {
    let section = section(&part.name);
    let _ = writeln!(page, "\n## {}\n\n{}", section.header(), prose(&part.about).trim_end());
    let mut left: Vec<_> = section.types.iter().map(|(key, ..)| *key).collect();
    for entry in &part.entries {
        left.retain(|key| *key != entry.key);
        let (_, of, effect) = section.types.iter().find(|(key, ..)| *key == entry.key).expect("parts() has looked");
        let value =
            if entry.is_example { format!("none, as in `{}`", entry.value) } else { format!("`{}`", entry.value) };
        let _ =
            write!(page, "\n### {} `{}`\n\n{}; {value}; {}\n", section.header(), entry.key, kind(of), reload(*effect));
        if !entry.about.is_empty() {
            let _ = write!(page, "\n{}", prose(&entry.about));
        }
    }
    if !part.rest.is_empty() {
        let _ = write!(page, "\n{}", prose(&part.rest));
    }
    if !left.is_empty() {
        let keys: Vec<_> = left.iter().map(|key| format!("`{key}`")).collect();
        let _ = writeln!(page, "\nAs in other sections: {}.", keys.join(", "));
    }
}

fn reload(effect: Effect) -> String {
    match effect {
        Effect::Now => "changes at once".to_owned(),
        later => format!("changes {later}"),
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for part in parts(include_str!("../../config/default.toml")) {
        write_part(&mut page, &part);
    }
    page
}

#[test]
fn the_page_of_every_key_is_what_the_types_and_the_shipped_file_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = page();
    if env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(&path, page).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap();
    let differs = page.lines().zip(written.lines()).position(|(one, other)| one != other);
    assert_eq!(page, written, "docs/reference.md is stale from line {differs:?} on ({WRITE}=1 writes it)");
}

#[test]
fn every_section_and_every_key_is_on_the_page() {
    let page = page();
    for section in &SECTIONS {
        assert!(page.contains(&format!("\n## {}\n", section.header())), "{}", section.header());
        let (_, text) = page.split_once(&format!("\n## {}\n", section.header())).unwrap();
        let text = text.split("\n## ").next().unwrap();
        for (key, ..) in section.types {
            assert!(text.contains(&format!("`{key}`")), "{} {key}", section.header());
        }
    }
}
