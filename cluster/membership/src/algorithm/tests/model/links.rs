//! What nodes tell each other, on links that take their time and lose some of it.

use cluster_types::Shard;

use super::{Model, Step};
use crate::Owner;
use crate::algorithm::Changes;

impl Model {
    pub(super) fn hear(&mut self, node: usize, handed: &[(Shard, Owner)]) {
        let now = self.nodes[node].clock(self.now);
        let changes = self.nodes[node].algorithm.hear(now, handed);
        self.tell(node, &changes);
    }

    /// Tells the others what was handed over.
    pub(super) fn tell(&mut self, node: usize, Changes { handed, .. }: &Changes) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let is_lost = self.rng.one_in_million(self.turmoil.unknown);
            if !handed.is_empty() && !is_lost {
                let delay = self.rng.jitter(self.turmoil.delay_max);
                self.plan(other, delay, Step::Hear(handed.clone()));
            }
        }
    }
}
