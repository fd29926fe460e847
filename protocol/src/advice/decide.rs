//! Which pool mode suits what was observed, by the decision tables of the vendors who sell such proxies.
//!
//! Their words are of the kind "few connections", "short-lived", "frequent"; what is taken for it here stands in the
//! constants, and with the numbers in every reason that is given.

use std::fmt;
use std::time::Duration;

/// A connection that lives less than this is short-lived.
pub const SHORT: Duration = Duration::from_secs(60);

/// At most so many connections at once are few.
pub const FEW: u64 = 20;

/// So many hundredths of the sessions pinned to their ends are many.
pub const PINNED: u64 = 20;

/// So many `COM_STATISTICS` a second are frequent.
pub const STATISTICS: f64 = 1.0;

/// A statement that takes this long is slow.
pub const SLOW: Duration = Duration::from_secs(1);

/// So many hundredths of all statements being slow are many.
pub const SLOW_SHARE: u64 = 10;

/// How long a pool keeps an idle connection, unless it is configured.
pub const KEPT: Duration = Duration::from_secs(10);

/// A pool mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Every session has a server connection of its own.
    None,
    /// The same, kept for the next session of its kind.
    Session,
    /// Sessions share connections, transaction by transaction.
    Transaction,
}

impl Pool {
    /// Its name, as the key `pool` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// What was observed of one user and database.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// For how long.
    pub observed: Duration,
    /// Connections that began.
    pub connections: u64,
    /// Of all that were there, those that lived less than [`SHORT`].
    pub short: u64,
    /// Those that lived longer.
    pub lasting: u64,
    /// Half of them lived no longer than this.
    pub median_life: Duration,
    /// Connections a second, in the busiest minute.
    pub connects_per_second: f64,
    /// Most connections at once.
    pub peak_connections: u64,
    /// `COM_STATISTICS` a second, in the busiest minute.
    pub statistics_per_second: f64,
    /// Statements.
    pub statements: u64,
    /// Those that took [`SLOW`] or longer; `None` where nobody can tell.
    pub slow: Option<u64>,
    /// Transactions and autocommitted statements.
    pub transactions: u64,
    /// Sessions that ran a statement.
    pub sessions: u64,
    /// Of these, those that a pin would hold, or held, to their ends.
    pub pinned: u64,
    /// At 99 of 100 leases no more were out at once, itself counted: so many connections serve them without a wait.
    pub size: u64,
    /// Most at once.
    pub most: u64,
}

/// A recommendation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advice {
    /// The mode.
    pub pool: Pool,
    /// What decided it.
    pub why: Why,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// Nothing ran.
    Nothing,
    /// `COM_STATISTICS` is frequent.
    Statistics {
        /// So many a second.
        per_second: f64,
    },
    /// Many statements are slow.
    Slow {
        /// So many.
        slow: u64,
        /// Of so many.
        of: u64,
    },
    /// Few connections that stay.
    FewAndLasting {
        /// So many at once.
        peak: u64,
        /// So many lived less than [`SHORT`].
        short: u64,
        /// Of so many.
        of: u64,
    },
    /// Connections that stay, and are pinned.
    LastingAndPinned {
        /// So many sessions.
        pinned: u64,
        /// Of so many.
        of: u64,
    },
    /// Connections that stay, of which half or more work at once.
    AllAtWork {
        /// So many at once.
        peak: u64,
        /// So many in transactions at once.
        size: u64,
    },
    /// Many that stay, and few of them work at once.
    ManyAndIdle {
        /// So many at once.
        peak: u64,
        /// So many in transactions at once.
        size: u64,
    },
    /// Short-lived ones so far from each other that none would find the one before.
    Rare {
        /// So many a second in the busiest minute.
        per_second: f64,
        /// So many at once.
        peak: u64,
    },
    /// Short-lived ones that are pinned.
    ShortAndPinned {
        /// So many sessions.
        pinned: u64,
        /// Of so many.
        of: u64,
        /// So many connections a second in the busiest minute.
        per_second: f64,
    },
    /// Short-lived ones.
    Short {
        /// So many lived less than [`SHORT`].
        short: u64,
        /// Of so many.
        of: u64,
        /// So many a second in the busiest minute.
        per_second: f64,
    },
}

