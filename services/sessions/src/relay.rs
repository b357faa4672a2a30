//! The relay: from one published event to every outbox that wants it.
//!
//! Sessions are split over shards by their number, and each shard has one task and one queue: so a
//! session gets events in the order in which they were published, and a large room keeps every core
//! busy. A queue that is full forgets an event and remembers how far its room has come: the sessions
//! there then read the log.
//!
//! Who leaves a room is taken out of the outbox's rooms before the event that says so is queued: what
//! lies in a queue does not reach it any more.

use std::sync::Arc;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{AccountId, RoomId, Seq};
use tokio::time::Instant;

use crate::limits::{MARKER_WATCHERS_MAX, TYPING_WATCHERS_MAX};
use crate::nodes::Between;
use crate::outbox::{Event, Hint, Missed};
use crate::session::{Session, SessionId};

mod shard;
#[cfg(test)]
mod tests;
mod typing;

use shard::{Post, Shard};
use typing::Typing;

#[derive(Debug)]
pub(crate) struct Relay {
    shards: Vec<Arc<Shard>>,
    typing: Typing,
    between: Arc<Between>,
}

impl Relay {
    /// Starts `shards` tasks, at least one, which end when all is stopped.
    pub(crate) fn start(shards: usize, between: Arc<Between>, tasks: &Tasks) -> Self {
        let start = |_| {
            let (shard, work) = Shard::new();
            let stopping = tasks.stopping().clone();
            tasks.spawn(TaskKind::Relay, "sessions: relay", async move {
                // Cancelled: what has not been delivered is in the log.
                let _cancelled = stopping.run_until_cancelled(work).await;
            });
            shard
        };
        Self {
            shards: (0..shards.max(1)).map(start).collect(),
            typing: Typing::default(),
            between,
        }
    }

    /// From here on, `session` hears of `room`.
    pub(crate) fn watch(&self, room: RoomId, session: &Arc<Session>) {
        self.shard(session.id).watch(room, session, &self.between);
    }

    /// From here on, `session` hears nothing of `room`.
    pub(crate) fn unwatch(&self, room: RoomId, session: SessionId) {
        self.shard(session).unwatch(room, session, &self.between);
    }

    /// Everybody who watches a room.
    pub(crate) fn watchers(&self, room: RoomId) -> Vec<Arc<Session>> {
        let watchers = self.shards.iter().flat_map(|shard| shard.watchers(room));
        watchers.collect()
    }

    /// Hands an event to all who watch its room. Returns whether it got everywhere: where it did not,
    /// the sessions hear that it is missing.
    pub(crate) fn event(&self, room: RoomId, event: Event) -> bool {
        let mut everywhere = true;
        for shard in self.shards.iter().filter(|shard| shard.is_watched(room)) {
            everywhere &= shard.post(Post::Event(room, event.clone()));
        }
        everywhere
    }

    /// Says to all who watch a room how far it had come when events of it were lost on the way to this node, after all
    /// that has come here before.
    pub(crate) fn doubt(&self, room: RoomId, missed: Missed) {
        for shard in self.shards.iter().filter(|shard| shard.is_watched(room)) {
            shard.post(Post::Doubt(room, missed));
        }
    }

    /// Shows all who look at the room that a member writes, if that was not shown just now. Returns whether
    /// it was not.
    pub(crate) fn typing(&self, room: RoomId, account: AccountId) -> bool {
        let is_news = self.typing.is_news(room, account, Instant::now());
        if is_news {
            self.hint(room, Hint::Typing { room, account }, TYPING_WATCHERS_MAX);
        }
        is_news
    }

    /// Tells those who look at a small room how far a member has read.
    pub(crate) fn read(&self, room: RoomId, account: AccountId, seq: Seq) {
        self.hint(room, Hint::Read { room, account, seq }, MARKER_WATCHERS_MAX);
    }

    fn hint(&self, room: RoomId, hint: Hint, watchers_max: usize) {
        let counts = self.shards.iter().map(|shard| shard.watcher_count(room));
        if counts.sum::<usize>() > watchers_max {
            return;
        }
        for shard in self.shards.iter().filter(|shard| shard.is_watched(room)) {
            shard.post(Post::Hint(room, hint));
        }
    }

    fn shard(&self, session: SessionId) -> &Shard {
        // The remainder is below the number of shards.
        #[expect(clippy::cast_possible_truncation)]
        let index = (session.0 % self.shards.len() as u64) as usize;
        &self.shards[index]
    }
}
