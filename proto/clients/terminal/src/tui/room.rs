//! One room as the screen knows it.
//!
//! Invariant: pure. What the server has to be asked for because of it, `settle` finds out.

use std::collections::BTreeMap;
use std::time::Duration;

use rookery_client::v1::room::Kind;
use rookery_client::v1::{Member, Priority, Room, RoomCounter};

use super::composer::Composer;
use super::history::History;
use super::scroll::Scroll;
use crate::text::clean_line;

/// A room, what is loaded of it, and what is being written in it.
#[derive(Debug, Default)]
pub(crate) struct RoomState {
    pub(crate) room: Room,
    pub(crate) history: History,
    pub(crate) scroll: Scroll,
    pub(crate) composer: Composer,
    /// The message that is being answered.
    pub(crate) reply_to: Option<u64>,
    /// The message that is being changed.
    pub(crate) editing: Option<u64>,
    /// Changes that the server did not take, by message: changing it again goes on from there.
    pub(crate) unsaved: BTreeMap<u64, String>,
    /// The message that commands are about.
    pub(crate) selected: Option<u64>,
    /// How loud the loudest unread message is.
    pub(crate) loudest: Priority,
    /// After this event, everything was new when the room was opened.
    pub(crate) new_after: Option<u64>,
    /// How far reading was told to the server.
    pub(crate) marked: u64,
    /// Members, once loaded.
    pub(crate) members: Option<Vec<Member>>,
    /// How far each member has read, as far as known.
    pub(crate) read_by: BTreeMap<String, u64>,
    /// The own message whose readers were asked for.
    pub(crate) readers_asked: u64,
    /// Who writes, and until when that is shown.
    pub(crate) typing: BTreeMap<String, Duration>,
    pub(crate) follow: Following,
    /// Following is not asked for before: the last time it failed.
    pub(crate) follow_from: Duration,
    /// When it was opened last, by count; 0 for never.
    pub(crate) opened: u64,
    /// A page is on its way.
    pub(crate) loading: bool,
    /// No page is asked for before: the last one did not come.
    pub(crate) load_from: Duration,
    /// Members are on their way.
    pub(crate) loading_members: bool,
}

/// Whether the room's events come by themselves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Following {
    /// Its counters alone.
    #[default]
    No,
    /// Asked for.
    Asked,
    /// Yes.
    Yes,
}

impl RoomState {
    pub(crate) fn new(room: Room) -> Self {
        let mut state = Self::default();
        state.update(room);
        state
    }

    /// Takes in what the server says of the room now.
    pub(crate) fn update(&mut self, mut room: Room) {
        room.display_name = clean_line(&room.display_name);
        room.topic = clean_line(&room.topic);
        room.head_seq = room.head_seq.max(self.room.head_seq);
        room.read_seq = room.read_seq.max(self.room.read_seq);
        self.room = room;
        if self.is_direct() {
            self.history.hide_membership();
        }
        if self.room.unread_count == 0 {
            self.loudest = Priority::Unspecified;
        }
    }

    pub(crate) fn count(&mut self, counter: &RoomCounter) {
        self.room.head_seq = self.room.head_seq.max(counter.head_seq);
        self.room.message_count = self.room.message_count.max(counter.message_count);
        self.room.unread_count = counter.unread_count;
        self.loudest = if counter.unread_count == 0 {
            Priority::Unspecified
        } else {
            self.loudest.max(counter.highest_priority())
        };
    }

    /// Nothing is being written.
    pub(crate) fn is_idle(&self) -> bool {
        self.composer.is_empty() && self.editing.is_none()
    }

    /// What was on its way is not any more: the session is over. What is loaded and written stays.
    pub(crate) fn rest(&mut self) {
        (self.follow, self.follow_from) = (Following::No, Duration::ZERO);
        (self.loading, self.loading_members) = (false, false);
        self.typing.clear();
    }

    pub(crate) fn name(&self) -> &str {
        &self.room.name
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.room.kind() == Kind::Direct
    }
}
