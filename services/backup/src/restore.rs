//! The way back: a backup becomes a store.
//!
//! The file is read twice. First to its end, which finds whatever is wrong with it: **the store is not touched
//! before that has passed.** Then again, and what belongs into the store is written in bounded transactions.
//! A row does if the account and the room that it hangs on are restored.
//!
//! A backup does not know what was erased after it was made, so a restore takes the ledger of
//! [`erasures`](cluster_store::erasures) of the newest backup or of the old store too. What it names is not
//! written, so there is no moment at which it could be read.
//!
//! **Invariant: a store opens after a restore that ended, and not before**, since the row that says what it is
//! is written last. A store that a restore did not end in is to be emptied: it serves nobody.
//!
//! A backup of an earlier release is restored as it is; the server upgrades the store when it starts.
//!
//! Leaves out: the key that opens what rows hold (`services/vault`), and bars of progress.

mod chunks;
mod error;
mod sift;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster_store::schema::{Deployment, SCHEMA_VERSION};
use cluster_store::{MaybeCommitted, Row as _, Store, StoreError, Transaction, is_empty};
use cluster_types::Rng;
use proto::storage::v1::BackupManifest;

pub use error::{Holds, RestoreError, VerifyError};

use crate::RawRow;
use crate::archive::BackupId;
use crate::collect::Scope;
use crate::keys::Identities;
use crate::limits::RESTORE_BYTES_TARGET;
use crate::wire;
use chunks::{Chunks, Part};
use sift::Sift;
use survey::Survey;

/// A file that was read to its end, and is whole.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Which archive it is.
    pub id: BackupId,
    /// What it holds.
    pub scope: Scope,
    /// The id of its deployment, as stored.
    pub deployment: Vec<u8>,
    /// The layout of its rows.
    pub schema_version: u32,
    /// Chunks, but for the manifest.
    pub chunks: u32,
    /// Records in them.
    pub records: u64,
    /// Rooms, events, and rows of the other tables by their names.
    pub counts: BTreeMap<String, u64>,
    /// What was erased before it was made.
    pub erasures: usize,
    manifest: BackupManifest,
    survey: Survey,
}

/// What a restore came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// Rooms.
    pub rooms: usize,
    /// Accounts.
    pub accounts: usize,
    /// Rows that were written.
    pub rows: u64,
    /// Their bytes, keys and values.
    pub bytes: u64,
    /// Accounts of the backup that are erased and were left out.
    pub accounts_erased: usize,
    /// Rooms of the backup that are erased and were left out.
    pub rooms_erased: usize,
}

/// What is restored.
#[derive(Clone, Debug)]
pub struct Source {
    /// The backup.
    pub from: PathBuf,
    /// A newer backup, or a list of erasures alone: what it says was erased is left out.
    pub erasures: Option<PathBuf>,
    /// What opens both.
    pub identities: Identities,
}

/// What is being done, and how many bytes of the backup are read with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It is verified.
    Verifying(u64),
    /// It is written to the store.
    Writing(u64),
}

/// Reads a backup to its end. `watch` hears how many bytes of it are read.
///
/// # Errors
/// What is wrong with it, with the chunk at fault.
pub async fn verify(
    path: &Path,
    identities: &Identities,
    mut watch: impl FnMut(u64),
) -> Result<Verified, VerifyError> {
    let mut chunks = Chunks::open(path, identities).await?;
    let mut survey = Survey::default();
    let mut unknown = None;
    let manifest = loop {
        match chunks.next().await? {
            Part::End(manifest) => break manifest,
            Part::Records(records, place) => {
                for record in &records {
                    let added = survey.add(record);
                    if added.is_err() || survey.has_unknown {
                        unknown.get_or_insert(place.chunk);
                    }
                }
                watch(place.bytes);
            }
        }
    };
    let Some((_, about)) = &survey.deployment else {
        let path = path.to_owned();
        return Err(VerifyError::NoDeployment { path });
    };
    // A newer release may have tables of its own, so this is what there is to say first.
    if about.schema_version > SCHEMA_VERSION {
        return Err(VerifyError::NewerSchema {
            path: path.to_owned(),
            found: about.schema_version,
            known: SCHEMA_VERSION,
        });
    }
    if let Some(chunk) = unknown {
        return Err(chunks::unknown(path, chunk));
    }
    let last = manifest.chunks + 1;
    let scope = wire::scope(manifest.scope).map_err(|_| chunks::unknown(path, last))?;
    Ok(Verified {
        id: chunks.id(),
        scope,
        deployment: about.deployment_id.to_vec(),
        schema_version: about.schema_version,
        chunks: manifest.chunks,
        records: manifest.records,
        counts: manifest.counts.clone().into_iter().collect(),
        erasures: survey.ledger.len(),
        manifest,
        survey,
    })
}

