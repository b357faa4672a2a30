//! Files and messages: a message takes files in its own transaction, and with it they go.
//!
//! Invariant: a file is in one message. Whoever takes it reads the upload's row in the transaction that clears it,
//! so of two messages that want it one conflicts, and then finds it gone.

use cluster_store::schema::{File, FileQuota, Table, Upload};
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId};

use crate::store::{self, Progress};
use crate::{Files, TakeError};

impl Files {
    /// Has the message that `tx` writes carry these uploads of `account`. They are uploads no more.
    ///
    /// # Errors
    /// If one of them cannot be carried; then nothing of `tx` may be committed.
    pub async fn take(
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<(), TakeError> {
        let mut used = store::quota(tx, account).await?;
        for file in files {
            let file = *file;
            let key = Upload { account, file };
            let upload = tx.row(&key).await?;
            let upload = upload.ok_or(TakeError::NoSuchUpload { file })?;
            check(file, &store::progress(&upload)?, room)?;
            let row = tx.row(&File { file }).await?;
            let mut row = row.ok_or_else(|| store::corrupt(Table::File))?;
            row.uses += 1;
            used.uploads = used.uploads.saturating_sub(1);
            tx.clear_row(&key)?;
            tx.set_row(&File { file }, &row)?;
        }
        Ok(tx.set_row(&FileQuota { account }, &used)?)
    }

    /// Has the message that `tx` takes away carry this file no more. The last one takes the file with it; a file
    /// that is not there stays so.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn release(tx: &Transaction, file: FileId) -> Result<(), StoreError> {
        let Some(mut row) = tx.row(&File { file }).await? else {
            return Ok(());
        };
        if row.uses <= 1 {
            // An upload is not a message's to release, and has an end of its own.
            return if row.uses == 0 {
                Ok(())
            } else {
                store::remove(tx, file, &row).await
            };
        }
        row.uses -= 1;
        tx.set_row(&File { file }, &row)
    }
}

/// Whether a message in `room` may carry this upload.
pub(crate) fn check(file: FileId, progress: &Progress, room: RoomId) -> Result<(), TakeError> {
    if progress.room != room {
        Err(TakeError::OtherRoom { file })
    } else if !progress.finished {
        Err(TakeError::NotFinished { file })
    } else {
        Ok(())
    }
}
