//! What a node knows of the cluster: [`View`], and [`Place`], which is what it makes of it for a shard.
//!
//! Invariant: a view is of one moment of the store. It may be old: what is decided by it is checked where it
//! counts, in the transaction (`fence`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_types::{Epoch, Life, NodeId, SHARDS, Shard};

/// Where a node is reached, as its configuration says; empty if it is not meant to be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addresses {
    /// By other nodes.
    pub cluster: String,
    /// By clients.
    pub public: String,
    /// By voice.
    pub voice: String,
}

/// What a member does with shards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeState {
    /// Takes none yet. Also what a newer release does that this one does not know.
    Joining,
    /// Takes what falls to it.
    Serving,
    /// Gives its own away and takes none.
    Draining,
}

/// A node that belongs to the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Which node, in which life.
    pub life: Life,
    /// Where it is reached.
    pub addresses: Addresses,
    /// The release that it runs.
    pub version: String,
    /// The schema that this release writes.
    pub schema_version: u32,
    /// What it does with shards.
    pub state: NodeState,
    /// It is the only one there may be.
    pub alone: bool,
    /// An operator wants it to take no part in serving.
    pub withdrawn: bool,
}

/// A shard in somebody's hands: what [`fence`](crate::fence) compares with the store.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ownership {
    /// Which shard.
    pub shard: Shard,
    /// Whose.
    pub life: Life,
    /// Under which epoch.
    pub epoch: Epoch,
}

/// Where the rooms of a shard live.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// On this node, which may serve them now.
    Here(Ownership),
    /// On another one, as far as this one knows.
    There(Arc<Member>, Epoch),
    /// On none that may serve them now: nobody has claimed them, they are being handed over, or they are this
    /// node's and it cannot renew. Moments later they are somewhere.
    Nobody,
}

/// The owner row of a shard.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Owner {
    /// Who owns it, whether or not that life is still a member; nobody before the first.
    pub life: Option<Life>,
    /// Counts the owners.
    pub epoch: Epoch,
    /// Where an operator wants it, for as long as that life is a member that takes shards.
    pub pin: Option<Life>,
}

/// The cluster as a node has read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    pub(crate) me: Life,
    pub(crate) members: BTreeMap<NodeId, Arc<Member>>,
    pub(crate) owners: Arc<[Owner]>,
    pub(crate) releasing: BTreeSet<Shard>,
}

impl View {
    pub(crate) fn new(me: Life) -> Self {
        Self {
            me,
            members: BTreeMap::new(),
            owners: vec![Owner::default(); usize::from(SHARDS)].into(),
            releasing: BTreeSet::new(),
        }
    }

    /// Whether somebody takes shards.
    pub fn has_heirs(&self) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.state == NodeState::Serving)
    }

    /// This node, as of this view.
    pub const fn me(&self) -> Life {
        self.me
    }

    /// All members, by id; this node among them unless it has been evicted.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// The member with this id.
    pub fn member(&self, node: NodeId) -> Option<&Arc<Member>> {
        self.members.get(&node)
    }

    /// The member that lives this life; none if it has ended.
    pub fn living(&self, life: Life) -> Option<&Arc<Member>> {
        self.member(life.node).filter(|member| member.life == life)
    }

    /// The owner row of a shard.
    pub fn owner(&self, shard: Shard) -> Owner {
        self.owners[shard.index()]
    }

    /// The shards that this life owns.
    pub fn shards_of(&self, life: Life) -> impl Iterator<Item = Shard> {
        Shard::all().filter(move |shard| self.owner(*shard).life == Some(life))
    }

    /// Where the rooms of `shard` live, if this node `serves`.
    pub(crate) fn place(&self, shard: Shard, serves: bool) -> Place {
        let Owner { life, epoch, .. } = self.owner(shard);
        let Some(member) = life.and_then(|life| self.living(life)) else {
            return Place::Nobody;
        };
        let life = member.life;
        if life != self.me {
            Place::There(Arc::clone(member), epoch)
        } else if serves && !self.releasing.contains(&shard) {
            Place::Here(Ownership { shard, life, epoch })
        } else {
            Place::Nobody
        }
    }
}
