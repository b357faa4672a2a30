//! What is swept by its rows: files of accounts that are gone, and uploads that no message carries. Both become
//! files to be removed.
//!
//! Invariant: an account that has files has used some of its quota, so that a file of an account that is gone is
//! always found by it. What is left to remove of such an account counts as well, and makes this look once more.

use std::collections::BTreeSet;

use cluster_store::schema::{File, FileQuota, Row, Upload};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, FileId};
use proto::storage::v1;
use tokio::time::sleep;

use super::Sweep;
use crate::limits::{SWEEP_BATCH, SWEEP_PAUSE, UPLOAD_DAYS};
use crate::{Files, ReadError, store};

impl Sweep<'_> {
    /// A message whose author is gone cannot be opened any more, and so nobody can read what it carries.
    pub(super) async fn ownerless(&mut self) -> Result<(), ReadError> {
        let mut quotas = RowRange::<FileQuota>::all();
        loop {
            let (owners, next) = self.files.page(quotas).await?;
            let mut gone = BTreeSet::new();
            for (FileQuota { account }, _) in owners {
                if !self.files.inner.people.exists(account).await? {
                    gone.insert(account);
                }
            }
            if !gone.is_empty() {
                self.remove_files_of(&gone).await?;
            }
            match next {
                Some(rest) => quotas = rest,
                None => return Ok(()),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    /// Files are found by their ids alone, so this looks at all of them; accounts go seldom.
    async fn remove_files_of(&mut self, gone: &BTreeSet<AccountId>) -> Result<(), ReadError> {
        let mut all = RowRange::<File>::all();
        loop {
            let (page, next) = self.files.page(all).await?;
            for (File { file }, row) in page {
                let removed = self.files.remove_ownerless(gone, file, &row).await;
                let removed = removed.map_err(ReadError::from);
                self.swept.ownerless += u64::from(self.went(file, removed)?);
            }
            match next {
                Some(rest) => all = rest,
                None => return Ok(()),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    pub(super) async fn uploads(&mut self) -> Result<(), ReadError> {
        let today = self.files.inner.clock.now().day();
        let mut uploads = RowRange::<Upload>::all();
        loop {
            let (page, next) = self.files.page(uploads).await?;
            for (key, row) in page {
                let file = key.file;
                let gave_up = self.files.give_up_late(key, &row, today).await;
                let gave_up = gave_up.map_err(ReadError::from);
                self.swept.uploads += u64::from(self.went(file, gave_up)?);
            }
            match next {
                Some(rest) => uploads = rest,
                None => return Ok(()),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }
}

impl Files {
    /// Removes a file if it is of one of these accounts.
    async fn remove_ownerless(
        &self,
        gone: &BTreeSet<AccountId>,
        file: FileId,
        row: &v1::File,
    ) -> Result<bool, StoreError> {
        if !gone.contains(&store::account(row)?) {
            return Ok(false);
        }
        let remove = |tx: Transaction, _| async move {
            match tx.row(&File { file }).await? {
                Some(row) => store::remove(&tx, file, &row).await,
                None => Ok(()),
            }
        };
        self.inner.store.run(remove).await?;
        Ok(true)
    }

    /// Gives an upload up if its days are over.
    async fn give_up_late(
        &self,
        Upload { account, file }: Upload,
        row: &v1::Upload,
        today: Day,
    ) -> Result<bool, StoreError> {
        if store::progress(row)?.day.plus(UPLOAD_DAYS) < today {
            self.give_up(account, file).await
        } else {
            Ok(false)
        }
    }

    /// The next rows of a range, and what is left of it.
    pub(super) async fn page<K: Row>(
        &self,
        range: RowRange<K>,
    ) -> Result<(Vec<(K, K::Value)>, Option<RowRange<K>>), StoreError> {
        let read = |tx: Transaction| {
            let range = range.clone();
            let batch = Scan {
                limit_rows: SWEEP_BATCH,
                ..Scan::default()
            };
            async move { tx.scan(range, batch).await }
        };
        let page = self.inner.store.read(read).await?;
        let last = page.rows.last().filter(|_| page.more);
        let next = last.map(|(last, _)| range.after(last));
        Ok((page.rows, next))
    }
}
