//! The pure part of an outbox.
//!
//! What is sent comes from three places: the queue, in order; counters of rooms that are not followed,
//! of which only the newest waits; hints. What is not in the queue is found again by the session's
//! actor, which asks with [`State::next_read`] what there is to read, and is woken when that changes.
//!
//! Invariants: of a followed room exactly the events from the cursor on enter the queue, in the order of
//! `seq`; after [`State::leave`] nothing of the room enters it but the word that it is lost; while it is not known
//! whether the account has lost a room, no counter of it is sent, as that would tell what happened after; events enter
//! only as far as the queue has room, and what is sent in any case as far as its own limits go. Where
//! those are reached nothing enters any more, and the stream is to end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use cluster_types::{AccountId, RoomId, Seq};

use super::event::{Missed, Run};
use super::hints::{Hint, Hints};
use super::queue::Queue;
use super::room::Room;
use crate::error::Refusal;
use crate::wire::frame::Frame;
use crate::wire::item;

mod reading;
mod rooms;
#[cfg(test)]
mod tests;

pub(crate) use reading::Filled;
pub(crate) use rooms::Followed;

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
    // There may be more rooms.
    rooms_doubted: bool,
    // How many there were.
    stays: u32,
    // The actor has been woken to read, and has not come back empty-handed.
    reading: bool,
    ready: bool,
    // Something that is sent in any case found no place.
    overfull: bool,
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
            rooms_doubted: false,
            stays: 0,
            reading: false,
            ready: false,
            overfull: false,
            end: None,
            closing: false,
        }
    }

    // --- What comes in ---

    /// Something that is sent in any case; where there is no place for it, the stream is to end.
    pub(crate) fn push(&mut self, frame: Frame) {
        if !self.is_open() {
            return;
        }
        self.overfull = !self.queue.takes(&frame);
        if !self.overfull {
            self.queue.push(frame);
        }
    }

    /// Events of a room.
    pub(crate) fn deliver(&mut self, run: &Run) {
        if !self.is_open() {
            return;
        }
        let Some(room) = self.rooms.get_mut(&run.room()) else {
            return;
        };
        let (first, last) = run.span();
        let is_gap = first > room.head().next();
        let is_news = room.count(run, self.account);
        // What is missing may be what the account itself has said: what was before that it has read.
        if is_gap {
            room.doubt();
        }
        let Some(follow) = &mut room.follow else {
            if is_news {
                self.count(run.room());
            }
            self.has_to_read(run.room());
            return;
        };
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

    /// Events of a room were lost on the last part of the way here, after all that they say of memberships was told.
    pub(crate) fn miss(&mut self, id: RoomId, missed: Missed) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        // Something before them was lost further away.
        let is_gap = missed.first > room.head().next();
        let is_news = room.count_missed(missed);
        if is_gap {
            room.doubt();
        }
        let is_behind = match &mut room.follow {
            Some(follow) if follow.live && follow.next <= missed.head => {
                follow.live = false;
                true
            }
            None | Some(_) => false,
        };
        if is_news && room.follow.is_none() {
            self.count(id);
        }
        if is_gap || is_behind {
            self.has_to_read(id);
        }
    }

    /// This node was not told of what happened in a room for a while, at the end of which it had come this far.
    /// Whether the account is still in it may have changed too.
    pub(crate) fn doubt(&mut self, id: RoomId, missed: Missed) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        if missed.head > room.head() {
            room.doubt();
            self.has_to_read(id);
            self.miss(id, missed);
        }
    }

    /// The account was found in these rooms: whether it is in any other one is to be read.
    pub(crate) fn doubt_others(&mut self, found: &BTreeSet<RoomId>) {
        let others = self.rooms.keys().filter(|room| !found.contains(*room));
        for id in others.copied().collect::<Vec<_>>() {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.doubt();
            }
            self.has_to_read(id);
        }
    }

    /// The account may be in rooms of which this session has not heard.
    pub(crate) fn doubt_rooms(&mut self) {
        self.rooms_doubted = self.is_open();
    }

    /// Something ephemeral, unless too much of that waits already. What is about a room is for who
    /// looks at it, and who writes there knows it. How far another one has read is for who has got as far: before an
    /// event that is missing here the account may have lost the room.
    pub(crate) fn hint(&mut self, hint: Hint) {
        let wanted = match hint {
            Hint::Typing { room, account } => account != self.account && self.is_live(room),
            Hint::Read { room, account, seq } => {
                self.is_live(room) && (account == self.account || self.has(room, seq))
            }
            Hint::Presence { .. } => true,
        };
        if wanted && self.is_open() {
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

    /// Rooms of which something is unread, as far as is known here.
    pub(crate) fn unread(&self) -> Vec<RoomId> {
        let unread = self.rooms.iter().filter(|(_, room)| room.is_unread());
        unread.map(|(id, _)| *id).collect()
    }

    /// Ends the stream, after `last`. What waits is not sent if it is `at_once`, also where the stream
    /// was to end after that. Returns the rooms.
    pub(crate) fn close(&mut self, end: End, last: Option<Frame>, at_once: bool) -> Vec<RoomId> {
        if at_once {
            self.queue.clear();
        } else if self.closing {
            return Vec::new();
        }
        self.counters = VecDeque::new();
        self.hints = Hints::default();
        self.to_read = VecDeque::new();
        if let Some(last) = last {
            self.queue.push(last);
        }
        self.end = Some(end);
        self.closing = true;
        std::mem::take(&mut self.rooms).into_keys().collect()
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
        let counter = |id: RoomId| rooms.get_mut(&id)?.take_counter(id);
        let mut counted = std::iter::from_fn(|| counters.pop_front()).filter_map(counter);
        let mut next_counter = || counted.next().map(item::counter);
        self.queue.take(|| next_counter().or_else(|| hints.take()))
    }

    /// How the stream ends, once all has been sent.
    pub(crate) fn take_end(&mut self) -> Option<End> {
        (self.closing && self.queue.is_empty()).then(|| self.end.take().unwrap_or(End::Finished))
    }

    // --- Small things ---

    /// Whether anything may still enter.
    const fn is_open(&self) -> bool {
        !self.closing && !self.overfull
    }

    /// Whether the stream is to end because its client does not read.
    pub(crate) const fn is_overfull(&self) -> bool {
        self.overfull && !self.closing
    }

    fn is_live(&self, id: RoomId) -> bool {
        let room = self.rooms.get(&id);
        room.and_then(|room| room.follow.as_ref())
            .is_some_and(|follow| follow.live)
    }

    /// Whether a followed room was sent up to this event.
    fn has(&self, id: RoomId, seq: Seq) -> bool {
        let room = self.rooms.get(&id);
        room.and_then(|room| room.follow.as_ref())
            .is_some_and(|follow| seq < follow.next)
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
}
