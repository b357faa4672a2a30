//! Files: sent up to a room, carried by a message, fetched by its readers.
//!
//! Owns: transfers that go on by themselves after whatever broke, and what becomes of a file on this
//! machine. Invariant: what a program is told is there is, byte for byte, what was sent: its SHA-256 was
//! compared. Memory does not depend on the size of a file.
//!
//! Left out: which files are taken and how many; the server says. Deciding where a file is saved.

mod download;
mod name;
mod save;
mod upload;

use proto::v1::event::Kind;
use proto::v1::{Attachment, Event};

pub use name::local_name;
pub use save::{Existing, discard_part};
pub use upload::name_and_size;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Bytes that were sent or came. Less than a moment ago if a connection broke and lost some.
    pub bytes: u64,
    /// Bytes that there are.
    pub total: u64,
}

/// A file that a message carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// `rooms/{room}`
    pub room: String,
    /// The message.
    pub seq: u64,
    /// The file, as the message describes it.
    pub file: Attachment,
}

impl Attached {
    /// The files of the message that an event is about; none of other events.
    pub fn of(event: &Event) -> Vec<Self> {
        let (seq, message) = match &event.kind {
            Some(Kind::Message(message)) => (event.seq, Some(message)),
            Some(Kind::MessageEdit(edit)) => (edit.target_seq, edit.message.as_ref()),
            Some(Kind::MessageDeletion(_) | Kind::MembershipChange(_) | Kind::RoomChange(_))
            | None => (event.seq, None),
        };
        let files = message.map_or(&[][..], |message| &message.attachments);
        let attached = |file: &Attachment| Self {
            room: event.room.clone(),
            seq,
            file: file.clone(),
        };
        files.iter().map(attached).collect()
    }
}
