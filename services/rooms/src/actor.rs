//! The actor of one room: prepare, durable write, commit, reply, publish, in this order.
//!
//! Its mailbox carries wake-ups alone; what it is asked lies in its inbox. While a transaction is
//! under way the inbox fills, and what is in it then goes together in the next one: that is the whole
//! group commit, and nothing waits for a timer.
//!
//! Invariant: every request is answered, or dropped because the actor has died under it. The actor dies
//! where its memory may disagree with the store: when a commit's outcome is unknown, or when the stored
//! head is not the one it knows. The next command starts another from the store, which tells the newest
//! event once more: what was durable and not yet told is found by the gap before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_membership::{FenceError, Ownership, fence};
use cluster_runtime::{Inbox, Reply, Taken};
use cluster_store::{AsStoreError, StoreError};
use cluster_types::RoomId;
use futures::future::join;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::clearing::Clearing;
use crate::directory::Dependencies;
use crate::heat::Heat;
use crate::limits::{BATCH_BYTES_MAX, BATCH_COUNT_MAX};
use crate::state::{Change, Head, Prepared, SALT_BYTES, Salt, State};
use crate::store::Opener;
use crate::{
    Command, CommandError, Event, EventKind, MembershipKind, Outcome, Published, Standing, reader,
    store, wire,
};

mod batch;
mod seals;

use batch::Batch;

/// Look into the inbox.
#[derive(Debug)]
pub(crate) struct Wake;

/// A command, and who waits for its outcome.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Arc<Command>,
    pub(crate) reply: Reply<Result<Outcome, CommandError>>,
}

/// Runs one room.
#[derive(Debug)]
pub(crate) struct RoomActor {
    pub(crate) room: RoomId,
    /// What it writes under.
    pub(crate) ownership: Ownership,
    pub(crate) inbox: Inbox<Request>,
    pub(crate) with: Arc<Dependencies>,
    pub(crate) clearing: Clearing,
    /// Whether the newest event has to be told once more: the actor before may have died before it
    /// could tell it.
    pub(crate) tells_newest: bool,
    pub(crate) progress: Arc<Progress>,
}

/// How far an actor has come. Its directory looks at it when the actor has ended, and at how much happens meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    told_newest: AtomicBool,
    useful: AtomicBool,
    heat: Mutex<Heat>,
}

impl Progress {
    /// Whether the room was found as it is, and its newest event told if that had to be.
    pub(crate) fn has_told_newest(&self) -> bool {
        self.told_newest.load(Ordering::Relaxed)
    }

    /// Whether a command has got through to the store and back.
    pub(crate) fn is_useful(&self) -> bool {
        self.useful.load(Ordering::Relaxed)
    }

    /// Events of the last minute.
    pub(crate) fn events(&self, now: Instant) -> u32 {
        self.heat.lock().events(now)
    }
}

impl Actor for RoomActor {
    type Msg = Wake;
    /// `None` until the first command: an actor starts without waiting for the store.
    type State = Option<State>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Wake>,
        (): (),
    ) -> Result<Option<State>, ActorProcessingErr> {
        Ok(None)
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _wake: Wake,
        state: &mut Option<State>,
    ) -> Result<(), ActorProcessingErr> {
        let mut taken = self.next_batch();
        taken
            .requests
            .retain(|request| !request.reply.is_abandoned());
        let state = match state {
            Some(state) => state,
            None => match self.load().await {
                Ok(loaded) => state.insert(loaded),
                Err(error) => {
                    answer_all(taken, &error);
                    self.end(&myself, &error);
                    return Ok(());
                }
            },
        };
        if !taken.requests.is_empty() {
            self.execute(&myself, taken, state).await?;
        }
        self.look_again(&myself)
    }
}

/// What one transaction has decided, one entry for each request.
type Decisions = Vec<Result<Prepared, CommandError>>;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    /// Somebody else has written to the log: this actor is not its owner. Nothing was written.
    #[error("the stored head is {stored:?}, known is {known:?}")]
    Stale { stored: Head, known: Head },
    /// The shard of the room has another owner. Nothing was written.
    #[error("the shard of the room has another owner")]
    Fenced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FenceError> for WriteError {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Fenced { .. } => Self::Fenced,
            FenceError::Store(error) => Self::Store(error),
        }
    }
}

impl AsStoreError for WriteError {
    fn as_store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            Some(error)
        } else {
            None
        }
    }
}

