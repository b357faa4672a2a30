//! [`Rooms`]: the handle of all rooms on this node. Finds the actor of a room, or starts one.
//!
//! An actor is found by its inbox. It may go to sleep at any time, by closing an empty inbox: whoever
//! finds it closed starts another. So no message is ever lost to an actor that was about to end.
//!
//! Invariant: at most one actor of a room has an open inbox, and none is started but under the ownership of now: once
//! a shard is let go of, nothing starts behind it.
//!
//! Leaves out: asking it (`asking`).

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_membership::{Membership, Ownership, Place};
use cluster_runtime::{Inbox, Supervisor, TaskKind, Tasks};
use cluster_store::{Store, StoreError};
use cluster_types::{AccountId, Clock, Rng, RoomId, Shard};
use parking_lot::Mutex;
use ractor::ActorRef;
use services_vault::Vault;
use tokio::time::{Instant, sleep};

use crate::actor::{self, Progress, Request, RoomActor};
use crate::clearing::Clearing;
use crate::limits::{ACTIVE_ROOMS_MAX, IDLE_SWEEP_EVERY, INBOX};
use crate::nodes::OtherNodes;
use crate::{Attachments, CommandError, HotRoom, Publisher};

mod active;
mod asking;
#[cfg(test)]
mod tests;
mod turns;

use active::{Active, Running, Slot};
use turns::Turns;

/// Who there is, as far as rooms have to know.
#[async_trait]
pub trait People: std::fmt::Debug + Send + Sync + 'static {
    /// Whether there is such an account.
    ///
    /// # Errors
    /// If that cannot be found out now.
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError>;
}

/// All that rooms need from others.
#[derive(Debug)]
pub struct Dependencies {
    /// Where logs are kept.
    pub store: Store,
    /// Seals what is kept, and opens it.
    pub vault: Vault,
    /// Labels events.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and links.
    pub rng: Rng,
    /// Knows who there is.
    pub people: Arc<dyn People>,
    /// Keeps files that come with messages.
    pub attachments: Arc<dyn Attachments>,
    /// Delivers events.
    pub publisher: Arc<dyn Publisher>,
    /// Knows which node has a room.
    pub membership: Membership,
    /// Asks it, if it is another one.
    pub nodes: Arc<dyn OtherNodes>,
    /// Runs what goes on in the background.
    pub tasks: Tasks,
}

/// All rooms of this node. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Rooms {
    pub(crate) with: Arc<Dependencies>,
    supervisor: Supervisor,
    pub(crate) clearing: Clearing,
    local: Arc<Local>,
}

/// What there is of rooms on this node.
#[derive(Debug, Default)]
struct Local {
    active: Mutex<Active>,
    turns: Turns,
}

impl Rooms {
    /// Starts serving rooms. No room is loaded before somebody asks for it; rooms whose deletion was
    /// cut short are cleared further.
    ///
    /// # Errors
    /// If the runtime goes down.
    pub async fn start(with: Dependencies) -> Result<Self, StoreError> {
        let local = Arc::new(Local::default());
        let on_exit = {
            let local = Arc::clone(&local);
            move |actor, exit| local.active.lock().ended(actor, &exit)
        };
        let supervisor = Supervisor::start(on_exit)
            .await
            .map_err(|_| StoreError::Closed)?;
        let rooms = Self {
            clearing: Clearing::start(&with),
            with: Arc::new(with),
            supervisor,
            local,
        };
        rooms.sweep();
        Ok(rooms)
    }

    /// Rooms in memory now.
    pub fn active(&self) -> usize {
        self.local.active.lock().rooms.len()
    }

    /// How much has happened in each of them.
    pub(crate) fn heats(&self, now: Instant) -> Vec<HotRoom> {
        let active = self.local.active.lock();
        let heat = |slot: &Slot| {
            let running = active.by_actor.get(&slot.actor.get_id())?;
            Some(HotRoom {
                room: running.room,
                events: running.progress.events(now),
            })
        };
        active.rooms.values().filter_map(heat).collect()
    }

