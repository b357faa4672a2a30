//! [`Rooms`]: the handle of all rooms on this node. Finds the actor of a room, or starts one.
//!
//! An actor is found by its inbox. It may go to sleep at any time, by closing an empty inbox: whoever
//! finds it closed starts another. So no message is ever lost to an actor that was about to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_runtime::{AskError, Exit, Inbox, PushError, Reply, Supervisor, TaskKind, Tasks, Wake};
use cluster_store::{Store, StoreError};
use cluster_types::{AccountId, Clock, Rng, RoomId};
use parking_lot::Mutex;
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

use crate::actor::{self, Request, RoomActor};
use crate::limits::{
    ACTIVE_ROOMS_MAX, CLEAR_BATCH, COMMAND_DEADLINE, FAILURES_MAX, FAILURES_WINDOW, IDLE_AFTER,
    IDLE_SWEEP_EVERY, INBOX,
};
use crate::{Action, Command, CommandError, Outcome, Publisher, store};

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
    /// Labels events.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and links.
    pub rng: Rng,
    /// Knows who there is.
    pub people: Arc<dyn People>,
    /// Delivers events.
    pub publisher: Arc<dyn Publisher>,
    /// Runs what goes on in the background.
    pub tasks: Tasks,
}

/// All rooms of this node. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Rooms {
    pub(crate) with: Arc<Dependencies>,
    supervisor: Supervisor,
    active: Arc<Mutex<Active>>,
}

/// The actors that run.
#[derive(Debug, Default)]
struct Active {
    rooms: BTreeMap<RoomId, Slot>,
    by_actor: BTreeMap<ActorId, RoomId>,
    failures: BTreeMap<RoomId, Failures>,
    stopping: bool,
}

