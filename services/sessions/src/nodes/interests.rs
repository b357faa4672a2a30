//! [`Interests`]: which rooms this node watches, and at which node it subscribes for each.
//!
//! A room's home is the node that has it, under an epoch; all rooms of a shard have the same. A room that is watched
//! either stands, so that all that happens at its home is told here, or waits: to be subscribed for, and then to be caught
//! up with. Whenever its home, or the link to it, is another than it was, it waits again. A room that is watched no more
//! leaves: its home is told so.
//!
//! Invariant: a room that is watched and has a home stands there, or waits for that home's turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use cluster_types::{Epoch, NodeId, RoomId, Shard};

/// Who has a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Home {
    /// This node.
    Here(Epoch),
    /// Another one.
    There(NodeId, Epoch),
    /// Nobody, as far as is known here.
    Nowhere,
}

/// The nodes whose turn it is, one after the other: this one, which only has to catch up, or another.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Turn {
    Here,
    There(NodeId),
}

/// A room that waits, since a moment that tells this waiting from earlier ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Waiting {
    pub(super) room: RoomId,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Interests {
    rooms: BTreeMap<(Shard, RoomId), Interest>,
    // Where all rooms of a shard are that are watched, if that is one place.
    homes: BTreeMap<Shard, Home>,
    // Where shards were that have another home since: a turn there, or none if it was nowhere.
    left: BTreeSet<Option<Turn>>,
    // Who has waited longest goes first.
    waiting: BTreeMap<Turn, BTreeSet<(u64, RoomId)>>,
    leaving: BTreeMap<NodeId, BTreeSet<RoomId>>,
    // How often a room has begun to wait.
    waits: u64,
}

#[derive(Debug)]
struct Interest {
    // Parts of the relay that watch it.
    watchers: usize,
    home: Home,
    // Unless it stands.
    waits_since: Option<u64>,
}

/// The rooms of a shard.
pub(super) fn rooms_of(shard: Shard) -> RangeInclusive<(Shard, RoomId)> {
    let room = |byte| RoomId::from_bytes([byte; 16]);
    (shard, room(0))..=(shard, room(u8::MAX))
}

pub(super) const fn key(room: RoomId) -> (Shard, RoomId) {
    (Shard::of_room(room), room)
}

impl Home {
    const fn turn(self) -> Option<Turn> {
        match self {
            Self::Here(_) => Some(Turn::Here),
            Self::There(node, _) => Some(Turn::There(node)),
            Self::Nowhere => None,
        }
    }
}

impl Turn {
    /// Whether it is this node's, or that of one of those to which there is a link.
    fn is_reached(self, linked: &[NodeId]) -> bool {
        match self {
            Self::Here => true,
            Self::There(node) => linked.contains(&node),
        }
    }
}

impl Interests {
    /// One more part of the relay watches a room. Returns whose turn it is now, if that is news.
    pub(super) fn more(&mut self, room: RoomId, home: impl FnOnce(Shard) -> Home) -> Option<Turn> {
        let key = key(room);
        if let Some(interest) = self.rooms.get_mut(&key) {
            interest.watchers += 1;
            return None;
        }
        let home = home(key.0);
        // The others are looked at when it is said that rooms have moved.
        if let Some(former) = self.homes.remove(&key.0) {
            if former == home {
                self.homes.insert(key.0, former);
            } else {
                self.left.insert(former.turn());
            }
        }
        let interest = Interest {
            watchers: 1,
            home,
            waits_since: None,
        };
        self.rooms.insert(key, interest);
        // What happens here from now on is published here; what was before is read by whoever watches.
        let stands = matches!(home, Home::Here(_));
        if stands { None } else { self.wait(room) }
    }

    /// One part of the relay less watches a room. Returns whose turn it is now, if that is news.
    pub(super) fn fewer(&mut self, room: RoomId) -> Option<Turn> {
        let interest = self.rooms.get_mut(&key(room))?;
        interest.watchers -= 1;
        if interest.watchers > 0 {
            return None;
        }
        self.wait_no_more(room);
        let interest = self.rooms.remove(&key(room))?;
        match interest.home {
            Home::There(node, _) => Some(self.leave(room, node)),
            Home::Here(_) | Home::Nowhere => None,
        }
    }

