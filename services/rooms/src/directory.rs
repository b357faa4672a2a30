//! [`Rooms`]: the handle of all rooms on this node. Finds the actor of a room, or starts one.
//!
//! An actor is found by its inbox. It may go to sleep at any time, by closing an empty inbox: whoever
//! finds it closed starts another. So no message is ever lost to an actor that was about to end.
//!
//! Invariant: at most one actor of a room has an open inbox. What an actor had not begun when it ended is
//! asked again, of another; what it had begun only if doing it twice is doing it once.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_membership::{Membership, Ownership, Place};
use cluster_runtime::{AskError, Inbox, PushError, Reply, Supervisor, TaskKind, Tasks, Wake};
use cluster_store::{Store, StoreError};
use cluster_types::{AccountId, Clock, Rng, RoomId, Shard};
use parking_lot::Mutex;
use ractor::ActorRef;
use services_vault::Vault;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::actor::{self, Progress, Request, RoomActor};
use crate::clearing::Clearing;
use crate::limits::{
    ACTIVE_ROOMS_MAX, COMMAND_ATTEMPTS_MAX, COMMAND_DEADLINE, IDLE_SWEEP_EVERY, INBOX, MOVING_RETRY,
};
use crate::nodes::OtherNodes;
use crate::{Attachments, Command, CommandError, Outcome, Publisher};

mod active;
#[cfg(test)]
mod tests;

use active::{Active, Running, Slot};

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
    active: Arc<Mutex<Active>>,
}

impl Rooms {
    /// Starts serving rooms. No room is loaded before somebody asks for it; rooms whose deletion was
    /// cut short are cleared further.
    ///
    /// # Errors
    /// If the runtime goes down.
    pub async fn start(with: Dependencies) -> Result<Self, StoreError> {
        let active = Arc::new(Mutex::new(Active::default()));
        let on_exit = {
            let active = Arc::clone(&active);
            move |actor, exit| active.lock().ended(actor, &exit)
        };
        let supervisor = Supervisor::start(on_exit)
            .await
            .map_err(|_| StoreError::Closed)?;
        let rooms = Self {
            clearing: Clearing::start(&with),
            with: Arc::new(with),
            supervisor,
            active,
        };
        rooms.sweep();
        Ok(rooms)
    }

