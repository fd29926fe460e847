//! Pool keys as small numbers, kept only while somebody uses them. Pure.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::account::PoolKey;
use crate::settings::PoolMode;

/// A lease that finds no connection in its state weighs as much as so many that do.
const MISS: u32 = 8;

/// So much weight opens another connection: 16 misses in a row, or more than one lease in nine for a while.
const MANY: u32 = 16 * MISS;

/// What is known of a key in use.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) key: PoolKey,
    /// Connections being opened for it.
    pub(crate) opening: usize,
    /// Weighs leases that found no connection in their state against those that did.
    misses: u32,
    /// Connections and waiters that name it.
    uses: usize,
}

/// Every key in use in a shard.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    numbers: FxHashMap<PoolKey, u32>,
    known: Vec<Option<Known>>,
    free: Vec<u32>,
}

impl Keys {
    /// The key's number if it is in use.
    pub(crate) fn find(&self, key: &PoolKey) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    /// The key's number, used once more.
    pub(crate) fn enter(&mut self, key: &PoolKey) -> u32 {
        if let Some(number) = self.find(key) {
            self.again(number);
            return number;
        }
        let known = Known { key: key.clone(), opening: 0, misses: 0, uses: 1 };
        let number = self.free.pop().unwrap_or_else(|| {
            self.known.push(None);
            u32::try_from(self.known.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.known.get_mut(number as usize) {
            *place = Some(known);
        }
        self.numbers.insert(key.clone(), number);
        number
    }

    /// One more use of a key.
    pub(crate) fn again(&mut self, number: u32) {
        if let Some(known) = self.get_mut(number) {
            known.uses += 1;
        }
    }

    /// One use less; the last forgets the key.
    pub(crate) fn leave(&mut self, number: u32) {
        let Some(known) = self.get_mut(number) else { return };
        known.uses -= 1;
        if known.uses == 0 {
            if let Some(known) = self.known.get_mut(number as usize).and_then(Option::take) {
                self.numbers.remove(&known.key);
            }
            self.free.push(number);
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Known> {
        self.known.get(number as usize).and_then(Option::as_ref)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Known> {
        self.known.get_mut(number as usize).and_then(Option::as_mut)
    }

    /// Takes note of a lease. `true`: so many lately found no connection in their state that one more is worth opening.
    pub(crate) fn leased(&mut self, number: u32, hit: bool) -> bool {
        let Some(known) = self.get_mut(number) else { return false };
        known.misses = if hit { known.misses.saturating_sub(1) } else { known.misses + MISS };
        let many = known.misses >= MANY && known.opening == 0;
        if many {
            known.misses = 0;
        }
        many
    }

    /// How long a connection of this key may lie idle.
    pub(crate) fn idle_timeout(&self, number: u32) -> Duration {
        self.get(number).map_or(Duration::ZERO, |known| known.key.idle_timeout)
    }

    /// The node that a key belongs to.
    pub(crate) fn node(&self, number: u32) -> Option<u16> {
        self.get(number).map(|known| known.key.node)
    }

    /// Whose a key is: an account's id, which there is no 0 of.
    pub(crate) fn user(&self, number: u32) -> u32 {
        self.get(number).map_or(0, |known| known.key.account)
    }

    /// Whether its connections serve one session after the other.
    pub(crate) fn shares(&self, number: u32) -> bool {
        self.get(number).is_some_and(|known| known.key.mode != PoolMode::None)
    }

    /// How many connections are being opened for a key.
    pub(crate) fn opening(&self, number: u32) -> usize {
        self.get(number).map_or(0, |known| known.opening)
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::capability::Capabilities;
    use std::time::Duration;

    use super::Keys;
    use crate::account::PoolKey;
    use crate::settings::PoolMode;

    fn key(account: u32) -> PoolKey {
        PoolKey {
            gtids: false,
            node: 0,
            mode: PoolMode::Transaction,
            account,
            capabilities: Capabilities::NONE,
            client: None,
            database: None,
            idle_timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn many_misses_among_few_hits_want_another_connection() {
        let mut keys = Keys::default();
        let one = keys.enter(&key(1));
        assert_eq!((1..).find(|_| keys.leased(one, false)), Some(16));
        // One in twenty is few.
        assert!((0..1000).all(|lease| !keys.leased(one, lease % 20 > 0)));
        assert!((0..1000).any(|lease| keys.leased(one, lease % 5 > 0)));
    }

    #[test]
    fn a_key_lives_as_long_as_its_last_use() {
        let mut keys = Keys::default();
        let one = keys.enter(&key(1));
        assert_eq!((keys.enter(&key(1)), keys.enter(&key(2))), (one, one + 1));
        keys.leave(one);
        assert_eq!(keys.find(&key(1)), Some(one));
        keys.leave(one);
        assert!(keys.find(&key(1)).is_none() && keys.get(one).is_none());
        assert_eq!(keys.enter(&key(3)), one);
    }
}