impl RoomActor {
    /// Messages without files share a transaction; everything else has one for itself.
    fn next_batch(&self) -> Taken<Request> {
        let mut first_shares = None;
        let (mut count, mut bytes) = (0, 0);
        self.inbox.take(|request| {
            count += 1;
            bytes += request.command.bytes();
            let shares = request.command.shares();
            let shares = *first_shares.get_or_insert(shares) && shares;
            shares && count <= BATCH_COUNT_MAX && bytes <= BATCH_BYTES_MAX
        })
    }

    /// Sleeps if there is nothing to do. The inbox remembers: a push after this sends a wake-up.
    fn look_again(&self, myself: &ActorRef<Wake>) -> Result<(), ActorProcessingErr> {
        if self.inbox.sleep_if_empty() {
            Ok(())
        } else {
            Ok(myself.cast(Wake)?)
        }
    }

    /// The room. Tells its newest event, or that there is no such room, if that has to be told.
    async fn load(&self) -> Result<State, CommandError> {
        let load = |tx| async move {
            let state = store::load(&tx, &self.with.vault, self.room).await?;
            let newest = match &state {
                Some(state) if self.tells_newest => {
                    let opener = Opener::of(&self.with.vault, self.room).await?;
                    reader::event_at(&tx, &opener, state.head.seq).await?
                }
                Some(_) | None => None,
            };
            Ok::<_, StoreError>(state.map(|state| (state, newest)))
        };
        let found = self.with.store.read(load).await?;
        if let Some((_, Some(event))) = &found {
            self.publish_event(event.clone(), standing(&event.kind));
        } else if self.tells_newest && found.is_none() {
            self.with.publisher.deleted(self.room);
        }
        self.progress.told_newest.store(true, Ordering::Relaxed);
        let (state, _) = found.ok_or(CommandError::NoSuchRoom)?;
        Ok(state)
    }

    async fn execute(
        &self,
        myself: &ActorRef<Wake>,
        mut taken: Taken<Request>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let commands: Vec<_> = taken
            .requests
            .iter()
            .map(|request| Arc::clone(&request.command))
            .collect();
        let decisions = match self.write(&commands, state).await {
            Ok(decisions) => decisions,
            Err(WriteError::Store(error)) if !error.maybe_committed() => {
                answer_all(taken, &CommandError::Store(error));
                return Ok(());
            }
            Err(WriteError::Fenced) => {
                tracing::info!(room = %self.room, "a room has moved to another node");
                answer_all(taken, &CommandError::Moving);
                self.end(myself, &CommandError::Moving);
                return Ok(());
            }
            Err(error) => {
                self.die(taken, &error);
                return Err(error.into());
            }
        };
        self.progress.useful.store(true, Ordering::Relaxed);
        let requests = std::mem::take(&mut taken.requests);
        let before = state.head.seq;
        for (request, decision) in requests.into_iter().zip(decisions) {
            match decision {
                Ok(prepared) => {
                    state.commit(&prepared);
                    request.reply.send(Ok(prepared.outcome));
                    self.publish(myself, prepared);
                }
                Err(error) => request.reply.send(Err(error)),
            }
        }
        let events = u32::try_from(state.head.seq.0 - before.0).unwrap_or(u32::MAX);
        self.progress.heat.lock().add(events, Instant::now());
        Ok(())
    }

    /// Decides and writes in one transaction, at one time. Nothing of the state changes.
    async fn write(
        &self,
        commands: &[Arc<Command>],
        state: &State,
    ) -> Result<Decisions, WriteError> {
        let with = &self.with;
        let now = with.clock.now();
        let mut salts = vec![[0; SALT_BYTES]; commands.len()];
        with.rng.fill(salts.as_flattened_mut());
        let seals = seals::find(with, state, commands, state.head.at.max(now)).await?;
        let (salts, seals) = (&salts, &seals);
        let attempt = |tx: cluster_store::Transaction, _maybe_committed| async move {
            let stored = store::stored_head(&tx, state.room, state.head.at);
            let (stored, fence) = join(stored, fence(&tx, self.ownership)).await;
            fence?;
            let stored = stored?;
            if stored != state.head {
                return Err(WriteError::Stale {
                    stored,
                    known: state.head,
                });
            }
            let opener = &Opener::of(&with.vault, state.room).await?;
            let mut batch = Batch::read(&tx, opener, &*with.attachments, state, commands).await?;
            // Of this attempt: another one may seal something else.
            let mut nonces = with.vault.nonces(commands.len());
            let mut head = state.head;
            let mut decisions = Decisions::with_capacity(commands.len());
            for (place, command) in commands.iter().enumerate() {
                let facts = batch.facts(place);
                let decision = state.prepare(head, command, &facts, now, Salt(salts[place]));
                if let Ok(prepared) = &decision {
                    store::write(&tx, prepared, state, seals, &mut nonces)?;
                    self.move_files(&tx, prepared).await?;
                    batch.remember(place, prepared);
                    head = prepared.head;
                }
                decisions.push(decision);
            }
            if head != state.head {
                store::write_head(&tx, state.room, head)?;
            }
            Ok(decisions)
        };
        with.store.run_certain(attempt).await
    }

