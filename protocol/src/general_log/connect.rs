//! Who logged in: what an entry of a login says.

/// A login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login<'a> {
    /// Somebody is in.
    In {
        /// The user's name.
        user: &'a [u8],
        /// The default database; empty where there is none.
        database: &'a [u8],
    },
    /// Somebody was refused.
    Refused,
}

/// Reads the text of a `Connect` or `Change user`: `user@host [as other] on database [using way]`. `None` where it is
/// none of that.
#[must_use]
pub fn login(text: &[u8]) -> Option<Login<'_>> {
    if text.starts_with(b"Access denied for user") {
        return Some(Login::Refused);
    }
    // A name may hold anything; a host holds no blank, and no database's name is likely to hold " on ".
    let on = memchr::memmem::rfind(text, b" on ").or_else(|| text.ends_with(b" on").then(|| text.len() - 3))?;
    let (who, database) = (text.get(..on)?, text.get(on + 3..)?);
    let database = match memchr::memmem::rfind(database, b" using ") {
        Some(end) => database.get(..end)?,
        None => database,
    };
    let at = memchr::memrchr(b'@', who)?;
    Some(Login::In { user: who.get(..at)?, database: database.strip_prefix(b" ").unwrap_or(database).trim_ascii_end() })
}
