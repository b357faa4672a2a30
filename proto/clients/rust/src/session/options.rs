//! What a session is opened with.

use std::time::Duration;

use proto::v1::{FollowRoom, presence};

use crate::{Backoff, limits};

/// How a session behaves. The defaults suit a program with one session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub(super) follow: Vec<Follow>,
    pub(super) presence: Option<presence::State>,
    pub(super) watch: Vec<String>,
    pub(super) items_max: usize,
    pub(super) backoff: Backoff,
    pub(crate) command_deadline: Duration,
}

impl SessionOptions {
    /// A session that follows no room yet: it gets the counters of all of them.
    pub fn new() -> Self {
        Self {
            follow: Vec::new(),
            presence: None,
            watch: Vec::new(),
            items_max: limits::ITEMS_MAX,
            backoff: Backoff::default(),
            command_deadline: limits::COMMAND_DEADLINE,
        }
    }

    /// Follows one more room from the start; at most 64.
    #[must_use]
    pub fn follow(mut self, room: Follow) -> Self {
        self.follow.push(room);
        self
    }

    /// Shows oneself so from the start.
    #[must_use]
    pub const fn presence(mut self, state: presence::State) -> Self {
        self.presence = Some(state);
        self
    }

    /// Hears of the presence of these `accounts/{account}` from the start; at most 512.
    #[must_use]
    pub fn watch_presence(mut self, accounts: Vec<String>) -> Self {
        self.watch = accounts;
        self
    }

    /// How many items may wait to be read (256 without it, at least 1). Further events are left on the
    /// server until these are read.
    #[must_use]
    pub fn items_max(mut self, items: usize) -> Self {
        self.items_max = items.max(1);
        self
    }

    /// The waits between attempts to reconnect. There is no last attempt.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long a command waits for its answer (30 s without it), reconnects included.
    #[must_use]
    pub const fn command_deadline(mut self, deadline: Duration) -> Self {
        self.command_deadline = deadline;
        self
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A room to follow, and what the program already has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Follow(FollowRoom);

impl Follow {
    /// The whole log, from the first event on.
    pub fn from_start(room: impl Into<String>) -> Self {
        Self(FollowRoom {
            room: room.into(),
            ..FollowRoom::default()
        })
    }

    /// What comes after `seq` of the log `log_id`, as the last [`Item::Live`](super::Item::Live) named
    /// it. If the log is another one by now, [`Item::Rebuilt`](super::Item::Rebuilt) says so and the room
    /// comes from its start.
    pub fn after(room: impl Into<String>, seq: u64, log_id: impl Into<String>) -> Self {
        Self(FollowRoom {
            room: room.into(),
            after_seq: seq,
            log_id: log_id.into(),
            from_head: false,
        })
    }

    /// What happens from now on, and nothing before it.
    pub fn from_head(room: impl Into<String>) -> Self {
        Self(FollowRoom {
            room: room.into(),
            from_head: true,
            ..FollowRoom::default()
        })
    }
}

impl From<Follow> for FollowRoom {
    fn from(follow: Follow) -> Self {
        follow.0
    }
}
