//! What can go wrong with a store: [`StoreError`] while it runs, [`OpenError`] while it opens.

use std::path::PathBuf;
use std::time::Duration;

use cluster_types::{Coded, ErrorCode};

use crate::limits::FULL_RETRY;
use crate::schema::Table;

/// Why a transaction did not do what it was asked to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something that the transaction read was changed by another one. Nothing was written.
    #[error("another transaction changed what this one read")]
    Conflict,
    /// The snapshot is no longer kept. Nothing was written.
    #[error("the transaction took too long and its snapshot is gone")]
    TooOld,
    /// The commit happened, or it did not; the store cannot say.
    #[error("whether the transaction was committed is unknown")]
    CommitUnknown,
    /// All retries were used up, by conflicts or by a store that is too slow. Nothing was written.
    #[error("the retries were used up: rows are contended, or the store is slow")]
    Contended,
    /// The disk is full. Nothing was written; reads go on.
    #[error("no space is left on the disk of the store")]
    Full,
    /// The store cannot be reached or is too busy. Nothing was written.
    #[error("the store cannot be reached or is too busy")]
    Unavailable,
    /// A key, value or transaction over its limit. Nothing was written.
    #[error("{what} is {actual} bytes long, {limit} are allowed")]
    TooLarge {
        /// What is too large: `key`, `value`, `transaction`.
        what: &'static str,
        /// The most bytes allowed.
        limit: usize,
        /// The bytes it has.
        actual: usize,
    },
    /// A row that does not decode.
    #[error("a row of table {table:?} does not decode")]
    Corrupt {
        /// The table of that row.
        table: Table,
    },
    /// The file of the store is damaged.
    #[error("the file of the store is damaged")]
    Damaged,
    /// The store has been closed. Nothing was written.
    #[error("the store is closed")]
    Closed,
    /// A write in a transaction that may only read.
    #[error("this transaction may only read")]
    ReadOnly,
    /// Use of a transaction after its commit.
    #[error("this transaction has been committed")]
    Finished,
}

impl StoreError {
    /// Whether running the transaction again may succeed.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict | Self::TooOld | Self::CommitUnknown)
    }

    /// Whether the writes of the transaction may have happened.
    pub const fn maybe_committed(&self) -> bool {
        matches!(self, Self::CommitUnknown)
    }
}

impl Coded for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Conflict | Self::TooOld | Self::Contended => ErrorCode::Contended,
            Self::CommitUnknown => ErrorCode::Unknown,
            Self::Full => ErrorCode::Exhausted,
            Self::Unavailable | Self::Closed => ErrorCode::NotHere,
            Self::Corrupt { .. } | Self::Damaged => ErrorCode::Corrupt,
            Self::TooLarge { .. } | Self::ReadOnly | Self::Finished => ErrorCode::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Conflict | Self::TooOld | Self::Contended => "STORE_CONTENDED",
            Self::CommitUnknown => "OUTCOME_UNKNOWN",
            Self::Full => "STORE_FULL",
            Self::Unavailable => "STORE_UNAVAILABLE",
            Self::Closed => "STORE_CLOSED",
            Self::Corrupt { .. } => "STORE_ROW_CORRUPT",
            Self::Damaged => "STORE_DAMAGED",
            Self::TooLarge { .. } => "TRANSACTION_TOO_LARGE",
            Self::ReadOnly => "TRANSACTION_READ_ONLY",
            Self::Finished => "TRANSACTION_FINISHED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Full).then_some(FULL_RETRY)
    }
}

/// An error that may carry a [`StoreError`], so that `run` can tell what to retry.
pub trait AsStoreError {
    /// The store's error inside, if that is what it is.
    fn as_store_error(&self) -> Option<&StoreError>;
}

impl AsStoreError for StoreError {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// Why a store did not open. Each text names the path and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the store open.
    #[error(
        "the store {} is in use by another process: stop that one, or choose another --data-dir",
        path.display()
    )]
    InUse {
        /// The file of the store.
        path: PathBuf,
    },
    /// The folder or file cannot be written.
    #[error(
        "{} cannot be written: make it writable for the user that runs the server \
         (chown, chmod u+rwX, remount), or choose another --data-dir",
        path.display()
    )]
    ReadOnly {
        /// What cannot be written.
        path: PathBuf,
    },
    /// The data directory is not a directory.
    #[error("{} is not a directory: move it away, or choose another --data-dir", path.display())]
    NotADirectory {
        /// What stands where the directory should be.
        path: PathBuf,
    },
    /// The file is not a store, or is damaged.
    #[error(
        "{} is not a store of this server or is damaged: move it away to start anew, \
         or restore it from a backup",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the file's reader says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file has a format of another release of the storage engine.
    #[error(
        "{} has another file format than this program reads: run the release that wrote it",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
    },
    /// The rows were written by a newer release.
    #[error(
        "the store {location} has schema version {found}, and this program knows up to {known}: \
         run a newer release, or restore a backup that was made before the upgrade"
    )]
    NewerSchema {
        /// Where the store is.
        location: String,
        /// The version in the store.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// Its rows belong to no deployment.
    #[error(
        "the store {location} holds part of a restore that was not finished: empty it (remove the file, or clear \
         the prefix in the cluster) and restore again"
    )]
    Unfinished {
        /// Where the store is.
        location: String,
    },
    /// There is no space to make the file, or for the first rows in it.
    #[error("no space is left for {}: free some, or choose another --data-dir", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that the operating system refused.
    #[error("{} cannot be opened: see the cause", path.display())]
    Io {
        /// What was being opened.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The store opened, and its first transaction failed.
    #[error("the store {location} opened but cannot be used: see the cause")]
    Unusable {
        /// Where the store is.
        location: String,
        /// What failed.
        #[source]
        source: StoreError,
    },
}
