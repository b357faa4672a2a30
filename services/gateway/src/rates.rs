//! Token buckets: how often something may happen, per key and in bounded memory.
//!
//! A bucket is one number, the moment at which it will be full again. It is full for every key that
//! is not remembered, so a key may be forgotten as soon as that moment has passed.
//!
//! Invariant: no more keys are remembered than allowed; when memory is full of busy keys, a new key is
//! refused rather than let through unlimited.
//!
//! Leaves out: clocks. Time is an argument.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use cluster_types::{AccountId, Coded, ErrorCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::{CallLimits, Rate};

/// Too fast; nothing happened. Come again after this long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many calls in a short time")]
pub struct TooFast {
    /// When there is room for one.
    pub retry_after: Duration,
}

/// How fast each account goes, over all its connections. Clones share the count.
///
/// The gateway counts calls. Commands that arrive on a stream are not calls of their own: whoever
/// takes them from the stream counts them here too, so that an account has one rate.
#[derive(Clone, Debug)]
pub struct AccountRates(Arc<Rates<AccountId>>);

/// Token buckets, one per key.
pub(crate) struct Rates<K> {
    pace: Pace,
    keys_max: usize,
    full_at: Mutex<HashMap<K, Instant>>,
}

/// One token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    pace: Pace,
    full_at: Mutex<Option<Instant>>,
}

/// A rate, as spans.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Between two at the average rate.
    every: Duration,
    /// How far the moment of being full may lie ahead.
    ahead_max: Duration,
}

// === impl TooFast ===

impl Coded for TooFast {
    fn code(&self) -> ErrorCode {
        ErrorCode::Exhausted
    }

    fn reason(&self) -> &'static str {
        "RATE_LIMITED"
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.retry_after)
    }
}

// === impl AccountRates ===

impl AccountRates {
    /// Nobody has asked for anything yet.
    pub fn new(limits: &CallLimits) -> Self {
        let accounts_max = usize::try_from(limits.rated_accounts_max).unwrap_or(usize::MAX);
        Self(Arc::new(Rates::new(limits.account_rate, accounts_max)))
    }

    /// Counts one thing that `account` asks for.
    ///
    /// # Errors
    /// When it asked for more than its rate allows. Nothing is counted then.
    pub fn count(&self, account: AccountId) -> Result<(), TooFast> {
        self.count_many(account, 1)
    }

    /// Counts one thing that weighs as much as so many; what is more than a burst weighs as much as one.
    ///
    /// # Errors
    /// As [`Self::count`].
    pub fn count_many(&self, account: AccountId, many: u32) -> Result<(), TooFast> {
        self.0.take_many(account, many, Instant::now())
    }

    /// Forgets accounts that were quiet for long enough.
    pub(crate) fn forget_idle(&self) {
        self.0.forget_idle(Instant::now());
    }
}

// === impl Rates ===

impl<K: Copy + Eq + Hash> Rates<K> {
    pub(crate) fn new(rate: Rate, keys_max: usize) -> Self {
        Self {
            pace: Pace::new(rate),
            keys_max,
            full_at: Mutex::new(HashMap::new()),
        }
    }

    /// Takes a token of `key` at `now`.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), TooFast> {
        self.take_many(key, 1, now)
    }

    fn take_many(&self, key: K, many: u32, now: Instant) -> Result<(), TooFast> {
        if many == 0 {
            return Ok(());
        }
        let mut full_at = self.full_at.lock();
        if full_at.len() >= self.keys_max && !full_at.contains_key(&key) {
            forget_full(&mut full_at, now);
            if full_at.len() >= self.keys_max {
                return Err(TooFast {
                    retry_after: self.pace.ahead_max,
                });
            }
        }
        match full_at.entry(key) {
            Entry::Occupied(mut entry) => {
                let next = self.pace.take(Some(*entry.get()), many, now)?;
                entry.insert(next);
            }
            Entry::Vacant(entry) => {
                entry.insert(self.pace.take(None, many, now)?);
            }
        }
        Ok(())
    }

    /// Forgets the keys whose bucket is full at `now`.
    pub(crate) fn forget_idle(&self, now: Instant) {
        let mut full_at = self.full_at.lock();
        forget_full(&mut full_at, now);
        if full_at.capacity() > 4 * full_at.len() {
            full_at.shrink_to_fit();
        }
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.full_at.lock().len()
    }
}

