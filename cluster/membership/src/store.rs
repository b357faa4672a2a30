//! The transactions of the protocol, as `algorithm` says them.
//!
//! Invariant: each checks, with conflicts, all that it relies on: that its node is a member in this life, and that
//! what it replaces is as it was read. Heartbeats are no such thing, so that they are in nobody's way.
//!
//! Leaves out: when each is run (`algorithm`), and what an unknown outcome means (whoever runs it reads again).

mod enter;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_store::schema::{Node, NodeHeartbeat, ShardMark, ShardOwner};
use cluster_store::{RowRange, Scan, Store, StoreError, Transaction};
use cluster_types::{Life, NodeId, Rng, Shard};
use proto::storage::v1;

pub(crate) use enter::{Entered, Occupant, enter, enter_alone};

use crate::algorithm::{Beat, Mark, Move, Reading};
use crate::error::{FenceError, MoveError, WithdrawError};
use crate::{Member, NodeState, Owner, Ownership};
use rows::{life_of, member_of, owner_of, owner_row};

/// Lets the transaction commit only while `ownership` stands: fails if it does not, and makes the commit fail if
/// it ends before. Every transaction that writes for a room calls it, on each of its runs.
///
/// # Errors
/// If somebody else owns the shard, or the store fails.
pub async fn fence(tx: &Transaction, ownership: Ownership) -> Result<(), FenceError> {
    let Ownership { shard, life, epoch } = ownership;
    let owner = owner(tx, shard).await?;
    if owner.life == Some(life) && owner.epoch == epoch {
        return Ok(());
    }
    Err(FenceError::Fenced {
        owner: owner.life.map(|life| life.node),
        epoch: owner.epoch,
    })
}

/// A round: counts the heartbeat of `me` up and reads. `None` if `me` is no member any more.
pub(crate) async fn heartbeat(
    store: &Store,
    me: Life,
    known: Option<Mark>,
) -> Result<Option<Reading>, StoreError> {
    let beat = |tx: Transaction, _| async move {
        if !is_member(&tx, me).await? {
            return Ok(None);
        }
        let reading = read(&tx, known).await?;
        let own = reading.members.iter().find(|(member, _)| member.life == me);
        let count = own.map_or(0, |(_, count)| *count) + 1;
        let key = NodeHeartbeat { node: me.node };
        tx.set_row(&key, &v1::NodeHeartbeat { count })?;
        Ok::<_, StoreError>(Some(reading))
    };
    store.run_certain(beat).await
}

/// All members and, if the mark is another than `known`, all owners: as others may change them at any time.
pub(crate) async fn read(tx: &Transaction, known: Option<Mark>) -> Result<Reading, StoreError> {
    let snapshot = Scan {
        snapshot: true,
        ..Scan::default()
    };
    let nodes = tx.scan(RowRange::<Node>::all(), snapshot).await?.rows;
    let beats = tx.scan(RowRange::<NodeHeartbeat>::all(), snapshot).await?;
    let beats = beats
        .rows
        .into_iter()
        .map(|(key, row)| (key.node, row.count));
    let beats: BTreeMap<NodeId, u64> = beats.collect();
    let count = |node| beats.get(&node).copied().unwrap_or_default();
    let members = nodes
        .into_iter()
        .map(|(key, row)| Ok((member_of(key.node, row)?, count(key.node))))
        .collect::<Result<_, StoreError>>()?;
    let mark = tx
        .row_snapshot(&ShardMark {})
        .await?
        .unwrap_or_default()
        .mark;
    let mark = Mark::try_from(&mark[..]).unwrap_or_default();
    let mut owners = None;
    if known != Some(mark) {
        let rows = tx.scan(RowRange::<ShardOwner>::all(), snapshot).await?.rows;
        let mut all = vec![Owner::default(); Shard::all().len()];
        for (key, row) in rows {
            all[key.shard.index()] = owner_of(&row)?;
        }
        owners = Some((mark, Arc::from(all)));
    }
    Ok(Reading { members, owners })
}

