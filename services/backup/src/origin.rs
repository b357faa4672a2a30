//! [`Origin`]: where the rows of a backup come from.
//!
//! A store that nobody has open is read here, with its files. One that a server has open is read by that server, which
//! hands its rows out over a socket ([`socket`](crate::socket)); what becomes of them is the same.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use cluster_store::{Store, StoreError};
use cluster_types::FileId;
use services_files::{ReadError, SealedFiles};

use crate::collect::{CollectError, Collector, InvalidRecord, Progress, Record};
use crate::socket::Remote;

/// Where the rows of a backup come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A store that is open here, and its files.
    Store(Store, SealedFiles),
    /// The server that listens on this socket.
    Server(PathBuf),
}

/// Why no more rows come.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The backup was begun with another store.
    #[error("what was begun is a backup of another deployment: name another file")]
    OtherDeployment,
    /// The keys of the store are wrapped under two generations.
    #[error("the keys of the store are being rotated: run the backup again when that is over")]
    Rotating,
    /// A file is there and does not read.
    #[error("the file {file} cannot be read: mend the object store, or back up --without-files")]
    File {
        /// Which.
        file: FileId,
        /// What went wrong.
        #[source]
        source: ReadError,
    },
    /// There is no way to the server, or there is none any more.
    #[error("the server that has the store open cannot be reached, or has ended")]
    Socket(#[from] io::Error),
    /// The server says why.
    #[error("the server hands out no rows: {trouble}")]
    Refused {
        /// In its words.
        trouble: String,
        /// Whether that passes by itself.
        passes: bool,
    },
    /// The server says what this program does not understand.
    #[error("the server is of another release: use the program that it runs")]
    OtherRelease,
}

impl From<CollectError> for SourceError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::OtherDeployment => Self::OtherDeployment,
            CollectError::Rotating => Self::Rotating,
            CollectError::File { file, source } => Self::File { file, source },
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

impl From<InvalidRecord> for SourceError {
    fn from(InvalidRecord: InvalidRecord) -> Self {
        Self::OtherRelease
    }
}

/// An origin that is being read.
#[derive(Debug)]
pub(crate) enum Source {
    Store(Collector),
    Server(Remote),
}

impl Origin {
    /// Begins, or goes on where another one was.
    pub(crate) async fn open(self, progress: Progress) -> Result<Source, SourceError> {
        Ok(match self {
            Self::Store(store, files) => {
                Source::Store(Collector::open(store, files, progress).await?)
            }
            Self::Server(path) => Source::Server(Remote::connect(&path, progress).await?),
        })
    }
}

impl Source {
    /// Where it stands.
    pub(crate) const fn progress(&self) -> &Progress {
        match self {
            Self::Store(collector) => collector.progress(),
            Self::Server(remote) => remote.progress(),
        }
    }

    /// The next records, as they lie in an archive; `None` when there are no more.
    pub(crate) async fn step(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
        match self {
            Self::Store(collector) => {
                let records = collector.step().await?;
                Ok(records.map(|records| records.iter().map(Record::encode).collect()))
            }
            Self::Server(remote) => remote.step().await,
        }
    }
}