    /// Takes nothing more, finishes what is under way, ends all actors. What waits is answered with
    /// [`CommandError::Unavailable`].
    pub async fn stop(&self) {
        self.local.active.lock().stopping = true;
        self.supervisor.stop().await;
        // The supervisor may have stopped before it heard of the last ends.
        let left = std::mem::take(&mut self.local.active.lock().rooms);
        for slot in left.into_values() {
            slot.close();
        }
    }

    /// Whether this node takes nothing more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.local.active.lock().stopping
    }

    /// Lets go of all rooms of these shards: their actors take nothing more, and are to be stopped.
    pub(crate) fn leave(&self, shards: &BTreeSet<Shard>) -> Vec<ActorRef<actor::Wake>> {
        let left = self.local.active.lock().leave(shards);
        left.into_iter()
            .map(|slot| slot.retire(&CommandError::Moving))
            .collect()
    }

    fn find_or_start(
        &self,
        room: RoomId,
        ownership: Ownership,
    ) -> Result<(Inbox<Request>, ActorRef<actor::Wake>), CommandError> {
        let mut active = self.local.active.lock();
        if active.stopping || active.keeps_failing(room) {
            return Err(CommandError::Unavailable);
        }
        // Under the lock: whoever lets go of a shard has said before that it is not here, and takes the lock then.
        if self.place(room) != Place::Here(ownership) {
            return Err(CommandError::Moving);
        }
        if let Some(slot) = active.rooms.get_mut(&room) {
            if !slot.inbox.is_closed() && slot.ownership == ownership {
                slot.used = Instant::now();
                return Ok((slot.inbox.clone(), slot.actor.clone()));
            }
            // It has just died, of whatever, or is of an earlier ownership.
            active.untold.insert(room);
            if let Some(slot) = active.rooms.remove(&room) {
                slot.close();
            }
        }
        if active.rooms.len() >= ACTIVE_ROOMS_MAX {
            return Err(CommandError::Overloaded);
        }
        let inbox = Inbox::new(INBOX);
        let progress = Arc::new(Progress::default());
        let handler = RoomActor {
            room,
            ownership,
            inbox: inbox.clone(),
            with: Arc::clone(&self.with),
            clearing: self.clearing.clone(),
            tells_newest: active.untold.contains(&room),
            progress: Arc::clone(&progress),
        };
        let actor = self
            .supervisor
            .spawn(handler, ())
            .map_err(|_| CommandError::Unavailable)?;
        active
            .by_actor
            .insert(actor.get_id(), Running { room, progress });
        let slot = Slot {
            ownership,
            inbox: inbox.clone(),
            actor: actor.clone(),
            used: Instant::now(),
        };
        active.rooms.insert(room, slot);
        Ok((inbox, actor))
    }

    /// Loads a room, if it is here, to tell what its last actor may not have told.
    pub(crate) fn wake(&self, room: RoomId) {
        let Place::Here(ownership) = self.place(room) else {
            return;
        };
        if let Ok((_, actor)) = self.find_or_start(room, ownership) {
            // It fails only if the actor has ended.
            let _ended = actor.cast(actor::Wake);
        }
    }

    /// Lets actors sleep that nobody has asked for a while, and wakes rooms whose actor has died.
    fn sweep(&self) {
        let (rooms, stopping) = (self.clone(), self.with.tasks.stopping().clone());
        let sweep = async move {
            let pause = || sleep(IDLE_SWEEP_EVERY);
            while stopping.run_until_cancelled(pause()).await.is_some() {
                // The lock is let go before the rooms are woken, which takes it again.
                let died = rooms.local.active.lock().sleep_idle(Instant::now());
                for room in died {
                    rooms.wake(room);
                }
            }
        };
        let tasks = &self.with.tasks;
        tasks.spawn(TaskKind::Housekeeping, "rooms: idle", sweep);
    }
}
