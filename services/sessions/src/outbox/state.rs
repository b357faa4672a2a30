//! The pure part of an outbox.

use std::collections::{BTreeMap, VecDeque};

use cluster_rpc::name;
use cluster_types::{AccountId, LogId, RoomId, Seq};
use proto::v1;
use proto::v1::server_item::Item;

use super::Delivery;
use crate::items::Frame;
use crate::limits::{
    FOLLOWED_ROOMS_MAX, HINTS_MAX, MESSAGE_BYTES_TARGET, OUTBOX_BYTES_LOW, OUTBOX_BYTES_MAX,
    OUTBOX_FRAMES_LOW, OUTBOX_FRAMES_MAX,
};

/// Whether the session's actor is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Want {
    Nothing,
    /// A followed room is behind, and the queue has room.
    ReadOn,
}

/// A followed room that is behind: read it from here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Behind {
    pub(crate) room: RoomId,
    pub(crate) next: Seq,
    // Tells this following of the room from a later one.
    generation: u32,
}

/// What became of events that were read from the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filled {
    /// There is more to read, and the queue has room.
    More,
    /// The queue is full, the room is live, or it is not followed any more.
    Done,
}

/// Something ephemeral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Note {
    Typing {
        room: RoomId,
        account: AccountId,
    },
    Read {
        room: RoomId,
        account: AccountId,
        seq: Seq,
    },
    Presence {
        account: AccountId,
        state: v1::presence::State,
    },
}

/// What one client is to be sent.
#[derive(Debug)]
pub(crate) struct State {
    account: AccountId,
    queue: VecDeque<Frame>,
    queue_bytes: usize,
    rooms: BTreeMap<RoomId, Room>,
    // Rooms whose counter has changed and was not sent.
    counters: VecDeque<RoomId>,
    notes: VecDeque<Note>,
    generation: u32,
    // The actor has been asked to read on, and has not said that it is done.
    reading: bool,
    closing: bool,
}

/// A room that the account is in.
#[derive(Debug, Default)]
struct Room {
    head: Seq,
    message_count: u64,
    // message_count at the account's own read mark.
    read_count: u64,
    priority: v1::Priority,
    counter_waits: bool,
    follow: Option<Follow>,
}

#[derive(Debug)]
struct Follow {
    next: Seq,
    live: bool,
    generation: u32,
    log_id: LogId,
    rebuilt: bool,
}

impl State {
    pub(crate) fn new(account: AccountId) -> Self {
        Self {
            account,
            queue: VecDeque::new(),
            queue_bytes: 0,
            rooms: BTreeMap::new(),
            counters: VecDeque::new(),
            notes: VecDeque::new(),
            generation: 0,
            reading: false,
            closing: false,
        }
    }

    // --- What comes in ---

    /// Something that is sent in any case: its number is bounded by who asks for it.
    pub(crate) fn push(&mut self, frame: Frame) {
        if !self.closing {
            self.queue_bytes += frame.len();
            self.queue.push_back(frame);
        }
    }

    /// An event of a room.
    pub(crate) fn deliver(&mut self, event: &Delivery) -> Want {
        let fits = self.fits(event.frame.len());
        let Some(room) = self.rooms.get_mut(&event.room) else {
            return Want::Nothing;
        };
        if event.seq > room.head {
            room.head = event.seq;
            room.message_count = event.message_count;
        }
        if event.actor == self.account && event.priority.is_some() {
            // Who says something has read what was said before.
            room.read_count = room.read_count.max(event.message_count);
        }
        let Some(follow) = &mut room.follow else {
            if let Some(priority) = event.priority {
                room.priority = room.priority.max(priority);
                Self::count(room, event.room, &mut self.counters);
            }
            return Want::Nothing;
        };
        if !follow.live || event.seq < follow.next {
            return Want::Nothing;
        }
        if event.seq == follow.next && fits {
            follow.next = event.seq.next();
            self.push(event.frame.clone());
            return Want::Nothing;
        }
        follow.live = false;
        self.want()
    }

    /// Events of a room may have been lost on the way: it is read from the log up to its newest.
    pub(crate) fn distrust(&mut self, room: RoomId) -> Want {
        if let Some(follow) = self
            .rooms
            .get_mut(&room)
            .and_then(|room| room.follow.as_mut())
        {
            follow.live = false;
        }
        self.want()
    }

