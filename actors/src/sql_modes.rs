//! What a server's own SQL mode says of how texts are read: what its connections had after their logins. Pure.

use std::sync::atomic::{AtomicU8, Ordering};

use greenroom_protocol::sql::{Doubt, Mode};
use greenroom_protocol::state::Quotes;

/// Two bits for each of [`Quotes`]: it was seen on, it was seen off.
#[derive(Debug, Default)]
pub(crate) struct SqlModes(AtomicU8);

/// What has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen(u8);

impl SqlModes {
    /// Notes the SQL mode of a fresh connection.
    pub(crate) fn note(&self, sql_mode: &[u8]) {
        self.0.fetch_or(Seen::of(Quotes::of(sql_mode)).0, Ordering::Relaxed);
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Relaxed))
    }
}

impl Seen {
    /// One SQL mode.
    pub(crate) fn of(quotes: Quotes) -> Self {
        let bits = |on: bool| if on { 1 } else { 2 };
        Self(bits(quotes.ansi) | bits(quotes.no_backslash_escapes) << 2)
    }

    /// What is seen on either of two servers; not what is not known of one of them.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::default() || other == Self::default() { Self::default() } else { Self(self.0 | other.0) }
    }

    /// Puts it into a mode, and says whether it is certain.
    pub(crate) fn put_into(self, mode: &mut Mode) -> Doubt {
        let on = |at: u8| self.0 >> (2 * at) & 3 == 1;
        let certain = |at: u8| matches!(self.0 >> (2 * at) & 3, 1 | 2);
        (mode.ansi_quotes, mode.no_backslash_escapes) = (on(0), on(1));
        Doubt { sql_mode: !(certain(0) && certain(1)), charset: false }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::sql::Flavor;

    use super::*;

    fn read(seen: Seen) -> (bool, bool, bool) {
        let mut mode = Mode::new(Flavor::MySql, 90_704);
        let doubt = seen.put_into(&mut mode);
        (mode.ansi_quotes, mode.no_backslash_escapes, doubt.sql_mode)
    }

    #[test]
    fn a_mode_that_was_always_seen_is_certain() {
        let modes = SqlModes::default();
        assert_eq!(read(modes.seen()), (false, false, true), "nobody has logged in");
        modes.note(b"REAL_AS_FLOAT,ANSI_QUOTES,ANSI");
        assert_eq!(read(modes.seen()), (true, false, false));
        modes.note(b"ANSI_QUOTES,NO_BACKSLASH_ESCAPES");
        assert_eq!(read(modes.seen()), (true, false, true), "it was changed");
    }

    #[test]
    fn servers_that_differ_leave_a_doubt() {
        let [none, ansi] = [b"".as_slice(), b"ANSI_QUOTES"].map(|mode| Seen::of(Quotes::of(mode)));
        assert_eq!(read(none.or(none)), (false, false, false));
        assert_eq!(read(none.or(ansi)), (false, false, true));
        assert_eq!(read(ansi.or(Seen::default())), (false, false, true), "of one nothing is known");
    }
}