/// Removes a member whose heartbeat is `beat` still; whether it did.
pub(crate) async fn evict(
    store: &Store,
    me: Life,
    node: NodeId,
    beat: Beat,
) -> Result<bool, StoreError> {
    let evict = |tx: Transaction, _| async move {
        let (member, heartbeat) = (&Node { node }, &NodeHeartbeat { node });
        let (member_row, heartbeat_row) = tx.look_up((member, heartbeat)).await?;
        let life = member_row.and_then(|row| life_of(node, &row.boot_id));
        let count = heartbeat_row.unwrap_or_default().count;
        let unmoved = life.is_some_and(|life| life.boot == beat.boot) && count == beat.count;
        if !unmoved || !is_member(&tx, me).await? {
            return Ok(false);
        }
        tx.clear_row(member)?;
        tx.clear_row(heartbeat)?;
        Ok::<_, StoreError>(true)
    };
    store.run_certain(evict).await
}

/// Makes `me` the owner of those shards whose rows are as they were read and whose owners have ended; how many.
pub(crate) async fn claim(
    store: &Store,
    rng: &Rng,
    me: Life,
    claims: &[(Shard, Owner)],
) -> Result<usize, StoreError> {
    let former: BTreeSet<Life> = claims.iter().filter_map(|(_, found)| found.life).collect();
    let former = &former;
    let claim = |tx: Transaction, _| async move {
        if !is_member(&tx, me).await? {
            return Ok(0);
        }
        let mut alive = BTreeSet::new();
        for life in former {
            if is_member(&tx, *life).await? {
                alive.insert(*life);
            }
        }
        let free = claims.iter().copied();
        let free = free.filter(|(_, found)| !found.life.is_some_and(|life| alive.contains(&life)));
        let changes = free.map(|(shard, found)| (shard, found, me));
        let claimed = change_owners(&tx, rng, changes.collect()).await?;
        Ok::<_, StoreError>(claimed.len())
    };
    store.run_certain(claim).await
}

/// Gives those shards away whose rows are as they were read, to lives that are serving; which, with their new rows.
pub(crate) async fn hand_over(
    store: &Store,
    rng: &Rng,
    me: Life,
    moves: &[Move],
) -> Result<Vec<(Shard, Owner)>, StoreError> {
    let heirs: BTreeSet<Life> = moves.iter().map(|a_move| a_move.to).collect();
    let heirs = &heirs;
    let hand_over = |tx: Transaction, _| async move {
        let mut serving = BTreeSet::new();
        if is_member(&tx, me).await? {
            for life in heirs {
                if is_serving(&tx, *life).await? {
                    serving.insert(*life);
                }
            }
        }
        let moves = moves.iter().filter(|a_move| serving.contains(&a_move.to));
        let changes = moves.map(|Move { shard, found, to }| (*shard, *found, *to));
        change_owners(&tx, rng, changes.collect()).await
    };
    store.run_certain(hand_over).await
}

/// Has an operator's wish noted: `shard` moves to `node`, and stays there while its life lasts.
pub(crate) async fn pin(
    store: &Store,
    rng: &Rng,
    shard: Shard,
    node: NodeId,
) -> Result<Life, MoveError> {
    let pin = |tx: Transaction, _| async move {
        let row = tx.row(&Node { node }).await?;
        let member = row.map(|row| member_of(node, row)).transpose()?;
        let serving = member.filter(|member| member.state == NodeState::Serving);
        let life = serving.ok_or(MoveError::NotServing { node })?.life;
        let found = owner(&tx, shard).await?;
        let pinned = Owner {
            pin: Some(life),
            ..found
        };
        if pinned != found {
            tx.set_row(&ShardOwner { shard }, &owner_row(&pinned))?;
            change_mark(&tx, rng)?;
        }
        Ok(life)
    };
    // The same again does no harm, so an unknown outcome is tried again.
    store.run(pin).await
}

