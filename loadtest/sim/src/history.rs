//! What happened in one run of one seed, as far as clients and operators can see it.
//!
//! Owns: [`History`], a list of [`Entry`]s in the order in which they happened. Two runs of a seed have
//! to give equal histories, and the checker decides by a history alone.
//!
//! Invariant: an entry says nothing that the outside could not know. What is asked is written down
//! before the server can know of it, what is answered after the answer is there: so if one entry stands
//! before another, it happened before.

use std::fmt;

use aws_lc_rs::digest;
use cluster_types::{Seq, UnixMillis};
use data_encoding::HEXLOWER;
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;

use crate::names::{Device, Op, Person, Room, Stream};

mod done;
mod event;
mod kept;
mod nodes;

pub use done::{Done, MemberView, RoomView};
pub use event::{Body, Event, Files, Kind, Message, MessageId, Said};
pub use kept::{KeptFile, Quota};
pub use nodes::{OnNode, OnWay};

/// Microseconds of simulated time since the first start of the node.
#[derive(Clone, Copy, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(pub u64);

/// Something that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Moment,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// Something about the node or the world around it.
    World(World),
    /// A person asks for something, for the first time or again.
    Asked {
        /// All attempts share it.
        op: Op,
        /// Which attempt, from 1.
        attempt: u32,
        /// Who.
        by: Person,
        /// On which device.
        device: Device,
        /// Which way.
        via: Via,
        /// What.
        ask: Ask,
    },
    /// An attempt is over. One that is not over when the node dies never is.
    Answered {
        /// What it was about.
        op: Op,
        /// Which attempt.
        attempt: u32,
        /// How it ended.
        answer: Answer,
    },
    /// Something about a stream.
    Stream(Stream, OnStream),
    /// One reader has read a whole log, after everything had come to rest.
    Walk {
        /// Of which room.
        room: Room,
        /// Who reads.
        by: Person,
        /// In which direction: oldest or newest first.
        forward: bool,
        /// All of it, in that direction.
        events: Vec<Event>,
    },
}

/// What happens to the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum World {
    /// It starts.
    Started {
        /// For the first time (1) or again.
        life: u32,
    },
    /// It dies, in the middle of whatever it does.
    Crashed,
    /// It ends its streams and stops.
    Drained,
    /// From here on, the store fails with these odds.
    Weather(String),
    /// The store has no space left, or has some again.
    Full(bool),
    /// Something about one node of several.
    Node(u32, OnNode),
    /// Something about the way between two nodes.
    Way(u32, u32, OnWay),
    /// A node has written to a room that it did not own at that moment, or not any more.
    Stray(String),
    /// A node has written to a room in a way that would not have been refused had the owner changed.
    Unfenced(String),
    /// So many writes to rooms were held against the owners at their moments, in all.
    Owned(u64),
    /// The wall clock jumps.
    Clock {
        /// By this, to the past if it is negative.
        millis: i64,
    },
    /// All is said and done, and whatever had to arrive has had the time to.
    Settled,
    /// Everything was swept, and an operator looks at what is kept of files.
    Files {
        /// Each of which anything is left.
        kept: Vec<KeptFile>,
        /// What accounts have used.
        quotas: Vec<Quota>,
    },
}

/// Which way a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// As a call of its own.
    Call,
    /// As a frame of a stream.
    Stream(Stream),
}

/// What a person asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "named after the calls of the API, and so are their fields"
)]
pub enum Ask {
    Send {
        room: Room,
        id: MessageId,
        said: Said,
    },
    Edit {
        room: Room,
        target: Seq,
        id: MessageId,
        said: Said,
    },
    Delete {
        room: Room,
        target: Seq,
    },
    MarkRead {
        room: Room,
        seq: Seq,
    },
    Typing {
        room: Room,
    },
    Page {
        room: Room,
        forward: bool,
        from: Option<Seq>,
        size: u32,
    },
    Readers {
        room: Room,
        seq: Seq,
    },
    CreateRoom {
        display_name: String,
    },
    OpenDirect {
        peer: Person,
    },
    ViewRoom {
        room: Room,
    },
    ListRooms,
    Rename {
        room: Room,
        display_name: String,
    },
    Archive {
        room: Room,
        archived: bool,
    },
    DeleteRoom {
        room: Room,
    },
    Members {
        room: Room,
    },
    Bans {
        room: Room,
    },
    Add {
        room: Room,
        whom: Person,
        role: Role,
    },
    Remove {
        room: Room,
        whom: Person,
    },
    Leave {
        room: Room,
    },
    SetRole {
        room: Room,
        whom: Person,
        role: Role,
    },
    Mute {
        room: Room,
        whom: Person,
        until: Option<UnixMillis>,
    },
    Unmute {
        room: Room,
        whom: Person,
    },
    Ban {
        room: Room,
        whom: Person,
    },
    Unban {
        room: Room,
        whom: Person,
    },
    MakeLink {
        room: Room,
    },
    VoidLink {
        room: Room,
    },
    Join {
        room: Room,
    },
    SignOut,
}

/// How an attempt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// As asked.
    Done(Done),
    /// Not, for reasons that a retry does not change. Nothing happened.
    Refused(Why),
    /// Not, this time. Nothing happened.
    NotNow(Why),
    /// It may have happened.
    Doubtful(Why),
    /// With an answer that should not exist: a defect of the server's.
    Fault(Why),
}

