//! The two families of servers.

/// Which family a server is of, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MySQL, and what calls itself so.
    MySql,
    /// MariaDB.
    MariaDb,
}
