//! The rooms of a session: coming, going, following.

use cluster_types::{RoomId, Seq};

use super::State;
use crate::limits::FOLLOWED_ROOMS_MAX;
use crate::outbox::room::{Counts, Cursor, Follow, Room, Stay};
use crate::wire::frame::Frame;
use crate::wire::item;

/// What became of a wish to follow a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Followed {
    Yes,
    /// The account has lost the room since it was entered.
    Gone,
    /// As many rooms are followed as can be.
    TooMany,
}

impl State {
    /// The account may be in this room: counts what happens there, and has the actor read whether it
    /// is. Returns which stay in the room this is.
    pub(crate) fn enter(&mut self, id: RoomId) -> Stay {
        if let Some(room) = self.rooms.get(&id) {
            return room.stay;
        }
        let stay = self.next_stay();
        self.rooms.insert(id, Room::new(stay));
        self.has_to_read(id);
        stay
    }

    /// The account has become a member of this room, by this event if that is known.
    pub(crate) fn gain(&mut self, id: RoomId, seq: Seq) {
        if let Some(room) = self.rooms.get_mut(&id) {
            // It was gone meanwhile: what says so comes late, and is no news then.
            if seq.previous() > room.head() {
                room.reach(seq.previous());
                room.doubt();
                self.has_to_read(id);
            }
            return;
        }
        if self.ready {
            self.push(item::gained(id));
        }
        self.enter(id);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.reach(seq.previous());
        }
    }

    /// Whether the account is in a room no more because of this event. One that comes late, since the room had another
    /// home when it happened, says nothing about now: that is read.
    pub(crate) fn is_lost_by(&mut self, id: RoomId, seq: Seq) -> bool {
        let Some(room) = self.rooms.get_mut(&id) else {
            return false;
        };
        let is_news = seq > room.head();
        if !is_news {
            room.doubt();
            self.has_to_read(id);
        }
        is_news
    }

    /// The account is not in this room any more. With a `stay`: unless it has come back since that.
    /// Returns whether it was.
    pub(crate) fn leave(&mut self, id: RoomId, stay: Option<Stay>) -> bool {
        let room = self.rooms.get(&id);
        let Some(room) = room.filter(|room| stay.is_none_or(|stay| stay == room.stay)) else {
            return false;
        };
        if room.waits_for_counter {
            self.counters.retain(|counted| *counted != id);
        }
        if room.waits_for_reader {
            self.to_read.retain(|waiting| *waiting != id);
        }
        self.rooms.remove(&id);
        self.hints.forget_room(id);
        if self.ready {
            self.push(item::lost(id));
        }
        true
    }

    /// What the store says of the rooms, each read after it was entered for this stay. The session
    /// stands: `ready` is the first thing that its client hears, and all other rooms are new.
    pub(crate) fn greet(
        &mut self,
        ready: Frame,
        counts: impl IntoIterator<Item = (RoomId, Stay, Counts)>,
    ) {
        for (id, stay, counts) in counts {
            if let Some(room) = self.rooms.get_mut(&id).filter(|room| room.stay == stay) {
                // Read after the room was entered, and maybe before it was in doubt.
                room.checked(0);
                self.learn(id, counts);
            }
        }
        self.ready = true;
        self.push(ready);
        let new = self.rooms.iter().filter(|(_, room)| !room.is_known());
        for id in new.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.push(item::gained(id));
        }
    }

    /// What the store says of a room. Its counter is sent if there is something to read.
    pub(crate) fn learn(&mut self, id: RoomId, counts: Counts) {
        if let Some(room) = self.rooms.get_mut(&id)
            && room.learn(counts)
            && room.follow.is_none()
        {
            self.count(id);
        }
    }

    /// Follows a room that was entered.
    pub(crate) fn follow(&mut self, cursor: Cursor) -> Followed {
        let id = cursor.room;
        let followed = self.rooms.iter();
        let others = followed.filter(|(other, room)| **other != id && room.follow.is_some());
        if others.count() >= FOLLOWED_ROOMS_MAX {
            return Followed::TooMany;
        }
        let stay = self.next_stay();
        let Some(room) = self.rooms.get_mut(&id) else {
            return Followed::Gone;
        };
        room.stay = stay;
        room.follow = Some(Follow::from(cursor));
        if std::mem::take(&mut room.waits_for_counter) {
            self.counters.retain(|counted| *counted != id);
        }
        self.has_to_read(id);
        Followed::Yes
    }

    /// Counts what happens in a room from here on, beginning with what was not sent.
    pub(crate) fn unfollow(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        let was_followed = room.follow.take().is_some();
        let is_known = room.is_known();
        self.hints.forget_room(id);
        if was_followed && is_known {
            self.count(id);
        }
    }

    fn next_stay(&mut self) -> Stay {
        self.stays = self.stays.wrapping_add(1);
        Stay(self.stays)
    }
}
