//! What is swept by its objects: files that are to be removed, objects of no file, and tails of no upload.
//!
//! Invariant: a row that says "to be removed" goes after the objects that it is about, so a sweep that was cut
//! short goes on with the next one. An object is removed only if no row says that its file is there: that is
//! asked after the object was seen, and a file's row is written before its first object. Nothing is removed where
//! nothing says that the place is ours, and no more than what crashes leave without a row.

use std::collections::BTreeMap;

use cluster_store::schema::{File, FileRemoval};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::FileId;
use futures::StreamExt as _;
use proto::storage::v1;
use tokio::time::sleep;

use super::Sweep;
use crate::limits::{STRAY_AGE, STRAY_FILES_FEW, STRAYS_BATCH, SWEEP_BATCH, SWEEP_PAUSE};
use crate::objects::Listed;
use crate::{Files, ReadError, layout, store};

/// Which objects of a file a row speaks of.
enum Needs {
    Nothing,
    Segments,
    Everything,
}

impl Sweep<'_> {
    pub(super) async fn removals(&mut self) -> Result<(), ReadError> {
        let mut removals = RowRange::<FileRemoval>::all();
        loop {
            let (page, next) = self.files.page(removals).await?;
            if !page.is_empty() {
                self.files.check_place().await?;
                self.files.inner.objects.check_there().await?;
            }
            for (FileRemoval { file }, row) in page {
                let removed = self.remove_objects(file, &row).await;
                self.swept.files += u64::from(self.went(file, removed)?);
            }
            match next {
                Some(rest) => removals = rest,
                None => return Ok(()),
            }
        }
    }

    async fn remove_objects(
        &mut self,
        file: FileId,
        row: &v1::FileRemoval,
    ) -> Result<bool, ReadError> {
        let segments = layout::segments(row.size);
        for first in (0..segments).step_by(SWEEP_BATCH) {
            let some = first..segments.min(first + SWEEP_BATCH as u64);
            let count = some.end - some.start;
            self.files.inner.objects.remove(file, some).await?;
            self.pace(count).await;
        }
        self.files.inner.objects.remove_tails(file).await?;
        let removed = |tx: Transaction, _| async move { store::removed(&tx, file).await };
        self.files.inner.store.run(removed).await?;
        Ok(true)
    }

    /// Objects that nothing needs, once they are old: whoever has set something wrong has so long to notice.
    pub(super) async fn strays(&mut self) -> Result<(), ReadError> {
        self.files.check_place().await?;
        self.files.inner.objects.check_there().await?;
        let (mut seen, mut stray) = (0, 0);
        let mut all = self.files.inner.objects.all().chunks(STRAYS_BATCH);
        while let Some(some) = all.next().await {
            let mut by_file: BTreeMap<FileId, Vec<Listed>> = BTreeMap::new();
            for listed in some {
                match listed {
                    Ok(object) => {
                        let of_file = by_file.entry(object.file).or_default();
                        if self.files.is_old(&object) {
                            of_file.push(object);
                        }
                    }
                    Err(error) => self.over("a list of objects", Err(error.into())),
                }
            }
            seen += by_file.len();
            let mut strays = Vec::new();
            for (file, mut objects) in by_file {
                if objects.is_empty() {
                    continue;
                }
                match self.files.needs(file).await? {
                    Needs::Nothing => stray += 1,
                    Needs::Segments => objects.retain(|object| object.is_tail),
                    Needs::Everything => objects.clear(),
                }
                self.pace(1).await;
                strays.push((file, objects));
            }
            if stray > STRAY_FILES_FEW && stray > seen / 2 {
                self.swept.failures += 1;
                tracing::error!(
                    seen,
                    stray,
                    "most files that lie there are not in the store, and are left: are they another's? See ops/files.md"
                );
                return Ok(());
            }
            strays.retain(|(_, objects)| !objects.is_empty());
            for (file, objects) in strays {
                let count = objects.len() as u64;
                let paths = objects.into_iter().map(|object| Ok(object.path)).collect();
                let removed = self.files.inner.objects.remove_all(paths).await;
                let removed = removed.map(|()| true).map_err(ReadError::from);
                if self.went(file, removed)? {
                    self.swept.strays += count;
                }
                self.pace(count).await;
            }
        }
        Ok(())
    }

    /// So many objects were looked at or removed.
    async fn pace(&mut self, objects: u64) {
        self.unpaced += objects;
        if self.unpaced >= SWEEP_BATCH as u64 {
            self.unpaced = 0;
            sleep(SWEEP_PAUSE).await;
        }
    }
}

impl Files {
    fn is_old(&self, object: &Listed) -> bool {
        let now = self.inner.clock.now();
        u128::from(now.0.saturating_sub(object.written.0)) >= STRAY_AGE.as_millis()
    }

    /// Whether a row says that there are objects of this file.
    pub(crate) async fn is_there(&self, file: FileId) -> Result<bool, StoreError> {
        Ok(!matches!(self.needs(file).await?, Needs::Nothing))
    }

    /// What rows say that there is of this file.
    async fn needs(&self, file: FileId) -> Result<Needs, StoreError> {
        let read = |tx: Transaction| async move {
            Ok::<_, StoreError>(match tx.row(&File { file }).await? {
                Some(row) if row.uses > 0 => Needs::Segments,
                // Its tail is one of those that lie there.
                Some(_) => Needs::Everything,
                None if tx.row(&FileRemoval { file }).await?.is_some() => Needs::Everything,
                None => Needs::Nothing,
            })
        };
        self.inner.store.read(read).await
    }
}
