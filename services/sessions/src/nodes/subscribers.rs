//! [`Subscribers`]: which other nodes want to be told of which rooms, on the node that has the rooms.
//!
//! Invariant: a node is in here only while a link to it stands. What a link had no place for is put down as
//! missed, of who subscribes alone, before anything later is told, so that a subscriber hears of every gap, at the
//! latest when there is room again.

use std::collections::BTreeMap;

use cluster_types::{NodeId, RoomId, Shard};
use parking_lot::Mutex;

use super::interests::{key, rooms_of};
use crate::outbox::{Event, Missed};

#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rooms: BTreeMap<(Shard, RoomId), Vec<NodeId>>,
    // Of each node that was told less than it should have been.
    missed: BTreeMap<NodeId, BTreeMap<RoomId, Missed>>,
}

impl Subscribers {
    /// From here on, a node is told of a room.
    pub(super) fn add(&self, room: RoomId, node: NodeId) {
        let mut state = self.0.lock();
        let nodes = state.rooms.entry(key(room)).or_default();
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }

    /// From here on, a node is not told of a room.
    pub(super) fn remove(&self, room: RoomId, node: NodeId) {
        let mut state = self.0.lock();
        if let Some(nodes) = state.rooms.get_mut(&key(room)) {
            nodes.retain(|of| *of != node);
            if nodes.is_empty() {
                state.rooms.remove(&key(room));
            }
        }
        if let Some(missed) = state.missed.get_mut(&node) {
            missed.remove(&room);
        }
    }

    /// The link to a node is gone, and it subscribes anew once it is back.
    pub(super) fn remove_node(&self, node: NodeId) {
        let mut state = self.0.lock();
        state.missed.remove(&node);
        state.rooms.retain(|_, nodes| {
            nodes.retain(|of| *of != node);
            !nodes.is_empty()
        });
    }

    /// Shards that this node does not have any more: whoever wants to hear of their rooms asks elsewhere.
    pub(super) fn keep(&self, is_here: impl Fn(Shard) -> bool) {
        let mut state = self.0.lock();
        let State { rooms, missed } = &mut *state;
        for shard in Shard::all().filter(|shard| !is_here(*shard)) {
            rooms
                .extract_if(rooms_of(shard), |_, _| true)
                .for_each(drop);
        }
        missed.retain(|_, missed| {
            missed.retain(|room, _| is_here(Shard::of_room(*room)));
            !missed.is_empty()
        });
    }

    /// Who wants to be told of a room.
    pub(super) fn of(&self, room: RoomId) -> Vec<NodeId> {
        let state = self.0.lock();
        state.rooms.get(&key(room)).cloned().unwrap_or_default()
    }

    /// There was no place for an event on the way to a node.
    pub(super) fn miss(&self, room: RoomId, node: NodeId, event: &Event) {
        let mut state = self.0.lock();
        let subscribes = |nodes: &Vec<NodeId>| nodes.contains(&node);
        if !state.rooms.get(&key(room)).is_some_and(subscribes) {
            // Since it was told: it asks anew, and reads.
            return;
        }
        let entry = state.missed.entry(node).or_default().entry(room);
        entry
            .and_modify(|missed| *missed = missed.and(event.into()))
            .or_insert_with(|| event.into());
    }

    /// Whether some node was told less than it should have been.
    pub(super) fn has_missed(&self) -> bool {
        !self.0.lock().missed.is_empty()
    }

    /// Tries to tell what was missed. `tell` says whether there was a place for it.
    pub(super) fn catch_up(&self, tell: impl Fn(NodeId, RoomId, Missed) -> bool) {
        let mut state = self.0.lock();
        state.missed.retain(|node, missed| {
            missed.retain(|room, missed| !tell(*node, *room, *missed));
            !missed.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, Seq};

    use super::*;
    use crate::wire::frame::Frame;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);
    const OTHER: RoomId = RoomId::from_bytes([2; 16]);
    const NEAR: NodeId = NodeId::from_bytes([3; 16]);
    const FAR: NodeId = NodeId::from_bytes([4; 16]);

    fn event(seq: u64) -> Event {
        Event {
            seq: Seq(seq),
            message_count: seq,
            actor: AccountId::from_bytes([5; 16]),
            priority: None,
            frame: Frame::of_encoded(&[]),
        }
    }

    #[test]
    fn a_node_is_told_once_of_each_room_that_it_wants() {
        let subscribers = Subscribers::default();
        for node in [NEAR, FAR, NEAR] {
            subscribers.add(ROOM, node);
        }
        assert_eq!(subscribers.of(ROOM), [NEAR, FAR]);
        assert_eq!(subscribers.of(OTHER), []);
        subscribers.remove(ROOM, NEAR);
        assert_eq!(subscribers.of(ROOM), [FAR]);
        subscribers.add(OTHER, FAR);
        subscribers.remove_node(FAR);
        assert_eq!(
            (subscribers.of(ROOM), subscribers.of(OTHER)),
            (vec![], vec![])
        );
    }

    #[test]
    fn a_room_that_went_elsewhere_is_forgotten() {
        let subscribers = Subscribers::default();
        subscribers.add(ROOM, NEAR);
        subscribers.add(OTHER, NEAR);
        subscribers.miss(ROOM, NEAR, &event(1));
        subscribers.keep(|shard| shard == Shard::of_room(OTHER));
        assert_eq!(subscribers.of(ROOM), []);
        assert_eq!(subscribers.of(OTHER), [NEAR]);
        assert!(!subscribers.has_missed());
    }

    #[test]
    fn who_subscribes_no_more_has_missed_nothing() {
        let subscribers = Subscribers::default();
        subscribers.add(ROOM, NEAR);
        subscribers.remove_node(NEAR);
        subscribers.miss(ROOM, NEAR, &event(1));
        assert!(!subscribers.has_missed());
    }

    #[test]
    fn what_was_missed_is_told_once_there_is_a_place_for_it() {
        let subscribers = Subscribers::default();
        subscribers.add(ROOM, NEAR);
        for seq in [4, 6, 5] {
            subscribers.miss(ROOM, NEAR, &event(seq));
        }
        let told = Mutex::new(Vec::new());
        for is_told in [false, true] {
            assert!(subscribers.has_missed());
            subscribers.catch_up(|node, room, missed| {
                told.lock().push((node, room, missed.head));
                is_told
            });
        }
        assert!(!subscribers.has_missed());
        assert_eq!(*told.lock(), [(NEAR, ROOM, Seq(6)); 2]);
    }
}
