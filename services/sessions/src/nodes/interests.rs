//! [`Interests`]: which rooms this node watches, and at which node it subscribes for each.
//!
//! A room's home is the node that has it, under an epoch. A room that is watched either stands, so that all
//! that happens at its home is told here, or waits: to be subscribed for, and then to be caught up with.
//! Whenever its home, or the link to it, is another than it was, it waits again.
//!
//! Invariant: a room that is watched and has a home stands there, or waits for that home's turn.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{Epoch, NodeId, RoomId};

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
    rooms: BTreeMap<RoomId, Interest>,
    waiting: BTreeMap<Turn, BTreeSet<RoomId>>,
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

impl Home {
    const fn turn(self) -> Option<Turn> {
        match self {
            Self::Here(_) => Some(Turn::Here),
            Self::There(node, _) => Some(Turn::There(node)),
            Self::Nowhere => None,
        }
    }
}

impl Interests {
    /// One more part of the relay watches a room. Returns whose turn it is now, if that is news.
    pub(super) fn more(&mut self, room: RoomId, home: impl FnOnce() -> Home) -> Option<Turn> {
        if let Some(interest) = self.rooms.get_mut(&room) {
            interest.watchers += 1;
            return None;
        }
        let home = home();
        let interest = Interest {
            watchers: 1,
            home,
            waits_since: None,
        };
        self.rooms.insert(room, interest);
        // What happens here from now on is published here; what was before is read by whoever watches.
        let stands = matches!(home, Home::Here(_));
        if stands { None } else { self.wait(room) }
    }

    /// One part of the relay less watches a room. Returns where to unsubscribe, after the last one.
    pub(super) fn fewer(&mut self, room: RoomId) -> Option<NodeId> {
        let interest = self.rooms.get_mut(&room)?;
        interest.watchers -= 1;
        if interest.watchers > 0 {
            return None;
        }
        let home = interest.home;
        self.rooms.remove(&room);
        self.wait_no_more(room, home);
        match home {
            Home::There(node, _) => Some(node),
            Home::Here(_) | Home::Nowhere => None,
        }
    }

    /// Whether anybody here wants to hear of a room.
    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Looks where all rooms are now. Returns whose turn it is, if that is news.
    pub(super) fn moved(&mut self, home: impl Fn(RoomId) -> Home) -> BTreeSet<Turn> {
        let moved = self.rooms.iter_mut().filter_map(|(room, interest)| {
            let now = home(*room);
            let before = std::mem::replace(&mut interest.home, now);
            (before != now).then_some((*room, before))
        });
        let moved: Vec<_> = moved.collect();
        let turns = moved.into_iter().filter_map(|(room, before)| {
            self.wait_no_more(room, before);
            self.wait(room)
        });
        turns.collect()
    }

    /// The link to a node has broken, or stands anew: what was subscribed for there is so no more. Returns
    /// whose turn it is, if that is news.
    pub(super) fn relinked(&mut self, node: NodeId) -> Option<Turn> {
        let is_there =
            |interest: &Interest| matches!(interest.home, Home::There(at, _) if at == node);
        let rooms = self.rooms.iter().filter(|(_, of)| is_there(of));
        let rooms: Vec<_> = rooms.map(|(room, _)| *room).collect();
        let turns = rooms.into_iter().filter_map(|room| self.wait(room));
        turns.last()
    }

    /// The nodes whose turn it is.
    pub(super) fn turns(&self) -> Vec<Turn> {
        self.waiting.keys().copied().collect()
    }

    /// Some of the rooms whose turn it is, at most `max`. They wait until [`Interests::stand`] is told of
    /// them.
    pub(super) fn next(&self, turn: Turn, max: usize) -> Vec<Waiting> {
        let rooms = self.waiting.get(&turn).into_iter().flatten();
        let waiting = rooms.filter_map(|room| {
            let since = self.rooms.get(room)?.waits_since?;
            Some(Waiting { room: *room, since })
        });
        waiting.take(max).collect()
    }

    /// These were subscribed for, and caught up with. Those that have begun to wait anew go on waiting.
    pub(super) fn stand(&mut self, rooms: &[Waiting]) {
        for Waiting { room, since } in rooms {
            if let Some(interest) = self.rooms.get_mut(room)
                && interest.waits_since == Some(*since)
            {
                interest.waits_since = None;
                let home = interest.home;
                self.wait_no_more(*room, home);
            }
        }
    }

    fn wait(&mut self, room: RoomId) -> Option<Turn> {
        self.waits += 1;
        let interest = self.rooms.get_mut(&room)?;
        interest.waits_since = Some(self.waits);
        let turn = interest.home.turn()?;
        self.waiting.entry(turn).or_default().insert(room);
        Some(turn)
    }

    fn wait_no_more(&mut self, room: RoomId, home: Home) {
        if let Some(turn) = home.turn()
            && let Some(waiting) = self.waiting.get_mut(&turn)
        {
            waiting.remove(&room);
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
        let turn = interests.more(ROOM, || home);
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
    fn a_room_without_a_home_waits_for_one() {
        let mut interests = watched(Home::Nowhere);
        assert!(interests.waiting.is_empty());
        interests.moved(|_| THERE);
        settle(&mut interests, Turn::There(NEAR));
    }

    #[test]
    fn the_last_watcher_takes_the_room_along() {
        let mut interests = watched(THERE);
        assert_eq!(interests.more(ROOM, || Home::Nowhere), None);
        assert_eq!(interests.fewer(ROOM), None);
        assert!(interests.contains(ROOM));
        assert_eq!(interests.fewer(ROOM), Some(NEAR));
        assert!(!interests.contains(ROOM) && interests.waiting.is_empty());
        assert_eq!(interests.fewer(ROOM), None);
    }
}
