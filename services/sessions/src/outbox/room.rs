//! Where one client stands in one room.

use cluster_types::{AccountId, LogId, RoomId, Seq};
use services_rooms::Priority;

use super::event::{Missed, Run};
use crate::wire::item::Counter;

/// Something that the session's actor is to read from the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Read {
    pub(crate) room: RoomId,
    pub(crate) what: ToRead,
    pub(crate) stay: Stay,
    // The newest event that the session had been told of.
    pub(super) told: Seq,
    pub(super) doubts: u32,
}

/// A stay in a room, or a following of it: told apart from the ones before and after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stay(pub(super) u32);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ToRead {
    /// Whether the account is in the room, and what is unread there.
    Counts,
    /// The log, from this event on.
    Events(Seq),
}

/// Where to begin in a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) room: RoomId,
    pub(crate) next: Seq,
    pub(crate) log_id: LogId,
    /// The log is another one than the client's.
    pub(crate) rebuilt: bool,
}

/// What the store says of a room and its member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) head: Seq,
    /// Messages up to the newest event.
    pub(crate) messages: u64,
    /// Messages up to the member's read mark.
    pub(crate) read: u64,
}

/// A room that the account is in.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) stay: Stay,
    head: Seq,
    messages: u64,
    read: u64,
    // The loudest message since the last counter.
    priority: Option<Priority>,
    // The store has said how much is unread: before that, no counter is sent.
    known: bool,
    // The counts are to be read: the account may have lost the room while it was put in, or events of it
    // did not come here.
    pub(super) to_check: bool,
    // How often that was so since the room was entered: what was read before the last time says nothing.
    doubts: u32,
    pub(super) waits_for_counter: bool,
    // A counter was due while the account may have lost the room.
    held_back: bool,
    pub(super) waits_for_reader: bool,
    pub(super) follow: Option<Follow>,
}

/// A following.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) next: Seq,
    pub(super) live: bool,
    pub(super) log_id: LogId,
    pub(super) rebuilt: bool,
}

impl Follow {
    pub(super) const fn from(cursor: Cursor) -> Self {
        Self {
            next: cursor.next,
            live: false,
            log_id: cursor.log_id,
            rebuilt: cursor.rebuilt,
        }
    }
}

impl Room {
    pub(super) const fn new(stay: Stay) -> Self {
        Self {
            stay,
            head: Seq::ZERO,
            messages: 0,
            read: 0,
            priority: None,
            known: false,
            to_check: true,
            doubts: 0,
            waits_for_counter: false,
            held_back: false,
            waits_for_reader: false,
            follow: None,
        }
    }

    /// The newest event, as far as is known here.
    pub(super) const fn head(&self) -> Seq {
        self.head
    }

    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Counts what has happened. Returns whether a client that does not follow is to hear of it.
    pub(super) fn count(&mut self, run: &Run, account: AccountId) -> bool {
        let mut counts = Counts {
            head: run.span().1,
            messages: 0,
            read: 0,
        };
        for event in run.events() {
            counts.messages = counts.messages.max(event.message_count);
            if event.is_said_by(account) {
                // Who says something has read what was said before.
                counts.read = event.message_count;
            }
        }
        self.advance(counts, run.priority()) && self.known
    }

    /// Counts what has happened and was lost on the way.
    pub(super) fn count_missed(&mut self, missed: Missed) -> bool {
        let counts = Counts {
            head: missed.head,
            messages: missed.message_count,
            read: 0,
        };
        self.advance(counts, missed.priority) && self.known
    }

    /// What the store says. Returns whether a client that does not follow is to hear of it.
    pub(super) fn learn(&mut self, counts: Counts) -> bool {
        let grown = self.advance(counts, None);
        if std::mem::replace(&mut self.known, true) {
            grown
        } else {
            self.messages > self.read
        }
    }

    /// Events up to here have been read from the log.
    pub(super) fn reach(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }

    /// The account has read up to here. Returns whether that is news.
    pub(super) fn mark(&mut self, read: u64) -> bool {
        let is_news = read > self.read;
        self.read = self.read.max(read);
        is_news && self.known
    }

    pub(super) const fn is_unread(&self) -> bool {
        self.known && self.messages > self.read
    }

    // Returns whether there is news: events come late, and again after the store was read.
    fn advance(&mut self, counts: Counts, priority: Option<Priority>) -> bool {
        let is_news = counts.messages > self.messages || counts.read > self.read;
        self.head = self.head.max(counts.head);
        self.read = self.read.max(counts.read);
        if counts.messages > self.messages {
            self.messages = counts.messages;
            if self.follow.is_none() {
                self.priority = self.priority.max(priority);
            }
        }
        is_news
    }

    /// The counter that waits. `None`: the account may have lost the room before what it would tell, so it is held
    /// back until the store has been asked.
    pub(super) fn take_counter(&mut self, room: RoomId) -> Option<Counter> {
        self.waits_for_counter = false;
        self.held_back = self.to_check;
        (!self.to_check).then(|| Counter {
            room,
            head: self.head,
            messages: self.messages,
            unread: self.messages.saturating_sub(self.read),
            priority: self.priority.take(),
        })
    }

    /// The counts are to be read, whatever is being read now.
    pub(super) fn doubt(&mut self) {
        self.to_check = true;
        self.doubts = self.doubts.wrapping_add(1);
    }

    pub(super) const fn doubts(&self) -> u32 {
        self.doubts
    }

    /// The counts were read, when the room had been in doubt so often. Returns whether a counter was held back for that.
    pub(super) fn checked(&mut self, doubts: u32) -> bool {
        self.to_check &= self.doubts != doubts;
        !self.to_check && std::mem::take(&mut self.held_back)
    }

    /// What is to be read, if anything is.
    pub(super) fn to_read(&self) -> Option<ToRead> {
        if self.to_check {
            return Some(ToRead::Counts);
        }
        let behind = self.follow.as_ref().filter(|follow| !follow.live);
        behind.map(|follow| ToRead::Events(follow.next))
    }
}
