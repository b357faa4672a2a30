//! [`Bucket`]: how many datagrams a connection may send.
//!
//! A bucket of tokens is one number, the moment at which it will be full again.
//!
//! Invariant: in no span of time pass more than its rate allows, and one burst.

use std::time::Duration;

use crate::limits::{DATAGRAMS_BURST, DATAGRAMS_PER_SECOND};

/// Between two datagrams at the average rate.
const EVERY: Duration = Duration::from_nanos(1_000_000_000 / DATAGRAMS_PER_SECOND as u64);

/// How far the moment of being full may lie ahead.
const AHEAD_MAX: Duration = EVERY.saturating_mul(DATAGRAMS_BURST);

/// The datagrams of one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bucket {
    full_at: Duration,
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    /// A full one.
    pub const fn new() -> Self {
        Self {
            full_at: Duration::ZERO,
        }
    }

    /// Whether one more datagram may pass now.
    pub fn take(&mut self, now: Duration) -> bool {
        let full_at = self.full_at.max(now) + EVERY;
        let is_there = full_at <= now + AHEAD_MAX;
        if is_there {
            self.full_at = full_at;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    #[test]
    fn a_burst_passes_and_then_as_many_as_the_rate_allows() {
        let mut bucket = Bucket::new();
        let burst = (0..100).filter(|_| bucket.take(START)).count();
        assert_eq!(burst, DATAGRAMS_BURST as usize);
        assert!(!bucket.take(START + EVERY - Duration::from_nanos(1)));
        assert!(bucket.take(START + EVERY));
        assert!(!bucket.take(START + EVERY));
    }

    #[test]
    fn who_keeps_to_the_rate_is_never_refused() {
        let mut bucket = Bucket::new();
        assert!((0..10_000).all(|frame| bucket.take(START + EVERY * frame)));
        let burst = |_: &u32| bucket.take(START + EVERY * 10_000);
        assert_eq!((0..100).filter(burst).count(), DATAGRAMS_BURST as usize);
    }

    proptest! {
        #[test]
        fn no_span_lets_more_through_than_its_rate_and_one_burst(
            gaps in prop::collection::vec(0_u64..30, 1..300),
        ) {
            let (mut bucket, mut now, mut passed) = (Bucket::new(), START, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(now) {
                    passed.push(now);
                }
            }
            for (index, from) in passed.iter().enumerate() {
                for (more, to) in passed[index..].iter().enumerate() {
                    let allowed = (*to - *from).as_nanos() / EVERY.as_nanos();
                    let allowed = allowed + u128::from(DATAGRAMS_BURST);
                    let passed = more as u128 + 1;
                    prop_assert!(passed <= allowed);
                }
            }
        }
    }
}
