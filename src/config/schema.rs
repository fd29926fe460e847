//! Which keys there are, and what a wrong one was probably meant to be.

use super::raw::{
    RawAdmin, RawEndpoint, RawFleet, RawHttp, RawLimit, RawLog, RawMonitor, RawNode, RawQueries, RawServer, RawTracing,
    RawUser,
};

/// Names that are less alike than this are no suggestion (Jaro-Winkler, 0 to 1; a judgement over typical slips).
const ALIKE: f64 = 0.75;

/// How a section is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[name]`, once.
    Table,
    /// `[[name]]`, any number of times.
    List,
}

/// One section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// As it is written.
    pub(super) name: &'static str,
    /// Once or many times.
    pub(super) shape: Shape,
    /// What may stand in it.
    pub(super) keys: &'static [&'static str],
    /// The same with their types, and when a reload of each takes effect.
    #[cfg(test)]
    pub(super) types: &'static [(&'static str, &'static str, super::inventory::Effect)],
}

macro_rules! section {
    ($name:literal, $shape:ident, $raw:ident) => {
        Section {
            name: $name,
            shape: Shape::$shape,
            keys: $raw::KEYS,
            #[cfg(test)]
            types: $raw::TYPES,
        }
    };
}

/// Every section.
pub(super) const SECTIONS: [Section; 12] = [
    section!("server", Table, RawServer),
    section!("nodes", List, RawNode),
    section!("endpoints", List, RawEndpoint),
    section!("users", List, RawUser),
    section!("limits", List, RawLimit),
    section!("monitor", Table, RawMonitor),
    section!("fleet", Table, RawFleet),
    section!("http", Table, RawHttp),
    section!("admin", Table, RawAdmin),
    section!("queries", Table, RawQueries),
    section!("tracing", Table, RawTracing),
    section!("log", Table, RawLog),
];

/// A name that nothing is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// What is wrong.
    pub(super) what: String,
    /// What was probably meant.
    pub(super) expected: String,
}

/// The section of that name.
pub(super) fn section(name: &str) -> Result<&'static Section, Unknown> {
    SECTIONS.iter().find(|section| section.name == name).ok_or_else(|| Unknown {
        what: format!("there is no section {name:?}"),
        expected: suggestion(name, &SECTIONS.each_ref().map(|section| section.name)),
    })
}

impl Section {
    /// Whether that key may stand in this section.
    pub(super) fn key(&self, name: &str) -> Result<(), Unknown> {
        if self.keys.contains(&name) {
            return Ok(());
        }
        Err(Unknown { what: format!("{} has no key {name:?}", self.header()), expected: self.meant(name) })
    }

    /// As the section's header is written in a file.
    pub(super) fn header(&self) -> String {
        match self.shape {
            Shape::Table => format!("[{}]", self.name),
            Shape::List => format!("[[{}]]", self.name),
        }
    }

    fn meant(&self, name: &str) -> String {
        let elsewhere = SECTIONS.iter().find(|section| section.keys.contains(&name));
        match (nearest(name, self.keys), elsewhere) {
            (None, Some(section)) => format!("it in {}", section.header()),
            _ => suggestion(name, self.keys),
        }
    }
}

fn suggestion(name: &str, known: &[&str]) -> String {
    nearest(name, known).map_or_else(|| format!("one of {}", known.join(", ")), |key| format!("{key:?}"))
}

fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_lowercase().replace('-', "_");
    let likeness = |key: &&str| strsim::jaro_winkler(&name, key);
    let best = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::{SECTIONS, section};

    #[test]
    fn a_slip_names_the_nearest_key() {
        let error = section("nodes").unwrap().key("max_conections").unwrap_err();
        assert_eq!(error.what, "[[nodes]] has no key \"max_conections\"");
        assert_eq!(error.expected, "\"max_connections\"");
        assert_eq!(section("endpoint").unwrap_err().expected, "\"endpoints\"");
        assert_eq!(section("server").unwrap().key("Max-Clients").unwrap_err().expected, "\"max_clients\"");
    }

    #[test]
    fn a_key_of_another_section_is_sent_there() {
        assert_eq!(section("log").unwrap().key("pool_by_client_ip").unwrap_err().expected, "it in [[endpoints]]");
    }

    #[test]
    fn nonsense_gets_the_whole_list() {
        assert_eq!(section("http").unwrap().key("qqq").unwrap_err().expected, "one of listen");
    }

    #[test]
    fn every_key_is_documented_in_the_shipped_file() {
        let documented = include_str!("../../config/default.toml");
        let is_there =
            |key: &str| documented.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} = ")));
        for section in &SECTIONS {
            for key in section.keys {
                assert!(is_there(key), "{} {key}", section.header());
            }
        }
    }
}
