//! What can go wrong with the vault: [`OpenError`] at a start, [`VaultError`] while it runs,
//! [`RotateError`] in a rotation.
//!
//! Invariant: no text repeats a key, a passphrase or what a file says.

use std::path::PathBuf;
use std::time::Duration;

use cluster_store::{AsStoreError, StoreError, Table};
use cluster_types::{Coded, DeploymentId, ErrorCode};

use crate::limits::PASSPHRASE_CHARACTERS_MIN;
use crate::secret::Generation;
use crate::source::{KmsError, SourceKind};

/// Why a data key is not to be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store did not do what it was asked to.
    #[error("the store did not take or give a key")]
    Store(#[source] StoreError),
    /// A row is wrapped under a generation that this process does not have.
    #[error("generation {generation} of the key-encryption key is not here")]
    UnknownGeneration {
        /// Which.
        generation: Generation,
    },
    /// A wrapped key does not open: its row was changed or moved.
    #[error("a stored key does not open under generation {generation}")]
    BrokenKey {
        /// Under which it should.
        generation: Generation,
    },
    /// The KMS did not do what it was asked to.
    #[error("the KMS did not wrap or unwrap a key")]
    Kms(#[source] KmsError),
    /// The key-encryption key was changed again and again meanwhile.
    #[error("the key-encryption key was changed again and again meanwhile")]
    Contended,
}

impl VaultError {
    /// The same for whoever has sealed rows and no other errors than the store's. Nothing was written: a
    /// vault that does not give a key has used none. What the store's error does not say goes to the log.
    pub fn into_store_error(self) -> StoreError {
        let said = match &self {
            Self::Store(StoreError::CommitUnknown) | Self::Contended => StoreError::Contended,
            Self::Store(error) => return error.clone(),
            Self::BrokenKey { .. } | Self::Kms(KmsError::Refused) => StoreError::Damaged,
            Self::UnknownGeneration { .. } | Self::Kms(_) => StoreError::Unavailable,
        };
        let error = &self as &dyn std::error::Error;
        tracing::error!(error, "a key is not to be had");
        said
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KmsError> for VaultError {
    fn from(error: KmsError) -> Self {
        if let KmsError::UnknownGeneration { generation } = error {
            Self::UnknownGeneration { generation }
        } else {
            Self::Kms(error)
        }
    }
}

impl AsStoreError for VaultError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::UnknownGeneration { .. }
            | Self::BrokenKey { .. }
            | Self::Kms(_)
            | Self::Contended => None,
        }
    }
}

impl Coded for VaultError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => error.code(),
            Self::UnknownGeneration { .. } | Self::Kms(KmsError::Unavailable(_)) => {
                ErrorCode::NotHere
            }
            Self::BrokenKey { .. } | Self::Kms(KmsError::Refused) => ErrorCode::Corrupt,
            Self::Kms(KmsError::TooLong { .. } | KmsError::UnknownGeneration { .. }) => {
                ErrorCode::Internal
            }
            Self::Contended => ErrorCode::Contended,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::UnknownGeneration { .. } => "KEY_GENERATION_UNKNOWN",
            Self::BrokenKey { .. } => "KEY_BROKEN",
            Self::Kms(_) => "KMS_FAILED",
            Self::Contended => "KEY_CONTENDED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            Self::UnknownGeneration { .. }
            | Self::BrokenKey { .. }
            | Self::Kms(_)
            | Self::Contended => None,
        }
    }
}

/// Why a rotation stopped. What it has done stays; the next one goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// One is under way in this process.
    #[error("a rotation is under way")]
    UnderWay,
    /// There is no key-encryption key.
    #[error("nothing is sealed here, so there is no key to rotate")]
    Unsealed,
    /// A row could not be read, wrapped or written.
    #[error("a key could not be wrapped anew")]
    Vault(#[from] VaultError),
    /// The source could not make the next generation, or not forget the last one.
    #[error("the key-encryption key could not be changed")]
    Source(#[from] OpenError),
}

impl Coded for RotateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnderWay | Self::Unsealed => ErrorCode::Conflict,
            Self::Vault(error) => error.code(),
            Self::Source(_) => ErrorCode::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnderWay => "ROTATION_UNDER_WAY",
            Self::Unsealed => "NOTHING_SEALED",
            Self::Vault(error) => error.reason(),
            Self::Source(_) => "KEY_SOURCE_FAILED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

impl From<StoreError> for RotateError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl AsStoreError for RotateError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Vault(error) => error.as_store_error(),
            Self::UnderWay | Self::Unsealed | Self::Source(_) => None,
        }
    }
}