    /// Whether anybody here wants to hear of a room.
    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&key(room))
    }

    /// A node is to be told that nobody here watches a room: it may go on telling of it.
    pub(super) fn leave(&mut self, room: RoomId, node: NodeId) -> Turn {
        self.leaving.entry(node).or_default().insert(room);
        Turn::There(node)
    }

    /// Looks where all rooms are now. Returns whose turn it is, if that is news.
    pub(super) fn moved(&mut self, home: impl Fn(Shard) -> Home) -> BTreeSet<Turn> {
        let mut turns = BTreeSet::new();
        for shard in Shard::all() {
            let now = home(shard);
            let former = self.homes.insert(shard, now);
            if former == Some(now) {
                continue;
            }
            self.left.extend(former.map(Home::turn));
            let rooms = self.rooms.range(rooms_of(shard));
            let moved = rooms.filter(|(_, interest)| interest.home != now);
            let moved: Vec<_> = moved.map(|((_, room), _)| *room).collect();
            for room in moved {
                self.wait_no_more(room);
                if let Some(interest) = self.rooms.get_mut(&key(room)) {
                    interest.home = now;
                }
                turns.extend(self.wait(room));
            }
        }
        turns
    }

    /// Whether shards have moved, since this was asked last, from where nothing was heard of what happened there: a node
    /// to which there is no link, or none that is known.
    pub(super) fn have_moved_unheard(&mut self, linked: &[NodeId]) -> bool {
        let is_heard = |left: Option<Turn>| left.is_some_and(|turn| turn.is_reached(linked));
        !std::mem::take(&mut self.left).into_iter().all(is_heard)
    }

    /// The link to a node has broken, or stands anew: what was subscribed for there is so no more. Returns
    /// whose turn it is, if that is news.
    pub(super) fn relinked(&mut self, node: NodeId) -> Option<Turn> {
        self.leaving.remove(&node);
        let is_there = |home: Home| matches!(home, Home::There(at, _) if at == node);
        // Under a lock that each event takes: rooms of shards that are elsewhere are not looked at.
        let may_be_there = |shard: &Shard| self.homes.get(shard).copied().is_none_or(is_there);
        let shards = Shard::all().filter(may_be_there);
        let rooms = shards.flat_map(|shard| self.rooms.range(rooms_of(shard)));
        let there = rooms.filter(|(_, interest)| is_there(interest.home));
        let there: Vec<_> = there.map(|((_, room), _)| *room).collect();
        let turns = there.into_iter().filter_map(|room| self.wait(room));
        turns.last()
    }

    /// Whose turn it is: this node, and those of the others to which there is a link. The rest have no turn before
    /// there is one, and know nothing of what this node wanted.
    pub(super) fn turns(&mut self, linked: &[NodeId]) -> BTreeSet<Turn> {
        self.leaving.retain(|node, _| linked.contains(node));
        let waiting = self.waiting.keys().copied();
        let leaving = self.leaving.keys().map(|node| Turn::There(*node));
        let turns = waiting.chain(leaving);
        turns.filter(|turn| turn.is_reached(linked)).collect()
    }

    /// Rooms that a node is to be told of no more; whoever takes them tells it so before it subscribes there.
    pub(super) fn take_leaving(&mut self, node: NodeId) -> BTreeSet<RoomId> {
        self.leaving.remove(&node).unwrap_or_default()
    }

    /// Some of the rooms whose turn it is, at most `max`. They wait until [`Interests::stand`] is told of
    /// them. Those that the node has still to be told that they are wanted no more go after that, or it would hear of it
    /// the wrong way round.
    pub(super) fn next(&self, turn: Turn, max: usize) -> Vec<Waiting> {
        let leaving = match turn {
            Turn::Here => None,
            Turn::There(node) => self.leaving.get(&node),
        };
        let leaves = |room: &RoomId| leaving.is_some_and(|leaving| leaving.contains(room));
        let waiting = self.waiting.get(&turn).into_iter().flatten();
        let waiting = waiting.filter(|(_, room)| !leaves(room));
        let waiting = waiting.map(|(since, room)| Waiting {
            room: *room,
            since: *since,
        });
        waiting.take(max).collect()
    }

    /// These were subscribed for, and caught up with. Those that have begun to wait anew go on waiting.
    pub(super) fn stand(&mut self, rooms: &[Waiting]) {
        for Waiting { room, since } in rooms {
            if self.waits_since(*room) == Some(*since) {
                self.wait_no_more(*room);
            }
        }
    }

    /// These could not be subscribed for: all others that wait go first.
    pub(super) fn put_back(&mut self, rooms: &[Waiting]) {
        for Waiting { room, since } in rooms {
            if self.waits_since(*room) == Some(*since) {
                self.wait(*room);
            }
        }
    }

    fn waits_since(&self, room: RoomId) -> Option<u64> {
        self.rooms.get(&key(room))?.waits_since
    }

    fn wait(&mut self, room: RoomId) -> Option<Turn> {
        self.wait_no_more(room);
        self.waits += 1;
        let interest = self.rooms.get_mut(&key(room))?;
        interest.waits_since = Some(self.waits);
        let turn = interest.home.turn()?;
        let waiting = self.waiting.entry(turn).or_default();
        waiting.insert((self.waits, room));
        Some(turn)
    }

    fn wait_no_more(&mut self, room: RoomId) {
        if let Some(interest) = self.rooms.get_mut(&key(room))
            && let Some(since) = interest.waits_since.take()
            && let Some(turn) = interest.home.turn()
            && let Some(waiting) = self.waiting.get_mut(&turn)
        {
            waiting.remove(&(since, room));
            if waiting.is_empty() {
                self.waiting.remove(&turn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);
    const NEAR: NodeId = NodeId::from_bytes([3; 16]);
    const FAR: NodeId = NodeId::from_bytes([4; 16]);
    const THERE: Home = Home::There(NEAR, Epoch(1));

    fn watched(home: Home) -> Interests {
        let mut interests = Interests::default();
        let turn = interests.more(ROOM, |_| home);
        assert_eq!(turn, home.turn().filter(|turn| *turn != Turn::Here));
        interests
    }

    fn waits(interests: &Interests, turn: Turn) -> bool {
        !interests.next(turn, 1).is_empty()
    }

    fn settle(interests: &mut Interests, turn: Turn) {
        let rooms = interests.next(turn, 1);
        assert_eq!(rooms.len(), 1, "{turn:?}");
        interests.stand(&rooms);
        assert!(!waits(interests, turn));
    }

    #[test]
    fn a_room_that_is_here_needs_nothing_before_it_moves() {
        let mut interests = watched(Home::Here(Epoch(1)));
        assert!(interests.waiting.is_empty());
        let turns = interests.moved(|_| THERE);
        assert_eq!(turns, [Turn::There(NEAR)].into());
        settle(&mut interests, Turn::There(NEAR));
        // Whoever had it may have left out the last event.
        let turns = interests.moved(|_| Home::Here(Epoch(2)));
        assert_eq!(turns, [Turn::Here].into());
        settle(&mut interests, Turn::Here);
    }

    #[test]
    fn a_room_whose_owner_has_another_epoch_is_subscribed_for_anew() {
        let mut interests = watched(THERE);
        settle(&mut interests, Turn::There(NEAR));
        assert!(interests.moved(|_| THERE).is_empty());
        let turns = interests.moved(|_| Home::There(NEAR, Epoch(2)));
        assert_eq!(turns, [Turn::There(NEAR)].into());
    }

    #[test]
    fn what_was_asked_over_a_link_that_broke_does_not_stand() {
        let mut interests = watched(THERE);
        let asked = interests.next(Turn::There(NEAR), 9);
        assert_eq!(interests.relinked(NEAR), Some(Turn::There(NEAR)));
        interests.stand(&asked);
        settle(&mut interests, Turn::There(NEAR));
        assert_eq!(interests.relinked(FAR), None, "nothing is there");
        // And once it is known where all shards are.
        interests.moved(|_| THERE);
        assert_eq!(interests.relinked(FAR), None);
        assert_eq!(interests.relinked(NEAR), Some(Turn::There(NEAR)));
    }

    #[test]
    fn what_was_asked_of_a_former_home_does_not_stand() {
        let mut interests = watched(THERE);
        let asked = interests.next(Turn::There(NEAR), 9);
        interests.moved(|_| Home::There(FAR, Epoch(2)));
        interests.stand(&asked);
        assert!(!waits(&interests, Turn::There(NEAR)));
        settle(&mut interests, Turn::There(FAR));
    }

    #[test]
    fn who_leaves_and_comes_back_is_subscribed_for_after_the_leave_was_told() {
        let (mut interests, turn) = (watched(THERE), Turn::There(NEAR));
        settle(&mut interests, turn);
        assert!(interests.take_leaving(NEAR).is_empty());
        // Behind what the turn tells, and before it asks.
        interests.fewer(ROOM);
        interests.more(ROOM, |_| THERE);
        assert!(!waits(&interests, turn), "the leave would be told after it");
        assert_eq!(interests.turns(&[NEAR]), [turn].into());
        assert_eq!(interests.take_leaving(NEAR), [ROOM].into());
        settle(&mut interests, turn);
    }

    #[test]
    fn shards_that_leave_a_node_without_a_link_have_moved_unheard() {
        let mut interests = Interests::default();
        interests.moved(|_| THERE);
        assert!(
            !interests.have_moved_unheard(&[]),
            "where it was is not known"
        );
        interests.moved(|_| Home::There(FAR, Epoch(2)));
        assert!(!interests.have_moved_unheard(&[NEAR]));
        // Also if somebody watches one of its rooms before it is said that it has moved.
        interests.more(ROOM, |_| Home::Nowhere);
        assert!(interests.have_moved_unheard(&[NEAR]));
        assert!(!interests.have_moved_unheard(&[NEAR]), "asked once");
        interests.moved(|_| Home::Nowhere);
        assert!(interests.have_moved_unheard(&[NEAR]));
        interests.moved(|_| Home::Here(Epoch(3)));
        assert!(interests.have_moved_unheard(&[NEAR, FAR]), "after a death");
        interests.moved(|_| THERE);
        assert!(!interests.have_moved_unheard(&[]), "it was here");
    }

    #[test]
    fn a_room_without_a_home_waits_for_one() {
        let mut interests = watched(Home::Nowhere);
        assert!(interests.waiting.is_empty());
        interests.moved(|_| THERE);
        settle(&mut interests, Turn::There(NEAR));
    }

    #[test]
    fn the_last_watcher_takes_the_room_along() {
        let mut interests = watched(THERE);
        assert_eq!(interests.more(ROOM, |_| Home::Nowhere), None);
        assert_eq!(interests.fewer(ROOM), None);
        assert!(interests.contains(ROOM));
        assert_eq!(interests.fewer(ROOM), Some(Turn::There(NEAR)));
        assert!(!interests.contains(ROOM) && interests.waiting.is_empty());
        assert_eq!(interests.fewer(ROOM), None);
        assert_eq!(interests.turns(&[NEAR]), [Turn::There(NEAR)].into());
        assert_eq!(interests.take_leaving(NEAR), [ROOM].into());
        assert!(interests.turns(&[NEAR]).is_empty());
    }

    #[test]
    fn without_a_link_there_is_no_turn_and_nothing_to_leave() {
        let mut interests = watched(THERE);
        assert!(interests.turns(&[FAR]).is_empty());
        assert_eq!(interests.turns(&[NEAR, FAR]), [Turn::There(NEAR)].into());
        interests.fewer(ROOM);
        assert!(interests.turns(&[]).is_empty());
        assert!(interests.take_leaving(NEAR).is_empty());
    }

    #[test]
    fn those_that_were_refused_keep_no_others_waiting() {
        let other = RoomId::from_bytes([2; 16]);
        let mut interests = watched(THERE);
        interests.more(other, |_| THERE);
        let turn = Turn::There(NEAR);
        for room in [ROOM, other, ROOM] {
            let first = interests.next(turn, 1);
            assert_eq!(first[0].room, room);
            interests.put_back(&first);
        }
        assert_eq!(interests.next(turn, 9).len(), 2);
    }

    #[test]
    fn a_room_that_was_watched_between_two_looks_is_looked_at_too() {
        let mut interests = watched(THERE);
        interests.moved(|_| THERE);
        // It has moved there and back since anybody said so.
        let other = RoomId::from_bytes(*ROOM.as_bytes());
        interests.fewer(ROOM);
        interests.more(other, |_| Home::There(FAR, Epoch(2)));
        assert_eq!(interests.moved(|_| THERE), [Turn::There(NEAR)].into());
    }
}
