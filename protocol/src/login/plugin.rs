//! The authentication plugins that Greenroom speaks.

/// An authentication plugin that both machines know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// `mysql_native_password`: SHA-1, one answer; MariaDB's default, gone from MySQL 9.
    Native,
    /// `caching_sha2_password`: SHA-256, with a full path that hands over the password; MySQL's default.
    CachingSha2,
}

impl Plugin {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// The plugin of that name, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Native, Self::CachingSha2].into_iter().find(|plugin| plugin.name().as_bytes() == name)
    }
}
