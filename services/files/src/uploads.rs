//! How uploads stand: one, or all of an account.
//!
//! Invariant: nobody learns anything of the uploads of others, not even that there are any.

use cluster_store::schema::Upload as UploadRow;
use cluster_store::{Scan, StoreError, Transaction};
use cluster_types::{AccountId, FileId};
use proto::storage::v1;
use services_vault::Sealer;

use crate::files::{file_name, sha256};
use crate::{Files, Upload, store};

impl Files {
    /// How an upload stands; `None` if the account has none of this id.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn upload(
        &self,
        account: AccountId,
        file: FileId,
    ) -> Result<Option<Upload>, StoreError> {
        let key = &UploadRow { account, file };
        let read = |tx: Transaction| async move { tx.row(key).await };
        let Some(row) = self.inner.store.read(read).await? else {
            return Ok(None);
        };
        let Some(sealer) = self.opener(account).await? else {
            return Ok(None);
        };
        opened(&sealer, key, &row).map(Some)
    }

    /// At most `limit` uploads of an account, those after `after` in the order of their ids; and the last of them if there
    /// are more.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn uploads(
        &self,
        account: AccountId,
        after: Option<FileId>,
        limit: usize,
    ) -> Result<(Vec<(FileId, Upload)>, Option<FileId>), StoreError> {
        let all = UploadRow::of(account);
        let range = match after {
            Some(file) => all.after(&UploadRow { account, file }),
            None => all,
        };
        let page = Scan {
            limit_rows: limit,
            ..Scan::default()
        };
        let read = |tx: Transaction| {
            let range = range.clone();
            async move { tx.scan(range, page).await }
        };
        let found = self.inner.store.read(read).await?;
        let Some(sealer) = self.opener(account).await? else {
            return Ok((Vec::new(), None));
        };
        let last = found.rows.last().filter(|_| found.more);
        let last = last.map(|(key, _)| key.file);
        let rows = found.rows.iter();
        let uploads = rows.map(|(key, row)| Ok((key.file, opened(&sealer, key, row)?)));
        Ok((uploads.collect::<Result<_, StoreError>>()?, last))
    }
}

fn opened(sealer: &Sealer, key: &UploadRow, row: &v1::Upload) -> Result<Upload, StoreError> {
    let (progress, private) = (store::progress(row)?, store::private(sealer, key, row)?);
    Ok(Upload {
        room: progress.room,
        size: progress.size,
        received: progress.received,
        finished: progress.finished,
        sha256: if progress.finished {
            Some(sha256(&private)?)
        } else {
            None
        },
        name: file_name(private.name)?,
        media_type: private.media_type,
    })
}
