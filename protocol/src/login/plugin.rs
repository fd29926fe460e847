//! The authentication plugins that Greenroom speaks.

/// An authentication plugin that both machines know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// `mysql_native_password`: SHA-1, one answer; MariaDB's default, gone from MySQL 9.
    Native,
    /// `caching_sha2_password`: SHA-256, with a full path that hands over the password; MySQL's default.
    CachingSha2,
    /// `client_ed25519`: a signature under the password's key; MariaDB's `ed25519` accounts.
    Ed25519,
    /// `parsec`: a signature under a key that a salt makes expensive to guess; MariaDB 11.6 and later.
    Parsec,
    /// `sha256_password`: hands over the password, in TLS or under an RSA key; deprecated in MySQL 8 and 9.
    Sha256,
    /// `mysql_clear_password`: hands over the password as it is; MariaDB's `pam` accounts, MySQL's LDAP ones.
    Clear,
}

impl Plugin {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Native, Self::CachingSha2, Self::Ed25519, Self::Parsec, Self::Sha256, Self::Clear];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Ed25519 => "client_ed25519",
            Self::Parsec => "parsec",
            Self::Sha256 => "sha256_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// The plugin of that name, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|plugin| plugin.name().as_bytes() == name)
    }

    /// Whether it answers the scramble of a greeting. The others are always asked anew, as servers do (measured): their
    /// challenge is another one, or what they send depends on it.
    #[must_use]
    pub fn answers_greeting(self) -> bool {
        matches!(self, Self::Native | Self::CachingSha2)
    }

    /// Whether a password can be had by it.
    #[must_use]
    pub fn hands_over(self) -> bool {
        matches!(self, Self::CachingSha2 | Self::Sha256 | Self::Clear)
    }
}
