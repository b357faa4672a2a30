//! [`Active`]: the actors that run on this node, those that failed, and what is still to be told.
//!
//! Invariant: a room whose actor died stays among the untold until a later actor has told its newest
//! event.
//!
//! Leaves out: starting actors and asking them, which is the directory's.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_membership::Ownership;
use cluster_runtime::{Exit, Inbox};
use cluster_types::{RoomId, Shard};
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

use crate::CommandError;
use crate::actor::{self, Progress, Request};
use crate::limits::{FAILURES_MAX, FAILURES_WINDOW, IDLE_AFTER};

/// The actors that run.
#[derive(Debug, Default)]
pub(super) struct Active {
    pub(super) rooms: BTreeMap<RoomId, Slot>,
    pub(super) by_actor: BTreeMap<ActorId, Running>,
    failures: BTreeMap<RoomId, Failures>,
    /// Rooms with an actor that died, until a later one has told the newest event.
    pub(super) untold: BTreeSet<RoomId>,
    pub(super) stopping: bool,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) ownership: Ownership,
    pub(super) inbox: Inbox<Request>,
    pub(super) actor: ActorRef<actor::Wake>,
    pub(super) used: Instant,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) room: RoomId,
    pub(super) progress: Arc<Progress>,
}

/// Of a room whose actors fail one after the other.
#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Slot {
    /// Ends the actor, and answers what it has not begun.
    pub(super) fn close(self) {
        self.retire(&CommandError::Unavailable).stop(None);
    }

    /// Answers what the actor has not begun with `error`. It takes nothing more, and is to be stopped.
    pub(super) fn retire(self, error: &CommandError) -> ActorRef<actor::Wake> {
        actor::answer_all(self.inbox.close(), error);
        self.actor
    }
}

impl Active {
    pub(super) fn ended(&mut self, actor: ActorId, exit: &Exit) {
        let Some(Running { room, progress }) = self.by_actor.remove(&actor) else {
            return;
        };
        match exit {
            Exit::Failed(error) => {
                tracing::warn!(%room, error, "a room ended, and is loaded anew when it is asked");
                self.untold.insert(room);
                self.count_failure(room, progress.is_useful());
            }
            Exit::Stopped if progress.has_told_newest() => _ = self.untold.remove(&room),
            Exit::Stopped => {}
        }
        // By now another actor may have the place of this one.
        if let Entry::Occupied(slot) = self.rooms.entry(room)
            && slot.get().actor.get_id() == actor
        {
            slot.remove().close();
        }
    }

    /// Takes all rooms of these shards out.
    pub(super) fn leave(&mut self, shards: &BTreeSet<Shard>) -> Vec<Slot> {
        let is_theirs = |room: &RoomId| shards.contains(&Shard::of_room(*room));
        self.untold.retain(|room| !is_theirs(room));
        let theirs = self.rooms.extract_if(.., |room, _| is_theirs(room));
        theirs.map(|(_, slot)| slot).collect()
    }

    fn count_failure(&mut self, room: RoomId, useful: bool) {
        let first = || Failures {
            count: 0,
            since: Instant::now(),
        };
        let failures = self.failures.entry(room).or_insert_with(first);
        if useful {
            *failures = first();
        }
        failures.count += 1;
    }

    pub(super) fn keeps_failing(&mut self, room: RoomId) -> bool {
        let Some(failures) = self.failures.get(&room) else {
            return false;
        };
        if failures.since.elapsed() >= FAILURES_WINDOW {
            self.failures.remove(&room);
            return false;
        }
        failures.count >= FAILURES_MAX
    }

    /// Lets idle actors sleep. Returns the rooms that have to be woken: their actor has died, and nobody
    /// has asked since.
    pub(super) fn sleep_idle(&mut self, now: Instant) -> Vec<RoomId> {
        self.rooms.retain(|_, slot| {
            let idle = now.duration_since(slot.used) >= IDLE_AFTER;
            let sleeps = idle && slot.inbox.close_if_empty();
            if sleeps {
                slot.actor.stop(None);
            }
            !sleeps
        });
        self.failures
            .retain(|_, failures| now.duration_since(failures.since) < FAILURES_WINDOW);
        let untold = self.untold.iter().copied();
        untold
            .filter(|room| !self.rooms.contains_key(room))
            .collect()
    }
}
