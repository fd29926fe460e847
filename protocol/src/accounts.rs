//! The account table of a server, and which row of it a client is judged by.

use std::net::IpAddr;

use crate::answer::Row;
use crate::flavor::Flavor;
use crate::secret::{Secret, SecretHash};

/// The most rows that are read.
pub const LIMIT: usize = 100_000;

/// Reads MySQL's table: host, user, plugin, hash, the second password's hash, whether it is odd, locked or expired, ages.
const MYSQL: &str = "SELECT Host, User, plugin, authentication_string, \
    COALESCE(JSON_UNQUOTE(JSON_EXTRACT(User_attributes, '$.additional_password')), ''), \
    COALESCE(JSON_CONTAINS_PATH(User_attributes, 'one', '$.multi_factor_authentication'), 0), \
    account_locked = 'Y' OR password_expired = 'Y', \
    COALESCE(password_lifetime, @@default_password_lifetime) > 0 FROM mysql.user";

/// The same of MariaDB's.
const MARIADB: &str = "SELECT Host, User, COALESCE(JSON_VALUE(Priv, '$.plugin'), ''), \
    COALESCE(JSON_VALUE(Priv, '$.authentication_string'), ''), '', JSON_EXISTS(Priv, '$.auth_or'), \
    COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) <> 0 OR COALESCE(JSON_VALUE(Priv, '$.password_last_changed'), 1) = 0, \
    COALESCE(NULLIF(JSON_VALUE(Priv, '$.password_lifetime'), -1), @@default_password_lifetime) > 0 FROM mysql.global_priv \
    WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0";

/// The statement that reads the table, of [`LIMIT`] rows and one more.
#[must_use]
pub fn query(flavor: Flavor) -> String {
    let table = if flavor == Flavor::MySql { MYSQL } else { MARIADB };
    format!("{table} LIMIT {}", LIMIT + 1)
}

/// What proves a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The empty password.
    Empty,
    /// SHA1(SHA1(password)).
    Native(SecretHash<20>),
    /// Texts of which one is the password's, see [`Stored`](crate::login::sha_crypt::Stored).
    Sha2(Vec<Secret>),
    /// Only the server can tell.
    Server,
}

/// What the table says of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it has to prove.
    pub evidence: Evidence,
    /// Locked or expired: the server has words for it.
    pub barred: bool,
    /// Its password expires some day, which only the server counts.
    pub ages: bool,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts(Vec<Account>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    host: Host,
    user: Box<[u8]>,
    verdict: Verdict,
}

/// For whom an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// One address.
    One(IpAddr),
    /// Those that have these bits: an address and a mask.
    Masked(u32, u32),
    /// Those whose text is like this, and the place of the first wildcard.
    Like(Box<[u8]>, usize),
    /// `localhost`.
    Local,
    /// Those whose name is like this; nobody here knows names.
    Named,
}

/// Whether an account is for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    /// It hangs on the name that the server finds for the address.
    Perhaps,
}

impl Accounts {
    /// Reads the rows; `None` where they are not what was asked for.
    #[must_use]
    pub fn read(rows: &[Row]) -> Option<Self> {
        rows.iter().map(account).collect::<Option<_>>().map(Self)
    }

    /// By which account a server judges a client: of those that are for its address, the one with the narrowest host; of
    /// equal ones that of the user before that of everybody. `None`: there is no such user.
    #[must_use]
    pub fn find(&self, user: &[u8], client: Option<IpAddr>) -> Option<Verdict> {
        let client = client.map(|client| client.to_canonical());
        let fits = |account: &&Account| *account.user == *user || account.user.is_empty();
        let fitting = self.0.iter().filter(fits).map(|account| (account.host.fits(client), account));
        let fitting: Vec<_> = fitting.filter(|(fit, _)| *fit != Fit::No).collect();
        let rank = |account: &Account| (account.host.rank(), !account.user.is_empty());
        let best = fitting.iter().map(|(_, account)| rank(account)).max()?;
        let mut first = fitting.iter().filter(|(_, account)| rank(account) == best);
        let (fit, chosen) = first.next()?;
        // Names, several that are as good, and whoever comes as nobody in particular are the server's business.
        if *fit == Fit::Perhaps || first.next().is_some() || chosen.user.is_empty() {
            return Some(Verdict { evidence: Evidence::Server, ..chosen.verdict.clone() });
        }
        Some(chosen.verdict.clone())
    }
}

