//! Events of a room's log, as a client sees them: what never changes of an event, and the message,
//! which does.

use std::fmt;

use cluster_types::{Seq, UnixMillis};
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;

use crate::limits::FILES_MAX;
use crate::names::{File, Person, Room};

/// A client message id.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub [u8; 16]);

/// What stands in for a body: its length and a digest. Equal bodies have equal ones; unequal bodies do
/// not, but for one chance in 2^64.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Body {
    bytes: u32,
    digest: u64,
}

/// All that the sender of a message chooses, but for its id.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// What.
    pub body: Body,
    /// How it is shown.
    pub format: i32,
    /// How loudly.
    pub priority: i32,
    /// What it answers; 0 for nothing.
    pub reply_to: Seq,
    /// The files that come with it; of an edit, those that the message loses.
    pub files: Files,
}

/// The first files that come with a message, in their order. Nobody here sends more.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Files([Option<File>; FILES_MAX]);

/// A message as it stands when it is seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Message {
    /// What it says.
    pub said: Said,
    /// `None` once it is deleted.
    pub id: Option<MessageId>,
    /// The newest edit, or the deletion; 0 for none.
    pub edited: Seq,
    /// Whether only the place is left.
    pub deleted: bool,
}

/// One event of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Of which room.
    pub room: Room,
    /// Its place.
    pub seq: Seq,
    /// Who.
    pub actor: Person,
    /// When.
    pub at: UnixMillis,
    /// Messages up to here.
    pub messages: u64,
    /// What.
    pub kind: Kind,
}

/// What an event is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Something was said.
    Message(Message),
    /// Something that was said was changed.
    Edit {
        /// Which message.
        target: Seq,
        /// It, as it stands when it is seen.
        message: Option<Message>,
    },
    /// Something that was said was taken back.
    Deletion {
        /// Which message.
        target: Seq,
    },
    /// Somebody's standing changed.
    Membership {
        /// Whose.
        whom: Person,
        /// How.
        change: Change,
        /// The role from here on, where there is one.
        role: Role,
    },
    /// The room itself changed.
    Room {
        /// Its name.
        display_name: String,
        /// Whether it can only be read.
        archived: bool,
    },
}

// === impl Files ===

impl Files {
    /// These.
    pub fn of(files: impl IntoIterator<Item = File>) -> Self {
        let mut all = [None; FILES_MAX];
        for (place, file) in all.iter_mut().zip(files) {
            *place = Some(file);
        }
        Self(all)
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = File> {
        self.0.into_iter().flatten()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether this is what is left of `all`, in the same order.
    pub fn are_left_of(&self, all: &Self) -> bool {
        let mut all = all.iter();
        self.iter().all(|file| all.any(|other| other == file))
    }
}

// === impl Body ===

impl Body {
    /// Of this text.
    pub fn of(text: &str) -> Self {
        // FNV-1a: short, and fit to tell texts apart that nobody chose in bad faith.
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self {
            bytes: u32::try_from(text.len()).unwrap_or(u32::MAX),
            digest: text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix),
        }
    }
}

// === impl Event ===

impl Event {
    /// Whether `self` and `other` can be sights of the same event at different times: all is equal, but
    /// for messages, which may have been changed in between.
    pub fn is_the_same_as(&self, other: &Self) -> bool {
        let places = |event: &Self| (event.room, event.seq, event.actor, event.at, event.messages);
        places(self) == places(other)
            && match (&self.kind, &other.kind) {
                (Kind::Message(one), Kind::Message(two)) => one.may_become(two),
                (
                    Kind::Edit { target, message },
                    Kind::Edit {
                        target: t,
                        message: m,
                    },
                ) => {
                    let both = message.as_ref().zip(m.as_ref());
                    target == t && both.is_none_or(|(one, two)| one.may_become(two))
                }
                (one, two) => one == two,
            }
    }

    /// Whether it says something about the room, and not about what was said in it.
    pub const fn changes_the_room(&self) -> bool {
        matches!(self.kind, Kind::Membership { .. } | Kind::Room { .. })
    }

    /// The message that is seen through this event, and its place.
    pub fn message(&self) -> Option<(Seq, &Message)> {
        match &self.kind {
            Kind::Message(message) => Some((self.seq, message)),
            Kind::Edit { target, message } => Some((*target, message.as_ref()?)),
            Kind::Deletion { .. } | Kind::Membership { .. } | Kind::Room { .. } => None,
        }
    }

    /// Whether the account that it is about is a member from here on; `None` if this does not change.
    pub fn standing(&self) -> Option<(Person, bool)> {
        let Kind::Membership { whom, change, .. } = &self.kind else {
            return None;
        };
        match change {
            Change::Added | Change::Joined => Some((*whom, true)),
            Change::Left | Change::Removed | Change::Banned => Some((*whom, false)),
            Change::Unspecified
            | Change::Unbanned
            | Change::RoleSet
            | Change::Muted
            | Change::Unmuted => None,
        }
    }
}

impl Message {
    fn may_become(&self, other: &Self) -> bool {
        if self.deleted || other.deleted {
            // Of a deleted message there is nothing left that could be compared.
            return !(self.deleted && other.deleted) || self.edited == other.edited;
        }
        let stays = |message: &Self| (message.id, message.said.priority, message.said.reply_to);
        let (one, two) = (&self.said.files, &other.said.files);
        stays(self) == stays(other)
            && (one.are_left_of(two) || two.are_left_of(one))
            && (self.edited != other.edited || self.said == other.said)
    }
}

// === impl Debug ===

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell the few thousand ids of a run apart by eye.
        write!(
            f,
            "#{:02x}{:02x}{:02x}{:02x}",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B:{:08x}", self.bytes, self.digest >> 32)
    }
}
