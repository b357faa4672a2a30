//! Whether this node reaches enough of the others to be of use to them.
//!
//! A node that is cut off from the others and not from the store would keep its rooms: its heartbeats go on, and
//! nobody else's clients could reach them. So the smaller side of a cut gives its rooms to the larger one, through the
//! store, and sends its clients there. Of two equal sides the one with the lowest node id counts as the larger.
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

/// Keeps the membership up to date with what this node reaches.
pub(super) async fn follow(membership: Membership, others: Others) {
    let (mut cut_off, mut since) = (false, Instant::now());
    let mut cut_off_from = BTreeSet::new();
    loop {
        sleep(REACH_LOOKED_AT_EVERY).await;
        let view = membership.view();
        // Links of those who join begin later than their heartbeats.
        let joins = |node: &NodeId| {
            let member = view.members().find(|member| member.life.node == *node);
            member.is_none_or(|member| member.state == NodeState::Joining)
        };
        let members = peers(&view).into_keys().filter(|node| !joins(node));
        let members: BTreeSet<NodeId> = members.collect();
        let linked = others.links().map_or_else(Vec::new, |links| links.linked());
        let found = is_smaller(view.me().node, &members, &linked);
        if found == cut_off {
            since = Instant::now();
            continue;
        }
        // Links may come and go; who is found dead does not.
        let others_died = cut_off && members != cut_off_from;
        if others_died || since.elapsed() >= CUT_OFF_AFTER {
            cut_off = found;
            cut_off_from.clone_from(&members);
            membership.set_cut_off(cut_off);
            if cut_off {
                let (reached, others) = (linked.len(), members.len());
                tracing::warn!(
                    reached,
                    others,
                    "reaches too few other nodes, and gives its rooms to those who reach each other"
                );
            } else {
                tracing::info!("reaches the other nodes again, and takes its part of the rooms");
            }
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
