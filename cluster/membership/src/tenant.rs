//! [`Tenant`]: what lives on shards, as the membership knows it.

use async_trait::async_trait;
use cluster_types::Shard;

use crate::Owner;

/// Whoever lives on the shards of this node: the rooms. What it is told is a hint, and [`place`] the truth; it may be
/// told of a shard twice, and of none in between.
///
/// [`place`]: crate::Membership::place
#[async_trait]
pub trait Tenant: Send + Sync + 'static {
    /// Returns once nothing is under way on these shards: they are about to be handed over, and `place` says nobody
    /// for them already. After [`Timing::release_within`](crate::Timing) nobody waits any more; what is written later
    /// is fenced.
    async fn release(&self, shards: &[Shard]);

    /// These shards have been handed over to their owners of now: tell all other nodes, which have to
    /// [hear](crate::Membership::hear) of it and need not wait for their next round. Must not block.
    fn handed(&self, handed: &[(Shard, Owner)]);

    /// These shards were taken away, or may have been: drop everything at once. Must not block.
    fn lost(&self, shards: &[Shard]);

    /// These shards are this node's from now on. Must not block.
    fn gained(&self, shards: &[Shard]);
}
