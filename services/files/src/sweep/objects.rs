//! What is swept by its objects: files that are to be removed, and objects of no file.
//!
//! Invariant: a row that says "to be removed" goes after the objects that it is about, so a sweep that was cut
//! short goes on with the next one. An object is removed only if no row says that its file is there: that is
//! asked after the object was seen, and a file's row is written before its first object.

use cluster_store::schema::{File, FileRemoval};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::FileId;
use futures::StreamExt as _;
use object_store::path::Path;
use proto::storage::v1;
use tokio::time::sleep;

use super::Sweep;
use crate::limits::{SWEEP_BATCH, SWEEP_PAUSE};
use crate::{Files, ReadError, layout};

impl Sweep<'_> {
    pub(super) async fn removals(&mut self) -> Result<(), ReadError> {
        let mut removals = RowRange::<FileRemoval>::all();
        loop {
            let (page, next) = self.files.page(removals).await?;
            for (FileRemoval { file }, row) in page {
                let removed = self.files.remove_objects(file, &row).await;
                let removed = removed.map(|()| true);
                self.swept.files += u64::from(self.went(file, removed)?);
            }
            match next {
                Some(rest) => removals = rest,
                None => return Ok(()),
            }
            sleep(SWEEP_PAUSE).await;
        }
    }

    pub(super) async fn strays(&mut self) -> Result<(), ReadError> {
        let mut seen = 0_usize;
        let mut all = self.files.inner.objects.all();
        while let Some(listed) = all.next().await {
            match listed {
                Ok((path, Some(file))) => {
                    let removed = self.files.remove_stray(&path, file).await;
                    self.swept.strays += u64::from(self.went(file, removed)?);
                }
                // Somebody else's: it is not ours to remove.
                Ok((_, None)) => {}
                Err(error) => self.over("a list of objects", Err(error.into())),
            }
            seen += 1;
            if seen.is_multiple_of(SWEEP_BATCH) {
                sleep(SWEEP_PAUSE).await;
            }
        }
        Ok(())
    }
}

impl Files {
    async fn remove_objects(&self, file: FileId, row: &v1::FileRemoval) -> Result<(), ReadError> {
        for segment in 0..layout::segments(row.size) {
            self.inner.objects.remove(file, segment).await?;
        }
        let done = |tx: Transaction, _| async move { tx.clear_row(&FileRemoval { file }) };
        Ok(self.inner.store.run(done).await?)
    }

    /// Removes an object if it is of no file.
    async fn remove_stray(&self, path: &Path, file: FileId) -> Result<bool, ReadError> {
        if self.is_there(file).await? {
            return Ok(false);
        }
        self.inner.objects.remove_at(path).await?;
        Ok(true)
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
