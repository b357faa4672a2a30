//! The sweep: takes away what nobody needs any more, in small steps.
//!
//! Invariant: a row that says "to be removed" goes after the objects that it is about, so a sweep that was cut
//! short goes on with the next one. An object is removed only if no row says that its file is there: that is
//! asked after the object was seen, and a file's row is written before its first object. What an account has used
//! of its quota is forgotten last, so that a file of an account that is gone is always found by it.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use cluster_store::schema::{File, FileQuota, FileRemoval, Row, Upload};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, FileId};
use futures::TryStreamExt as _;
use tokio::time::sleep;

use crate::limits::{SWEEP_BATCH, SWEEP_PAUSE, UPLOAD_DAYS};
use crate::{Files, ReadError, layout, store};

/// Who there is, as far as files have to know.
#[async_trait]
pub trait People: fmt::Debug + Send + Sync + 'static {
    /// Whether there is such an account.
    ///
    /// # Errors
    /// If that cannot be found out now.
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError>;
}

/// What a sweep has taken away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Files of accounts that are gone, in messages or not.
    pub ownerless: u64,
    /// Uploads that were in no message for too long.
    pub uploads: u64,
    /// Files whose objects were removed.
    pub files: u64,
    /// Objects of no file.
    pub strays: u64,
}

impl Files {
    /// Sweeps once through everything. Can be dropped at any time.
    ///
    /// # Errors
    /// Of the first row or object that could not be read or removed; the rest is for the next sweep.
    pub async fn sweep(&self) -> Result<Swept, ReadError> {
        Ok(Swept {
            ownerless: self.sweep_ownerless().await?,
            uploads: self.sweep_uploads().await?,
            files: self.sweep_removals().await?,
            strays: self.sweep_strays().await?,
        })
    }

    /// A message whose author is gone cannot be opened any more, and so nobody can read what it carries.
    async fn sweep_ownerless(&self) -> Result<u64, StoreError> {
        let (mut quotas, mut swept) = (RowRange::<FileQuota>::all(), 0);
        loop {
            let (owners, next) = self.page(quotas).await?;
            let mut gone = BTreeSet::new();
            for (FileQuota { account }, _) in owners {
                if !self.inner.people.exists(account).await? {
                    gone.insert(account);
                }
            }
            if !gone.is_empty() {
                swept += self.remove_files_of(&gone).await?;
            }
            match next {
                Some(rest) => quotas = rest,
                None => return Ok(swept),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    /// Files are found by their ids alone, so this looks at all of them; accounts go seldom.
    async fn remove_files_of(&self, gone: &BTreeSet<AccountId>) -> Result<u64, StoreError> {
        let (mut files, mut removed) = (RowRange::<File>::all(), 0);
        loop {
            let (page, next) = self.page(files).await?;
            for (File { file }, row) in page {
                if gone.contains(&store::account(&row)?) {
                    let remove = |tx: Transaction, _| async move {
                        match tx.row(&File { file }).await? {
                            Some(row) => store::remove(&tx, file, &row).await,
                            None => Ok(()),
                        }
                    };
                    self.inner.store.run(remove).await?;
                    removed += 1;
                }
            }
            match next {
                Some(rest) => files = rest,
                None => break,
            }
            sleep(SWEEP_PAUSE).await;
        }
        for account in gone {
            let account = *account;
            let forget = |tx: Transaction, _| async move {
                // An upload may have begun as its account went; the next sweep finds it by this row.
                if store::quota(&tx, account).await? == Default::default() {
                    tx.clear_row(&FileQuota { account })?;
                }
                Ok(())
            };
            self.inner.store.run(forget).await?;
        }
        Ok(removed)
    }

    async fn sweep_uploads(&self) -> Result<u64, StoreError> {
        let today = self.inner.clock.now().day();
        let (mut uploads, mut swept) = (RowRange::<Upload>::all(), 0);
        loop {
            let (page, next) = self.page(uploads).await?;
            for (Upload { account, file }, row) in page {
                if store::progress(&row)?.day.plus(UPLOAD_DAYS) < today {
                    swept += u64::from(self.give_up(account, file).await?);
                }
            }
            match next {
                Some(rest) => uploads = rest,
                None => return Ok(swept),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    async fn sweep_removals(&self) -> Result<u64, ReadError> {
        let mut swept = 0;
        loop {
            let read = |tx: Transaction| async move { tx.scan(RowRange::all(), batch()).await };
            let page = self.inner.store.read(read).await?;
            for (FileRemoval { file }, row) in &page.rows {
                for segment in 0..layout::segments(row.size) {
                    self.inner.objects.remove(*file, segment).await?;
                }
                let file = *file;
                let done = |tx: Transaction, _| async move { tx.clear_row(&FileRemoval { file }) };
                self.inner.store.run(done).await?;
                swept += 1;
            }
            if !page.more {
                return Ok(swept);
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    async fn sweep_strays(&self) -> Result<u64, ReadError> {
        let (mut seen, mut swept) = (0_usize, 0);
        let mut all = self.inner.objects.all();
        while let Some((path, file)) = all.try_next().await? {
            let is_needed = match file {
                Some(file) => self.is_there(file).await?,
                // Somebody else's: it is not ours to remove.
                None => true,
            };
            if !is_needed {
                self.inner.objects.remove_at(&path).await?;
                swept += 1;
            }
            seen += 1;
            if seen.is_multiple_of(SWEEP_BATCH) {
                sleep(SWEEP_PAUSE).await;
            }
        }
        Ok(swept)
    }

    /// The next rows of a range, and what is left of it.
    async fn page<K: Row>(
        &self,
        range: RowRange<K>,
    ) -> Result<(Vec<(K, K::Value)>, Option<RowRange<K>>), StoreError> {
        let read = |tx: Transaction| {
            let range = range.clone();
            async move { tx.scan(range, batch()).await }
        };
        let page = self.inner.store.read(read).await?;
        let last = page.rows.last().filter(|_| page.more);
        let next = last.map(|(last, _)| range.after(last));
        Ok((page.rows, next))
    }

    async fn is_there(&self, file: FileId) -> Result<bool, StoreError> {
        let read = |tx: Transaction| async move {
            let rows = (
                tx.row(&File { file }).await?,
                tx.row(&FileRemoval { file }).await?,
            );
            Ok::<_, StoreError>(rows.0.is_some() || rows.1.is_some())
        };
        self.inner.store.read(read).await
    }
}

fn batch() -> Scan {
    Scan {
        limit_rows: SWEEP_BATCH,
        ..Scan::default()
    }
}
