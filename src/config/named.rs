//! Layers of single keys by name: the environment's and the command line's.

use std::ffi::OsString;

use config::{Value, ValueKind};

use super::layer::Layer;
use super::problem::{Place, Problem};
use super::schema::{Section, Shape, Unknown, section};
use super::vault::Vault;

/// What the names of environment variables begin with that set a key.
const PREFIX: &str = "GREENROOM__";

/// The largest number of a list's entry; the `config` crate fills a list up to the number that it is given.
const MAX_INDEX: usize = 9_999;

/// The layer that environment variables make.
pub(super) fn environment(variables: &[(OsString, OsString)], vault: &mut Vault, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in variables {
        let Some(path) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let source = format!("environment {PREFIX}{path}");
        let path = path.to_lowercase();
        let segments: Vec<_> = path.split("__").collect();
        match value.to_str() {
            Some(text) => add(&mut layer, source, &segments, text, vault, problems),
            None => problems.push(problem(source, String::new(), "its value is not UTF-8".into(), String::new())),
        }
    }
    layer
}

/// The layer that `--set section.key=value` makes.
pub(super) fn sets(assignments: &[String], vault: &mut Vault, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for assignment in assignments {
        // Without a "=" the text may be a password in the wrong place: it is not repeated.
        let Some((path, value)) = assignment.split_once('=') else {
            let what = "there is no \"=\" in one of them".to_owned();
            problems.push(problem("--set".into(), String::new(), what, "section.key=value".into()));
            continue;
        };
        let dotted = path.trim().replace('[', ".").replace(']', "");
        let segments: Vec<_> = dotted.split('.').collect();
        add(&mut layer, format!("--set {}", path.trim()), &segments, value, vault, problems);
    }
    layer
}

fn add(
    layer: &mut Layer,
    source: String,
    segments: &[&str],
    text: &str,
    vault: &mut Vault,
    problems: &mut Vec<Problem>,
) {
    match resolve(segments) {
        Ok((path, key)) => {
            let kind = if Vault::guards(key) { vault.keep(text) } else { ValueKind::from(text) };
            layer.0.insert(path, Value::new(Some(&source), kind));
        }
        Err(Unknown { what, expected }) => problems.push(problem(source, segments.join("."), what, expected)),
    }
}

/// The path in the `config` crate's writing, and the key's own name.
fn resolve<'s>(segments: &[&'s str]) -> Result<(String, &'s str), Unknown> {
    let Some((first, rest)) = segments.split_first() else { return Err(misshapen("section.key")) };
    let section = section(first)?;
    match (section.shape, rest) {
        (Shape::Table, [key]) => {
            section.key(key)?;
            Ok((format!("{first}.{key}"), key))
        }
        (Shape::List, [number, key]) => {
            section.key(key)?;
            Ok((format!("{first}[{}].{key}", index(number)?), key))
        }
        (Shape::List, [number, key @ "nodes", item]) => {
            section.key(key)?;
            Ok((format!("{first}[{}].{key}[{}]", index(number)?, index(item)?), key))
        }
        _ => Err(misshapen(&shape_of(section))),
    }
}

fn shape_of(section: &Section) -> String {
    match section.shape {
        Shape::Table => format!("{0}.key, or {PREFIX}{1}__KEY", section.name, section.name.to_uppercase()),
        Shape::List => {
            let (name, upper) = (section.name, section.name.to_uppercase());
            format!("the entry's number, from 0: {name}.0.key, or {PREFIX}{upper}__0__KEY")
        }
    }
}

fn index(number: &str) -> Result<usize, Unknown> {
    number.parse().ok().filter(|index| *index <= MAX_INDEX).ok_or_else(|| Unknown {
        what: format!("{number:?} is not an entry's number"),
        expected: format!("a number from 0 to {MAX_INDEX}"),
    })
}

fn misshapen(expected: &str) -> Unknown {
    Unknown { what: "it names no key".into(), expected: expected.to_owned() }
}

fn problem(source: String, key: String, what: String, expected: String) -> Problem {
    Problem { place: Place::new(source, key), what, expected }
}
