//! What an order came to, as whoever gave it was told.

use cluster_types::{Seq, UnixMillis};
use proto::v1::member::Role;

use super::Event;
use crate::names::{Person, Room};

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// There is nothing to say.
    Nothing,
    /// It was said.
    Said {
        /// Where.
        seq: Seq,
        /// When.
        at: UnixMillis,
    },
    /// It was changed or taken back, by this event.
    Changed(Seq),
    /// The mark stands here.
    Marked {
        /// How far is read.
        seq: Seq,
        /// Messages after that.
        unread: u64,
    },
    /// A room.
    Room(RoomView),
    /// Rooms.
    Rooms(Vec<RoomView>),
    /// A page of a log.
    Page {
        /// In the direction asked for.
        events: Vec<Event>,
        /// Whether there is more in that direction.
        more: bool,
    },
    /// Members of a room.
    Members(Vec<MemberView>),
    /// People who are kept out of a room, or who have read something.
    People(Vec<Person>),
}

/// A room as a member sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomView {
    /// Which.
    pub room: Room,
    /// Its name.
    pub display_name: String,
    /// Whether it is read only.
    pub archived: bool,
    /// Which life of the log.
    pub log_id: String,
    /// The newest event.
    pub head: Seq,
    /// Messages up to there.
    pub messages: u64,
    /// How far the caller has read.
    pub read: Seq,
    /// Messages after that.
    pub unread: u64,
    /// How many are in it.
    pub members: u64,
    /// The caller's role.
    pub role: Role,
}

/// A member of a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MemberView {
    /// Who.
    pub who: Person,
    /// What it may do.
    pub role: Role,
    /// Whether it may only read.
    pub muted: bool,
}
