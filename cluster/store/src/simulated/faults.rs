//! The odds of what goes wrong, and the count of what did.

use std::time::Duration;

use cluster_types::Rng;

use super::State;

/// What goes wrong, and how often: odds are parts in 1,000,000 of the calls that can fail so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faults {
    /// Commits that happen and answer [`CommitUnknown`](crate::StoreError::CommitUnknown).
    pub unknown_committed: u64,
    /// Commits that do not happen and answer [`CommitUnknown`](crate::StoreError::CommitUnknown).
    pub unknown_lost: u64,
    /// Commits that read something and are refused for a conflict nobody can see.
    pub conflict: u64,
    /// Reads whose snapshot is gone.
    pub too_old: u64,
    /// Transactions that cannot begin.
    pub unavailable: u64,
    /// Calls that take a while.
    pub delay: u64,
    /// A while: between nothing and this.
    pub delay_max: Duration,
    /// Calls that take very long.
    pub stall: u64,
    /// Very long: exactly this.
    pub stall_span: Duration,
}

impl Faults {
    /// Nothing goes wrong and nothing takes time.
    pub const NONE: Self = Self {
        unknown_committed: 0,
        unknown_lost: 0,
        conflict: 0,
        too_old: 0,
        unavailable: 0,
        delay: 0,
        delay_max: Duration::ZERO,
        stall: 0,
        stall_span: Duration::ZERO,
    };

    /// A bad day: a tenth of all commits unknown, half of them each way; conflicts, lost snapshots,
    /// and now and then ten seconds in which nothing happens.
    pub const ROUGH: Self = Self {
        unknown_committed: 50_000,
        unknown_lost: 50_000,
        conflict: 50_000,
        too_old: 10_000,
        unavailable: 2_000,
        delay: 300_000,
        delay_max: Duration::from_millis(20),
        stall: 500,
        stall_span: Duration::from_secs(10),
    };
}

/// How often each kind of fault was injected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FaultCounts {
    /// Commits that happened and said "unknown".
    pub unknown_committed: u64,
    /// Commits that did not happen and said "unknown".
    pub unknown_lost: u64,
    /// Conflicts for no reason.
    pub conflict: u64,
    /// Snapshots lost for no reason.
    pub too_old: u64,
    /// Transactions that could not begin.
    pub unavailable: u64,
    /// Calls delayed.
    pub delay: u64,
    /// Calls stalled.
    pub stall: u64,
    /// Commits refused for want of space.
    pub full: u64,
}

impl FaultCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.unknown_committed
            + self.unknown_lost
            + self.conflict
            + self.too_old
            + self.unavailable
            + self.delay
            + self.stall
            + self.full
    }
}

impl State {
    /// How long the next call takes, if any time at all.
    pub(super) fn draw_pause(&mut self, rng: &Rng) -> Option<Duration> {
        if rng.one_in_million(self.faults.stall) {
            self.counts.stall += 1;
            return Some(self.faults.stall_span);
        }
        if rng.one_in_million(self.faults.delay) {
            self.counts.delay += 1;
            return Some(rng.jitter(self.faults.delay_max));
        }
        None
    }
}
