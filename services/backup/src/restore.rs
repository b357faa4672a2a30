//! The way back: a backup becomes a store, and the files beside it.
//!
//! The file is read twice. First to its end ([`prepare`]), which finds whatever is wrong with it: **nothing is
//! touched before that has passed**, and so it need not even be open. Then again ([`Prepared::write`]), and what belongs
//! into the store is written in bounded transactions. A row does if the account and the room that it hangs on are
//! restored, and a file if a message does that carries it.
//!
//! A backup does not know what was erased after it was made, so a restore takes the ledger of
//! [`erasures`](cluster_store::erasures) of the newest backup or of the old store too. What it names is not
//! written, so there is no moment at which it could be read.
//!
//! **Invariant: a store opens after a restore that ended, and not before**, since the row that says what it is
//! is written last, when the files that its rows speak of are there. The place of files is marked as its deployment's first. A store that a restore did not end in is to be
//! emptied: it serves nobody.
//!
//! A backup of an earlier release is restored as it is; the server upgrades the store when it starts.
//!
//! Leaves out: the key that opens what rows hold (`services/vault`), and bars of progress.

mod chunks;
mod error;
mod files;
mod known;
mod sift;
mod survey;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster_store::Store;
use cluster_store::schema::SCHEMA_VERSION;
use cluster_types::{DeploymentId, Rng};
use proto::storage::v1::BackupManifest;
use services_files::SealedFiles;

pub use error::{Holds, RestoreError, VerifyError};

use crate::archive::{BackupId, FORMAT_WITH_FILES};
use crate::collect::{Progress, Scope};
use crate::keys::Identities;
use crate::wire;
use chunks::{Chunks, Part};
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
    /// Rooms, events, files, and rows of the other tables by their names.
    pub counts: BTreeMap<String, u64>,
    /// What was erased before it was made.
    pub erasures: usize,
    /// Files that are in it.
    pub files: usize,
    /// Files that its messages carry, and that are not: they went while it was made, or it was made without.
    pub files_missing: usize,
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
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that messages which are restored carry, and that are not in the backup.
    pub files_missing: usize,
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

/// Where it is restored to. Both have to be empty.
#[derive(Clone, Debug)]
pub struct Target {
    /// For rows.
    pub store: Store,
    /// For files.
    pub files: SealedFiles,
}

/// A backup that was verified and can be written.
#[derive(Debug)]
pub struct Prepared {
    source: Source,
    backup: Verified,
    accounts_erased: usize,
    rooms_erased: usize,
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
    let mut unfit = None;
    let manifest = loop {
        match chunks.next().await? {
            Part::End(manifest) => break manifest,
            Part::Records(records, place) => {
                for record in &records {
                    if let Err(what) = survey.add(record) {
                        unfit.get_or_insert((what, place.chunk));
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
    if let Some((what, chunk)) = unfit {
        return Err(chunks::unfit(path, chunk, what));
    }
    let last = manifest.chunks + 1;
    survey
        .files
        .end()
        .map_err(|what| chunks::unfit(path, last, what.into()))?;
    let scope = wire::scope(manifest.scope).map_err(|_| chunks::unknown(path, last))?;
    let scope = match scope {
        // There were no files then.
        Scope::All if chunks.format() < FORMAT_WITH_FILES => Scope::Rows,
        Scope::All | Scope::Rows | Scope::Erasures => scope,
    };
    let verified = Verified {
        id: chunks.id(),
        scope,
        deployment: about.deployment_id.to_vec(),
        schema_version: about.schema_version,
        chunks: manifest.chunks,
        records: manifest.records,
        counts: manifest.counts.clone().into_iter().collect(),
        erasures: survey.ledger.len(),
        files: survey.files.whole(),
        files_missing: survey.files.missing(),
        manifest,
        survey,
    };
    if verified.agrees() {
        Ok(verified)
    } else {
        Err(chunks::other_manifest(path, last))
    }
}

impl Verified {
    /// Whether there is as much as its manifest says.
    fn agrees(&self) -> bool {
        let count = |what: &str| self.counts.get(what).copied().unwrap_or(0);
        let (rooms, files) = Progress::wholes();
        count(rooms) == self.survey.rooms.len() as u64 && count(files) == self.files as u64
    }
}

/// Whether a store is empty: what there is to say before a backup is verified, for nobody should wait for that.
/// One of some deployment passes: [`Prepared::write`] says of which.
///
/// # Errors
/// If it is not, or does not say.
pub async fn check_store(store: &Store) -> Result<(), RestoreError> {
    writing::check_store(store, None).await
}

/// Whether a place for files is empty.
///
/// # Errors
/// If it is not, or does not say.
pub async fn check_files(files: &SealedFiles) -> Result<(), RestoreError> {
    let location = files.to_string();
    match files.is_empty().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(RestoreError::FilesNotEmpty { location }),
        Err(source) => Err(RestoreError::FilesUnread { location, source }),
    }
}

/// Verifies a backup, and what says what was erased since. `watch` hears how many bytes of the backup are read.
///
/// # Errors
/// What is wrong with the files.
pub async fn prepare(source: Source, watch: impl FnMut(u64)) -> Result<Prepared, RestoreError> {
    let mut backup = verify(&source.from, &source.identities, watch).await?;
    if backup.scope == Scope::Erasures {
        let path = source.from;
        return Err(RestoreError::OnlyErasures { path });
    }
    if let Some(path) = &source.erasures {
        let newer = verify(path, &source.identities, |_| ()).await?;
        if newer.deployment != backup.deployment {
            let path = path.clone();
            return Err(RestoreError::OtherErasures { path });
        }
        for (entry, about) in newer.survey.ledger.entries() {
            backup.survey.ledger.add(entry.clone(), *about);
        }
    }
    let (accounts_erased, rooms_erased) = backup.survey.erase();
    Ok(Prepared {
        source,
        backup,
        accounts_erased,
        rooms_erased,
    })
}

impl Prepared {
    /// Writes the backup into `target`, which is empty. `rng` draws the ids that logs get. `watch` hears how many
    /// bytes of the backup are read.
    ///
    /// # Errors
    /// What is wrong with the target, or if the backup is another one now. If the target is not empty, nothing
    /// was written.
    pub async fn write(
        self,
        target: &Target,
        rng: &Rng,
        watch: impl FnMut(u64),
    ) -> Result<Restored, RestoreError> {
        writing::check_store(&target.store, Some(&self.backup.deployment)).await?;
        check_files(&target.files).await?;
        let deployment = DeploymentId::try_from(&self.backup.deployment[..]);
        let deployment = deployment.map_err(|_| VerifyError::NoDeployment {
            path: self.source.from.clone(),
        })?;
        let marked = target.files.mark(deployment).await;
        marked.map_err(RestoreError::Place)?;
        let Self {
            source,
            backup,
            accounts_erased,
            rooms_erased,
        } = self;
        let survey = &backup.survey;
        let (files, file_bytes) = survey.files.restored();
        let restored = Restored {
            rooms: survey.rooms.len(),
            accounts: survey.accounts.len(),
            files,
            file_bytes,
            files_missing: survey.files.missing(),
            accounts_erased,
            rooms_erased,
            ..Restored::default()
        };
        let (rows, bytes) = writing::write(source, backup, target, rng, watch).await?;
        Ok(Restored {
            rows,
            bytes,
            ..restored
        })
    }
}
