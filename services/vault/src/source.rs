//! [`KeySource`]: where the key-encryption key comes from: a key file, a passphrase or a KMS; or from
//! nowhere, and then nothing is sealed.
//!
//! Owns: wrapping and unwrapping data keys under a generation, and the known value ([`CHECK`]) that
//! proves at a start that the right key is there.
//!
//! Invariant: what is wrapped for one row of one generation unwraps for that row and generation only.
//!
//! Leaves out: rows (`store`), and which generation is the current one (`keyring`).

mod file;
mod keks;
mod kms;
mod passphrase;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use cluster_types::{DeploymentId, Rng};

pub use file::KeyFile;
pub use kms::{Kms, KmsError, MemoryKms};
pub use passphrase::{Passphrase, PassphraseCost};

use crate::cipher::{Broken, Cipher};
use crate::error::{OpenError, VaultError};
use crate::limits::WRAPPED_BYTES_MAX;
use crate::name::KeyName;
use crate::secret::{Generation, KEY_BYTES, KeyBytes};
use crate::store::StoredGeneration;

/// Where the key-encryption key comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeySource {
    /// A file that holds all generations, for its owner alone.
    File(Arc<KeyFile>),
    /// A passphrase, through argon2id.
    Passphrase(Arc<Passphrase>),
    /// A key management service, which keeps the key to itself.
    Kms(Arc<dyn Kms>),
    /// None: whoever reads the store reads everything. Data keys are made, found and destroyed as ever,
    /// so what is destroyed cannot be read through the server any more; but they lie in their rows as
    /// they are, and seal nothing. For disks that are encrypted, and for comparisons.
    Unsealed,
}

/// Which kind of source sealed a deployment. The numbers are stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A key file.
    File,
    /// A passphrase.
    Passphrase,
    /// A KMS.
    Kms,
    /// None.
    Unsealed,
}

/// The known value: not a secret, and nothing is sealed under it.
const CHECK: [u8; KEY_BYTES] = *b"rookery: this is the right key.\n";

