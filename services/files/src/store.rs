//! The rows of files: how an upload stands, and how quotas are counted.
//!
//! Invariant: the quota of an account is the sum of its [`File`] rows, in every committed state.

use cluster_store::schema::{File, FileQuota, FileRemoval, Table, Upload};
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, Day, FileId, RoomId};
use proto::storage::v1;

mod sealing;

pub(crate) use sealing::{Private, private, sealed};

/// What may be read of an upload where it lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Progress {
    pub(crate) room: RoomId,
    pub(crate) size: u64,
    pub(crate) received: u64,
    pub(crate) finished: bool,
    pub(crate) day: Day,
}

/// What may be read of an upload.
pub(crate) fn progress(row: &v1::Upload) -> Result<Progress, StoreError> {
    Ok(Progress {
        room: RoomId::try_from(&row.room_id[..]).map_err(|_| corrupt(Table::Upload))?,
        size: row.size,
        received: row.received,
        finished: row.finished,
        day: Day(row.day),
    })
}

/// What an account has used of its quota.
pub(crate) async fn quota(
    tx: &Transaction,
    account: AccountId,
) -> Result<v1::FileQuota, StoreError> {
    let row = tx.row(&FileQuota { account }).await?;
    Ok(row.unwrap_or_default())
}

/// Takes a file away, with what it takes of the quota, and leaves word that its objects have to follow.
pub(crate) async fn remove(
    tx: &Transaction,
    file: FileId,
    row: &v1::File,
) -> Result<(), StoreError> {
    let account = account(row)?;
    let mut used = quota(tx, account).await?;
    used.bytes = used.bytes.saturating_sub(row.size);
    if row.uses == 0 {
        used.uploads = used.uploads.saturating_sub(1);
        tx.clear_row(&Upload { account, file })?;
    }
    tx.set_row(&FileQuota { account }, &used)?;
    tx.clear_row(&File { file })?;
    tx.set_row(&FileRemoval { file }, &v1::FileRemoval { size: row.size })
}

/// Whose file it is.
pub(crate) fn account(row: &v1::File) -> Result<AccountId, StoreError> {
    AccountId::try_from(&row.account_id[..]).map_err(|_| corrupt(Table::File))
}

pub(crate) fn corrupt(table: Table) -> StoreError {
    StoreError::Corrupt { table }
}
