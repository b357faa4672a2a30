//! The sweep: takes away what nobody needs any more, in small steps.
//!
//! Invariant: a row that says "to be removed" goes after the objects that it is about, so a sweep that was cut
//! short goes on with the next one. An object is removed only if no row says that its file is there: that is
//! asked after the object was seen, and a file's row is written before its first object.

use cluster_store::schema::{File, FileRemoval, Upload};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::FileId;
use futures::TryStreamExt as _;
use tokio::time::sleep;

use crate::limits::{SWEEP_BATCH, SWEEP_PAUSE, UPLOAD_DAYS};
use crate::{Files, ReadError, layout, store};

/// What a sweep has taken away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
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
            uploads: self.sweep_uploads().await?,
            files: self.sweep_removals().await?,
            strays: self.sweep_strays().await?,
        })
    }

    async fn sweep_uploads(&self) -> Result<u64, StoreError> {
        let today = self.inner.clock.now().day();
        let (mut range, mut swept) = (RowRange::<Upload>::all(), 0);
        loop {
            let read = |tx: Transaction| {
                let range = range.clone();
                async move { tx.scan(range, batch()).await }
            };
            let page = self.inner.store.read(read).await?;
            for (Upload { account, file }, row) in &page.rows {
                if store::progress(row)?.day.plus(UPLOAD_DAYS) < today {
                    swept += u64::from(self.give_up(*account, *file).await?);
                }
            }
            match page.rows.last() {
                Some((last, _)) if page.more => range = RowRange::all().after(last),
                Some(_) | None => return Ok(swept),
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