/// Why something was not done: a gRPC code and a reason, as the client sees them.
#[derive(Clone, Eq, PartialEq)]
pub struct Why {
    /// The code.
    pub code: tonic::Code,
    /// The reason for programs, or words of the client's own where there was no answer.
    pub reason: String,
}

/// What happens on a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OnStream {
    /// It is asked for.
    Opened {
        /// By whom.
        by: Person,
        /// On which device.
        device: Device,
        /// What the client says it has.
        cursors: Vec<Cursor>,
    },
    /// It was not given.
    NotOpened(Why),
    /// The first frame was answered.
    Greeted(Result<(), Why>),
    /// The client wants a room's events.
    Follows(Cursor),
    /// Which was answered.
    Followed(Room, Result<(), Why>),
    /// The client wants them no more.
    Unfollows(Room),
    /// Which was answered.
    Unfollowed(Room, Result<(), Why>),
    /// The client stops reading.
    Pauses,
    /// The client reads again.
    ReadsOn,
    /// Something arrived.
    Got(Item),
    /// The client goes.
    Leaves,
    /// The server has ended it, with this code.
    Ended(tonic::Code),
    /// The connection is gone: the node has died.
    Cut,
    /// What arrived makes no sense, or does so in the wrong place.
    Broken(String),
}

/// Where a client stands in a room that it wants to follow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// Which room.
    pub room: Room,
    /// What it has of it; `None`: it wants none of what was before.
    pub after: Option<Seq>,
}

/// What arrives on a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "named after the items of the API, and so are their fields"
)]
pub enum Item {
    Ready,
    Event(Event),
    Live {
        room: Room,
        seq: Seq,
        log_id: String,
        rebuilt: bool,
    },
    Counter {
        room: Room,
        head: Seq,
        messages: u64,
        unread: u64,
    },
    Gained(Room),
    Lost(Room),
    Typing {
        room: Room,
        who: Vec<Person>,
    },
    Marker {
        room: Room,
        who: Person,
        seq: Seq,
    },
    Presence {
        who: Person,
        state: i32,
    },
    Farewell {
        reason: i32,
    },
}

/// Everything that happened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History {
    /// In its order.
    pub entries: Vec<Entry>,
}

// === impl History ===

impl History {
    /// A digest of all entries, and of `more`: equal for equal histories, and else not.
    pub fn digest(&self, more: &[u8]) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for entry in &self.entries {
            context.update(entry.to_string().as_bytes());
            context.update(b"\n");
        }
        context.update(more);
        HEXLOWER.encode(context.finish().as_ref())
    }
}

// === impl Ask ===

impl Ask {
    /// The room that it is about, if there is one already.
    pub const fn room(&self) -> Option<Room> {
        match self {
            Self::Send { room, .. }
            | Self::Edit { room, .. }
            | Self::Delete { room, .. }
            | Self::MarkRead { room, .. }
            | Self::Typing { room }
            | Self::Page { room, .. }
            | Self::Readers { room, .. }
            | Self::ViewRoom { room }
            | Self::Rename { room, .. }
            | Self::Archive { room, .. }
            | Self::DeleteRoom { room }
            | Self::Members { room }
            | Self::Bans { room }
            | Self::Add { room, .. }
            | Self::Remove { room, .. }
            | Self::Leave { room }
            | Self::SetRole { room, .. }
            | Self::Mute { room, .. }
            | Self::Unmute { room, .. }
            | Self::Ban { room, .. }
            | Self::Unban { room, .. }
            | Self::MakeLink { room }
            | Self::VoidLink { room }
            | Self::Join { room } => Some(*room),
            Self::CreateRoom { .. } | Self::OpenDirect { .. } | Self::ListRooms | Self::SignOut => {
                None
            }
        }
    }

    /// Whether it may let somebody into a room, or out of one.
    pub const fn moves_somebody(&self) -> bool {
        matches!(
            self,
            Self::Add { .. }
                | Self::Remove { .. }
                | Self::Leave { .. }
                | Self::Ban { .. }
                | Self::Join { .. }
                | Self::CreateRoom { .. }
                | Self::OpenDirect { .. }
                | Self::DeleteRoom { .. }
        )
    }

    /// Whether it can have made this change of somebody's standing.
    pub fn may_cause(&self, by: Person, whom: Person, change: Change) -> bool {
        match (self, change) {
            (Self::Add { whom: w, .. }, Change::Added)
            | (Self::Remove { whom: w, .. }, Change::Removed)
            | (Self::SetRole { whom: w, .. }, Change::RoleSet)
            | (Self::Mute { whom: w, .. }, Change::Muted)
            | (Self::Unmute { whom: w, .. }, Change::Unmuted)
            | (Self::Ban { whom: w, .. }, Change::Banned)
            | (Self::Unban { whom: w, .. }, Change::Unbanned) => *w == whom,
            (Self::Join { .. }, Change::Joined) | (Self::Leave { .. }, Change::Left) => by == whom,
            (Self::CreateRoom { .. }, Change::Added) => by == whom,
            (Self::OpenDirect { peer }, Change::Added) => by == whom || *peer == whom,
            _ => false,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Whether the server promises that this attempt has changed nothing.
    pub const fn says_nothing_happened(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NotNow(_))
    }
}

// === impl Display, Debug ===

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.at, self.what)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.code, self.reason)
    }
}