impl<K> fmt::Debug for Rates<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

fn forget_full<K: Eq + Hash>(full_at: &mut HashMap<K, Instant>, now: Instant) {
    full_at.retain(|_, at| *at > now);
}

// === impl Bucket ===

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            pace: Pace::new(rate),
            full_at: Mutex::new(None),
        }
    }

    /// Takes a token at `now`.
    pub(crate) fn take(&self, now: Instant) -> Result<(), TooFast> {
        let mut full_at = self.full_at.lock();
        *full_at = Some(self.pace.take(*full_at, 1, now)?);
        Ok(())
    }
}

// === impl Pace ===

impl Pace {
    fn new(rate: Rate) -> Self {
        let every = Duration::from_secs(1) / rate.per_second.max(1);
        Self {
            every,
            ahead_max: every.saturating_mul(rate.burst.max(1)),
        }
    }

    /// The moment at which the bucket is full again, with so many more tokens taken.
    fn take(self, full_at: Option<Instant>, many: u32, now: Instant) -> Result<Instant, TooFast> {
        // All that there is, at most: more would never be there.
        let taken = self.every.saturating_mul(many).min(self.ahead_max);
        let next = full_at.map_or(now, |at| at.max(now)) + taken;
        let ahead = next - now;
        if ahead > self.ahead_max {
            return Err(TooFast {
                retry_after: ahead - self.ahead_max,
            });
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };

    #[test]
    fn a_burst_passes_and_the_next_one_is_told_when() {
        let (rates, now) = (Rates::new(RATE, 10), Instant::now());
        for _ in 0..3 {
            assert_eq!(rates.take(1, now), Ok(()));
        }
        let refused = rates.take(1, now).expect_err("the burst is used up");
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(rates.take(2, now), Ok(()), "another key is not affected");
        assert_eq!(rates.take(1, now + refused.retry_after), Ok(()));
    }

    #[test]
    fn what_weighs_much_takes_much_and_passes_when_there_is_as_much_again() {
        let (rates, now) = (Rates::new(RATE, 10), Instant::now());
        assert_eq!(rates.take_many(1, 2, now), Ok(()));
        let refused = rates.take_many(1, 2, now).expect_err("one is left");
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(rates.take(1, now), Ok(()), "nothing was taken of it");
        let later = now + Duration::from_millis(300);
        assert_eq!(rates.take_many(1, 99, later), Ok(()), "all that there is");
        let refused = rates.take(1, later).expect_err("nothing is left");
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(rates.take_many(1, 0, later), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_a_new_key_waits_for_room() {
        let (rates, now) = (Rates::new(RATE, 2), Instant::now());
        assert_eq!(rates.take(1, now), Ok(()));
        assert_eq!(rates.take(2, now), Ok(()));
        let refused = rates.take(3, now).expect_err("no room");
        assert_eq!(rates.remembered(), 2);
        assert_eq!(rates.take(3, now + refused.retry_after), Ok(()));
        assert_eq!(rates.remembered(), 1, "the others were idle by then");
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let (rates, now) = (Rates::new(RATE, 10), Instant::now());
        assert_eq!(rates.take(1, now), Ok(()));
        rates.forget_idle(now);
        assert_eq!(rates.remembered(), 1);
        rates.forget_idle(now + Duration::from_secs(1));
        assert_eq!(rates.remembered(), 0);
    }

    proptest! {
        #[test]
        fn no_span_lets_more_through_than_its_rate_and_one_burst(gaps in prop::collection::vec(0_u64..200, 1..200)) {
            let (bucket, start) = (Bucket::new(RATE), Instant::now());
            let mut now = start;
            let mut taken = 0_u64;
            for gap in gaps {
                now += Duration::from_millis(gap);
                taken += u64::from(bucket.take(now).is_ok());
            }
            let allowed = 3 + u64::try_from((now - start).as_millis()).expect("short") / 100;
            prop_assert!(taken <= allowed, "{taken} > {allowed}");
        }
    }
}
