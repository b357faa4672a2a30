//! Time, as an argument.
//!
//! [`Clock`] is wall time, which labels what is stored and never decides what is safe. To measure a
//! span, use `tokio::time::Instant`: it is monotonic, and tests can pause it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The day that this moment lies in.
    pub const fn day(self) -> Day {
        // 2^32 days are eleven million years.
        #[expect(clippy::cast_possible_truncation)]
        Day((self.0 / MILLIS_PER_DAY) as u32)
    }

    /// This moment, later by `span`; the end of time stays.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// Days since 1970-01-01: the finest time kept about a person.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Day(pub u32);

impl Day {
    /// Its first moment.
    pub const fn begin(self) -> UnixMillis {
        UnixMillis(self.0 as u64 * MILLIS_PER_DAY)
    }

    /// This day, later by `days`.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

/// Wall time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now, as far as this machine knows.
    fn now(&self) -> UnixMillis;

    /// Today, in UTC.
    fn today(&self) -> Day {
        self.now().day()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> UnixMillis {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that a test sets. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `now` until it is told otherwise.
    pub fn at(now: UnixMillis) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Shows `now` from here on; it may lie in the past.
    pub fn set(&self, now: UnixMillis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Goes forward by `span`.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        assert_eq!(UnixMillis(MILLIS_PER_DAY - 1).day(), Day(0));
        assert_eq!(UnixMillis(MILLIS_PER_DAY).day(), Day(1));
        assert_eq!(Day(1).begin(), UnixMillis(MILLIS_PER_DAY));
    }

    #[test]
    fn a_manual_clock_may_run_backwards() {
        let clock = ManualClock::at(UnixMillis(10_000));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), UnixMillis(15_000));
        clock.set(UnixMillis(1));
        assert_eq!(clock.now(), UnixMillis(1));
    }
}
