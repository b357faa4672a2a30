//! [`Files`]: the handle. Begins uploads, and gives them up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use cluster_runtime::Tasks;
use cluster_store::schema::{File, Upload as UploadRow};
use cluster_store::{Store, StoreError, Table, Transaction};
use cluster_types::{AccountId, Clock, DeploymentId, FileId, Rng, RoomId};
use object_store::ObjectStore;
use parking_lot::Mutex;
use proto::storage::v1;
use services_vault::{KeyBytes, Sealer, Vault, VaultError};
use tokio::sync::{OnceCell, Semaphore};

use crate::limits::{
    ACCOUNT_QUOTA_DEFAULT, FILE_BYTES_MAX, SIZE_MAX_DEFAULT, UPLOADS_MAX, WRITERS_MAX,
};
use crate::objects::Objects;
use crate::store::{self, Private, Progress};
use crate::sweep::People;
use crate::{Descriptor, FileName, InvalidFileName, StartError};

/// What files need.
#[derive(Debug)]
pub struct Parts {
    /// Where rows lie.
    pub store: Store,
    /// Whose they are, and so whose objects have to be.
    pub deployment: DeploymentId,
    /// What seals rows.
    pub vault: Vault,
    /// Tells the day.
    pub clock: Arc<dyn Clock>,
    /// Draws ids, keys and nonces.
    pub rng: Rng,
    /// Where bytes lie. What it has taken has to be durable: a folder has to be one
    /// [with syncs](object_store::local::LocalFileSystem::with_fsync).
    pub objects: Arc<dyn ObjectStore>,
    /// Knows who there is.
    pub people: Arc<dyn People>,
    /// What is taken.
    pub policy: Policy,
    /// Run what a client has begun to its end.
    pub tasks: Tasks,
}

/// Which files are taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Bytes of a file.
    pub size_max: u64,
    /// Bytes of all files of an account.
    pub account_quota: u64,
    /// Media types that are refused, by what the first bytes of a file show.
    pub refused_types: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            size_max: SIZE_MAX_DEFAULT,
            account_quota: ACCOUNT_QUOTA_DEFAULT,
            refused_types: Vec::new(),
        }
    }
}

/// Chosen by a sender, the same on every retry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestId(pub [u8; 16]);

/// A file that somebody wants to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewUpload {
    /// Of the request that begins it.
    pub request: RequestId,
    /// The room that it is for.
    pub room: RoomId,
    /// What it is called.
    pub name: FileName,
    /// How many bytes it has.
    pub size: u64,
    /// What they have to hash to, if the sender knows.
    pub sha256: Option<[u8; 32]>,
}

/// How an upload stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upload {
    /// The room that it is for.
    pub room: RoomId,
    /// What its sender calls it.
    pub name: FileName,
    /// How many bytes it has.
    pub size: u64,
    /// How many of them are durable. What comes next begins here.
    pub received: u64,
    /// Whether all came and hash to what they should.
    pub finished: bool,
    /// What it is served as; empty as long as nothing is durable.
    pub media_type: String,
    /// Of all its bytes, once it is finished.
    pub sha256: Option<[u8; 32]>,
}

/// Files that people send. A cheap handle; clones are the same.
#[derive(Clone)]
pub struct Files {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) deployment: DeploymentId,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Rng,
    pub(crate) objects: Objects,
    pub(crate) people: Arc<dyn People>,
    pub(crate) policy: Policy,
    pub(crate) tasks: Tasks,
    /// Set once the objects are known to be this store's.
    pub(crate) place: OnceCell<()>,
    /// One permit for each writer.
    pub(crate) writers: Arc<Semaphore>,
    /// Locked while a segment of the upload is written, by whoever writes.
    pub(crate) writing: Mutex<HashMap<FileId, Weak<tokio::sync::Mutex<()>>>>,
}

