//! What decides how the same bytes are read: server, version, `sql_mode`, client character set.

pub use crate::flavor::Flavor;

/// How `character_set_client` shapes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCharset {
    /// ASCII, UTF-8, binary, and multi-byte sets whose trail bytes are never quotes or backslashes.
    Plain,
    /// `latin1` and the other 8-bit sets: a high byte may be a blank (measured: 0xA0 in latin1).
    SingleByte,
    /// `gbk` and `gb18030`.
    Gbk,
    /// `big5`.
    Big5,
    /// `sjis` and `cp932`.
    Sjis,
}

/// Everything the lexer must know before the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode {
    /// The server's dialect.
    pub flavor: Flavor,
    /// The server's version as version comments write it: 9.7.4 is 90704, 10.11.19 is 101119.
    pub server_version: u32,
    /// `sql_mode` holds `ANSI_QUOTES`: double quotes delimit identifiers.
    pub ansi_quotes: bool,
    /// `sql_mode` holds `NO_BACKSLASH_ESCAPES`.
    pub no_backslash_escapes: bool,
    /// What `character_set_client` is.
    pub charset: ClientCharset,
}

impl Mode {
    /// The mode of a fresh session with a UTF-8 client.
    #[must_use]
    pub const fn new(flavor: Flavor, server_version: u32) -> Self {
        let (ansi_quotes, no_backslash_escapes) = (false, false);
        Self { flavor, server_version, ansi_quotes, no_backslash_escapes, charset: ClientCharset::Plain }
    }

    /// Whether the server is MariaDB.
    #[must_use]
    pub const fn is_mariadb(&self) -> bool {
        matches!(self.flavor, Flavor::MariaDb)
    }
}

impl ClientCharset {
    /// The kind of a character set by the server's name for it; a name not known here counts as 8-bit.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        const PLAIN: [&str; 10] =
            ["utf8mb4", "utf8mb3", "utf8", "ascii", "binary", "ujis", "eucjpms", "euckr", "gb2312", ""];
        match name {
            "gbk" | "gb18030" => Self::Gbk,
            "big5" => Self::Big5,
            "sjis" | "cp932" => Self::Sjis,
            name if PLAIN.contains(&name) => Self::Plain,
            _ => Self::SingleByte,
        }
    }

    /// Whether characters of two bytes may end in a byte that means something in SQL.
    #[must_use]
    pub const fn is_multibyte(self) -> bool {
        matches!(self, Self::Gbk | Self::Big5 | Self::Sjis)
    }

    /// Whether `byte` may begin a character of two bytes (the servers' own tables, measured).
    #[must_use]
    pub const fn is_lead(self, byte: u8) -> bool {
        match self {
            Self::Plain | Self::SingleByte => false,
            Self::Gbk => matches!(byte, 0x81..=0xfe),
            Self::Big5 => matches!(byte, 0xa1..=0xf9),
            Self::Sjis => matches!(byte, 0x81..=0x9f | 0xe0..=0xfc),
        }
    }

    /// Whether `byte` after a lead byte completes a character.
    #[must_use]
    pub const fn is_trail(self, byte: u8) -> bool {
        match self {
            Self::Plain | Self::SingleByte => false,
            Self::Gbk => matches!(byte, 0x40..=0x7e | 0x80..=0xfe),
            Self::Big5 => matches!(byte, 0x40..=0x7e | 0xa1..=0xfe),
            Self::Sjis => matches!(byte, 0x40..=0x7e | 0x80..=0xfc),
        }
    }
}
