//! Events on their way to many outboxes.

use cluster_types::{AccountId, RoomId, Seq};
use services_rooms::Priority;

use crate::limits::MESSAGE_BYTES_TARGET;
use crate::wire::frame::Frame;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) seq: Seq,
    pub(crate) message_count: u64,
    pub(crate) actor: AccountId,
    /// `None`: not a message.
    pub(crate) priority: Option<Priority>,
    pub(crate) frame: Frame,
}

/// Events of one room that follow one another, and all of them in one frame: joined once, for every
/// outbox that takes them together.
#[derive(Debug)]
pub(crate) struct Run {
    room: RoomId,
    events: Vec<Event>,
    joined: Frame,
}

/// The end of a room's log, of which some events were lost on the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Missed {
    /// The first of what was lost, as far as that is known.
    pub(crate) first: Seq,
    pub(crate) head: Seq,
    pub(crate) message_count: u64,
    /// The loudest of what was lost.
    pub(crate) priority: Option<Priority>,
}

impl Event {
    /// Whether `account` has read what was said up to here, since it said this.
    pub(super) fn is_said_by(&self, account: AccountId) -> bool {
        self.actor == account && self.priority.is_some()
    }
}

impl Run {
    /// Events of one room, in their order, as runs of at most the size of a message.
    pub(crate) fn of(room: RoomId, events: impl IntoIterator<Item = Event>) -> Vec<Self> {
        let mut runs = Vec::new();
        let mut run: Vec<Event> = Vec::new();
        let mut bytes = 0;
        for event in events {
            let follows = run.last().is_none_or(|last| last.seq.next() == event.seq);
            if !follows || bytes + event.frame.len() > MESSAGE_BYTES_TARGET && !run.is_empty() {
                runs.extend(Self::new(room, std::mem::take(&mut run)));
                bytes = 0;
            }
            bytes += event.frame.len();
            run.push(event);
        }
        runs.extend(Self::new(room, run));
        runs
    }

    fn new(room: RoomId, events: Vec<Event>) -> Option<Self> {
        let joined = Frame::join(events.iter().map(|event| &event.frame))?;
        Some(Self {
            room,
            events,
            joined,
        })
    }

    pub(crate) const fn room(&self) -> RoomId {
        self.room
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) const fn joined(&self) -> &Frame {
        &self.joined
    }

    /// The first place and the last. A run holds at least one event.
    pub(super) fn span(&self) -> (Seq, Seq) {
        let seq = |event: Option<&Event>| event.map_or(Seq::ZERO, |event| event.seq);
        (seq(self.events.first()), seq(self.events.last()))
    }

    /// The loudest of its messages.
    pub(super) fn priority(&self) -> Option<Priority> {
        self.events.iter().filter_map(|event| event.priority).max()
    }
}

impl Missed {
    /// More is lost.
    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            first: self.first.min(more.first),
            head: self.head.max(more.head),
            message_count: self.message_count.max(more.message_count),
            priority: self.priority.max(more.priority),
        }
    }
}

impl From<&Event> for Missed {
    fn from(event: &Event) -> Self {
        Self {
            first: event.seq,
            head: event.seq,
            message_count: event.message_count,
            priority: event.priority,
        }
    }
}