/// Restores a backup into `store`, which is empty. `rng` draws the ids that logs get. `watch` hears of the
/// progress after each chunk.
///
/// # Errors
/// What is wrong with the files or the store. If the backup failed the first reading, or the store is not
/// empty, nothing was written.
pub async fn restore(
    store: &Store,
    source: &Source,
    rng: &Rng,
    mut watch: impl FnMut(Stage),
) -> Result<Restored, RestoreError> {
    let from = &source.from;
    // Nobody should wait for a verification to hear that.
    check(store, None).await?;
    let verifying = |bytes| watch(Stage::Verifying(bytes));
    let mut verified = verify(from, &source.identities, verifying).await?;
    if verified.scope == Scope::Erasures {
        let path = from.clone();
        return Err(RestoreError::OnlyErasures { path });
    }
    if let Some(path) = &source.erasures {
        let newer = verify(path, &source.identities, |_| ()).await?;
        if newer.deployment != verified.deployment {
            let path = path.clone();
            return Err(RestoreError::OtherErasures { path });
        }
        for (entry, about) in newer.survey.ledger.entries() {
            verified.survey.ledger.add(entry.clone(), *about);
        }
    }
    let (accounts_erased, rooms_erased) = verified.survey.erase();
    check(store, Some(&verified.deployment)).await?;
    let mut writing = Writing::new(store.clone());
    let mut sift = Sift::new(verified.survey, rng.clone());
    let mut chunks = Chunks::open(from, &source.identities).await?;
    let manifest = loop {
        match chunks.next().await? {
            Part::End(manifest) => break manifest,
            Part::Records(records, place) => {
                for record in records {
                    let rows = sift.take(record);
                    let rows = rows.map_err(|_| chunks::unknown(from, place.chunk))?;
                    writing.add(rows).await?;
                }
                watch(Stage::Writing(place.bytes));
            }
        }
    };
    if chunks.id() != verified.id || manifest != verified.manifest {
        let path = from.clone();
        return Err(RestoreError::Changed { path });
    }
    let Survey {
        deployment,
        rooms,
        accounts,
        ledger,
        ..
    } = sift.into_survey();
    for (entry, about) in ledger.entries() {
        writing.add(vec![wire::row(entry, about)]).await?;
    }
    let written = writing.end(deployment.map(|(row, _)| row)).await?;
    Ok(Restored {
        rooms: rooms.len(),
        accounts: accounts.len(),
        accounts_erased,
        rooms_erased,
        ..written
    })
}

/// Whether the store is empty, and if not, what is in it. `deployment` is the one of the backup.
async fn check(store: &Store, deployment: Option<&[u8]>) -> Result<(), RestoreError> {
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

/// Rows on their way into a store.
struct Writing {
    store: Store,
    rows: Vec<RawRow>,
    rows_bytes: usize,
    is_begun: bool,
    written: Restored,
}

impl Writing {
    fn new(store: Store) -> Self {
        Self {
            store,
            rows: Vec::new(),
            rows_bytes: 0,
            is_begun: false,
            written: Restored::default(),
        }
    }

    async fn add(&mut self, rows: Vec<RawRow>) -> Result<(), RestoreError> {
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
    async fn end(mut self, deployment: Option<RawRow>) -> Result<Restored, RestoreError> {
        self.write().await?;
        self.add(deployment.into_iter().collect()).await?;
        self.write().await?;
        Ok(self.written)
    }

    async fn write(&mut self) -> Result<(), RestoreError> {
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
        self.written.rows += rows.len() as u64;
        self.written.bytes += std::mem::take(&mut self.rows_bytes) as u64;
        Ok(())
    }
}
