//! The pure part of an outbox.
//!
//! What is sent comes from three places: the queue, in order; counters of rooms that are not followed,
//! of which only the newest waits; hints. What is not in the queue is found again by the session's
//! actor, which asks with [`State::next_read`] what there is to read, and is woken when that changes.
//!
//! Invariants: of a followed room exactly the events from the cursor on enter the queue, in the order of
//! `seq`; after [`State::leave`] nothing of the room enters it but the word that it is lost; events enter
//! only as far as the queue has room, so that it holds its limits and what a client was answered.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cluster_types::{AccountId, LogId, RoomId, Seq};

use super::event::{Missed, Run};
use super::hints::{Hint, Hints};
use super::queue::Queue;
use super::room::{Counts, Follow, Read, Room, Stay, ToRead};
use crate::error::Refusal;
use crate::limits::FOLLOWED_ROOMS_MAX;
use crate::wire::frame::Frame;
use crate::wire::item;

#[cfg(test)]
mod tests;

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

/// How a stream ends.
#[derive(Debug)]
pub(crate) enum End {
    /// As it should.
    Finished,
    /// With an error.
    Failed(Refusal),
}

/// What one client is to be sent.
#[derive(Debug)]
pub(crate) struct State {
    account: AccountId,
    queue: Queue,
    rooms: BTreeMap<RoomId, Room>,
    // Rooms whose counter has changed and was not sent.
    counters: VecDeque<RoomId>,
    hints: Hints,
    // Rooms of which something is to be read, in turn.
    to_read: VecDeque<RoomId>,
    // How many there were.
    stays: u32,
    // The actor has been woken to read, and has not come back empty-handed.
    reading: bool,
    ready: bool,
    end: Option<End>,
    closing: bool,
}

impl State {
    pub(crate) fn new(account: AccountId) -> Self {
        Self {
            account,
            queue: Queue::default(),
            rooms: BTreeMap::new(),
            counters: VecDeque::new(),
            hints: Hints::default(),
            to_read: VecDeque::new(),
            stays: 0,
            reading: false,
            ready: false,
            end: None,
            closing: false,
        }
    }

    // --- What comes in ---

    /// Something that is sent in any case: its number is bounded by who asks for it.
    pub(crate) fn push(&mut self, frame: Frame) {
        if !self.closing {
            self.queue.push(frame);
        }
    }

    /// Events of a room.
    pub(crate) fn deliver(&mut self, run: &Run) {
        let Some(room) = self.rooms.get_mut(&run.room()) else {
            return;
        };
        let is_news = room.count(run, self.account);
        let Some(follow) = &mut room.follow else {
            if is_news {
                self.count(run.room());
            }
            return;
        };
        let (first, last) = run.span();
        if !follow.live || last < follow.next {
            return;
        }
        let joined = run.joined();
        if first == follow.next && self.queue.fits(joined.items(), joined.len()) {
            follow.next = last.next();
            self.queue.push(joined.clone());
            return;
        }
        for event in run.events() {
            let next = follow.next;
            if event.seq == next && self.queue.fits(1, event.frame.len()) {
                follow.next = next.next();
                self.queue.push(event.frame.clone());
            } else if event.seq >= next {
                follow.live = false;
                self.has_to_read(run.room());
                return;
            }
        }
    }

