//! The nouns of a room, without bytes and without gRPC.

use std::fmt;

use cluster_types::{AccountId, LogId, RoomId, Seq, UnixMillis};

use crate::Attachment;

/// The SHA-256 of a link's secret.
pub type LinkHash = [u8; 32];

/// What a member may do. The order is the order of rank.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Also says who else may, below its own rank.
    Moderator,
    /// May do everything.
    Owner,
}

/// What kind of room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A room with a name, members and roles.
    Group,
    /// The one conversation of a pair of accounts.
    Direct,
}

/// Somebody who is in a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member {
    /// What it may do.
    pub role: Role,
    /// Whether it may read only.
    pub mute: Option<Mute>,
}

impl Member {
    /// A member that is not muted.
    pub const fn new(role: Role) -> Self {
        Self { role, mute: None }
    }

    /// Whether it may only read at `now`.
    pub fn is_muted(&self, now: UnixMillis) -> bool {
        self.mute
            .is_some_and(|mute| mute.until.is_none_or(|until| now < until))
    }
}

/// A mute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mute {
    /// When it ends by itself; `None`: when it is lifted.
    pub until: Option<UnixMillis>,
}

/// Chosen by a sender, the same on every retry.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientMessageId(pub [u8; 16]);

impl ClientMessageId {
    /// Of a message that has none any more. No sender may choose it.
    pub(crate) const NONE: Self = Self([0; 16]);
}

impl fmt::Debug for ClientMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ClientMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

/// How a body is meant to be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// As it is.
    Plain,
    /// Markdown.
    Markdown,
    /// Source code.
    Code,
}

impl Format {
    /// As it is stored and digested, for good.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Plain => 1,
            Self::Markdown => 2,
            Self::Code => 3,
        }
    }
}

/// How loudly a message asks for attention.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// As messages do.
    Normal,
    /// More.
    High,
    /// Now.
    Urgent,
}

impl Priority {
    /// As it is stored and digested, for good.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Normal => 1,
            Self::High => 2,
            Self::Urgent => 3,
        }
    }
}

/// A message as it stands.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    /// What was said; empty once deleted.
    pub body: String,
    /// How to show it.
    pub format: Format,
    /// How loudly.
    pub priority: Priority,
    /// Which message it answers.
    pub reply_to: Option<Seq>,
    /// As the sender chose it; all zero once deleted.
    pub client_message_id: ClientMessageId,
    /// The newest edit, or the deletion.
    pub edited: Option<Seq>,
    /// Whether only the place is left.
    pub deleted: bool,
    /// Files that come with it, as the sender ordered them.
    pub attachments: Vec<Attachment>,
}

impl Message {
    /// What is left of a message once it is deleted, which is its place.
    pub(crate) const fn tombstone(deletion: Seq) -> Self {
        Self {
            body: String::new(),
            format: Format::Plain,
            priority: Priority::Normal,
            reply_to: None,
            client_message_id: ClientMessageId::NONE,
            edited: Some(deletion),
            deleted: true,
            attachments: Vec::new(),
        }
    }
}

impl fmt::Debug for Message {
    /// Shows no body: a message may end up in a log by its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("bytes", &self.body.len())
            .field("deleted", &self.deleted)
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

/// One entry of a room's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its place.
    pub seq: Seq,
    /// When, by the clock of the node; never earlier than the event before.
    pub at: UnixMillis,
    /// Who.
    pub actor: AccountId,
    /// Messages among the events up to this one.
    pub message_count: u64,
    /// What.
    pub kind: EventKind,
}

/// What an event is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// Something was said.
    Message(Message),
    /// Something that was said was changed.
    Edit {
        /// Which message.
        target: Seq,
        /// The message as it stands; `None` if it is gone with its room's history.
        message: Option<Message>,
    },
    /// Something that was said was taken back.
    Deletion {
        /// Which message.
        target: Seq,
    },
    /// Somebody's standing in the room changed.
    Membership(MembershipChange),
    /// The room itself changed.
    Room(RoomChange),
}

/// A change of somebody's standing in a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MembershipChange {
    /// Whose.
    pub account: AccountId,
    /// How.
    pub kind: MembershipKind,
    /// The member from here on; `None` if it is none.
    pub member: Option<Member>,
}

/// How a standing changed. The numbers are those of `rookery.v1.MembershipChange.Kind`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum MembershipKind {
    /// Added by somebody.
    Added = 1,
    /// Came by link.
    Joined = 2,
    /// Left.
    Left = 3,
    /// Removed by somebody.
    Removed = 4,
    /// Removed, and kept out.
    Banned = 5,
    /// May come back.
    Unbanned = 6,
    /// Has another role.
    RoleSet = 7,
    /// May only read.
    Muted = 8,
    /// May write again.
    Unmuted = 9,
}

impl MembershipKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Added,
        Self::Joined,
        Self::Left,
        Self::Removed,
        Self::Banned,
        Self::Unbanned,
        Self::RoleSet,
        Self::Muted,
        Self::Unmuted,
    ];

    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// A room as it is from an event on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoomChange {
    /// Its name.
    pub display_name: String,
    /// What it is about.
    pub topic: String,
    /// Whether it can only be read.
    pub archived: bool,
}

/// How far a member has read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadMark {
    /// The last event read.
    pub seq: Seq,
    /// Messages up to there.
    pub message_count: u64,
}

/// A room as one of its members sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomView {
    /// Which room.
    pub room: RoomId,
    /// What kind.
    pub kind: Kind,
    /// Name, topic, whether archived.
    pub about: RoomChange,
    /// Which life of the log.
    pub log_id: LogId,
    /// The newest event.
    pub head: Seq,
    /// Messages up to there.
    pub message_count: u64,
    /// What the member may do.
    pub role: Role,
    /// How far it has read.
    pub mark: ReadMark,
    /// The other side of a direct conversation.
    pub peer: Option<AccountId>,
    /// How many are in it.
    pub member_count: u64,
}

/// How a room stands for one of its members, without what it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RoomStanding {
    /// Which room.
    pub room: RoomId,
    /// Which life of the log.
    pub log_id: LogId,
    /// The newest event.
    pub head: Seq,
    /// Messages up to there.
    pub message_count: u64,
    /// How far the member has read.
    pub mark: ReadMark,
}

/// A room as an administrator sees it: nothing of what it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerRoomView {
    /// Which room.
    pub room: RoomId,
    /// What kind.
    pub kind: Kind,
    /// Whether it can only be read.
    pub archived: bool,
    /// The newest event.
    pub head: Seq,
}