    /// Something ephemeral, unless too much of that waits already.
    pub(crate) fn note(&mut self, note: Note) {
        let supersedes = |old: &Note| match (*old, note) {
            (Note::Typing { .. }, _) => *old == note,
            (
                Note::Read { room, account, .. },
                Note::Read {
                    room: r,
                    account: a,
                    ..
                },
            ) => (room, account) == (r, a),
            (Note::Presence { account, .. }, Note::Presence { account: a, .. }) => account == a,
            (Note::Read { .. } | Note::Presence { .. }, _) => false,
        };
        if let Some(old) = self.notes.iter_mut().find(|old| supersedes(old)) {
            *old = note;
        } else if self.notes.len() < HINTS_MAX && !self.closing {
            self.notes.push_back(note);
        }
    }

    /// The account has read a room up to here, on whatever device.
    pub(crate) fn read(&mut self, room: RoomId, message_count: u64) {
        let Some(found) = self.rooms.get_mut(&room) else {
            return;
        };
        if message_count > found.read_count {
            found.read_count = message_count;
            Self::count(found, room, &mut self.counters);
        }
    }

    /// Ends the stream with `last`. What waits is not sent if it is `at_once`.
    pub(crate) fn close(&mut self, last: Option<Frame>, at_once: bool) {
        if at_once {
            self.queue.clear();
            self.queue_bytes = 0;
        }
        self.counters.clear();
        self.notes.clear();
        self.rooms.clear();
        if let Some(last) = last {
            self.push(last);
        }
        self.closing = true;
    }

    // --- Rooms ---

    /// The account is in this room: count what happens there.
    pub(crate) fn enter(&mut self, room: RoomId) {
        if !self.closing {
            self.rooms.entry(room).or_default();
        }
    }

    /// What the store says of a room. Its counter is sent if there is something to read.
    pub(crate) fn counted(&mut self, room: RoomId, head: Seq, messages: u64, read: u64) {
        let Some(found) = self.rooms.get_mut(&room) else {
            return;
        };
        found.read_count = found.read_count.max(read);
        if head > found.head {
            found.head = head;
            found.message_count = messages;
        }
        if found.follow.is_none() && found.message_count > found.read_count {
            Self::count(found, room, &mut self.counters);
        }
    }

    /// The account is not in this room any more.
    pub(crate) fn leave(&mut self, room: RoomId) {
        if self.rooms.remove(&room).is_some() {
            self.counters.retain(|counted| *counted != room);
            self.notes.retain(|note| !note.is_about(room));
            self.push(Frame::of(Item::RoomLost(v1::RoomLost {
                room: name::of_room(room),
            })));
        }
    }

    pub(crate) fn is_in(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.rooms.keys().copied()
    }

    /// Follows a room from `next` on. `false`: too many rooms are followed.
    pub(crate) fn follow(&mut self, room: RoomId, next: Seq, log_id: LogId, rebuilt: bool) -> bool {
        let others = self
            .rooms
            .iter()
            .filter(|(id, other)| **id != room && other.follow.is_some());
        if others.count() >= FOLLOWED_ROOMS_MAX {
            return false;
        }
        self.generation += 1;
        let generation = self.generation;
        let follow = Follow {
            next,
            live: false,
            generation,
            log_id,
            rebuilt,
        };
        self.rooms.entry(room).or_default().follow = Some(follow);
        true
    }

    /// Counts what happens in a room from here on.
    pub(crate) fn unfollow(&mut self, room: RoomId) {
        if let Some(found) = self.rooms.get_mut(&room) {
            found.follow = None;
            found.priority = v1::Priority::Unspecified;
        }
    }

