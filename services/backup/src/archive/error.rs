//! What can be wrong with an archive. Chunks are counted from 1.

use std::io;

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Nobody could read it.
    #[error("a backup needs at least one recipient")]
    NoRecipients,
    /// One of them cannot be encrypted to together with the others.
    #[error("the recipients do not go together")]
    Recipients(#[source] Box<age::EncryptError>),
    /// A record, or what is said of the progress, that is too long.
    #[error("{what} is {actual} bytes long, {limit} are allowed")]
    TooLarge {
        /// What is too large: `record`, `progress`, `chunk`.
        what: &'static str,
        /// The most bytes allowed.
        limit: usize,
        /// The bytes it has.
        actual: usize,
    },
    /// There are as many chunks as there can be.
    #[error("the backup has reached its largest size")]
    TooManyChunks,
    /// The file could not be written.
    #[error("the backup cannot be written")]
    Io(#[from] io::Error),
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not begin as one.
    #[error("the file is not a backup")]
    NotABackup,
    /// A later release wrote it.
    #[error("the backup has format {found}, and this program reads {known}: use a newer release")]
    NewerFormat {
        /// The format of the file.
        found: u8,
        /// The newest one that is known.
        known: u8,
    },
    /// None of the identities belongs to a recipient.
    #[error("the backup is encrypted to somebody else: none of the identities opens it")]
    WrongIdentity,
    /// Some of its bytes are not those that were written.
    #[error("chunk {chunk} of the backup is damaged")]
    Damaged {
        /// The chunk.
        chunk: u32,
    },
    /// It is sound, and of another archive or another place.
    #[error("chunk {chunk} does not belong here: it is of another backup, or was moved")]
    Foreign {
        /// The chunk.
        chunk: u32,
    },
    /// The file ends too early.
    #[error("the backup ends too early: chunk {chunk} is missing or cut off")]
    Truncated {
        /// The first chunk that is not whole.
        chunk: u32,
    },
    /// The manifest does not agree with what came before it.
    #[error("the backup is not what its last chunk, {chunk}, says it is")]
    OtherManifest {
        /// The chunk of the manifest.
        chunk: u32,
    },
    /// Something follows its end.
    #[error("the backup goes on after its last chunk, {chunk}")]
    Trailing {
        /// The last chunk.
        chunk: u32,
    },
    /// The file could not be read.
    #[error("the backup cannot be read")]
    Io(#[source] io::Error),
}

/// Why an archive cannot be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// What is there cannot be read.
    #[error("what is there cannot be gone on with")]
    Read(#[from] ReadError),
    /// Its format is an earlier one, or its progress of a kind that this program does not know.
    #[error("it was begun by another release")]
    OtherProgress,
    /// It holds more of a store than is wanted, or less.
    #[error("it is a backup of another kind")]
    OtherScope,
}
