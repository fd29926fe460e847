//! The user variables of a session, as SQL that gives each its value again, with type, character set and collation.

use crate::sql::assigned::LIKE_ASCII;

/// How many a session may have.
const MOST: usize = 64;

/// How many bytes their names and values may take together.
const ROOM: usize = 16 * 1024;

/// A session's user variables, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserVariables(Vec<UserVariable>);

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UserVariable {
    /// As it was first written: case makes no difference, but servers list the names so (measured).
    name: Box<[u8]>,
    /// SQL of its value, or of the last one that was not NULL.
    value: Box<[u8]>,
    /// NULL since: that keeps the type, character set and collation of the value before (measured).
    nulled: bool,
}

/// It would be too many variables, or too long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl UserVariables {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any is a number. MySQL makes strings of it in the collation that the connection had when it was assigned,
    /// and tells nobody which that was (measured).
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        self.0.iter().any(|variable| !variable.value.starts_with(b"_") && !is_null(&variable.value))
    }

    /// Notes that a variable has the value that this SQL gives, whatever the session's state.
    ///
    /// # Errors
    /// [`Full`]; what is noted is then of no use.
    pub fn assign(&mut self, name: &[u8], sql: &[u8]) -> Result<(), Full> {
        match self.0.binary_search_by(|known| order(&known.name, name)) {
            Ok(at) => {
                if let Some(variable) = self.0.get_mut(at) {
                    variable.assign(sql);
                }
            }
            Err(at) => self.0.insert(at, UserVariable { name: name.into(), value: sql.into(), nulled: false }),
        }
        let taken: usize = self.0.iter().map(|variable| variable.name.len() + variable.value.len()).sum();
        if self.0.len() > MOST || taken > ROOM { Err(Full) } else { Ok(()) }
    }

    /// The value of one that is a string, in a character set in which ASCII is ASCII.
    #[must_use]
    pub fn text(&self, name: &[u8]) -> Option<Vec<u8>> {
        let at = self.0.binary_search_by(|known| order(&known.name, name)).ok()?;
        self.0.get(at).filter(|variable| !variable.nulled).and_then(|variable| string_of(&variable.value))
    }

    /// Whether assignments alone make these of `have`. No statement takes a variable away, and one that is NULL keeps
    /// the type that it had.
    #[must_use]
    pub fn can_follow(&self, have: &Self) -> bool {
        have.0.iter().all(|had| {
            let found = self.0.binary_search_by(|known| order(&known.name, &had.name));
            let wanted = found.ok().and_then(|at| self.0.get(at));
            wanted.is_some_and(|wanted| wanted.name == had.name && (wanted == had || !is_null(&wanted.value)))
        })
    }

    /// Every assignment that makes these of `have`: a name and SQL.
    pub(super) fn since<'a>(&'a self, have: &'a Self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let changed = self.0.iter().filter(|variable| !have.0.contains(variable));
        changed.flat_map(|variable| {
            let null = variable.nulled.then_some((&*variable.name, &b"NULL"[..]));
            [Some((&*variable.name, &*variable.value)), null].into_iter().flatten()
        })
    }

    /// What makes them those that they are, for a fingerprint.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .flat_map(|variable| [&*variable.name, &*variable.value, if variable.nulled { b"NULL" } else { b"" }])
    }
}

impl UserVariable {
    fn assign(&mut self, sql: &[u8]) {
        self.nulled = is_null(sql) && !is_null(&self.value);
        if !self.nulled {
            self.value = sql.into();
        }
    }
}

