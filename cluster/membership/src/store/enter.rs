//! Becoming a member: of a cluster, or the only one that there may be.
//!
//! Invariant: a row that is replaced is that of an earlier life of the same node, or of a node that was alone, and
//! was seen to be silent, or cannot be alive. Two that enter at the same time conflict.

use cluster_store::schema::{Node, NodeHeartbeat};
use cluster_store::{RowRange, Scan, Store, Transaction};
use cluster_types::NodeId;
use proto::storage::v1;

use super::read;
use super::rows::member_row;
use crate::Member;
use crate::algorithm::Beat;
use crate::error::JoinError;

/// What came of trying to enter.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is a member.
    Yes,
    /// These are in the way, if they are alive.
    Occupied(Vec<Occupant>),
}

/// A member that is in the way, with its heartbeat.
pub(crate) type Occupant = (NodeId, Beat);

/// Makes `myself` a member, unless another life of its node is one that is not among `silent`.
pub(crate) async fn enter(
    store: &Store,
    myself: &Member,
    silent: &[Occupant],
) -> Result<Entered, JoinError> {
    enter_if(store, myself, silent, |member| {
        let (node, version) = (member.life.node, member.version.clone());
        let (theirs, ours) = (member.schema_version, myself.schema_version);
        if member.alone && node != myself.life.node {
            return Err(JoinError::Alone { node });
        }
        // Neighbours know each other's rows; further apart nobody has tried.
        if theirs.abs_diff(ours) > 1 && node != myself.life.node {
            return Err(JoinError::Schema {
                node,
                version,
                theirs,
                ours,
            });
        }
        Ok(node == myself.life.node && !member.alone)
    })
    .await
}

/// Makes `myself` the only member, unless there is one that is not among `silent`. Whoever was alone before is
/// gone: it had the store to itself, as `myself` has it now.
pub(crate) async fn enter_alone(
    store: &Store,
    myself: &Member,
    silent: &[Occupant],
) -> Result<Entered, JoinError> {
    enter_if(store, myself, silent, |member| Ok(!member.alone)).await
}

/// Enters if nobody `is_in_the_way` but who is silent. Removes, for a node that is alone, everybody else.
async fn enter_if(
    store: &Store,
    myself: &Member,
    silent: &[Occupant],
    is_in_the_way: impl Fn(&Member) -> Result<bool, JoinError> + Sync,
) -> Result<Entered, JoinError> {
    let (key, is_in_the_way) = (
        &Node {
            node: myself.life.node,
        },
        &is_in_the_way,
    );
    let enter = |tx: Transaction, _| async move {
        // With conflicts, so that two that enter at the same time see each other.
        tx.scan(RowRange::<Node>::all(), Scan::default()).await?;
        let members = read(&tx, None).await?.members;
        let mut occupants = Vec::new();
        for (member, count) in &members {
            let beat = Beat {
                boot: member.life.boot,
                count: *count,
            };
            let occupant = (member.life.node, beat);
            let is_me = member.life == myself.life;
            if !is_me && is_in_the_way(member)? && !silent.contains(&occupant) {
                occupants.push(occupant);
            }
        }
        if !occupants.is_empty() {
            return Ok(Entered::Occupied(occupants));
        }
        for (node, _) in silent {
            // It is replaced only if it is silent to the end.
            tx.row(&NodeHeartbeat { node: *node }).await?;
        }
        for (member, _) in members.iter().filter(|_| myself.alone) {
            let node = member.life.node;
            tx.clear_row(&Node { node })?;
            tx.clear_row(&NodeHeartbeat { node })?;
        }
        tx.set_row(key, &member_row(myself))?;
        let heartbeat = NodeHeartbeat { node: key.node };
        tx.set_row(&heartbeat, &v1::NodeHeartbeat { count: 1 })?;
        Ok(Entered::Yes)
    };
    // The same again does no harm, so an unknown outcome is tried again.
    store.run(enter).await
}
