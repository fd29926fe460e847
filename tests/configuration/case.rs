//! A configuration to load, put together in a sentence.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use greenroom::config::{Loaded, Sources, load};
use tempfile::TempDir;

/// Files in a directory of their own, and the other layers.
pub(crate) struct Case {
    /// Where the files are.
    pub(crate) directory: TempDir,
    /// What is loaded.
    pub(crate) sources: Sources,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), sources: Sources::none() }
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        let path = self.write(name, text, 0o600);
        self.sources.files.push(path);
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn set(mut self, assignment: &str) -> Self {
        self.sources.sets.push(assignment.to_owned());
        self
    }

    pub(crate) fn loads(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The errors, without the directory's name.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = load(&self.sources).expect_err("this must not load");
        assert!(!errors.problems().is_empty());
        errors.to_string().lines().map(|line| self.plain(line)).collect()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.loads().warnings.iter().map(|warning| self.plain(&warning.to_string())).collect()
    }

    pub(crate) fn plain(&self, line: &str) -> String {
        line.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

pub(crate) fn file(text: &str) -> Case {
    Case::new().file("a.toml", text)
}

/// A node and an endpoint that are right, so that a test can add what is wrong.
pub(crate) fn with_servers(more: &str) -> Case {
    file(&format!(
        "{more}\n[[nodes]]\nname = 'n'\naddress = 'h:1'\n[[endpoints]]\nname = 'e'\nlisten = '127.0.0.1:2'\n"
    ))
}

pub(crate) fn node(keys: &str) -> Case {
    file(&format!("[[nodes]]\nname = 'n'\naddress = 'h:1'\n{keys}\n"))
}

pub(crate) fn endpoint(keys: &str) -> Case {
    file(&format!("[[endpoints]]\nname = 'e'\nlisten = '127.0.0.1:2'\n{keys}\n"))
}

pub(crate) fn user(keys: &str) -> Case {
    file(&format!("[[users]]\nname = 'u'\n{keys}\n"))
}
