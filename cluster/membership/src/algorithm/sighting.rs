//! [`Sighting`]: how long another node has been silent, as one observer counts it.
//!
//! Invariant: a node is silent only after enough rounds of the observer, each of which has read the store, and
//! enough time on the observer's own clock. Neither alone is enough: rounds can follow each other quickly once a
//! store answers again, and time passes while it does not.

use std::time::Duration;

use cluster_types::BootId;

use crate::Timing;

/// A heartbeat as it stands in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Beat {
    /// Of which life of its node.
    pub(crate) boot: BootId,
    /// How often it has been renewed.
    pub(crate) count: u64,
}

/// A round of the observer: when it began and when it had read, on its monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Round {
    pub(crate) begun: Duration,
    pub(crate) ended: Duration,
}

/// The last heartbeat that was seen of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    beat: Beat,
    /// When it had first been read.
    since: Duration,
    /// When the last round began that counts, or the one that saw it first.
    counted: Duration,
    /// Rounds since then that saw the same.
    rounds: u32,
}

impl Sighting {
    /// Sees `beat` for the first time.
    pub(crate) const fn new(beat: Beat, round: Round) -> Self {
        Self {
            beat,
            since: round.ended,
            counted: round.begun,
            rounds: 0,
        }
    }

    /// Sees `beat` in another round. Rounds that follow each other faster than heartbeats do not count.
    pub(crate) fn see(&mut self, beat: Beat, round: Round, timing: &Timing) {
        if beat != self.beat {
            *self = Self::new(beat, round);
        } else if round.begun >= self.counted + timing.heartbeat_every {
            self.counted = round.begun;
            self.rounds += 1;
        }
    }

    /// What was seen.
    pub(crate) const fn beat(&self) -> Beat {
        self.beat
    }

    /// Rounds without a new heartbeat.
    pub(crate) const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Whether the node has been silent for a lease.
    pub(crate) fn is_silent(&self, round: Round, timing: &Timing) -> bool {
        let lease_over = round.ended.saturating_sub(self.since) >= timing.lease;
        self.rounds >= timing.lease_rounds && lease_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Beat = Beat {
        boot: BootId::from_bytes([1; 16]),
        count: 1,
    };

    fn at(millis: u64) -> Round {
        let now = Duration::from_millis(millis);
        Round {
            begun: now,
            ended: now,
        }
    }

    /// Whether it is silent after rounds at these times.
    fn is_silent(mut sighting: Sighting, rounds: impl IntoIterator<Item = u64>) -> bool {
        let timing = Timing::default();
        let mut last = at(0);
        for millis in rounds {
            last = at(millis);
            sighting.see(BEAT, last, &timing);
        }
        sighting.is_silent(last, &timing)
    }

    #[test]
    fn a_lease_is_rounds_and_time() {
        let first = Sighting::new(BEAT, at(0));
        assert!(!is_silent(first, [250, 500, 750, 1_000]));
        assert!(is_silent(first, [250, 500, 750, 1_000, 1_250]));
        assert!(
            !is_silent(first, [10_000, 10_250, 10_500, 10_750]),
            "time alone"
        );
    }

    #[test]
    fn rounds_in_a_hurry_do_not_count() {
        let first = Sighting::new(BEAT, at(0));
        assert!(!is_silent(first, (0..1_300).step_by(300).chain([1_240])));
        assert!(!is_silent(first, (0..40).map(|round| 3_000 + round * 10)));
    }

    #[test]
    fn a_lease_begins_when_the_heartbeat_has_been_read() {
        let slow = Round {
            begun: Duration::ZERO,
            ended: Duration::from_secs(5),
        };
        let first = Sighting::new(BEAT, slow);
        assert!(!is_silent(first, [5_000, 5_250, 5_500, 5_750, 6_000]));
        assert!(is_silent(first, [5_000, 5_250, 5_500, 5_750, 6_000, 6_250]));
    }

    #[test]
    fn a_heartbeat_that_moves_begins_a_new_lease() {
        let mut sighting = Sighting::new(BEAT, at(0));
        let timing = Timing::default();
        for round in 1..100 {
            let count = round / 5;
            let beat = Beat { count, ..BEAT };
            sighting.see(beat, at(round * 250), &timing);
            assert!(!sighting.is_silent(at(round * 250), &timing));
        }
    }
}