    /// Has the files that a message carries follow what was decided about it.
    async fn move_files(
        &self,
        tx: &cluster_store::Transaction,
        prepared: &Prepared,
    ) -> Result<(), StoreError> {
        let files = &self.with.attachments;
        match &prepared.change {
            Some(Change::Message(message, _)) if !message.attachments.is_empty() => {
                let taken = message.attachments.iter().map(|taken| taken.file);
                let taken: Vec<_> = taken.collect();
                files.take(tx, prepared.actor, self.room, &taken).await
            }
            Some(Change::Edit(message) | Change::Deletion(message)) => {
                for file in &message.released {
                    files.release(tx, *file).await?;
                }
                Ok(())
            }
            Some(Change::Release {
                target,
                files: left,
            }) => {
                for file in left {
                    files.release(tx, *file).await?;
                }
                store::forget_files(tx, self.room, *target).await
            }
            Some(
                Change::Message(..)
                | Change::Membership(_)
                | Change::Room(_)
                | Change::Link(_)
                | Change::Delete,
            )
            | None => Ok(()),
        }
    }

    fn publish(&self, myself: &ActorRef<Wake>, prepared: Prepared) {
        if prepared.change == Some(Change::Delete) {
            self.with.publisher.deleted(self.room);
            self.clearing.look();
            self.end(myself, &CommandError::NoSuchRoom);
        }
        let standing = prepared.standing;
        if let Some(event) = prepared.into_event() {
            self.publish_event(event, standing);
        } else if let Some(Standing::Gained(account)) = standing {
            self.with.publisher.gained(self.room, account);
        }
    }

    fn publish_event(&self, event: Event, standing: Option<Standing>) {
        self.with.publisher.event(Published {
            room: self.room,
            seq: event.seq,
            message_count: event.message_count,
            actor: event.actor,
            priority: match &event.kind {
                EventKind::Message(message) => Some(message.priority),
                EventKind::Edit { .. }
                | EventKind::Deletion { .. }
                | EventKind::Membership(_)
                | EventKind::Room(_) => None,
            },
            standing,
            frame: wire::event_frame(self.room, event),
        });
    }

    /// Stops for good: there is no such room, or it cannot be read.
    fn end(&self, myself: &ActorRef<Wake>, error: &CommandError) {
        answer_all(self.inbox.close(), error);
        myself.stop(None);
    }

    /// Says what is known of the requests, before the actor fails with `error`. The inbox closes first:
    /// who is told to ask again must not find this actor.
    fn die(&self, taken: Taken<Request>, error: &WriteError) {
        let waiting = self.inbox.close();
        match error {
            WriteError::Stale { .. } | WriteError::Fenced => {
                answer_all(taken, &CommandError::Unavailable);
            }
            WriteError::Store(_) => answer_all(taken, &CommandError::OutcomeUnknown),
        }
        answer_all(waiting, &CommandError::Unavailable);
        // What is unknown may be a deletion.
        self.clearing.look();
    }
}

/// Who came or went by an event that is told once more.
fn standing(kind: &EventKind) -> Option<Standing> {
    let EventKind::Membership(change) = kind else {
        return None;
    };
    match change.kind {
        MembershipKind::Added | MembershipKind::Joined => Some(Standing::Gained(change.account)),
        MembershipKind::Left | MembershipKind::Removed | MembershipKind::Banned => {
            Some(Standing::Lost(change.account))
        }
        MembershipKind::Unbanned
        | MembershipKind::RoleSet
        | MembershipKind::Muted
        | MembershipKind::Unmuted => None,
    }
}

/// Gives everybody the same answer.
pub(crate) fn answer_all(mut taken: Taken<Request>, error: &CommandError) {
    for request in std::mem::take(&mut taken.requests) {
        request.reply.send(Err(error.clone()));
    }
}