    /// Events of a room were lost on the way here.
    pub(crate) fn miss(&mut self, id: RoomId, missed: Missed) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        let is_news = room.count_missed(missed);
        match &mut room.follow {
            None if is_news => self.count(id),
            Some(follow) if follow.live && follow.next <= missed.head => {
                follow.live = false;
                self.has_to_read(id);
            }
            None | Some(_) => {}
        }
    }

    /// Something ephemeral, unless too much of that waits already. What is about a room is for who
    /// looks at it.
    pub(crate) fn hint(&mut self, hint: Hint) {
        let wanted = match hint {
            Hint::Typing { room, .. } | Hint::Read { room, .. } => self.is_live(room),
            Hint::Presence { .. } => true,
        };
        if wanted && !self.closing {
            self.hints.add(hint);
        }
    }

    /// Other accounts are watched from here on.
    pub(crate) fn forget_presence(&mut self) {
        self.hints.forget_presence();
    }

    /// The account has read a room up to here, on whatever device.
    pub(crate) fn mark(&mut self, id: RoomId, read: u64) {
        if let Some(room) = self.rooms.get_mut(&id)
            && room.mark(read)
        {
            self.count(id);
        }
    }

    /// Ends the stream, after `last`. What waits is not sent if it is `at_once`. Returns the rooms.
    pub(crate) fn close(&mut self, end: End, last: Option<Frame>, at_once: bool) -> Vec<RoomId> {
        if at_once {
            self.queue.clear();
        }
        self.counters = VecDeque::new();
        self.hints = Hints::default();
        self.to_read = VecDeque::new();
        if let Some(last) = last {
            self.push(last);
        }
        self.end = Some(end);
        self.closing = true;
        std::mem::take(&mut self.rooms).into_keys().collect()
    }

    // --- Rooms ---

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

    /// The account has become a member of this room.
    pub(crate) fn gain(&mut self, id: RoomId) {
        if self.ready && !self.rooms.contains_key(&id) {
            self.push(item::gained(id));
        }
        self.enter(id);
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
        self.rooms.remove(&id);
        self.hints.forget_room(id);
        if self.ready {
            self.push(item::lost(id));
        }
        true
    }

    /// What the store says of the rooms, read after they were entered. The session stands: `ready` is
    /// the first thing that its client hears, and rooms that the store did not name are new.
    pub(crate) fn greet(
        &mut self,
        ready: Frame,
        counts: impl IntoIterator<Item = (RoomId, Counts)>,
    ) {
        for (id, counts) in counts {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.to_check = false;
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

    /// Follows a room that was entered from `next` on. `false`: too many rooms are followed.
    pub(crate) fn follow(&mut self, id: RoomId, next: Seq, log_id: LogId, rebuilt: bool) -> bool {
        let followed = self.rooms.iter();
        let others = followed.filter(|(other, room)| **other != id && room.follow.is_some());
        if others.count() >= FOLLOWED_ROOMS_MAX {
            return false;
        }
        let stay = self.next_stay();
        if let Some(room) = self.rooms.get_mut(&id) {
            room.stay = stay;
            room.follow = Some(Follow {
                next,
                live: false,
                log_id,
                rebuilt,
            });
            self.has_to_read(id);
        }
        true
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

    // --- Reading ---

    /// Whether the actor is to be woken. Says so once, until the actor has asked for the last time.
    pub(crate) fn wants_actor(&mut self) -> bool {
        let wants = !self.reading && self.ready && !self.to_read.is_empty() && self.queue.is_low();
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
                    });
                }
            }
        }
        self.reading = false;
        None
    }

    /// Whether something is to be read, now or when there is room for it.
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
        room.to_check = false;
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
        if next > known {
            follow.live = true;
            let rebuilt = std::mem::take(&mut follow.rebuilt);
            let live = item::live(read.room, next.previous(), follow.log_id, rebuilt);
            self.queue.push(live);
        }
        room.reach(head);
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
        room.follow = Some(Follow {
            next: Seq::ZERO.next(),
            live: false,
            log_id,
            rebuilt: true,
        });
        self.has_to_read(read.room);
    }

    // --- What goes out ---

    /// Whether there is nothing to send and nothing to end.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.has_extras() && !self.closing
    }

    /// Whether more of what the client asks can be taken: not if it leaves lying what it was answered.
    pub(crate) fn takes_input(&self) -> bool {
        self.queue.fits(1, 0)
    }

    /// The next message.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if !self.has_extras() {
            return self.queue.take(|| None);
        }
        let (rooms, counters, hints) = (&mut self.rooms, &mut self.counters, &mut self.hints);
        let mut next_counter = || {
            let id = counters.pop_front()?;
            let room = rooms.get_mut(&id)?;
            Some(item::counter(room.take_counter(id)))
        };
        self.queue.take(|| next_counter().or_else(|| hints.take()))
    }

    /// How the stream ends, once all has been sent.
    pub(crate) fn take_end(&mut self) -> Option<End> {
        (self.closing && self.queue.is_empty()).then(|| self.end.take().unwrap_or(End::Finished))
    }

    // --- Small things ---

    fn is_live(&self, id: RoomId) -> bool {
        let room = self.rooms.get(&id);
        room.and_then(|room| room.follow.as_ref())
            .is_some_and(|follow| follow.live)
    }

    fn has_extras(&self) -> bool {
        !self.counters.is_empty() || !self.hints.is_empty()
    }

    fn count(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(&id)
            && !std::mem::replace(&mut room.waits_for_counter, true)
        {
            self.counters.push_back(id);
        }
    }

    /// The actor is to look at a room, if there is something to read of it.
    fn has_to_read(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(&id)
            && room.to_read().is_some()
            && !std::mem::replace(&mut room.waits_for_reader, true)
        {
            self.to_read.push_back(id);
        }
    }

    /// The room, if this is still the stay in it that something was read for.
    fn stay(&mut self, read: Read) -> Option<&mut Room> {
        let room = self.rooms.get_mut(&read.room)?;
        (room.stay == read.stay).then_some(room)
    }

    fn next_stay(&mut self) -> Stay {
        self.stays = self.stays.wrapping_add(1);
        Stay(self.stays)
    }
}