    /// Has a command done.
    ///
    /// # Errors
    /// See [`CommandError`]. Where the outcome stayed unknown, a command that may be done twice has been
    /// asked again already.
    pub async fn command(&self, room: RoomId, command: Command) -> Result<Outcome, CommandError> {
        let by = Instant::now() + COMMAND_DEADLINE;
        let outcome = self.ask_until_known(room, Arc::new(command), by);
        match timeout_at(by, outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CommandError::TimedOut),
        }
    }

    /// Rooms in memory now.
    pub fn active(&self) -> usize {
        self.active.lock().rooms.len()
    }

    /// Takes nothing more, finishes what is under way, ends all actors. What waits is answered with
    /// [`CommandError::Unavailable`].
    pub async fn stop(&self) {
        self.active.lock().stopping = true;
        self.supervisor.stop().await;
        // The supervisor may have stopped before it heard of the last ends.
        let left = std::mem::take(&mut self.active.lock().rooms);
        for slot in left.into_values() {
            slot.close();
        }
    }

    async fn ask_until_known(
        &self,
        room: RoomId,
        command: Arc<Command>,
        by: Instant,
    ) -> Result<Outcome, CommandError> {
        let (mut unknown, mut attempts) = (false, 0);
        while attempts < COMMAND_ATTEMPTS_MAX {
            attempts += 1;
            let place = self.place(room);
            match self.ask(room, &place, &command).await {
                Err(CommandError::Moving) => {
                    // Nobody was asked. It is somewhere again in a moment, and there it is asked for.
                    attempts -= 1;
                    if Instant::now() + MOVING_RETRY * 2 >= by {
                        return Err(if unknown {
                            CommandError::OutcomeUnknown
                        } else {
                            CommandError::Moving
                        });
                    }
                    self.settle(room, &place).await;
                }
                Err(CommandError::Unavailable) => {}
                Err(CommandError::OutcomeUnknown) if command.is_repeatable() => unknown = true,
                Err(CommandError::OutcomeUnknown) => {
                    // If it has happened, those whom it concerns have to hear of it.
                    self.wake(room);
                    return Err(CommandError::OutcomeUnknown);
                }
                Err(error) if unknown && !error.settles(&command) => break,
                outcome => return outcome,
            }
        }
        Err(if unknown {
            CommandError::OutcomeUnknown
        } else {
            CommandError::Unavailable
        })
    }

    /// What has to be found out before a room is asked.
    async fn check(&self, room: RoomId, command: &Command) -> Result<(), CommandError> {
        let newcomer = command.newcomer();
        // Strangers must not be able to start actors, nor to ask through a room who there is.
        let known = command.comes_from_outside()
            || (newcomer.is_none() && self.active.lock().rooms.contains_key(&room));
        if !known && !self.is_member(command.account, room).await? {
            return Err(CommandError::NoSuchRoom);
        }
        match newcomer {
            Some(account) if !self.with.people.exists(account).await? => {
                Err(CommandError::NoSuchAccount)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Waits until it may be known where a room is that was not at this place.
    async fn settle(&self, room: RoomId, was: &Place) {
        let mut changes = self.with.membership.changes();
        let moved = async { while self.place(room) == *was && changes.changed().await.is_ok() {} };
        let within = MOVING_RETRY + self.with.rng.jitter(MOVING_RETRY);
        if timeout(within, moved).await.is_err() {
            // Nobody has said so: it was not handed over, or there is no link.
            self.with.membership.look().await;
        }
    }

    /// Asks for it once, wherever the room is.
    async fn ask(
        &self,
        room: RoomId,
        place: &Place,
        command: &Arc<Command>,
    ) -> Result<Outcome, CommandError> {
        match place {
            Place::Here(ownership) => self.ask_here(room, *ownership, command).await,
            Place::There(member, _epoch) => {
                let node = member.life.node;
                self.with.nodes.command(node, room, command).await
            }
            Place::Nobody => Err(CommandError::Moving),
        }
    }

    /// Asks the actor of the room once. [`CommandError::Unavailable`]: it ended before it began.
    pub(crate) async fn ask_here(
        &self,
        room: RoomId,
        ownership: Ownership,
        command: &Arc<Command>,
    ) -> Result<Outcome, CommandError> {
        self.check(room, command).await?;
        let (reply, waiting) = Reply::channel();
        let request = Request {
            command: Arc::clone(command),
            reply,
        };
        let (inbox, actor) = self.find_or_start(room, ownership)?;
        match inbox.push(request, command.bytes()) {
            Ok(Wake::Unneeded) => {}
            Ok(Wake::Needed) => {
                // It fails only if the actor has ended; then its inbox is closed.
                let _ended = actor.cast(actor::Wake);
            }
            Err((PushError::Full, _)) => return Err(CommandError::Overloaded),
            Err((PushError::Closed, _)) => return Err(CommandError::Unavailable),
        }
        match waiting.answer(COMMAND_DEADLINE).await {
            Ok(outcome) => outcome,
            Err(error) => {
                if error == AskError::Stopped {
                    // It died without a word. Until its supervisor hears of it, nobody must find it.
                    actor::answer_all(inbox.close(), &CommandError::Unavailable);
                }
                Err(error.into())
            }
        }
    }

    /// Lets go of all rooms of these shards: their actors take nothing more, and are to be stopped.
    pub(crate) fn leave(&self, shards: &BTreeSet<Shard>) -> Vec<ActorRef<actor::Wake>> {
        let left = self.active.lock().leave(shards);
        left.into_iter()
            .map(|slot| slot.retire(&CommandError::Moving))
            .collect()
    }

    fn find_or_start(
        &self,
        room: RoomId,
        ownership: Ownership,
    ) -> Result<(Inbox<Request>, ActorRef<actor::Wake>), CommandError> {
        let mut active = self.active.lock();
        if active.stopping || active.keeps_failing(room) {
            return Err(CommandError::Unavailable);
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

    /// Loads a room, to tell what its last actor may not have told.
    fn wake(&self, room: RoomId) {
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
                let died = rooms.active.lock().sleep_idle(Instant::now());
                for room in died {
                    rooms.wake(room);
                }
            }
        };
        let tasks = &self.with.tasks;
        tasks.spawn(TaskKind::Housekeeping, "rooms: idle", sweep);
    }
}
