//! Files and messages: a message takes files in its own transaction, and with it they go.
//!
//! Invariant: a file is in one message. Whoever takes it reads the upload's row in the transaction that clears it,
//! so of two messages that want it one conflicts, and then finds it gone.

use cluster_store::schema::{File, Table, Upload};
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId};

use crate::files::descriptor;
use crate::store::{self, Progress};
use crate::{Descriptor, Files, TakeError};

impl Files {
    /// The descriptors of finished uploads of `account` for `room`, in their order: for a message that is to
    /// carry them, and [takes](Files::take) them in the same transaction.
    ///
    /// # Errors
    /// Of the first that no message of this account in this room may carry.
    pub async fn descriptors(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<Vec<Descriptor>, TakeError> {
        let keys = files.iter().map(|file| key(account, *file));
        let keys: Vec<_> = keys.collect();
        let mut rows = Vec::with_capacity(files.len());
        for (key, row) in keys.iter().zip(tx.rows(&keys).await?) {
            let file = key.file;
            let Some(row) = row else {
                return Err(missing(tx, account, file).await?);
            };
            let progress = store::progress(&row)?;
            check(file, &progress, room)?;
            rows.push((key, row, progress));
        }
        let Some(sealer) = self.opener(account).await? else {
            // The account is erased, with all that its key opens.
            let first = files
                .first()
                .map(|file| TakeError::NoSuchUpload { file: *file });
            return first.map_or(Ok(Vec::new()), Err);
        };
        let opened = rows.into_iter().map(|(key, row, progress)| {
            let private = store::private(&sealer, key, &row)?;
            Ok(descriptor(key.file, &progress, private)?)
        });
        opened.collect()
    }

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
            let (file, key) = (*file, key(account, *file));
            let Some(upload) = tx.row(&key).await? else {
                return Err(missing(tx, account, file).await?);
            };
            check(file, &store::progress(&upload)?, room)?;
            let row = tx.row(&File { file }).await?;
            let mut row = row.ok_or_else(|| store::corrupt(Table::File))?;
            row.uses += 1;
            used.uploads = used.uploads.saturating_sub(1);
            tx.clear_row(&key)?;
            tx.set_row(&File { file }, &row)?;
        }
        Ok(store::set_quota(tx, account, &used)?)
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

const fn key(account: AccountId, file: FileId) -> Upload {
    Upload { account, file }
}

/// Why `account` has no such upload. Of the files of others it learns nothing.
async fn missing(
    tx: &Transaction,
    account: AccountId,
    file: FileId,
) -> Result<TakeError, StoreError> {
    let row = tx.row(&File { file }).await?;
    let owner = row.as_ref().map(store::account).transpose()?;
    Ok(if owner == Some(account) {
        TakeError::Taken { file }
    } else {
        TakeError::NoSuchUpload { file }
    })
}

/// Whether a message in `room` may carry this upload.
fn check(file: FileId, progress: &Progress, room: RoomId) -> Result<(), TakeError> {
    if progress.room != room {
        Err(TakeError::OtherRoom { file })
    } else if !progress.finished {
        Err(TakeError::NotFinished { file })
    } else {
        Ok(())
    }
}