/// Says what `me` does with shards from now on; `false` if it is no member any more.
pub(crate) async fn set_state(
    store: &Store,
    me: Life,
    state: NodeState,
) -> Result<bool, StoreError> {
    let set = |tx: Transaction, _| async move {
        let key = Node { node: me.node };
        let row = tx.row(&key).await?;
        let Some(mut row) = row.filter(|row| life_of(me.node, &row.boot_id) == Some(me)) else {
            return Ok(false);
        };
        row.set_state(rows::state_row(state));
        tx.set_row(&key, &row)?;
        Ok::<_, StoreError>(true)
    };
    store.run(set).await
}

/// Has an operator's wish noted: `node` gives its shards away and takes none, or takes part again.
pub(crate) async fn withdraw(
    store: &Store,
    node: NodeId,
    withdrawn: bool,
) -> Result<(), WithdrawError> {
    let note = |tx: Transaction, _| async move {
        let key = Node { node };
        let row = tx.row(&key).await?;
        let mut row = row.ok_or(WithdrawError::NoMember { node })?;
        if row.alone {
            return Err(WithdrawError::Alone);
        }
        if row.withdrawn != withdrawn {
            row.withdrawn = withdrawn;
            tx.set_row(&key, &row)?;
        }
        Ok(())
    };
    // The same again does no harm, so an unknown outcome is tried again.
    store.run(note).await
}

/// Removes `me`, if it is a member still.
pub(crate) async fn leave(store: &Store, me: Life) -> Result<(), StoreError> {
    let node = me.node;
    let leave = |tx: Transaction, _| async move {
        if is_member(&tx, me).await? {
            tx.clear_row(&Node { node })?;
            tx.clear_row(&NodeHeartbeat { node })?;
        }
        Ok::<_, StoreError>(())
    };
    store.run(leave).await
}

/// Writes new owners, under the next epochs, over rows that are as they were found; which were, and what they are now.
async fn change_owners(
    tx: &Transaction,
    rng: &Rng,
    changes: Vec<(Shard, Owner, Life)>,
) -> Result<Vec<(Shard, Owner)>, StoreError> {
    let keys = changes
        .iter()
        .map(|(shard, ..)| ShardOwner { shard: *shard });
    let keys: Vec<_> = keys.collect();
    let rows = tx.rows(&keys).await?;
    let mut changed = Vec::new();
    for ((key, row), (_, found, to)) in keys.iter().zip(rows).zip(changes) {
        if owner_of(&row.unwrap_or_default())? != found {
            continue;
        }
        let owner = Owner {
            life: Some(to),
            epoch: found.epoch.next(),
            pin: found.pin.filter(|pin| *pin == to),
        };
        tx.set_row(key, &owner_row(&owner))?;
        changed.push((key.shard, owner));
    }
    if !changed.is_empty() {
        change_mark(tx, rng)?;
    }
    Ok(changed)
}

/// Tells everybody to read the owners again.
fn change_mark(tx: &Transaction, rng: &Rng) -> Result<(), StoreError> {
    let mark: Mark = rng.bytes();
    let mark = mark.to_vec().into();
    tx.set_row(&ShardMark {}, &v1::ShardMark { mark })
}

async fn owner(tx: &Transaction, shard: Shard) -> Result<Owner, StoreError> {
    let row = tx.row(&ShardOwner { shard }).await?;
    owner_of(&row.unwrap_or_default())
}

async fn member(tx: &Transaction, life: Life) -> Result<Option<Member>, StoreError> {
    let row = tx.row(&Node { node: life.node }).await?;
    let member = row.map(|row| member_of(life.node, row)).transpose()?;
    Ok(member.filter(|member| member.life == life))
}

async fn is_member(tx: &Transaction, life: Life) -> Result<bool, StoreError> {
    Ok(member(tx, life).await?.is_some())
}

async fn is_serving(tx: &Transaction, life: Life) -> Result<bool, StoreError> {
    let member = member(tx, life).await?;
    Ok(member.is_some_and(|member| member.state == NodeState::Serving))
}
