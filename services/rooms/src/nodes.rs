//! Rooms among nodes: which node has a room, what is asked of it from elsewhere, and what becomes of it when its
//! shard moves.
//!
//! Any node takes commands for any room. One that does not have the room sends them to the node that has, and
//! waits while the room is on its way between two: a client notices a pause.
//!
//! Invariant: an actor writes under the ownership that it was started with, and every transaction of its
//! checks that in the store. So of two nodes that believe to have a room at most one can write to it.
//!
//! Leaves out: who owns what (`cluster-membership`), and how nodes speak (`cluster-rpc`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_membership::{Owner, Place, Tenant};
use cluster_types::{NodeId, RoomId, Shard};
use futures::future::join_all;

use crate::{Command, CommandError, Outcome, Rooms};

/// The other nodes, as rooms need them.
#[async_trait]
pub trait OtherNodes: fmt::Debug + Send + Sync + 'static {
    /// Has a command done by the node that has the room.
    ///
    /// # Errors
    /// What that node says. [`CommandError::Moving`] if it cannot be reached, and nothing happened;
    /// [`CommandError::OutcomeUnknown`] if it may have.
    async fn command(
        &self,
        node: NodeId,
        room: RoomId,
        command: &Command,
    ) -> Result<Outcome, CommandError>;

    /// Tells all nodes that shards were handed over, and to whom. Does not wait.
    fn handed(&self, handed: &[(Shard, Owner)]);
}

/// No other nodes: for one that is alone.
#[derive(Clone, Copy, Debug)]
pub struct NoOtherNodes;

#[async_trait]
impl OtherNodes for NoOtherNodes {
    async fn command(
        &self,
        _node: NodeId,
        _room: RoomId,
        _command: &Command,
    ) -> Result<Outcome, CommandError> {
        Err(CommandError::Moving)
    }

    fn handed(&self, _handed: &[(Shard, Owner)]) {}
}

impl Rooms {
    /// Has a command done that has come in on another node.
    ///
    /// # Errors
    /// As [`Rooms::command`]; [`CommandError::Moving`] if this node does not have the room.
    pub async fn command_here(
        &self,
        room: RoomId,
        command: Command,
    ) -> Result<Outcome, CommandError> {
        let Place::Here(ownership) = self.place(room) else {
            return Err(CommandError::Moving);
        };
        let command = Arc::new(command);
        let outcome = self.ask_here(room, ownership, &command).await;
        match outcome {
            // Whoever asks waits until it is another node's.
            Err(CommandError::Unavailable) if self.is_stopping() => Err(CommandError::Moving),
            Err(CommandError::OutcomeUnknown) if !command.is_repeatable() => {
                // If it has happened, those whom it concerns have to hear of it.
                self.wake(room);
                outcome
            }
            outcome => outcome,
        }
    }

    pub(crate) fn place(&self, room: RoomId) -> Place {
        self.with.membership.place(Shard::of_room(room))
    }
}

#[async_trait]
impl Tenant for Rooms {
    async fn release(&self, shards: &[Shard]) {
        let shards = shards.iter().copied().collect();
        let actors = self.leave(&shards);
        let ended = actors.iter().map(|actor| actor.stop_and_wait(None, None));
        // It fails only if the actor has ended.
        let _ended = join_all(ended).await;
    }

    fn handed(&self, handed: &[(Shard, Owner)]) {
        self.with.nodes.handed(handed);
    }

    fn lost(&self, shards: &[Shard]) {
        let shards: BTreeSet<_> = shards.iter().copied().collect();
        for actor in self.leave(&shards) {
            actor.stop(None);
        }
    }

    fn gained(&self, _shards: &[Shard]) {
        // Of a deletion that another node had begun.
        self.clearing.look();
    }
}
