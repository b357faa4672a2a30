//! [`Owed`]: what could not be told, besides events, and is told as soon as it can be.
//!
//! Invariant: of a mark only the newest of an account in a room is owed, and of memberships no more than that there was
//! something. What has no way to go is not tried before it may have one: a node to which no link stands looks by itself
//! once one does, and a mark waits until rooms have moved or links stand anew.

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
    /// Marks of rooms whose home is not known, or not reached, or has no place for them.
    marks: BTreeMap<(RoomId, AccountId), ReadMark>,
    /// Some of it may have a way to go.
    is_due: bool,
}

impl Owed {
    /// These nodes are to look which rooms their people are in.
    pub(super) fn doubt(&self, nodes: impl IntoIterator<Item = NodeId>) {
        let mut state = self.0.lock();
        state.doubts.extend(nodes);
        state.is_due = true;
    }

    /// The link to a node is gone. Once it is back, it looks by itself.
    pub(super) fn remove(&self, node: NodeId) {
        self.0.lock().doubts.remove(&node);
    }

    /// A member has read up to here, which is not due before [`Owed::retry`]. If too much is owed, it is forgotten.
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

    /// Marks may have a way to go that had none. Returns whether there are any.
    pub(super) fn retry(&self) -> bool {
        let mut state = self.0.lock();
        state.is_due |= !state.marks.is_empty();
        state.is_due
    }

    /// Whether something is owed that may have a way to go.
    pub(super) fn is_due(&self) -> bool {
        self.0.lock().is_due
    }

    /// Tries to tell what may have a way to go. `doubt` and `mark` say whether there was a place for it; `leads` and
    /// `leads_home`, whether a link stands, and a way to where a room is.
    pub(super) fn tell(
        &self,
        leads: impl Fn(NodeId) -> bool,
        doubt: impl Fn(NodeId) -> bool,
        leads_home: impl Fn(RoomId) -> bool,
        mark: impl Fn(RoomId, AccountId, ReadMark) -> bool,
    ) {
        let mut state = self.0.lock();
        if !state.is_due {
            return;
        }
        state.doubts.retain(|node| leads(*node) && !doubt(*node));
        let mut is_due = !state.doubts.is_empty();
        state.marks.retain(|(room, account), of| {
            let leads = leads_home(*room);
            let stays = !leads || !mark(*room, *account, *of);
            is_due |= leads && stays;
            stays
        });
        state.is_due = is_due;
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::Seq;

    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);
    const ACCOUNT: AccountId = AccountId::from_bytes([2; 16]);
    const NEAR: NodeId = NodeId::from_bytes([3; 16]);
    const MARK: ReadMark = ReadMark {
        seq: Seq(3),
        message_count: 1,
    };

    /// Tries all, where it `leads` anywhere and there `has_place`. Returns how often somebody was told.
    fn tell(owed: &Owed, leads: bool, has_place: bool) -> usize {
        let told = std::cell::Cell::new(0);
        let try_it = || {
            told.set(told.get() + 1);
            has_place
        };
        owed.tell(|_| leads, |_| try_it(), |_| leads, |_, _, _| try_it());
        told.get()
    }

    #[test]
    fn a_full_link_is_tried_until_it_has_a_place() {
        let owed = Owed::default();
        owed.doubt([NEAR]);
        owed.mark(ROOM, ACCOUNT, MARK);
        for has_place in [false, true] {
            assert!(owed.is_due());
            assert_eq!(tell(&owed, true, has_place), 2);
        }
        assert!(!owed.is_due() && !owed.retry());
    }

    #[test]
    fn a_node_without_a_link_is_owed_nothing() {
        let owed = Owed::default();
        // Behind the word that its link has broken.
        owed.remove(NEAR);
        owed.doubt([NEAR]);
        assert_eq!(tell(&owed, false, false), 0);
        assert!(!owed.is_due() && !owed.retry());
    }

    #[test]
    fn a_mark_that_has_no_way_waits_until_it_may_have_one() {
        let owed = Owed::default();
        owed.mark(ROOM, ACCOUNT, MARK);
        assert!(!owed.is_due());
        for leads in [false, true] {
            assert!(owed.retry());
            assert_eq!(tell(&owed, leads, true), usize::from(leads));
            assert!(!owed.is_due(), "not by the clock");
        }
        assert!(!owed.retry());
    }
}
