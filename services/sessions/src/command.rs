//! What a client can ask for on its stream, and what it is answered. Names, numbers and texts have
//! been validated where they came in.

use std::collections::BTreeSet;
use std::fmt;

use cluster_rpc::InvalidRequest;
use cluster_types::{AccountId, LogId, RoomId, Seq};
use services_rooms::{Action, Outcome};

use crate::error::Refusal;
use crate::limits::WATCHED_ACCOUNTS_PER_CALL;
use crate::presence;

/// A frame of a client.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Chosen by the client; 0: it wants no reply.
    pub(crate) request_id: u64,
    /// Bytes of the frame.
    pub(crate) bytes: usize,
    /// What makes no sense is answered in its turn.
    pub(crate) command: Result<Command, InvalidRequest>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// The first command, and only that: what the client already has.
    Hello(Vec<Follow>),
    /// From here on, send a room's events.
    Follow(Follow),
    /// From here on, send a room's counters alone.
    Unfollow(RoomId),
    /// Change a room's log.
    Act(Act, RoomId, Box<Action>),
    /// Move the read mark.
    MarkRead(RoomId, Seq),
    /// Show that one writes.
    Type(RoomId),
    /// Show oneself as this.
    SetPresence(presence::State),
    /// Hear of these accounts' presence and no others'.
    WatchPresence(BTreeSet<AccountId>),
}

/// Which kind of change is asked for, and so which answer is expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Send,
    Edit,
    Delete,
}

/// A room to be followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Follow {
    pub(crate) room: RoomId,
    pub(crate) from: From,
    /// The log that the client's events come from.
    pub(crate) log_id: Option<LogId>,
    pub(crate) place: Place,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum From {
    /// The client has everything up to this event.
    After(Seq),
    /// At the newest event.
    Head,
}

/// Where in a frame something was asked, for errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    FollowRoom,
    Hello(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FollowRoom => f.write_str("follow_room"),
            Self::Hello(index) => write!(f, "hello.follow_rooms[{index}]"),
        }
    }
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There is nothing to say.
    Done,
    /// A room's log was changed.
    Acted(Act, Outcome),
    /// Where the read mark stands, and how many messages come after it.
    Marked { read: Seq, unread: u64 },
}

pub(crate) type Answered = Result<Answer, Refusal>;

impl Asked {
    /// How many calls it weighs as much as.
    pub(crate) fn calls(&self) -> u32 {
        match &self.command {
            // It is the call by which the stream was opened, which has been counted.
            Ok(Command::Hello(_)) => 0,
            Ok(Command::WatchPresence(accounts)) => {
                let more = accounts.len() / WATCHED_ACCOUNTS_PER_CALL;
                u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
            }
            Ok(_) | Err(_) => 1,
        }
    }

    /// Whether it says something in a room: those that follow one another are sent together.
    pub(crate) const fn is_send(&self) -> bool {
        matches!(self.command, Ok(Command::Act(Act::Send, _, _)))
    }
}