impl Files {
    /// Files over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            store,
            deployment,
            vault,
            clock,
            rng,
            objects,
            people,
            policy,
            tasks,
        } = parts;
        Self {
            inner: Arc::new(Inner {
                store,
                deployment,
                vault,
                clock,
                rng,
                objects: Objects(objects),
                people,
                policy,
                tasks,
                place: OnceCell::new(),
                writers: Arc::new(Semaphore::new(WRITERS_MAX)),
                writing: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// Begins an upload. Its size counts in the account's quota from here on. A request that has begun one begins no
    /// other, as long as a message does not carry it and it is not given up.
    ///
    /// # Errors
    /// What the policy refuses, and a request that has begun another file; nothing is kept then.
    pub async fn start(&self, account: AccountId, new: NewUpload) -> Result<FileId, StartError> {
        let inner = &self.inner;
        let size_max = inner.policy.size_max.min(FILE_BYTES_MAX);
        if !(1..=size_max).contains(&new.size) {
            return Err(StartError::Size { size_max });
        }
        self.check_place().await?;
        let file = FileId::random(&inner.rng);
        let key = UploadRow { account, file };
        let private = Private {
            name: new.name.as_str().to_owned(),
            media_type: String::new(),
            sha256: new
                .sha256
                .map_or_else(Bytes::new, |hash| Bytes::copy_from_slice(&hash)),
            key: KeyBytes::random(&inner.rng),
            hashing: Bytes::new(),
        };
        let progress = Progress {
            room: new.room,
            size: new.size,
            received: 0,
            finished: false,
            day: inner.clock.now().day(),
            request: Some(new.request),
        };
        let sealer = inner.vault.account_sealer(account).await;
        let sealer = sealer.map_err(VaultError::into_store_error)?;
        let upload = store::sealed(&sealer, &key, progress, &private)?;
        let row = v1::File {
            account_id: Bytes::copy_from_slice(account.as_bytes()),
            room_id: upload.room_id.clone(),
            size: new.size,
            uses: 0,
        };
        let (key, upload, row, new, sealer) = (&key, &upload, &row, &new, &sealer);
        let begin = |tx: Transaction, _maybe_committed| async move {
            if let Some((key, row)) = store::begun(&tx, account, new.request).await? {
                return if is_of(new, &row, &store::private(sealer, &key, &row)?) {
                    Ok(key.file)
                } else {
                    Err(StartError::IdReused)
                };
            }
            let mut used = store::quota(&tx, account).await?;
            if used.uploads >= UPLOADS_MAX {
                return Err(StartError::TooManyUploads);
            }
            let quota = inner.policy.account_quota;
            let left = quota.saturating_sub(used.bytes);
            if row.size > left {
                return Err(StartError::Quota { quota, left });
            }
            used.bytes += row.size;
            used.uploads += 1;
            store::set_quota(&tx, account, &used)?;
            tx.set_row(&File { file }, row)?;
            tx.set_row(key, upload)?;
            Ok(file)
        };
        inner.store.run(begin).await
    }

    /// Gives an upload up. Whether there was one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn give_up(&self, account: AccountId, file: FileId) -> Result<bool, StoreError> {
        let key = &UploadRow { account, file };
        let give_up = |tx: Transaction, maybe_committed: cluster_store::MaybeCommitted| async move {
            let rows = (tx.row(key).await?, tx.row(&File { file }).await?);
            let (Some(_), Some(row)) = rows else {
                return Ok::<_, StoreError>(maybe_committed.is_yes());
            };
            store::remove(&tx, file, &row).await?;
            Ok(true)
        };
        self.inner.store.run(give_up).await
    }

    /// What opens uploads of an account, and seals them anew; `None` once the account is erased, and so are they.
    pub(crate) async fn opener(&self, account: AccountId) -> Result<Option<Sealer>, StoreError> {
        let openers = self.inner.vault.account_openers(&[account]).await;
        let mut openers = openers.map_err(VaultError::into_store_error)?;
        Ok(openers.pop().flatten())
    }

    /// What is locked while a segment of this upload is written.
    pub(crate) fn writing(&self, file: FileId) -> Arc<tokio::sync::Mutex<()>> {
        let mut writing = self.inner.writing.lock();
        if let Some(known) = writing.get(&file).and_then(Weak::upgrade) {
            return known;
        }
        // No more are left than there are writers.
        writing.retain(|_, known| known.strong_count() > 0);
        let new = Arc::default();
        writing.insert(file, Arc::downgrade(&new));
        new
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("objects", &self.inner.objects)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

/// Whether an upload is of the file that is to be sent now.
fn is_of(new: &NewUpload, row: &v1::Upload, private: &Private) -> bool {
    row.room_id == new.room.as_bytes()[..]
        && row.size == new.size
        && private.name == new.name.as_str()
        && new.sha256.is_none_or(|hash| private.sha256[..] == hash)
}

/// Of a finished upload.
pub(crate) fn descriptor(
    file: FileId,
    progress: &Progress,
    private: Private,
) -> Result<Descriptor, StoreError> {
    Ok(Descriptor {
        file,
        sha256: sha256(&private)?,
        key: private.key,
        name: file_name(private.name)?,
        size: progress.size,
        media_type: private.media_type,
    })
}

pub(crate) fn file_name(name: String) -> Result<FileName, StoreError> {
    FileName::new(name).map_err(|InvalidFileName| store::corrupt(Table::Upload))
}

pub(crate) fn sha256(private: &Private) -> Result<[u8; 32], StoreError> {
    let hash = private.sha256[..].try_into();
    hash.map_err(|_| store::corrupt(Table::Upload))
}
