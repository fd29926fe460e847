//! Where seeds are written, and what one may be.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// Longer ones a fuzzer would not read to their end; `scripts/fuzz` says so to it.
pub(crate) const LONGEST: usize = 4096;

/// How names of what is captured begin: with who spoke. Other seeds are made up, and stay.
const SPEAKERS: [&str; 4] = ["mysql-", "mariadb-", "haproxy-", "greenroom-"];

/// The seeds of one target.
pub(crate) struct Seeds {
    folder: PathBuf,
    kept: BTreeMap<String, Vec<u8>>,
}

impl Seeds {
    pub(crate) fn of(target: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        assert!(folder.is_dir(), "there is no target {target}");
        Self { folder, kept: BTreeMap::new() }
    }

    /// Keeps one, unless it is kept under another name.
    pub(crate) fn add(&mut self, name: &str, bytes: Vec<u8>) {
        assert!(SPEAKERS.iter().any(|speaker| name.starts_with(speaker)), "{name} does not say who spoke");
        assert!(bytes.len() <= LONGEST, "{name} has {} bytes", bytes.len());
        let paths = [std::env::temp_dir(), std::env::home_dir().unwrap(), env!("CARGO_MANIFEST_DIR").into()];
        for path in paths.iter().map(|path| path.as_os_str().as_encoded_bytes()) {
            assert!(!bytes.windows(path.len()).any(|part| part == path), "{name} has a path of this machine's");
        }
        if !self.kept.values().any(|other| *other == bytes) {
            assert!(self.kept.insert(name.to_owned(), bytes).is_none(), "there are two seeds {name}");
        }
    }

    /// Writes them in place of those that were captured before.
    pub(crate) fn write(self) {
        assert!(!self.kept.is_empty(), "nothing was captured for {}", self.folder.display());
        for file in fs::read_dir(&self.folder).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if SPEAKERS.iter().any(|speaker| name.starts_with(speaker)) {
                fs::remove_file(file.path()).unwrap();
            }
        }
        for (name, bytes) in &self.kept {
            fs::write(self.folder.join(name), bytes).unwrap();
        }
        println!("{}: {} seeds", self.folder.display(), self.kept.len());
    }
}

/// Payloads as the checks frame them anew: each behind its length.
pub(crate) fn chunks<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for payload in payloads {
        out.extend(u16::try_from(payload.len()).unwrap().to_le_bytes());
        out.extend(payload);
    }
    out
}
