//! Rows of schema version 1, rewritten as this version has them.
//!
//! Invariant: a row that has the newest form stays as it is, and no room that is deleted has a key in the end.

use cluster_store::erasures::{self, Erased};
use cluster_store::schema::{ClientMessage, Room, RoomEvent, RoomHead, RoomKey, RoomMember, Row};
use cluster_store::{StoreError, Transaction};
use cluster_types::{RoomId, UnixMillis};
use proto::storage::v1;
use services_vault::{Vault, VaultError};

use super::secrets::Sealable;
use super::{exists, sealing, set_sealed};

pub(crate) async fn seal_room(
    tx: Transaction,
    vault: &Vault,
    key: Room,
    row: v1::Room,
) -> Result<(), StoreError> {
    seal_row(&tx, vault, key.room, &key, row).await
}

/// When the newest event was is read from that.
pub(crate) fn forget_time_of_head(
    tx: &Transaction,
    key: &RoomHead,
    mut row: v1::RoomHead,
) -> Result<(), StoreError> {
    if row.time_ms != 0 {
        row.time_ms = 0;
        tx.set_row(key, &row)?;
    }
    Ok(())
}

pub(crate) async fn seal_member(
    tx: Transaction,
    vault: &Vault,
    key: RoomMember,
    row: v1::RoomMember,
) -> Result<(), StoreError> {
    seal_row(&tx, vault, key.room, &key, row).await
}

/// A message goes under the keys of its own time, as it would have when it was said.
pub(crate) async fn seal_event(
    tx: Transaction,
    vault: &Vault,
    key: RoomEvent,
    mut row: v1::RoomEvent,
) -> Result<(), StoreError> {
    if !is_readable(&row) {
        return Ok(());
    }
    let time = UnixMillis(row.time_ms);
    row.day = time.day().0;
    if !sealing::is_message(&row) {
        return seal_row(&tx, vault, key.room, &key, row).await;
    }
    if exists(&tx, key.room).await? {
        let author = sealing::message_keys(key.room, &row)?.author;
        let pair = vault.sealing_pair(author, key.room, time).await;
        let pair = pair.map_err(VaultError::into_store_error)?;
        let nonces = &mut vault.nonces(1);
        let row = sealing::seal_message(&pair, nonces, &key, author, row);
        tx.set_row(&key, &row)?;
    }
    Ok(())
}

/// A step before this one may have had a key made for a room just as that was deleted: what it wrote was refused, and the
/// key stayed.
pub(crate) async fn drop_key_of_erased(
    tx: Transaction,
    vault: &Vault,
    key: RoomKey,
) -> Result<(), StoreError> {
    if erasures::is_recorded(&tx, Erased::Room(key.room)).await? {
        tx.clear_row(&key)?;
        vault.forget_room(key.room);
    }
    Ok(())
}

/// When an id was used is read from what it was used for.
pub(crate) fn forget_time(
    tx: &Transaction,
    key: &ClientMessage,
    mut row: v1::ClientMessage,
) -> Result<(), StoreError> {
    if row.time_ms != 0 {
        row.time_ms = 0;
        tx.set_row(key, &row)?;
    }
    Ok(())
}

async fn seal_row<K>(
    tx: &Transaction,
    vault: &Vault,
    room: RoomId,
    key: &K,
    row: K::Value,
) -> Result<(), StoreError>
where
    K: Row<Value: Sealable + Clone>,
{
    if is_readable(&row) && exists(tx, room).await? {
        let fields = vault.room_sealer(room).await;
        let fields = fields.map_err(VaultError::into_store_error)?;
        set_sealed(tx, key, row, &fields)?;
    }
    Ok(())
}

/// Whether a row is not sealed yet, and has something to seal.
fn is_readable<V: Sealable + Clone>(row: &V) -> bool {
    let mut row = row.clone();
    row.sealed().is_empty() && row.take_private().encoded_len() > 0
}

#[cfg(test)]
mod tests;
