//! [`Entrance`]: how a node that is outside sees whether who is in its way is alive.
//!
//! Invariant: it judges as a member does: by rounds that have read the store, and time on its own clock.

use std::collections::BTreeMap;

use cluster_types::NodeId;

use crate::Timing;
use crate::algorithm::{Round, Sighting};
use crate::store::Occupant;

/// Those who are in the way, as seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    sightings: BTreeMap<NodeId, Sighting>,
    silent: Vec<Occupant>,
}

impl Entrance {
    /// Sees who is in the way now. Returns one who has moved since the last time, so is alive.
    pub(crate) fn see(
        &mut self,
        occupants: &[Occupant],
        round: Round,
        timing: &Timing,
    ) -> Option<NodeId> {
        let mut alive = None;
        self.silent.clear();
        for (node, beat) in occupants {
            let first = Sighting::new(*beat, round);
            let sighting = self.sightings.entry(*node).or_insert(first);
            if sighting.beat() != *beat {
                alive = Some(*node);
            }
            sighting.see(*beat, round, timing);
            if sighting.is_silent(round, timing) {
                self.silent.push((*node, *beat));
            }
        }
        alive
    }

    /// Who has been silent for a lease, and may be replaced.
    pub(crate) fn silent(&self) -> &[Occupant] {
        &self.silent
    }
}
