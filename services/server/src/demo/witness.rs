//! [`Witness`]: looks all the time which nodes say that they serve a shard.
//!
//! Invariant: a shard counts as served twice only if one node said so before and after another one did: looks at
//! two nodes are never at the same moment.

use std::collections::BTreeMap;

use cluster_membership::{FenceError, Membership, Ownership, Place, fence};
use cluster_store::Store;
use cluster_types::Shard;

use crate::dev_cluster::DevCluster;

/// What was seen.
pub(super) struct Witness {
    /// Also of nodes that have ended: nobody is believed to be dead.
    nodes: Vec<Membership>,
    newest: BTreeMap<Shard, Ownership>,
    /// Who served a shard before somebody else did.
    former: Vec<Ownership>,
    /// How often it was looked where a shard is.
    pub(super) looks: u64,
    /// Shards that two served at the same time, or one after its successor.
    pub(super) twice: u64,
}

impl Witness {
    pub(super) fn of(cluster: &DevCluster) -> Self {
        let mut witness = Self {
            nodes: Vec::new(),
            newest: BTreeMap::new(),
            former: Vec::new(),
            looks: 0,
            twice: 0,
        };
        witness.follow(cluster);
        witness
    }

    /// From now on, looks at nodes too that have started meanwhile.
    pub(super) fn follow(&mut self, cluster: &DevCluster) {
        for node in cluster.memberships() {
            let is_known = |known: &Membership| known.myself() == node.myself();
            if !self.nodes.iter().any(is_known) {
                self.nodes.push(node);
            }
        }
    }

    /// Looks at all shards once.
    pub(super) fn look(&mut self) {
        for shard in Shard::all() {
            self.look_at(shard);
        }
    }

    fn look_at(&mut self, shard: Shard) {
        self.looks += 1;
        let mut first = None;
        for node in &self.nodes {
            let Some(ownership) = here(node, shard) else {
                continue;
            };
            if let Some((other, seen)) = first
                && here(other, shard) == Some(seen)
            {
                self.twice += 1;
            }
            first = Some((node, ownership));
            match self.newest.insert(shard, ownership) {
                Some(before) if before.epoch < ownership.epoch => self.former.push(before),
                Some(before) if before != ownership => {
                    // It serves after its successor.
                    self.twice += 1;
                    self.newest.insert(shard, before);
                }
                Some(_) | None => {}
            }
        }
    }

    /// Asks the fence, which every write of a room has to pass, about all former owners. Returns how many there are, and how
    /// many would get through.
    pub(super) async fn try_former(&self, store: &Store) -> anyhow::Result<(u64, u64)> {
        let mut written = 0;
        for ownership in &self.former {
            let tx = store.begin().await?;
            match fence(&tx, *ownership).await {
                Ok(()) => written += 1,
                Err(FenceError::Fenced { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((self.former.len() as u64, written))
    }
}

fn here(node: &Membership, shard: Shard) -> Option<Ownership> {
    match node.place(shard) {
        Place::Here(ownership) => Some(ownership),
        Place::There(..) | Place::Nobody => None,
    }
}
