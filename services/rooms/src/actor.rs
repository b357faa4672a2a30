//! The actor of one room: prepare, durable write, commit, reply, publish, in this order.
//!
//! Its mailbox carries wake-ups alone; what it is asked lies in its inbox. While a transaction is
//! under way the inbox fills, and what is in it then goes together in the next one: that is the whole
//! group commit, and nothing waits for a timer.
//!
//! The actor dies where its memory may disagree with the store: when a commit's outcome is unknown, or
//! when the stored head is not the one it knows. The next command starts another from the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_runtime::{Inbox, Reply, Taken};
use cluster_store::{AsStoreError, StoreError};
use cluster_types::{AccountId, RoomId};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::directory::Dependencies;
use crate::limits::{BATCH_BYTES_MAX, BATCH_COUNT_MAX};
use crate::state::{Change, Earlier, Facts, Head, Prepared, State};
use crate::{
    ClientMessageId, Command, CommandError, EventKind, MembershipKind, Outcome, Published,
    Standing, store, wire,
};

/// Look into the inbox.
#[derive(Debug)]
pub(crate) struct Wake;

/// A command, and who waits for its outcome.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) reply: Reply<Result<Outcome, CommandError>>,
}

/// Runs one room.
#[derive(Debug)]
pub(crate) struct RoomActor {
    pub(crate) room: RoomId,
    pub(crate) inbox: Inbox<Request>,
    pub(crate) with: Arc<Dependencies>,
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
        let Some(loaded) = state else {
            return self.load(&myself, taken, state).await;
        };
        if !taken.requests.is_empty() {
            self.execute(&myself, taken, loaded).await?;
        }
        self.look_again(&myself)
    }
}

