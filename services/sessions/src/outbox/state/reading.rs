//! What the session's actor reads from the store: what there is to read, and what becomes of it.
//!
//! Invariant: a room of which something is to be read is in the queue of those, or the actor has it at
//! hand; and where there is one in the queue that could be read, the actor is awake.

use std::collections::VecDeque;

use cluster_types::{LogId, Seq};

use super::State;
use crate::outbox::room::{Counts, Cursor, Follow, Read, Room, ToRead};
use crate::wire::frame::Frame;
use crate::wire::item;

/// What became of events that were read from the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Filled {
    /// They were taken as far as there was room for them, or nobody wants them any more.
    Taken,
    /// As far as they went: they were read after a later event was told, and do not hold it.
    Early,
    /// The log does not hold the next event, although later ones exist.
    Hole,
}

impl State {
    /// Whether the actor is to be woken. Says so once, until the actor has asked for the last time.
    pub(crate) fn wants_actor(&mut self) -> bool {
        let can_read = self.ready && !self.to_read.is_empty() && self.queue.is_low();
        let can_look = self.ready && self.rooms_doubted;
        let wants = !self.reading && (can_read || can_look || self.is_overfull());
        self.reading |= wants;
        wants
    }

    /// What the actor is to read now. After `None` it is woken when there is more.
    pub(crate) fn next_read(&mut self) -> Option<Read> {
        while self.ready && self.queue.is_low() {
            let Some(id) = self.to_read.pop_front() else {
                self.to_read = VecDeque::new();
                break;
            };
            if let Some(room) = self.rooms.get_mut(&id) {
                room.waits_for_reader = false;
                if let Some(what) = room.to_read() {
                    return Some(Read {
                        room: id,
                        what,
                        stay: room.stay,
                        told: room.head(),
                        doubts: room.doubts(),
                    });
                }
            }
        }
        self.reading = false;
        None
    }

    /// Whether the actor is to look which rooms the account is in. Says so once.
    pub(crate) fn takes_rooms_doubted(&mut self) -> bool {
        self.ready && std::mem::take(&mut self.rooms_doubted)
    }

    /// Whether nothing of the rooms is to be read, neither now nor when there is room for it.
    pub(crate) fn has_everything(&self) -> bool {
        self.to_read.is_empty() && !self.reading
    }

    /// It could not be read: it is again what is read next.
    pub(crate) fn put_back(&mut self, read: Read) {
        if let Some(room) = self.rooms.get_mut(&read.room)
            && !std::mem::replace(&mut room.waits_for_reader, true)
        {
            self.to_read.push_front(read.room);
        }
    }

    /// The counts that were to be read.
    pub(crate) fn checked(&mut self, read: Read, counts: Counts) {
        let Some(room) = self.stay(read) else { return };
        let was_held_back = room.checked(read.doubts) && room.follow.is_none();
        if was_held_back {
            self.count(read.room);
        }
        self.learn(read.room, counts);
        self.has_to_read(read.room);
    }

    /// Events of a room as read from the log, from the cursor on; `head` was its newest event then.
    pub(crate) fn fill(
        &mut self,
        read: Read,
        events: impl IntoIterator<Item = (Seq, Frame)>,
        head: Seq,
    ) -> Filled {
        let ToRead::Events(from) = read.what else {
            return Filled::Taken;
        };
        if !self.is_open() {
            return Filled::Taken;
        }
        let mut next = from;
        let Some(room) = self.rooms.get_mut(&read.room) else {
            return Filled::Taken;
        };
        let known = head.max(room.head());
        let is_same = room.stay == read.stay;
        let Some(follow) = room.follow.as_mut().filter(|_| is_same) else {
            return Filled::Taken;
        };
        let (mut full, mut hole) = (false, false);
        for (seq, frame) in events {
            hole = seq != next;
            full = !self.queue.fits(1, frame.len());
            if hole || full {
                break;
            }
            next = seq.next();
            self.queue.push(frame);
        }
        follow.next = next;
        if hole || (next == from && !full && next <= head) {
            return Filled::Hole;
        }
        let is_live = next > known;
        follow.live = is_live;
        let live = is_live.then(|| {
            let rebuilt = std::mem::take(&mut follow.rebuilt);
            item::live(read.room, next.previous(), follow.log_id, rebuilt)
        });
        room.reach(head);
        if let Some(live) = live {
            self.push(live);
        }
        self.has_to_read(read.room);
        if head < read.told {
            Filled::Early
        } else {
            Filled::Taken
        }
    }

    /// The log is another one than the cursor's: its room is sent from the start.
    pub(crate) fn start_over(&mut self, read: Read, log_id: LogId) {
        let Some(room) = self.stay(read) else { return };
        room.follow = Some(Follow::from(Cursor {
            room: read.room,
            next: Seq::ZERO.next(),
            log_id,
            rebuilt: true,
        }));
        self.has_to_read(read.room);
    }

    /// The room, if this is still the stay in it that something was read for.
    fn stay(&mut self, read: Read) -> Option<&mut Room> {
        let room = self.rooms.get_mut(&read.room)?;
        (room.stay == read.stay).then_some(room)
    }
}
