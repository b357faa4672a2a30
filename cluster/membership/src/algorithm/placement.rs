//! Which node a shard falls to: rendezvous hashing, which every node computes alike without asking another.
//!
//! Invariant: a shard falls to the candidate with the highest score, and a score depends on its node and its
//! shard alone. So when a node comes, shards move to it only; when one goes, only those move that it had.
//!
//! Leaves out: weights. Nodes of a cluster are alike.

use cluster_types::{NodeId, SHARDS, Shard};

/// Where each shard falls, among some candidates.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// In order.
    candidates: Vec<NodeId>,
    /// One for each shard; empty without candidates.
    first: Vec<NodeId>,
}

impl Placement {
    /// Computes it anew if the candidates, which come in order, are not those of last time: 30 of them take a
    /// fraction of a millisecond.
    pub(crate) fn update(&mut self, candidates: impl Iterator<Item = NodeId>) {
        let candidates: Vec<_> = candidates.collect();
        if candidates != self.candidates {
            let first = Shard::all().filter_map(|shard| first_of(&candidates, shard));
            self.first = first.collect();
            self.candidates = candidates;
        }
    }

    /// Where `shard` falls; nowhere if there are no candidates.
    pub(crate) fn of(&self, shard: Shard) -> Option<NodeId> {
        self.first.get(shard.index()).copied()
    }
}

fn first_of(candidates: &[NodeId], shard: Shard) -> Option<NodeId> {
    let candidates = candidates.iter().copied();
    candidates.max_by_key(|node| (score(*node, shard), *node))
}

/// All nodes of all releases compute the same: a roll of versions must not move shards back and forth.
fn score(node: NodeId, shard: Shard) -> u64 {
    let id = u128::from_be_bytes(*node.as_bytes());
    // Both halves of an id are chance; a node id that somebody chose by hand may have one of zeros.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (high, low) = ((id >> 64) as u64, id as u64);
    let shard = u64::from(shard.number()) + u64::from(SHARDS);
    mixed(high ^ mixed(low ^ mixed(shard)))
}

/// Each bit of the input changes half of those of the output: the finalizer of SplitMix64.
const fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cluster_types::Rng;

    use super::*;

    fn nodes(count: usize) -> Vec<NodeId> {
        let rng = Rng::seeded(1);
        let mut nodes: Vec<_> = (0..count).map(|_| NodeId::random(&rng)).collect();
        nodes.sort_unstable();
        nodes
    }

    fn placed(nodes: &[NodeId]) -> Vec<Option<NodeId>> {
        let mut placement = Placement::default();
        placement.update(nodes.iter().copied());
        Shard::all().map(|shard| placement.of(shard)).collect()
    }

    #[test]
    fn shards_spread_over_all_nodes_alike() {
        for count in [1, 2, 3, 10, 30] {
            let mut shards = BTreeMap::<_, usize>::new();
            for node in placed(&nodes(count)) {
                *shards.entry(node.expect("has a place")).or_default() += 1;
            }
            let fair = usize::from(SHARDS) / count;
            assert_eq!(shards.len(), count);
            let least = shards.values().min().expect("some");
            let most = shards.values().max().expect("some");
            assert!(2 * least > fair && *most < 2 * fair, "{fair}: {shards:?}");
        }
    }

    #[test]
    fn a_newcomer_takes_shards_and_no_other_one_moves() {
        let all = nodes(4);
        for newcomer in &all {
            let others: Vec<_> = all
                .iter()
                .copied()
                .filter(|node| node != newcomer)
                .collect();
            let (before, after) = (placed(&others), placed(&all));
            let moved = before
                .iter()
                .zip(&after)
                .filter(|(one, other)| one != other);
            let to: Vec<_> = moved.map(|(_, to)| *to).collect();
            assert!(to.len() > 150 && to.iter().all(|to| *to == Some(*newcomer)));
        }
    }

    #[test]
    fn placement_is_the_same_in_every_release() {
        let node = |byte| NodeId::from_bytes([byte; 16]);
        let shard = Shard::try_from(7).expect("a shard");
        assert_eq!(score(node(1), shard), 1_061_554_838_583_730_052);
        let first = placed(&[node(1), node(2), node(3)]);
        let first: Vec<_> = first
            .iter()
            .flatten()
            .take(8)
            .map(|node| node.as_bytes()[0])
            .collect();
        assert_eq!(first, [2, 1, 2, 3, 2, 1, 3, 3]);
    }

    #[test]
    fn without_candidates_a_shard_falls_nowhere() {
        assert!(placed(&[]).iter().all(Option::is_none));
    }
}