impl KeySource {
    /// A key file; it is made at the first start of a store.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(Arc::new(KeyFile::new(path.into())))
    }

    /// Which kind it is.
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::File(_) => SourceKind::File,
            Self::Passphrase(_) => SourceKind::Passphrase,
            Self::Kms(_) => SourceKind::Kms,
            Self::Unsealed => SourceKind::Unsealed,
        }
    }

    /// Whether anything is sealed with it.
    pub(crate) fn seals(&self) -> bool {
        self.kind() != SourceKind::Unsealed
    }

    /// Makes the key of a generation, or finds the one that an interrupted start or rotation has made.
    pub(crate) async fn make(
        &self,
        deployment: DeploymentId,
        generation: Generation,
        rng: &Rng,
    ) -> Result<StoredGeneration, OpenError> {
        let derivation = match self {
            Self::File(file) => file
                .make(deployment, generation, rng)
                .await
                .map(|()| None)?,
            Self::Passphrase(passphrase) => Some(passphrase.make(generation, rng).await?),
            Self::Kms(kms) => {
                let made = kms.make(generation).await;
                made.map_err(|source| self.refused(source))?;
                None
            }
            Self::Unsealed => None,
        };
        let context = check_context(deployment, generation);
        let check = KeyBytes::copied(&CHECK);
        let check = self.wrap(generation, &context, &check, rng).await;
        Ok(StoredGeneration {
            generation,
            check: check.map_err(|error| self.unusable(generation, error))?,
            derivation,
        })
    }

    /// Makes sure that the key of each stored generation is there and is the right one.
    pub(crate) async fn adopt(
        &self,
        deployment: DeploymentId,
        stored: &[StoredGeneration],
    ) -> Result<(), OpenError> {
        match self {
            Self::File(file) => file.adopt(deployment, stored).await?,
            Self::Passphrase(passphrase) => passphrase.adopt(deployment, stored).await?,
            Self::Kms(_) | Self::Unsealed => {}
        }
        for stored in stored {
            let generation = stored.generation;
            let context = check_context(deployment, generation);
            let check = self.unwrap(generation, &context, &stored.check).await;
            let check = check.map_err(|error| self.unusable(generation, error))?;
            if !is_check(&check) {
                return Err(self.wrong_key(generation));
            }
        }
        Ok(())
    }

    /// Forgets all generations before `oldest`, unless the source keeps them. Returns whether it does.
    pub(crate) async fn retire(&self, oldest: Generation) -> Result<OldGenerations, OpenError> {
        match self {
            Self::File(file) => file.retire(oldest).await,
            Self::Passphrase(passphrase) => Ok(passphrase.retire(oldest)),
            Self::Kms(kms) => {
                let retired = kms.retire(oldest).await;
                retired.map_err(|source| self.refused(source))
            }
            Self::Unsealed => Ok(OldGenerations::Dropped),
        }
    }

    pub(crate) async fn wrap(
        &self,
        generation: Generation,
        context: &[u8],
        key: &KeyBytes,
        rng: &Rng,
    ) -> Result<Bytes, VaultError> {
        let kek = match self {
            Self::File(file) => file.keks().of(generation)?,
            Self::Passphrase(passphrase) => passphrase.keks().of(generation)?,
            Self::Unsealed => Arc::new(Cipher::Clear),
            Self::Kms(kms) => {
                let wrapped = kms.wrap(generation, context, key).await;
                let wrapped = wrapped.map_err(VaultError::from)?;
                return match wrapped.len() {
                    0..=WRAPPED_BYTES_MAX => Ok(wrapped),
                    bytes => Err(VaultError::Kms(KmsError::TooLong { bytes })),
                };
            }
        };
        Ok(kek.seal_key(rng, context, key))
    }

    pub(crate) async fn unwrap(
        &self,
        generation: Generation,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<KeyBytes, VaultError> {
        let kek = match self {
            Self::File(file) => file.keks().of(generation)?,
            Self::Passphrase(passphrase) => passphrase.keks().of(generation)?,
            Self::Unsealed => Arc::new(Cipher::Clear),
            Self::Kms(kms) => {
                let key = kms.unwrap(generation, context, wrapped).await;
                return key.map_err(VaultError::from);
            }
        };
        kek.open_key(context, wrapped)
            .map_err(|Broken| VaultError::BrokenKey { generation })
    }

    /// How messages to operators name it.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::File(file) => format!("the key file {}", file.path().display()),
            Self::Passphrase(_) => "the passphrase of --key-passphrase-file".into(),
            Self::Kms(kms) => format!("the KMS {}", kms.name()),
            Self::Unsealed => "a store that is not sealed".into(),
        }
    }

    fn unusable(&self, generation: Generation, error: VaultError) -> OpenError {
        match error {
            VaultError::UnknownGeneration { generation } => OpenError::GenerationMissing {
                origin: self.origin(),
                generation,
            },
            VaultError::Kms(source) => self.refused(source),
            VaultError::BrokenKey { .. } | VaultError::Contended | VaultError::Store(_) => {
                self.wrong_key(generation)
            }
        }
    }

    fn wrong_key(&self, generation: Generation) -> OpenError {
        match self {
            Self::Passphrase(_) => OpenError::WrongPassphrase,
            Self::File(_) | Self::Kms(_) | Self::Unsealed => OpenError::WrongKey {
                origin: self.origin(),
                generation,
            },
        }
    }

    fn refused(&self, source: KmsError) -> OpenError {
        OpenError::Kms {
            origin: self.origin(),
            source,
        }
    }
}

/// What becomes of generations that wrap nothing any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OldGenerations {
    /// They are gone: copies of what they wrapped open no more.
    Dropped,
    /// The source was told to keep them.
    Kept,
}

pub(crate) fn is_check(key: &KeyBytes) -> bool {
    key.is(&KeyBytes::copied(&CHECK))
}

/// What binds the known value to its deployment and generation.
pub(crate) fn check_context(deployment: DeploymentId, generation: Generation) -> Bytes {
    let mut context = BytesMut::with_capacity(64);
    context.put_slice(b"rookery check 1");
    context.put_u32(generation.0);
    context.put_slice(deployment.as_bytes());
    context.freeze()
}

/// What binds a wrapped data key to its row and generation.
pub(crate) fn key_context(name: KeyName, generation: Generation) -> Bytes {
    let mut context = BytesMut::with_capacity(64);
    context.put_slice(b"rookery data key 1");
    context.put_u32(generation.0);
    context.put_slice(&name.encode());
    context.freeze()
}