/// What one transaction has decided, one entry for each request.
type Decisions = Vec<Result<Prepared, CommandError>>;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    /// Somebody else has written to the log: this actor is not its owner.
    #[error("the stored head is {stored:?}, known is {known:?}")]
    Stale { stored: Head, known: Head },
    #[error("the store did not take it")]
    Store(#[from] StoreError),
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
    /// Messages share a transaction; everything else has one for itself.
    fn next_batch(&self) -> Taken<Request> {
        let mut first_is_send = None;
        let (mut count, mut bytes) = (0, 0);
        self.inbox.take(|request| {
            count += 1;
            bytes += request.command.bytes();
            let is_send = request.command.is_send();
            let shares = *first_is_send.get_or_insert(is_send) && is_send;
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

    async fn load(
        &self,
        myself: &ActorRef<Wake>,
        taken: Taken<Request>,
        state: &mut Option<State>,
    ) -> Result<(), ActorProcessingErr> {
        let room = self.room;
        let found = self
            .with
            .store
            .read(|tx| async move { store::load(&tx, room).await })
            .await;
        let error = match found {
            Ok(Some(mut loaded)) => {
                if !taken.requests.is_empty() {
                    self.execute(myself, taken, &mut loaded).await?;
                }
                *state = Some(loaded);
                return self.look_again(myself);
            }
            Ok(None) => CommandError::NoSuchRoom,
            Err(error) => CommandError::Store(error),
        };
        self.answer_all(taken, &error);
        self.end(myself);
        Ok(())
    }

    async fn execute(
        &self,
        myself: &ActorRef<Wake>,
        mut taken: Taken<Request>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let commands: Arc<[Command]> = taken
            .requests
            .iter()
            .map(|request| request.command.clone())
            .collect();
        let decisions = match self.write(&commands, state).await {
            Ok(decisions) => decisions,
            Err(WriteError::Store(error)) if !error.maybe_committed() => {
                self.answer_all(taken, &CommandError::Store(error));
                return Ok(());
            }
            Err(error) => {
                // Close first: who is told to ask again must not find this actor.
                self.inbox.close();
                self.answer_all(taken, &CommandError::OutcomeUnknown);
                return Err(error.into());
            }
        };
        let mut deleted = false;
        for (request, decision) in std::mem::take(&mut taken.requests)
            .into_iter()
            .zip(decisions)
        {
            if let Ok(prepared) = &decision {
                deleted |= prepared.change == Some(Change::Delete);
                state.commit(prepared);
            }
            request
                .reply
                .send(decision.as_ref().map(|p| p.outcome).map_err(Clone::clone));
            if let Ok(prepared) = decision {
                self.publish(prepared);
            }
        }
        if deleted {
            self.end(myself);
        }
        Ok(())
    }

    /// Decides and writes in one transaction. Nothing of the state changes.
    async fn write(
        &self,
        commands: &Arc<[Command]>,
        state: &State,
    ) -> Result<Decisions, WriteError> {
        let with = &self.with;
        let attempt = |tx, _maybe_committed| async move {
            let tx: cluster_store::Transaction = tx;
            let stored = store::stored_head(&tx, state.room).await?;
            if stored != state.head {
                return Err(WriteError::Stale {
                    stored,
                    known: state.head,
                });
            }
            let mut head = state.head;
            let mut decisions = Decisions::with_capacity(commands.len());
            let mut batch = Batch::read(&tx, state.room, commands).await?;
            for command in commands.iter() {
                let facts = batch.facts(command);
                let decision = state.prepare(head, command, &facts, with.clock.now());
                if let Ok(prepared) = &decision {
                    store::write(&tx, state.room, prepared, state)?;
                    batch.remember(state.room, command, prepared);
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

    fn publish(&self, prepared: Prepared) {
        if prepared.change == Some(Change::Delete) {
            self.with.publisher.deleted(self.room);
        }
        let Some(event) = prepared.event() else {
            return;
        };
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
            standing: standing(&event.kind),
            frame: wire::event_frame(self.room, event),
        });
    }

    fn answer_all(&self, mut taken: Taken<Request>, error: &CommandError) {
        for request in std::mem::take(&mut taken.requests) {
            request.reply.send(Err(error.clone()));
        }
    }

    /// Stops for good. What still waits is dropped, and asked again by the directory.
    fn end(&self, myself: &ActorRef<Wake>) {
        self.inbox.close();
        myself.stop(None);
    }
}

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

/// The facts of one transaction: what was read at its start, and what it has written since.
struct Batch {
    target: Option<crate::Event>,
    earlier: BTreeMap<(AccountId, ClientMessageId), Earlier>,
}

impl Batch {
    async fn read(
        tx: &cluster_store::Transaction,
        room: RoomId,
        commands: &[Command],
    ) -> Result<Self, StoreError> {
        if let [command] = commands {
            let Facts { earlier, target } = store::facts(tx, room, command).await?;
            let earlier = key(command).zip(earlier).into_iter().collect();
            return Ok(Self { target, earlier });
        }
        let rows = store::earlier(tx, commands.iter()).await?;
        let keys = commands.iter().filter_map(key);
        let earlier = keys
            .zip(rows)
            .filter_map(|(key, row)| Some((key, row?)))
            .collect();
        Ok(Self {
            target: None,
            earlier,
        })
    }

    fn facts(&self, command: &Command) -> Facts {
        let earlier = key(command).and_then(|key| self.earlier.get(&key).copied());
        Facts {
            earlier,
            target: self.target.clone(),
        }
    }

    fn remember(&mut self, room: RoomId, command: &Command, prepared: &Prepared) {
        let (Some(key), Some(draft)) = (key(command), command.draft()) else {
            return;
        };
        if prepared.change.is_some() {
            let Head { seq, at, .. } = prepared.head;
            let digest = draft.digest(room, None);
            self.earlier.insert(
                key,
                Earlier {
                    room,
                    seq,
                    at,
                    digest,
                },
            );
        }
    }
}

fn key(command: &Command) -> Option<(AccountId, ClientMessageId)> {
    Some((command.account, command.draft()?.client_message_id))
}