impl Why {
    /// The reason's name, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing_observed",
            Self::Statistics { .. } => "frequent_statistics",
            Self::Slow { .. } => "slow_statements",
            Self::FewAndLasting { .. } => "few_lasting_connections",
            Self::LastingAndPinned { .. } => "lasting_and_pinned",
            Self::AllAtWork { .. } => "all_at_work",
            Self::ManyAndIdle { .. } => "many_mostly_idle",
            Self::Rare { .. } => "rare_connections",
            Self::ShortAndPinned { .. } => "short_and_pinned",
            Self::Short { .. } => "short_connections",
        }
    }
}

/// So many hundredths of all, or more.
fn is_share(part: u64, of: u64, hundredths: u64) -> bool {
    of > 0 && u128::from(part) * 100 >= u128::from(of) * u128::from(hundredths)
}

/// The mode that suits.
#[must_use]
pub fn decide(traffic: &Traffic) -> Advice {
    let why = reason(traffic);
    let pool = match why {
        Why::ManyAndIdle { .. } | Why::Short { .. } => Pool::Transaction,
        Why::ShortAndPinned { .. } => Pool::Session,
        _ => Pool::None,
    };
    Advice { pool, why }
}

fn reason(traffic: &Traffic) -> Why {
    let Traffic { short, lasting, pinned, peak_connections: peak, size, .. } = *traffic;
    if traffic.statistics_per_second >= STATISTICS {
        return Why::Statistics { per_second: traffic.statistics_per_second };
    }
    if traffic.statements == 0 {
        return Why::Nothing;
    }
    if let Some(slow) = traffic.slow.filter(|slow| is_share(*slow, traffic.statements, SLOW_SHARE)) {
        return Why::Slow { slow, of: traffic.statements };
    }
    let (of, is_pinned) = (short + lasting, is_share(pinned, traffic.sessions, PINNED));
    if short <= lasting {
        return match () {
            () if peak <= FEW => Why::FewAndLasting { peak, short, of },
            () if is_pinned => Why::LastingAndPinned { pinned, of: traffic.sessions },
            () if is_share(size, peak, 50) => Why::AllAtWork { peak, size },
            () => Why::ManyAndIdle { peak, size },
        };
    }
    let per_second = traffic.connects_per_second;
    if per_second * KEPT.as_secs_f64() < 1.0 && peak <= FEW {
        return Why::Rare { per_second, peak };
    }
    match is_pinned {
        true => Why::ShortAndPinned { pinned, of: traffic.sessions, per_second },
        false => Why::Short { short, of, per_second },
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (life, kept) = (SHORT.as_secs(), KEPT.as_secs());
        match self {
            Self::Nothing => write!(f, "no statement was seen"),
            Self::Statistics { per_second } => write!(
                f,
                "COM_STATISTICS comes {per_second:.1} times a second: servers walk through all connections for each, and a \
                 pool leaves more of them standing"
            ),
            Self::Slow { slow, of } => write!(
                f,
                "{slow} of {of} statements took {} s or longer: no pool helps against that, the statements must become faster",
                SLOW.as_secs()
            ),
            Self::FewAndLasting { peak, short, of } => write!(
                f,
                "at most {peak} connections at once, and {} of {of} stayed for {life} s or to the end: there is little to save",
                of - short
            ),
            Self::LastingAndPinned { pinned, of } => write!(
                f,
                "the connections stay, and pins hold {pinned} of {of} sessions to their ends: each would keep its server \
                 connection"
            ),
            Self::AllAtWork { peak, size } => write!(
                f,
                "the connections stay, and of at most {peak} at once {size} are at work at once: sharing would save less than half"
            ),
            Self::ManyAndIdle { peak, size } => {
                write!(f, "at most {peak} connections at once, of which no more than {size} are at work at once")
            }
            Self::Rare { per_second, peak } => write!(
                f,
                "{per_second:.2} new connections a second at the busiest, {peak} at once: a pool keeps an idle one {kept} s, \
                 and the next would seldom find it"
            ),
            Self::ShortAndPinned { pinned, of, per_second } => write!(
                f,
                "{per_second:.1} new connections a second at the busiest, most of less than {life} s, and pins hold {pinned} \
                 of {of} sessions to their ends: a session pool saves the logins"
            ),
            Self::Short { short, of, per_second } => write!(
                f,
                "{short} of {of} connections lived less than {life} s, {per_second:.1} new ones a second at the busiest, and \
                 few are pinned"
            ),
        }
    }
}