    pub(crate) fn follows(&self, room: RoomId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|room| room.follow.is_some())
    }

    // --- Reading on ---

    /// Whether the actor should read on. Asked once; then not again until [`State::read_done`].
    pub(crate) fn want(&mut self) -> Want {
        if self.reading || self.closing || !self.has_room() || self.first_behind(None).is_none() {
            return Want::Nothing;
        }
        self.reading = true;
        Want::ReadOn
    }

    /// A room that is behind, the one after `last` first, if the queue has room to read on.
    pub(crate) fn behind(&self, last: Option<RoomId>) -> Option<Behind> {
        if self.closing || !self.has_room() {
            return None;
        }
        self.first_behind(last).or_else(|| self.first_behind(None))
    }

    /// The actor stops reading. If something changed in the meantime, it is wanted again.
    pub(crate) fn read_done(&mut self) -> Want {
        self.reading = false;
        self.want()
    }

    /// Events of a room as read from the log, from `behind` on; `head` was its newest event then.
    pub(crate) fn fill(
        &mut self,
        behind: Behind,
        events: impl IntoIterator<Item = (Seq, Frame)>,
        head: Seq,
    ) -> Filled {
        for (seq, frame) in events {
            let fits = self.fits(frame.len());
            let Some(follow) = self.follow_of(behind) else {
                return Filled::Done;
            };
            if !fits {
                return Filled::Done;
            }
            // A page starts where the cursor stands; after a rewrite of the log nothing else is safe.
            if seq == follow.next {
                follow.next = seq.next();
                self.push(frame);
            }
        }
        let Some(room) = self.rooms.get_mut(&behind.room) else {
            return Filled::Done;
        };
        room.head = room.head.max(head);
        let known = room.head;
        let Some(follow) = self.follow_of(behind) else {
            return Filled::Done;
        };
        if follow.next <= known {
            return Filled::More;
        }
        follow.live = true;
        let live = v1::Live {
            room: name::of_room(behind.room),
            seq: follow.next.previous().0,
            log_id: follow.log_id.to_string(),
            rebuilt: std::mem::take(&mut follow.rebuilt),
        };
        self.push(Frame::of(Item::Live(live)));
        Filled::Done
    }

    // --- What goes out ---

    /// Whether there is nothing to send and nothing to end.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.counters.is_empty() && self.notes.is_empty() && !self.closing
    }

    /// Whether all has been sent and nothing will follow.
    pub(crate) fn is_over(&self) -> bool {
        self.closing && self.queue.is_empty()
    }

    /// What goes into the next message.
    pub(crate) fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        while bytes < MESSAGE_BYTES_TARGET {
            let Some(frame) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= frame.len();
            bytes += frame.len();
            frames.push(frame);
        }
        while bytes < MESSAGE_BYTES_TARGET {
            let Some(item) = self.next_counter().or_else(|| self.next_note()) else {
                break;
            };
            let frame = Frame::of(item);
            bytes += frame.len();
            frames.push(frame);
        }
        if self.queue.is_empty() {
            // An idle session keeps no memory for the busy one that it was.
            self.queue.shrink_to(0);
        }
        frames
    }

    fn next_counter(&mut self) -> Option<Item> {
        let id = self.counters.pop_front()?;
        let room = self.rooms.get_mut(&id)?;
        room.counter_waits = false;
        Some(Item::RoomCounter(v1::RoomCounter {
            room: name::of_room(id),
            head_seq: room.head.0,
            message_count: room.message_count,
            unread_count: room.message_count.saturating_sub(room.read_count),
            highest_priority: std::mem::take(&mut room.priority).into(),
        }))
    }

    fn next_note(&mut self) -> Option<Item> {
        Some(match self.notes.pop_front()? {
            Note::Typing { room, account } => Item::Typing(v1::Typing {
                room: name::of_room(room),
                accounts: vec![name::of_account(account)],
            }),
            Note::Read { room, account, seq } => Item::ReadMarker(v1::ReadMarker {
                room: name::of_room(room),
                account: name::of_account(account),
                seq: seq.0,
            }),
            Note::Presence { account, state } => Item::Presence(v1::Presence {
                account: name::of_account(account),
                state: state.into(),
            }),
        })
    }

    // --- Small things ---

    fn count(room: &mut Room, id: RoomId, counters: &mut VecDeque<RoomId>) {
        if !std::mem::replace(&mut room.counter_waits, true) {
            counters.push_back(id);
        }
    }

    fn fits(&self, bytes: usize) -> bool {
        self.queue.len() < OUTBOX_FRAMES_MAX && self.queue_bytes + bytes <= OUTBOX_BYTES_MAX
    }

    fn has_room(&self) -> bool {
        self.queue.len() <= OUTBOX_FRAMES_LOW && self.queue_bytes <= OUTBOX_BYTES_LOW
    }

    fn first_behind(&self, after: Option<RoomId>) -> Option<Behind> {
        let follows = self
            .rooms
            .iter()
            .filter_map(|(id, room)| Some((*id, room.follow.as_ref()?)));
        let mut behind =
            follows.filter(|(id, follow)| !follow.live && after.is_none_or(|a| *id > a));
        let (room, follow) = behind.next()?;
        Some(Behind {
            room,
            next: follow.next,
            generation: follow.generation,
        })
    }

    fn follow_of(&mut self, behind: Behind) -> Option<&mut Follow> {
        let follow = self.rooms.get_mut(&behind.room)?.follow.as_mut()?;
        (follow.generation == behind.generation).then_some(follow)
    }
}

impl Note {
    fn is_about(&self, of: RoomId) -> bool {
        match self {
            Self::Typing { room, .. } | Self::Read { room, .. } => *room == of,
            Self::Presence { .. } => false,
        }
    }
}
