//! Files on their way into a backup: in the order of their ids, some bytes in a step.
//!
//! Invariant: a file that some message carried when it was looked at is copied whole, or said to have gone.
//!
//! Leaves out: which message carries it. Whoever restores knows, and leaves the others.

use bytes::Bytes;
use cluster_store::schema::File;
use cluster_store::{RangeQuery, Row as _, Table, Transaction};
use cluster_types::FileId;
use services_files::{ReadError, SealedFiles};

use super::progress::{FILE_BYTES, FILES, FILES_GONE};
use super::{CollectError, Collector, Place, Record, StoreError, bounds};
use crate::limits::{FILE_BYTES_AT_ONCE, ROWS_AT_ONCE};
use crate::wire;

impl Collector {
    /// Begins the file after this one; `None` if there is none.
    pub(super) async fn next_file(
        &mut self,
        after: Option<FileId>,
    ) -> Result<Option<Vec<Record>>, StoreError> {
        let after = after.map_or_else(Bytes::new, |file| File { file }.encode());
        let (begin, end) = bounds(Table::File, &after);
        let query = RangeQuery::new(begin, end);
        let query = &query.limit_rows(ROWS_AT_ONCE).snapshot();
        let read = |tx: Transaction| async move { tx.get_range(query.clone()).await };
        let page = self.store.read::<_, StoreError, _, _>(read).await?;
        for (key, value) in &page.rows {
            let file = wire::key::<File>(key)?.file;
            let row = wire::decoded::<File>(value)?;
            self.progress.place = Place::FileAfter(Some(file));
            // Uploads that are in no message are nobody's yet.
            if row.uses > 0 && SealedFiles::bytes(row.size).is_some() {
                let (size, at) = (row.size, 0);
                self.progress.place = Place::File { file, size, at };
                return Ok(Some(vec![Record::File(file, size)]));
            }
        }
        Ok(page.more.then(Vec::new))
    }

    /// Copies on in a file.
    pub(super) async fn file_bytes(
        &mut self,
        file: FileId,
        size: u64,
        at: u64,
    ) -> Result<Vec<Record>, CollectError> {
        match self.files.read(file, size, at, FILE_BYTES_AT_ONCE).await {
            Ok(bytes) => {
                let at = at + bytes.len() as u64;
                self.progress.place = Place::File { file, size, at };
                if SealedFiles::bytes(size) == Some(at) {
                    self.progress.add(FILES, 1);
                    self.progress.add(FILE_BYTES, size);
                    self.progress.place = Place::FileAfter(Some(file));
                }
                Ok(vec![Record::FileBytes(bytes)])
            }
            Err(ReadError::Gone) => {
                if self.is_there(file).await? {
                    tracing::error!(%file, "a file that a message carries is not in the object store");
                }
                self.progress.add(FILES_GONE, 1);
                self.progress.place = Place::FileAfter(Some(file));
                Ok(vec![Record::FileGone(file)])
            }
            Err(source) => Err(CollectError::File { file, source }),
        }
    }

    async fn is_there(&self, file: FileId) -> Result<bool, StoreError> {
        let read = |tx: Transaction| async move { tx.row(&File { file }).await };
        Ok(self.store.read(read).await?.is_some())
    }
}