fn account(row: &Row) -> Option<Account> {
    let [host, user, plugin, hash, second, odd, barred, ages] = row.as_slice() else { return None };
    let text = |field: &Option<Box<[u8]>>| field.clone().unwrap_or_default();
    let flag = |field: &Option<Box<[u8]>>| field.as_deref() != Some(b"0");
    let (hash, second) = (text(hash), text(second));
    let evidence = if flag(odd) { Evidence::Server } else { evidence(&text(plugin), &hash, &second) };
    let verdict = Verdict { evidence, barred: flag(barred), ages: flag(ages) };
    Some(Account { host: Host::read(&text(host)), user: text(user), verdict })
}

fn evidence(plugin: &[u8], hash: &[u8], second: &[u8]) -> Evidence {
    match plugin {
        b"" | b"mysql_native_password" | b"caching_sha2_password" if hash.is_empty() && second.is_empty() => {
            Evidence::Empty
        }
        b"" | b"mysql_native_password" if second.is_empty() => native(hash).map_or(Evidence::Server, Evidence::Native),
        b"caching_sha2_password" => {
            Evidence::Sha2([hash, second].into_iter().filter(|text| !text.is_empty()).map(Secret::new).collect())
        }
        _ => Evidence::Server,
    }
}

fn native(text: &[u8]) -> Option<SecretHash<20>> {
    let digits = text.strip_prefix(b"*").filter(|digits| digits.len() == 40)?;
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(SecretHash::new(hash))
}

impl Host {
    fn read(text: &[u8]) -> Self {
        let plain = std::str::from_utf8(text).unwrap_or_default();
        if let Ok(address) = plain.parse::<IpAddr>() {
            return Self::One(address.to_canonical());
        }
        if let Some(masked) = masked(plain) {
            return masked;
        }
        let wildcard = text.iter().position(|byte| matches!(byte, b'%' | b'_'));
        match wildcard {
            _ if text.eq_ignore_ascii_case(b"localhost") => Self::Local,
            _ if text.is_empty() => Self::Like((*b"%").into(), 0),
            // An address has letters only where it has colons too.
            _ if text.iter().any(u8::is_ascii_alphabetic) && !text.contains(&b':') => Self::Named,
            Some(place) => Self::Like(text.into(), place),
            None => Self::Named,
        }
    }

    /// The narrower, the higher: one address, a mask, a pattern by how much stands before its first wildcard.
    fn rank(&self) -> usize {
        match self {
            Self::One(_) | Self::Masked(..) | Self::Local | Self::Named => usize::MAX,
            Self::Like(_, place) => *place,
        }
    }

    fn fits(&self, client: Option<IpAddr>) -> Fit {
        let fit = |fits| if fits { Fit::Yes } else { Fit::No };
        match (self, client) {
            (Self::One(address), client) => fit(client == Some(*address)),
            (Self::Masked(address, mask), Some(IpAddr::V4(client))) => fit(u32::from(client) & mask == *address),
            (Self::Masked(..), _) => Fit::No,
            (Self::Like(pattern, _), client) => {
                let text = client.map_or_else(|| "localhost".to_owned(), |client| client.to_string());
                fit(like(pattern, text.as_bytes()))
            }
            (Self::Local, None) => Fit::Yes,
            // Servers that look names up take this address for localhost.
            (Self::Local, Some(client)) if client.is_loopback() => Fit::Perhaps,
            (Self::Local, Some(_)) | (Self::Named, None) => Fit::No,
            (Self::Named, Some(_)) => Fit::Perhaps,
        }
    }
}

/// `10.0.0.0/255.0.0.0`, or with the number of bits.
fn masked(text: &str) -> Option<Host> {
    let (address, mask) = text.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let mask = match mask.parse::<std::net::Ipv4Addr>() {
        Ok(mask) => u32::from(mask),
        Err(_) => {
            let bits: u32 = mask.parse().ok().filter(|bits| *bits <= 32)?;
            u32::MAX.checked_shl(32 - bits).unwrap_or(0)
        }
    };
    Some(Host::Masked(u32::from(address) & mask, mask))
}

/// Whether a text is like a pattern with `%` and `_`.
fn like(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // Where to go on if what follows the last `%` does not fit: its rest, and the text from a byte further on.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'%', rest)), _) => {
                again = Some((rest, text));
                pattern = rest;
            }
            (None, None) => return true,
            (Some((byte, rest)), Some((first, behind))) if *byte == b'_' || byte.eq_ignore_ascii_case(first) => {
                (pattern, text) = (rest, behind);
            }
            _ => {
                let Some((rest, from)) = again else { return false };
                let Some((_, further)) = from.split_first() else { return false };
                again = Some((rest, further));
                (pattern, text) = (rest, further);
            }
        }
    }
}

#[cfg(test)]
mod tests;
