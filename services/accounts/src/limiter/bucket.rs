//! [`Bucket`]: tries that are used up at once and come back one by one.
//!
//! Invariant: within any span, no more tries are taken than the burst and one for each refill in it.

use std::time::Duration;

use tokio::time::Instant;

use super::PeerLimit;
use crate::bounded::Forget;

/// A bucket as one moment: when all its tries will be back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

/// How many tries a bucket holds, and how fast they come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) burst: u32,
    /// One more after each span of this.
    pub(super) refill: Duration,
}

impl From<PeerLimit> for Rate {
    fn from(limit: PeerLimit) -> Self {
        Self {
            burst: limit.burst,
            refill: limit.refill,
        }
    }
}

impl Forget for Bucket {
    fn forgotten_at(&self) -> Instant {
        self.full_at
    }
}

impl Bucket {
    pub(super) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// The bucket with one try less, or how long to wait for one.
    pub(super) fn take(self, rate: Rate, now: Instant) -> Result<Self, Duration> {
        let full_at = self.full_at.max(now) + rate.refill;
        match (full_at - now).checked_sub(rate.refill * rate.burst) {
            Some(over) if !over.is_zero() => Err(over),
            _ => Ok(Self { full_at }),
        }
    }

    /// The bucket with a try that was taken back in it.
    pub(super) fn give_back(self, rate: Rate, now: Instant) -> Self {
        let full_at = self.full_at.checked_sub(rate.refill).unwrap_or(now);
        Self { full_at }
    }
}
