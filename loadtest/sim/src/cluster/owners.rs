//! P5: a room is written by the life that owns it at that moment, and by no other.
//!
//! Held by what is in the store when a transaction commits, whatever the node believed: the owner's row as it
//! was before the commit, against the client that commits and the lives that it entered. No code of the
//! nodes is asked. And since a commit that comes too late is rare, each has to show that it would have been
//! refused: the owner's row is among what it has read.
//!
//! Leaves out: rooms that are being made, which nobody else knows yet; rows that are cleared after a room's
//! deletion, by whoever comes by; and an actor of an earlier epoch of the same life, whose writes look like
//! those of its successor.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cluster_store::schema::{Node, RoomEvent, RoomHead, ShardOwner};
use cluster_store::{Commit, Mutation, Row, Witness};
use cluster_types::{RoomId, Shard};
use parking_lot::Mutex;
use prost::Message as _;
use proto::storage::v1;

use crate::history::World as Happened;
use crate::node::node_id;
use crate::world::World;

#[cfg(test)]
mod tests;

/// Holds each write to a room against its owner.
#[derive(Debug)]
pub(super) struct Owners {
    world: World,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The boot ids under which each node has entered since it started. One that was evicted and has entered anew
    /// may have writes under way under the id before, which the owner's row may still name.
    boots: BTreeMap<u32, BTreeSet<Bytes>>,
    /// Rooms that have been written.
    rooms: BTreeSet<RoomId>,
    /// Writes that were held against their owners.
    writes: u64,
}

impl Owners {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            seen: Mutex::default(),
        }
    }

    /// A node starts anew: nothing of what it had is its own.
    pub(super) fn starts(&self, node: u32) {
        self.seen.lock().boots.remove(&node);
    }

    /// How many writes were looked at.
    pub(super) fn writes(&self) -> u64 {
        self.seen.lock().writes
    }
}

impl Witness for Owners {
    fn committed(&self, commit: &Commit<'_>) {
        let mut seen = self.seen.lock();
        let mut written = BTreeSet::new();
        for write in commit.writes {
            let Mutation::Set { key, value } = write else {
                continue;
            };
            if let Ok(Node { node }) = Node::decode(key)
                && node == node_id(commit.client)
                && let Ok(row) = v1::Node::decode(value.clone())
            {
                let boots = seen.boots.entry(commit.client).or_default();
                boots.insert(row.boot_id);
            }
            let head = RoomHead::decode(key).map(|RoomHead { room }| room);
            let room = head.or_else(|_| RoomEvent::decode(key).map(|RoomEvent { room, .. }| room));
            written.extend(room.ok());
        }
        for room in written {
            if let Some(wrong) = seen.hold(commit, room) {
                self.world.note_world(wrong);
            }
        }
    }
}

impl Seen {
    /// What is wrong with this write, if anything is.
    fn hold(&mut self, commit: &Commit<'_>, room: RoomId) -> Option<Happened> {
        let is_new = self.rooms.insert(room);
        if is_new && commit.before(&RoomHead { room }.encode()).is_none() {
            return None;
        }
        self.writes += 1;
        let (client, shard) = (commit.client, Shard::of_room(room));
        let key = ShardOwner { shard }.encode();
        let row = commit.before(&key).unwrap_or_default();
        let owner = v1::ShardOwner::decode(row).unwrap_or_default();
        let is = |node: u32| owner.node_id == node_id(node).as_bytes()[..];
        let boots = self.boots.get(&client);
        if !is(client) || !boots.is_some_and(|boots| boots.contains(&owner.boot_id)) {
            let (whose, epoch) = ((0..=u8::MAX.into()).find(|node| is(*node)), owner.epoch);
            let words = format!(
                "node {client} wrote to a room of {shard:?}, which node {whose:?} had under epoch {epoch}"
            );
            return Some(Happened::Stray(words));
        }
        let words =
            || format!("node {client} wrote to a room of {shard:?} and had not read whose it is");
        (!commit.depends_on(&key)).then(|| Happened::Unfenced(words()))
    }
}
