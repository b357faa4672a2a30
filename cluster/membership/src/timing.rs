//! [`Timing`]: how fast a cluster notices and moves. The same on all nodes.

use std::time::Duration;

use crate::limits::{
    HEARTBEAT_EVERY, LEASE, LEASE_ROUNDS, MOVES_AT_ONCE, PATIENCE, RELEASE_WITHIN, SERVE_FOR,
    is_covered,
};

/// How fast a cluster notices and moves. [`Timing::default`] is what a server runs with; each field is explained
/// in [`limits`](crate::limits) at the constant of its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// From the beginning of one round to the next.
    pub heartbeat_every: Duration,
    /// Rounds without a heartbeat after which a node is evicted.
    pub lease_rounds: u32,
    /// Time without a heartbeat after which a node is evicted.
    pub lease: Duration,
    /// How long a node serves after a heartbeat.
    pub serve_for: Duration,
    /// How long a round waits for the store.
    pub patience: Duration,
    /// Shards that a node hands over in a round.
    pub moves_at_once: usize,
    /// How long a hand-over waits for its rooms.
    pub release_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_every: HEARTBEAT_EVERY,
            lease_rounds: LEASE_ROUNDS,
            lease: LEASE,
            serve_for: SERVE_FOR,
            patience: PATIENCE,
            moves_at_once: MOVES_AT_ONCE,
            release_within: RELEASE_WITHIN,
        }
    }
}

impl Timing {
    /// All times divided by `by`: for simulations, which run through more in the same time.
    #[must_use]
    pub fn faster(self, by: u32) -> Self {
        Self {
            heartbeat_every: self.heartbeat_every / by,
            lease: self.lease / by,
            serve_for: self.serve_for / by,
            patience: self.patience / by,
            release_within: self.release_within / by,
            ..self
        }
    }

    /// Whether a node has stopped to serve before anybody evicts it, though clocks differ by a tenth each way.
    /// Safety does not depend on it.
    pub fn is_covered(&self) -> bool {
        is_covered(self.serve_for, self.lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_stop_before_they_are_evicted_however_fast_a_cluster_is() {
        assert!(Timing::default().is_covered() && Timing::default().faster(20).is_covered());
        let lease = SERVE_FOR * 11 / 9;
        let timing = Timing::default();
        assert!(
            !Timing { lease, ..timing }.is_covered(),
            "a tenth each way is no less"
        );
    }
}
