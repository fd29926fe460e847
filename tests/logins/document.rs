//! The tables of `docs/logins.md`.

use std::{
    env, fs,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Set to 1, tables are written instead of compared.
const WRITE: &str = "GREENROOM_WRITE_LOGINS";
/// Both tests may write the one file.
static FILE: Mutex<()> = Mutex::new(());

/// Shows the table, and fails where the document's of this name is another; where it is not `whole`, rows may be missing.
pub(super) fn compare(name: &str, table: &str, whole: bool) {
    let _one = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    // Past the test harness's capture: it is what the test found.
    let _ = writeln!(std::io::stderr(), "logins, {name}:\n{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logins.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (written, after) = rest.split_once("<!-- end -->").unwrap();
    if whole && env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(&path, format!("{before}<!-- {name} -->\n{table}<!-- end -->{after}")).unwrap();
        return;
    }
    let wrong: Vec<_> = table.lines().filter(|line| !written.lines().any(|old| old == *line)).collect();
    assert!(wrong.is_empty(), "docs/logins.md does not say so ({WRITE}=1 writes it):\n{}", wrong.join("\n"));
    assert!(!whole || written.lines().count() == table.lines().count(), "docs/logins.md has other rows, too");
}
