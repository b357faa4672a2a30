//! The rows of files: how an upload stands, and how quotas are counted.
//!
//! Invariant: the quota of an account is the sum of its [`File`] and [`FileRemoval`] rows, in every committed state:
//! bytes count from when they are announced until they are gone. An account that has neither has no row.

use cluster_store::schema::{File, FileQuota, FileRemoval, Table, Upload};
use cluster_store::{Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, FileId, RoomId};
use proto::storage::v1;

use crate::RequestId;
use crate::limits::SEGMENT_BYTES;

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
    /// What began it; none of those that were begun when requests had no ids.
    pub(crate) request: Option<RequestId>,
}

/// What may be read of an upload.
pub(crate) fn progress(row: &v1::Upload) -> Result<Progress, StoreError> {
    Ok(Progress {
        room: RoomId::try_from(&row.room_id[..]).map_err(|_| corrupt(Table::Upload))?,
        size: row.size,
        received: row.received,
        finished: row.finished,
        day: Day(row.day),
        request: row.request_id[..].try_into().ok().map(RequestId),
    })
}

/// The upload that this request has begun.
pub(crate) async fn begun(
    tx: &Transaction,
    account: AccountId,
    request: RequestId,
) -> Result<Option<(Upload, v1::Upload)>, StoreError> {
    // A page holds all that an account may have.
    let page = tx.scan(Upload::of(account), Scan::default()).await?;
    let is_it = |row: &v1::Upload| row.request_id[..] == request.0;
    Ok(page.rows.into_iter().find(|(_, row)| is_it(row)))
}

/// What an account has used of its quota.
pub(crate) async fn quota(
    tx: &Transaction,
    account: AccountId,
) -> Result<v1::FileQuota, StoreError> {
    let row = tx.row(&FileQuota { account }).await?;
    Ok(row.unwrap_or_default())
}

/// Sets what an account has used of its quota.
pub(crate) fn set_quota(
    tx: &Transaction,
    account: AccountId,
    used: &v1::FileQuota,
) -> Result<(), StoreError> {
    if *used == v1::FileQuota::default() {
        tx.clear_row(&FileQuota { account })
    } else {
        tx.set_row(&FileQuota { account }, used)
    }
}

/// Takes a file away, and leaves word that its objects have to follow. Of an upload that is what came, and not what
/// was announced; the object after it can be on its way.
pub(crate) async fn remove(
    tx: &Transaction,
    file: FileId,
    row: &v1::File,
) -> Result<(), StoreError> {
    let account = account(row)?;
    let mut used = quota(tx, account).await?;
    let mut size = row.size;
    if row.uses == 0 {
        let key = Upload { account, file };
        if let Some(upload) = tx.row(&key).await? {
            size = size.min(upload.received.saturating_add(SEGMENT_BYTES as u64));
        }
        used.uploads = used.uploads.saturating_sub(1);
        tx.clear_row(&key)?;
    }
    used.bytes = used.bytes.saturating_sub(row.size).saturating_add(size);
    set_quota(tx, account, &used)?;
    tx.clear_row(&File { file })?;
    let removal = v1::FileRemoval {
        size,
        account_id: row.account_id.clone(),
    };
    tx.set_row(&FileRemoval { file }, &removal)
}

/// The objects of a file are gone. Done again it changes nothing.
pub(crate) async fn removed(tx: &Transaction, file: FileId) -> Result<(), StoreError> {
    let key = FileRemoval { file };
    let Some(row) = tx.row(&key).await? else {
        return Ok(());
    };
    let account = AccountId::try_from(&row.account_id[..]);
    let account = account.map_err(|_| corrupt(Table::FileRemoval))?;
    let mut used = quota(tx, account).await?;
    used.bytes = used.bytes.saturating_sub(row.size);
    set_quota(tx, account, &used)?;
    tx.clear_row(&key)
}

/// Whose file it is.
pub(crate) fn account(row: &v1::File) -> Result<AccountId, StoreError> {
    AccountId::try_from(&row.account_id[..]).map_err(|_| corrupt(Table::File))
}

pub(crate) fn corrupt(table: Table) -> StoreError {
    StoreError::Corrupt { table }
}
