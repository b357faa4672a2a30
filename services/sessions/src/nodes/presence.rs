//! How present people are at other nodes: each node tells every other one.
//!
//! Invariant: a node that was not told of a change, or of nothing yet since its link stands, is told of everybody.

use std::collections::BTreeSet;

use cluster_types::{AccountId, NodeId};
use parking_lot::Mutex;

use super::{Nodes, wire};
use crate::limits::PRESENCE_TOLD_MAX;
use crate::presence::State;

/// The nodes that are to be told how present everybody here is.
#[derive(Debug, Default)]
pub(super) struct Unknowing(Mutex<BTreeSet<NodeId>>);

impl Unknowing {
    /// A link stands.
    pub(super) fn add(&self, node: NodeId) {
        self.0.lock().insert(node);
    }

    /// A link has broken.
    pub(super) fn remove(&self, node: NodeId) {
        self.0.lock().remove(&node);
    }

    /// Tells every node who has become how present here; `all` is everybody, for those who do not know yet.
    pub(super) fn tell(
        &self,
        nodes: &dyn Nodes,
        news: &[(AccountId, State)],
        all: impl FnOnce() -> Vec<(AccountId, State)>,
    ) {
        let is_new = |node: &NodeId| self.0.lock().remove(node);
        let (new, known): (Vec<_>, Vec<_>) = nodes.linked().into_iter().partition(is_new);
        for node in known {
            self.tell_one(nodes, node, news, false);
        }
        if !new.is_empty() {
            let all = all();
            for node in new {
                self.tell_one(nodes, node, &all, true);
            }
        }
    }

    /// What has no place on the way is told anew, with everything else.
    fn tell_one(&self, nodes: &dyn Nodes, node: NodeId, people: &[(AccountId, State)], all: bool) {
        // Also if there is nobody: those who were told of before are gone.
        let nobody = (all && people.is_empty()).then_some(people);
        let mut some = people.chunks(PRESENCE_TOLD_MAX).chain(nobody).enumerate();
        let is_told = some.all(|(n, some)| nodes.tell(node, wire::presence(some, all && n == 0)));
        if !is_told {
            self.add(node);
        }
    }
}