#[derive(Debug)]
struct Slot {
    inbox: Inbox<Request>,
    actor: ActorRef<actor::Wake>,
    used: Instant,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Rooms {
    /// Starts serving rooms. No room is loaded before somebody asks for it; rooms whose deletion was
    /// cut short are cleared further.
    ///
    /// # Errors
    /// If the store cannot be read or the runtime goes down.
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
            with: Arc::new(with),
            supervisor,
            active,
        };
        let read = |tx| async move { store::deletions(&tx).await };
        for room in rooms.with.store.read(read).await? {
            rooms.clear_away(room);
        }
        rooms.sweep_idle();
        Ok(rooms)
    }

    /// Has a command done.
    ///
    /// # Errors
    /// See [`CommandError`]. Where the outcome stays unknown, a command that may be done twice has
    /// been tried a second time already.
    pub async fn command(&self, room: RoomId, command: Command) -> Result<Outcome, CommandError> {
        self.check(room, &command).await?;
        let again = command.is_idempotent().then(|| command.clone());
        let deletes = matches!(command.action, Action::DeleteRoom { .. } | Action::Leave);
        let outcome = match (self.ask(room, command).await, again) {
            (Err(CommandError::OutcomeUnknown), Some(command)) => self.ask(room, command).await,
            (outcome, _) => outcome,
        };
        if deletes && outcome.is_ok() {
            self.clear_if_deleted(room).await;
        }
        outcome
    }

    /// Rooms in memory now.
    pub fn active(&self) -> usize {
        self.active.lock().rooms.len()
    }

    /// Takes nothing more, finishes what is under way, ends all actors.
    pub async fn stop(&self) {
        self.active.lock().stopping = true;
        self.supervisor.stop().await;
    }

    /// What has to be found out before a room is asked.
    async fn check(&self, room: RoomId, command: &Command) -> Result<(), CommandError> {
        if let Action::Add { account, .. } | Action::Ban(account) = command.action
            && !self.with.people.exists(account).await?
        {
            return Err(CommandError::NoSuchAccount);
        }
        // Strangers must not be able to start actors.
        let outsider = match command.action {
            Action::Join(_) => true,
            Action::DeleteRoom { by_administrator } => by_administrator,
            _ => false,
        };
        let known = outsider || self.active.lock().rooms.contains_key(&room);
        if !known && !self.is_member(command.account, room).await? {
            return Err(CommandError::NoSuchRoom);
        }
        Ok(())
    }

    async fn ask(&self, room: RoomId, command: Command) -> Result<Outcome, CommandError> {
        let bytes = command.bytes();
        let (reply, waiting) = Reply::channel();
        let mut request = Request { command, reply };
        // Twice: the first actor found may just be going to sleep.
        for _ in 0..2 {
            let (inbox, actor) = self.find_or_start(room)?;
            match inbox.push(request, bytes) {
                Ok(wake) => {
                    if wake == Wake::Needed {
                        // It fails only if the actor has ended; then the reply is dropped.
                        let _ended = actor.cast(actor::Wake);
                    }
                    return waiting.answer(COMMAND_DEADLINE).await?;
                }
                Err((PushError::Full, _)) => return Err(AskError::Overloaded.into()),
                Err((PushError::Closed, returned)) => request = returned,
            }
        }
        Err(CommandError::Unavailable)
    }

    fn find_or_start(
        &self,
        room: RoomId,
    ) -> Result<(Inbox<Request>, ActorRef<actor::Wake>), CommandError> {
        let mut active = self.active.lock();
        if active.stopping || active.keeps_failing(room) {
            return Err(CommandError::Unavailable);
        }
        if let Some(slot) = active.rooms.get_mut(&room)
            && !slot.inbox.is_closed()
        {
            slot.used = Instant::now();
            return Ok((slot.inbox.clone(), slot.actor.clone()));
        }
        if active.rooms.len() >= ACTIVE_ROOMS_MAX {
            return Err(CommandError::Overloaded);
        }
        let inbox = Inbox::new(INBOX);
        let handler = RoomActor {
            room,
            inbox: inbox.clone(),
            with: Arc::clone(&self.with),
        };
        let actor = self
            .supervisor
            .spawn(handler, ())
            .map_err(|_| CommandError::Unavailable)?;
        active.by_actor.insert(actor.get_id(), room);
        let slot = Slot {
            inbox: inbox.clone(),
            actor: actor.clone(),
            used: Instant::now(),
        };
        active.rooms.insert(room, slot);
        Ok((inbox, actor))
    }

    /// Lets actors sleep that nobody has asked for a while.
    fn sweep_idle(&self) {
        let (active, stopping) = (Arc::clone(&self.active), self.with.tasks.stopping().clone());
        self.with
            .tasks
            .spawn(TaskKind::Housekeeping, "rooms: idle", async move {
                let pause = || tokio::time::sleep(IDLE_SWEEP_EVERY);
                while stopping.run_until_cancelled(pause()).await.is_some() {
                    active.lock().sleep_idle(Instant::now());
                }
            });
    }

    async fn clear_if_deleted(&self, room: RoomId) {
        let read = |tx| async move { store::info(&tx, room).await };
        if matches!(self.with.store.read(read).await, Ok(None)) {
            self.clear_away(room);
        }
    }

    /// Clears the rows of a deleted room, some at a time. What is cut short goes on at the next start.
    fn clear_away(&self, room: RoomId) {
        let (store, stopping) = (self.with.store.clone(), self.with.tasks.stopping().clone());
        self.with.tasks.spawn(TaskKind::Clearing, "rooms: clear", async move {
            while !stopping.is_cancelled() {
                let some = |tx, _| async move { store::clear_some(&tx, room, CLEAR_BATCH).await };
                match store.run(some).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "clearing a deleted room waits for the next start");
                        break;
                    }
                }
            }
        });
    }
}

impl Active {
    fn ended(&mut self, actor: ActorId, exit: &Exit) {
        let Some(room) = self.by_actor.remove(&actor) else {
            return;
        };
        if let Exit::Failed(error) = exit {
            tracing::warn!(%room, error, "a room ended, and is loaded anew when it is asked");
            let now = Instant::now();
            let failures = self.failures.entry(room).or_insert(Failures {
                count: 0,
                since: now,
            });
            failures.count += 1;
        }
        // By now another actor may have the place of this one.
        if let Some(slot) = self
            .rooms
            .get(&room)
            .filter(|slot| slot.actor.get_id() == actor)
        {
            slot.inbox.close();
            self.rooms.remove(&room);
        }
    }

    fn keeps_failing(&mut self, room: RoomId) -> bool {
        let Some(failures) = self.failures.get(&room) else {
            return false;
        };
        if failures.since.elapsed() >= FAILURES_WINDOW {
            self.failures.remove(&room);
            return false;
        }
        failures.count >= FAILURES_MAX
    }

    fn sleep_idle(&mut self, now: Instant) {
        self.failures
            .retain(|_, failures| now.duration_since(failures.since) < FAILURES_WINDOW);
        let idle = |slot: &Slot| {
            now.duration_since(slot.used) >= IDLE_AFTER && slot.inbox.close_if_empty()
        };
        self.rooms.retain(|_, slot| {
            let sleeps = idle(slot);
            if sleeps {
                slot.actor.stop(None);
            }
            !sleeps
        });
    }
}