/// The content of a string written by [`string_sql`](crate::sql::string_sql).
fn string_of(sql: &[u8]) -> Option<Vec<u8>> {
    let quote = sql.iter().position(|byte| *byte == b'\'')?;
    let (kind, rest) = (sql.get(..quote)?.strip_prefix(b"_")?, sql.get(quote + 1..)?);
    let content = rest.split(|byte| *byte == b'\'').next()?;
    let charset = kind.strip_suffix(b" X");
    if !LIKE_ASCII.contains(&charset.unwrap_or(kind)) {
        return None;
    }
    if charset.is_none() {
        return Some(content.to_vec());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    content.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn is_null(sql: &[u8]) -> bool {
    sql == b"NULL"
}

fn order(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    let lower = |name: &'_ [u8]| name.iter().map(u8::to_ascii_lowercase).collect::<Vec<_>>();
    lower(one).cmp(&lower(other))
}

#[cfg(test)]
mod tests {
    use super::{Full, UserVariables};

    fn of(assigned: &[(&str, &str)]) -> UserVariables {
        let mut variables = UserVariables::default();
        for (name, sql) in assigned {
            variables.assign(name.as_bytes(), sql.as_bytes()).unwrap();
        }
        variables
    }

    #[test]
    fn a_string_is_known_by_its_content() {
        for (content, collation) in [("SELECT 1", "utf8mb4_bin"), ("", "latin1_bin"), ("it's \\ here\n", "binary")] {
            let sql = crate::sql::string_sql(content.as_bytes(), collation.as_bytes());
            let mut variables = of(&[("a", std::str::from_utf8(&sql).unwrap()), ("b", "7")]);
            assert_eq!(variables.text(b"A").as_deref(), Some(content.as_bytes()), "{content}");
            assert_eq!([variables.text(b"b"), variables.text(b"c")], [None, None]);
            variables.assign(b"a", b"NULL").unwrap();
            assert_eq!(variables.text(b"a"), None);
        }
        assert_eq!(of(&[("a", "_swe7'SELECT 1' COLLATE swe7_bin")]).text(b"a"), None);
    }

    fn since(want: &UserVariables, have: &UserVariables) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        want.since(have).map(|(name, sql)| format!("{}={}", text(name), text(sql))).collect()
    }

    #[test]
    fn the_last_assignment_counts_whatever_the_case_and_the_order() {
        assert_eq!(of(&[("A", "1"), ("b", "2"), ("a", "3")]), of(&[("b", "2"), ("A", "3")]));
        assert_ne!(of(&[("A", "1")]), of(&[("a", "1")]));
        assert_eq!(since(&of(&[("b", "2"), ("A", "3")]), &of(&[("A", "3"), ("b", "1")])), ["b=2"]);
    }

    #[test]
    fn null_keeps_the_type_of_what_was_there() {
        let nulled = of(&[("a", "1"), ("a", "NULL")]);
        assert_eq!(since(&nulled, &of(&[])), ["a=1", "a=NULL"]);
        assert_eq!(since(&of(&[("a", "1"), ("a", "NULL"), ("a", "NULL")]), &nulled), [""; 0]);
        assert_eq!(since(&of(&[("a", "NULL")]), &of(&[])), ["a=NULL"]);
        assert_eq!(of(&[("a", "NULL"), ("a", "1")]), of(&[("a", "1")]));
        assert_eq!(of(&[("a", "1"), ("a", "NULL"), ("a", "2")]), of(&[("a", "2")]));
    }

    #[test]
    fn what_no_assignment_undoes_is_said() {
        let (none, one, null) = (of(&[]), of(&[("a", "1")]), of(&[("a", "NULL")]));
        assert!(one.can_follow(&none) && null.can_follow(&none) && null.can_follow(&null) && one.can_follow(&null));
        assert!(!none.can_follow(&one) && !none.can_follow(&null) && !null.can_follow(&one));
        assert!(of(&[("a", "2"), ("b", "1")]).can_follow(&one) && of(&[("a", "2"), ("a", "NULL")]).can_follow(&one));
        // Servers list it as it was first written.
        assert!(!of(&[("A", "1")]).can_follow(&one));
    }

    #[test]
    fn memory_is_bounded() {
        let mut many = UserVariables::default();
        for number in 0..64 {
            many.assign(format!("v{number}").as_bytes(), b"1").unwrap();
        }
        assert_eq!(many.assign(b"V0", b"2"), Ok(()));
        assert_eq!(many.assign(b"another", b"1"), Err(Full));
        let mut long = UserVariables::default();
        assert_eq!(long.assign(b"a", &[b'1'; 16 * 1024 - 1]), Ok(()));
        assert_eq!(long.assign(b"b", b"1"), Err(Full));
    }
}
