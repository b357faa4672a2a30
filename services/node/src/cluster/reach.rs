//! Whether this node reaches enough of the others to be of use to them.
//!
//! A node that is cut off from the others and not from the store would keep its rooms: its heartbeats go on, and
//! nobody else's clients could reach them. So the smaller side of a cut gives its rooms to the larger one, through the
//! store, and sends its clients there. Of two equal sides the one with the lowest node id counts as the larger.
//!
//! Whoever starts is taken for cut off until its first links stand, so that a node that nobody reaches is handed nothing
//! each time it is restarted.
//!
//! Invariant: at most one side of a cut keeps its rooms. If every node is on its own, none is larger, and as nobody
//! is there to take them each keeps its own.
//!
//! Leaves out: what a node does that gives its rooms away (`cluster-membership`).

use std::collections::BTreeSet;

use cluster_membership::{Membership, NodeState};
use cluster_types::NodeId;
use tokio::time::{Instant, sleep};

use super::{Others, peers};
use crate::limits::{CUT_OFF_AFTER, REACH_LOOKED_AT_EVERY};

/// What is believed of it. Links may come and go; who is found dead does not.
#[derive(Debug)]
struct Belief {
    cut_off: bool,
    /// Since when every look has said otherwise.
    since: Instant,
    /// The other nodes as they were when it was believed; none before the first look that counts.
    among: Option<BTreeSet<NodeId>>,
}

impl Belief {
    /// Of a node that starts: it serves once it reaches enough of the others, or those that it does not are dead.
    fn at_start() -> Self {
        Self {
            cut_off: true,
            since: Instant::now(),
            among: None,
        }
    }

    /// Takes in a look at the other nodes. Returns whether something is believed that was not.
    fn look(&mut self, found: bool, others: &BTreeSet<NodeId>) -> bool {
        let is_first = self.among.is_none();
        if found == self.cut_off && !is_first {
            self.since = Instant::now();
            return false;
        }
        let others_died = !found && self.cut_off && self.among.as_ref() != Some(others);
        let changes = others_died || self.since.elapsed() >= CUT_OFF_AFTER;
        if changes {
            self.since = Instant::now();
            (self.cut_off, self.among) = (found, Some(others.clone()));
        }
        changes
    }
}

/// Keeps the membership up to date with what this node reaches. Until that is known for the first time, it has been
/// told that this is too little.
pub(super) async fn follow(membership: Membership, others: Others) {
    let mut belief = Belief::at_start();
    loop {
        sleep(REACH_LOOKED_AT_EVERY).await;
        let view = membership.view();
        if view.living(view.me()).is_none() {
            // Who else is there has not been read yet in this life, whose links are new.
            belief.since = Instant::now();
            continue;
        }
        // Links of those who join begin later than their heartbeats.
        let joins = |node: &NodeId| {
            let member = view.members().find(|member| member.life.node == *node);
            member.is_none_or(|member| member.state == NodeState::Joining)
        };
        let members = peers(&view).into_keys().filter(|node| !joins(node));
        let members: BTreeSet<NodeId> = members.collect();
        let linked = others.links().map_or_else(Vec::new, |links| links.linked());
        let found = is_smaller(view.me().node, &members, &linked);
        if !belief.look(found, &members) {
            continue;
        }
        membership.set_cut_off(found);
        let (reached, others) = (linked.len(), members.len());
        if found {
            tracing::warn!(
                reached,
                others,
                "reaches too few other nodes, and gives its rooms to those who reach each other"
            );
        } else {
            tracing::info!(
                reached,
                others,
                "reaches the other nodes, and takes its part of the rooms"
            );
        }
    }
}

/// Whether `me` and those that it is linked to are the smaller side of all nodes.
fn is_smaller(me: NodeId, others: &BTreeSet<NodeId>, linked: &[NodeId]) -> bool {
    let reached = linked.iter().filter(|node| others.contains(node));
    let (side, all) = (reached.count() + 1, others.len() + 1);
    let lowest = others.iter().min().copied().filter(|node| *node < me);
    let has_lowest = lowest.is_none_or(|node| linked.contains(&node));
    2 * side < all || (2 * side == all && !has_lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 16])
    }

    fn nodes(numbers: &[u8]) -> Vec<NodeId> {
        numbers.iter().copied().map(node).collect()
    }

    /// Whether `me` of `count` nodes is on the smaller side if it reaches `linked`.
    fn smaller(me: u8, count: u8, linked: &[u8]) -> bool {
        let others = (1..=count).filter(|number| *number != me).map(node);
        is_smaller(node(me), &others.collect(), &nodes(linked))
    }

    #[test]
    fn who_is_alone_or_reaches_most_is_not_cut_off() {
        assert!(!smaller(1, 1, &[]));
        assert!(!smaller(1, 3, &[2, 3]));
        assert!(!smaller(3, 3, &[1]));
        assert!(!smaller(5, 5, &[3, 4]));
    }

    #[test]
    fn the_smaller_side_of_a_cut_is_and_of_equal_ones_that_without_the_lowest() {
        assert!(smaller(2, 3, &[]));
        assert!(smaller(1, 5, &[2]));
        assert!(smaller(2, 2, &[]) && !smaller(1, 2, &[]));
        assert!(smaller(3, 4, &[4]) && !smaller(2, 4, &[1]));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_starts_serves_once_it_reaches_the_others_or_they_are_dead() {
        let (three, two) = (
            nodes(&[1, 2]).into_iter().collect(),
            nodes(&[1]).into_iter(),
        );
        let mut reaches = Belief::at_start();
        assert!(!reaches.look(true, &three));
        sleep(CUT_OFF_AFTER / 2).await;
        assert!(reaches.look(false, &three) && !reaches.cut_off);
        let mut does_not = Belief::at_start();
        sleep(CUT_OFF_AFTER).await;
        assert!(does_not.look(true, &three) && does_not.cut_off);
        assert!(does_not.look(false, &two.collect()) && !does_not.cut_off);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_is_believed_after_a_while_and_its_end_too() {
        let three = nodes(&[1, 2]).into_iter().collect();
        let mut belief = Belief::at_start();
        assert!(belief.look(false, &three));
        for cut_off in [true, false] {
            sleep(CUT_OFF_AFTER).await;
            assert!(!belief.look(!cut_off, &three), "as before");
            sleep(CUT_OFF_AFTER / 2).await;
            assert!(!belief.look(cut_off, &three));
            sleep(CUT_OFF_AFTER / 2).await;
            assert!(belief.look(cut_off, &three));
        }
    }

    #[test]
    fn a_link_to_a_former_member_does_not_count() {
        assert!(smaller(2, 3, &[9]));
    }

    #[test]
    fn of_two_sides_at_most_one_is_the_larger() {
        let sides = |count: u8, mask: u32, wanted: bool| -> Vec<u8> {
            let is_in = |number: &u8| (mask >> number & 1 == 1) == wanted;
            (1..=count).filter(is_in).collect()
        };
        for count in 1..=7 {
            for mask in 0..1_u32 << (count + 1) {
                let keeps = |side: Vec<u8>| {
                    side.iter().any(|me| {
                        let linked: Vec<u8> = side.iter().copied().filter(|it| it != me).collect();
                        !smaller(*me, count, &linked)
                    })
                };
                let both = keeps(sides(count, mask, true)) && keeps(sides(count, mask, false));
                assert!(!both, "{count} nodes, {mask:b}");
            }
        }
    }
}
