//! Writing: what was verified goes into the target, from a second reading.
//!
//! Invariant: the row that says what the store is comes last, after the files and after all other rows.

use cluster_store::schema::{Deployment, SCHEMA_VERSION};
use cluster_store::{MaybeCommitted, Row as _, Store, StoreError, Transaction, is_empty};
use cluster_types::Rng;
use services_files::SealedWriter;

use super::chunks::{self, Chunks, Part};
use super::sift::Sift;
use super::{Holds, RestoreError, Source, Target, Verified};
use crate::RawRow;
use crate::collect::Record;
use crate::limits::RESTORE_BYTES_TARGET;
use crate::wire;

/// Writes all that is restored. Returns how many rows that are, and their bytes.
pub(super) async fn write(
    source: Source,
    backup: Verified,
    target: &Target,
    rng: &Rng,
    mut watch: impl FnMut(u64),
) -> Result<(u64, u64), RestoreError> {
    let from = &source.from;
    let mut rows = Rows::new(target.store.clone());
    let mut sift = Sift::new(backup.survey, rng.clone());
    let mut file = None;
    let mut chunks = Chunks::open(from, &source.identities).await?;
    let manifest = loop {
        match chunks.next().await? {
            Part::End(manifest) => break manifest,
            Part::Records(records, place) => {
                for record in records {
                    write_file(&mut file, &record, target, &sift).await?;
                    let some = sift.take(record);
                    let some = some.map_err(|_| chunks::unknown(from, place.chunk))?;
                    rows.add(some).await?;
                }
                watch(place.bytes);
            }
        }
    };
    if chunks.id() != backup.id || manifest != backup.manifest {
        let path = from.clone();
        return Err(RestoreError::Changed { path });
    }
    let survey = sift.survey();
    rows.add(survey.files.rows()).await?;
    for (entry, about) in survey.ledger.entries() {
        rows.add(vec![wire::row(entry, about)]).await?;
    }
    let deployment = survey.deployment.as_ref();
    rows.end(deployment.map(|(row, _)| row.clone())).await
}

/// Writes what a record says of a file, if that is restored. `file` is the one whose bytes come.
async fn write_file(
    file: &mut Option<SealedWriter>,
    record: &Record,
    target: &Target,
    sift: &Sift,
) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::Files {
        location: target.files.to_string(),
        source,
    };
    match record {
        Record::File(id, size) => {
            *file = if sift.survey().files.is_restored(*id) {
                Some(target.files.writer(*id, *size).map_err(failed)?)
            } else {
                None
            };
        }
        Record::FileBytes(bytes) => {
            if let Some(file) = file {
                file.write(bytes).await.map_err(failed)?;
            }
        }
        Record::FileGone(_) => *file = None,
        Record::Row(_) | Record::RoomEnd(..) | Record::RoomGone(_) => {}
    }
    Ok(())
}

/// Whether a store is empty, and if not, what is in it. `deployment` is the one of the backup.
pub(super) async fn check_store(
    store: &Store,
    deployment: Option<&[u8]>,
) -> Result<(), RestoreError> {
    let read = |tx: Transaction| async move {
        let row = tx.row(&Deployment {}).await?;
        Ok::<_, StoreError>((row, is_empty(&tx).await?))
    };
    let read = store.read(read).await;
    let (row, is_empty) = read.map_err(|source| failed(store, source))?;
    let holds = match row {
        None if is_empty => return Ok(()),
        None => Holds::Unfinished,
        Some(row) if row.schema_version > SCHEMA_VERSION => Holds::Newer,
        Some(row) => match deployment {
            // The second look says which.
            None => return Ok(()),
            Some(wanted) if row.deployment_id == wanted => Holds::Same,
            Some(_) => Holds::Other,
        },
    };
    let location = store.location();
    Err(RestoreError::NotEmpty { location, holds })
}

fn failed(store: &Store, source: StoreError) -> RestoreError {
    RestoreError::Store {
        location: store.location(),
        source,
    }
}

/// Rows on their way into a store. At the end: how many, and their bytes.
pub(super) struct Rows {
    store: Store,
    rows: Vec<RawRow>,
    rows_bytes: usize,
    is_begun: bool,
    written: (u64, u64),
}

impl Rows {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            rows: Vec::new(),
            rows_bytes: 0,
            is_begun: false,
            written: (0, 0),
        }
    }

    pub(super) async fn add(&mut self, rows: Vec<RawRow>) -> Result<(), RestoreError> {
        for row in rows {
            self.rows_bytes += row.key.len() + row.value.len();
            self.rows.push(row);
            if self.rows_bytes >= RESTORE_BYTES_TARGET {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and then what says that this is all.
    pub(super) async fn end(
        mut self,
        deployment: Option<RawRow>,
    ) -> Result<(u64, u64), RestoreError> {
        self.write().await?;
        self.add(deployment.into_iter().collect()).await?;
        self.write().await?;
        Ok(self.written)
    }

    pub(super) async fn write(&mut self) -> Result<(), RestoreError> {
        let rows = std::mem::take(&mut self.rows);
        let rows = &rows;
        let is_begun = self.is_begun;
        let write = |tx: Transaction, maybe: MaybeCommitted| async move {
            // Another restore, or a server, may have come to the same idea. What an earlier run of this
            // transaction has written is ours.
            let key = Deployment {}.encode();
            let is_ours = match tx.get(&key).await? {
                None => is_begun || maybe.is_yes() || is_empty(&tx).await?,
                Some(value) => maybe.is_yes() && rows.contains(&RawRow { key, value }),
            };
            if is_ours {
                rows.iter()
                    .try_for_each(|row| tx.set(&row.key, &row.value))?;
            }
            Ok::<_, StoreError>(is_ours)
        };
        let written = self.store.run(write).await;
        if !written.map_err(|source| failed(&self.store, source))? {
            return Err(RestoreError::NotEmpty {
                location: self.store.location(),
                holds: Holds::Other,
            });
        }
        self.is_begun = true;
        self.written.0 += rows.len() as u64;
        self.written.1 += std::mem::take(&mut self.rows_bytes) as u64;
        Ok(())
    }
}
