//! [`Item`]: one thing that comes in on a session.

use std::time::Duration;

use proto::v1::{Event, Presence, ReadMarker, RoomCounter, Typing};

use crate::Error;

/// One thing that comes in on a session.
#[derive(Debug)]
pub enum Item {
    /// The session stands. The first item, once.
    Ready {
        /// One's own `accounts/{account}`.
        account: String,
        /// For diagnosis.
        session_id: String,
    },
    /// The next event of a followed room.
    Event(Event),
    /// What was missed of this room has come; what follows is live.
    Live {
        /// `rooms/{room}`
        room: String,
        /// The newest event.
        seq: u64,
        /// Of which log. Keep both to resume after a restart.
        log_id: String,
    },
    /// The room's log was rebuilt from a backup. Drop what is cached of the room; all of it follows.
    Rebuilt {
        /// `rooms/{room}`
        room: String,
    },
    /// Events are missing: a fault of the server or of this client. What is missing is asked for, and
    /// comes next; nothing after the gap is given before it.
    Gap {
        /// `rooms/{room}`
        room: String,
        /// The event that should have come.
        expected: u64,
        /// The place that the server spoke of instead.
        found: u64,
    },
    /// Something happened in a room that is not followed.
    RoomCounter(RoomCounter),
    /// One became a member of this room.
    RoomGained {
        /// `rooms/{room}`
        room: String,
    },
    /// One is no member of this room any more. It is not followed any more either.
    RoomLost {
        /// `rooms/{room}`
        room: String,
    },
    /// Somebody writes in a followed room.
    Typing(Typing),
    /// Somebody whose presence is watched came or went.
    Presence(Presence),
    /// Somebody has read a followed room up to here.
    ReadMarker(ReadMarker),
    /// The stream is gone and comes back after a wait. Commands wait too.
    Reconnecting {
        /// Counted from 1 since the stream last stood.
        attempt: u32,
        /// How long until it is made.
        wait: Duration,
        /// Why, for people.
        cause: String,
    },
    /// The stream stands again, and what was missed follows.
    Reconnected,
    /// The sign-in was ended: the last item. Sign in again.
    SignedOut,
    /// The session cannot go on: the last item.
    Ended(Error),
}