/// Why a vault did not open. Each text names the file or option, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store has a vault, and the file with its key is not there.
    #[error(
        "the key file {} is missing, and what is stored opens with it only: put it back, \
         or say where it is with --key-file",
        path.display()
    )]
    KeyFileMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others than its owner may read or write it.
    #[error(
        "the key file {name} is open to others (mode {mode:04o}): run `chmod 600 {name}`",
        name = path.display()
    )]
    KeyFileOpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not a key file.
    #[error(
        "line {line} of the key file {} {what}: put back a copy of it, \
         or say with --key-file where the right file is",
        path.display()
    )]
    KeyFileMalformed {
        /// The file.
        path: PathBuf,
        /// The line at fault, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("the key file {} cannot be read or written: see the cause", path.display())]
    KeyFileIo {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file holds the keys of another deployment.
    #[error(
        "the key file {} belongs to deployment {found}, and this store to {expected}: \
         say with --key-file where its own is",
        path.display()
    )]
    OtherDeployment {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: DeploymentId,
        /// Whose the store is.
        expected: DeploymentId,
    },
    /// The source does not have a generation that rows are wrapped under.
    #[error(
        "{origin} has no generation {generation} of the key, and rows of this store are wrapped \
         under it: put back a copy that has it"
    )]
    GenerationMissing {
        /// The source.
        origin: String,
        /// Which.
        generation: Generation,
    },
    /// The key is there and is another one.
    #[error(
        "generation {generation} in {origin} is not the key that this store was sealed with: \
         put back a copy that has the right one"
    )]
    WrongKey {
        /// The source.
        origin: String,
        /// Which.
        generation: Generation,
    },
    /// The passphrase is another one.
    #[error(
        "the passphrase in --key-passphrase-file is not the one that this store was sealed with: \
         give that one, as it was, without a line end"
    )]
    WrongPassphrase,
    /// The passphrase of a new deployment, or of a rotation, is too short.
    #[error(
        "the passphrase in --key-passphrase-file is too short: \
         it needs {PASSPHRASE_CHARACTERS_MIN} characters"
    )]
    ShortPassphrase,
    /// The derivation that the store asks for cannot be done.
    #[error(
        "the key of the passphrase cannot be derived: its parameters in the store are damaged, \
         or this machine has too little memory for them"
    )]
    Derivation,
    /// The store was sealed by a source of another kind.
    #[error(
        "this store is {}, and the server was started with {}: start it with the former",
        state(*sealed_with), spelled(*given)
    )]
    OtherSource {
        /// What it was sealed with, if it was.
        sealed_with: SourceKind,
        /// What the server was given.
        given: SourceKind,
    },
    /// The KMS refused or cannot be reached.
    #[error("{origin} cannot be used: see the cause")]
    Kms {
        /// The source.
        origin: String,
        /// What it says.
        #[source]
        source: KmsError,
    },
    /// Wrapped keys without the row that says under what.
    #[error(
        "the store {location} holds sealed keys and not the row that says what they are sealed with: \
         restore it from a backup"
    )]
    VaultMissing {
        /// Where the store is.
        location: String,
    },
    /// A row of the vault does not make sense.
    #[error(
        "a row of table {table:?} in the store {location} is damaged: restore it from a backup"
    )]
    Damaged {
        /// Where the store is.
        location: String,
        /// The table of that row.
        table: Table,
    },
    /// The store or a data key failed.
    #[error("the keys in the store {location} cannot be used: see the cause")]
    Unusable {
        /// Where the store is.
        location: String,
        /// What failed.
        #[source]
        source: VaultError,
    },
}

fn state(kind: SourceKind) -> String {
    match kind {
        SourceKind::Unsealed => "not sealed (--unsealed)".to_owned(),
        SourceKind::File | SourceKind::Passphrase | SourceKind::Kms => {
            format!("sealed with {}", spelled(kind))
        }
    }
}

const fn spelled(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::File => "a key file (--key-file)",
        SourceKind::Passphrase => "a passphrase (--key-passphrase-file)",
        SourceKind::Kms => "a KMS",
        SourceKind::Unsealed => "no key (--unsealed)",
    }
}
