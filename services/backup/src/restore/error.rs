//! Why a restore does not begin, or did not end.

use std::io;
use std::path::PathBuf;

use cluster_store::StoreError;

use crate::archive::ReadError;

/// Why a backup cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file does not open.
    #[error("{} cannot be read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// It is no backup, is damaged, or is somebody else's.
    #[error("{} cannot be used", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the chunk at fault.
        #[source]
        source: ReadError,
    },
    /// A chunk holds what no release up to this one writes.
    #[error("chunk {chunk} of {} holds what this program does not know: use a newer release", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The chunk.
        chunk: u32,
    },
    /// A file that was backed up lacks bytes, or has some that are not its own.
    #[error("a file before the end of chunk {chunk} of {} is not whole", path.display())]
    NotWhole {
        /// The backup.
        path: PathBuf,
        /// The chunk that shows it.
        chunk: u32,
    },
    /// A later release wrote the rows.
    #[error(
        "{} is of schema version {found}, and this program knows up to {known}: use a newer release",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version of the backup.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It does not say which deployment it is of.
    #[error("{} was made of a store that no server has started with: there is nothing in it", path.display())]
    NoDeployment {
        /// The file.
        path: PathBuf,
    },
}

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file does not read, or not any more. What it is of is in the error. Nothing was written, unless it
    /// is the backup, and was changed since it was verified.
    #[error(transparent)]
    File(#[from] VerifyError),
    /// The file lists erasures, and is no backup.
    #[error(
        "{} says only what was erased: give it as --erasures, and a backup as --from",
        path.display()
    )]
    OnlyErasures {
        /// The file.
        path: PathBuf,
    },
    /// The list of erasures is of another deployment.
    #[error(
        "{} is of another deployment than the backup: give one of the same server",
        path.display()
    )]
    OtherErasures {
        /// The file of the list.
        path: PathBuf,
    },
    /// The store is in use already.
    #[error(
        "the store {location} is not empty, it holds {holds}: restore into another one, or move it away"
    )]
    NotEmpty {
        /// Where it is.
        location: String,
        /// What it holds.
        holds: Holds,
    },
    /// There are files already where those of the backup belong.
    #[error(
        "there are files in {location} already: restore to another place, for the server would take them away"
    )]
    FilesNotEmpty {
        /// Where they are.
        location: String,
    },
    /// The place for files is another deployment's, or cannot be made this one's.
    #[error("the files of the backup cannot be written where they are to lie")]
    Place(#[source] services_files::PlaceError),
    /// It cannot be told whether there are files.
    #[error("the files in {location} cannot be read")]
    FilesUnread {
        /// Where they are.
        location: String,
        /// What went wrong.
        #[source]
        source: services_files::ReadError,
    },
    /// A file was not written.
    #[error(
        "the files in {location} cannot be written: what the store holds of the backup does not open; empty both and \
         restore again"
    )]
    Files {
        /// Where they are.
        location: String,
        /// What went wrong.
        #[source]
        source: services_files::WriteError,
    },
    /// The store failed.
    #[error(
        "the store {location} cannot be written: what it holds of the backup does not open; empty it and \
         restore again"
    )]
    Store {
        /// Where it is.
        location: String,
        /// What went wrong.
        #[source]
        source: StoreError,
    },
    /// The file was changed between its two readings.
    #[error(
        "{} was changed while it was restored: what the store holds does not open; empty it and restore again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// What a store holds that should be empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holds {
    /// The deployment that the backup is of.
    Same,
    /// Another deployment.
    Other,
    /// A deployment of a newer release.
    Newer,
    /// Rows without a deployment.
    Unfinished,
}

impl std::fmt::Display for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Same => "the deployment that the backup is of",
            Self::Other => "another deployment",
            Self::Newer => "the rows of a newer release",
            Self::Unfinished => "part of a restore that was not finished",
        })
    }
}
