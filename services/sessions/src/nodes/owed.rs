//! [`Owed`]: what could not be told, besides events, and is told as soon as it can be.
//!
//! Invariant: of a mark only the newest of an account in a room is owed, and of memberships no more than that there was
//! something.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{AccountId, NodeId, RoomId};
use parking_lot::Mutex;
use services_rooms::ReadMark;

use crate::limits::MARKS_OWED_MAX;

#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Nodes that were not told of a membership or of a deletion.
    doubts: BTreeSet<NodeId>,
    /// Marks of rooms whose home is not known or has no place for them.
    marks: BTreeMap<(RoomId, AccountId), ReadMark>,
}

impl Owed {
    /// These nodes are to look which rooms their people are in.
    pub(super) fn doubt(&self, nodes: impl IntoIterator<Item = NodeId>) {
        self.0.lock().doubts.extend(nodes);
    }

    /// The link to a node is gone. Once it is back, it looks by itself.
    pub(super) fn remove(&self, node: NodeId) {
        self.0.lock().doubts.remove(&node);
    }

    /// A member has read up to here. If too much is owed, that is forgotten.
    pub(super) fn mark(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        let mut state = self.0.lock();
        let has_place = state.marks.len() < MARKS_OWED_MAX;
        if let Some(owed) = state.marks.get_mut(&(room, account)) {
            if mark.seq > owed.seq {
                *owed = mark;
            }
        } else if has_place {
            state.marks.insert((room, account), mark);
        }
    }

    /// Whether anything is.
    pub(super) fn is_some(&self) -> bool {
        let state = self.0.lock();
        !state.doubts.is_empty() || !state.marks.is_empty()
    }

    /// Tries to tell it. Both say whether there was a place for it.
    pub(super) fn tell(
        &self,
        doubt: impl Fn(NodeId) -> bool,
        mark: impl Fn(RoomId, AccountId, ReadMark) -> bool,
    ) {
        let mut state = self.0.lock();
        state.doubts.retain(|node| !doubt(*node));
        state
            .marks
            .retain(|(room, account), of| !mark(*room, *account, *of));
    }
}
