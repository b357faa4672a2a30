//! What can go wrong with files, one enum for each thing that is done.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use cluster_store::{AsStoreError, StoreError};
use cluster_types::{Coded, ErrorCode, FieldViolation, FileId};
use services_vault::Broken;

use crate::limits::{TRANSFERS_RETRY, UPLOADS_MAX};

/// Why an upload was not begun.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StartError {
    /// Nothing, or more than a file may have.
    #[error("a file has 1 to {size_max} bytes")]
    Size {
        /// Bytes that a file may have.
        size_max: u64,
    },
    /// The account's files would take more than they may.
    #[error("the files of this account may take {quota} bytes, of which {left} are left")]
    Quota {
        /// Bytes that they may take.
        quota: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// Too many uploads of the account are in no message yet.
    #[error("{UPLOADS_MAX} uploads of this account are in no message yet, which is the limit")]
    TooManyUploads,
    /// The place where files lie is not known to be this store's. The log says why.
    #[error("files cannot be kept now")]
    Place,
    /// The request has begun another file already.
    #[error("this request id was used for another file")]
    IdReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why bytes were not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The account has no such upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// All bytes came already.
    #[error("the upload is finished")]
    Finished,
    /// They begin behind the end of the last ones.
    #[error("the next bytes begin at {expected}")]
    WrongOffset {
        /// Where they have to begin.
        expected: u64,
    },
    /// More bytes than the sender said.
    #[error("the file has {size} bytes, as its upload said, and more came")]
    TooMany {
        /// As the sender said.
        size: u64,
    },
    /// The first bytes show something that is not taken here.
    #[error("files of the type {media_type} are not taken here")]
    RefusedType {
        /// What they show.
        media_type: String,
    },
    /// Another writer has moved the upload on, be it an earlier call of the same client that was still at work.
    #[error("the upload went on elsewhere: ask where it stands")]
    Moved,
    /// What was durable of it was changed, or belongs elsewhere.
    #[error("what had come of the upload was changed: begin it anew")]
    Broken,
    /// The node takes as many uploads as it can. Nothing happened.
    #[error("this node takes as many uploads as it can")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store failed.
    #[error("the object store did not take a part of a file")]
    Objects(#[source] Arc<object_store::Error>),
}

/// Why an upload is not finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FinishError {
    /// The account has no such upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// Bytes are missing.
    #[error("{received} of {size} bytes came")]
    Incomplete {
        /// Bytes that are durable.
        received: u64,
        /// Bytes that it has.
        size: u64,
    },
    /// What came is not what the sender said.
    #[error("what came has another SHA-256 than the upload said")]
    HashDiffers,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a message cannot carry a file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TakeError {
    /// The sender has no such upload.
    #[error("no such upload: {file}")]
    NoSuchUpload {
        /// Which.
        file: FileId,
    },
    /// A message carries it already.
    #[error("a message carries the file already: {file}")]
    Taken {
        /// Which.
        file: FileId,
    },
    /// It is for another room.
    #[error("the upload {file} is for another room")]
    OtherRoom {
        /// Which.
        file: FileId,
    },
    /// It has not come in whole.
    #[error("the upload {file} is not finished")]
    NotFinished {
        /// Which.
        file: FileId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a file could not be read or removed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The range is not one of the file.
    #[error("the range does not lie within the {size} bytes of the file")]
    OutOfRange {
        /// Bytes of the file.
        size: u64,
    },
    /// Its bytes are not there any more. Whoever had a message that carries it has lost them.
    #[error("the bytes of the file are gone")]
    Gone,
    /// Its bytes were changed, or belong elsewhere.
    #[error("the bytes of the file were changed")]
    Broken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store failed.
    #[error("the object store did not give or remove a part of a file")]
    Objects(#[source] Arc<object_store::Error>),
}

impl From<object_store::Error> for WriteError {
    fn from(error: object_store::Error) -> Self {
        if is_full(&error) {
            Self::Store(StoreError::Full)
        } else {
            Self::Objects(Arc::new(error))
        }
    }
}

impl From<object_store::Error> for ReadError {
    fn from(error: object_store::Error) -> Self {
        if let object_store::Error::NotFound { .. } = error {
            Self::Gone
        } else {
            Self::Objects(Arc::new(error))
        }
    }
}

/// Whether it is for want of space on the disk: that is answered as a full store is.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(std::io::Error::kind);
        if let Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) = kind {
            return true;
        }
        cause = error.source();
    }
    false
}

impl From<Broken> for WriteError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<Broken> for ReadError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

macro_rules! as_store_error {
    ($($error:ident),*) => {$(
        impl AsStoreError for $error {
            fn as_store_error(&self) -> Option<&StoreError> {
                if let Self::Store(error) = self { Some(error) } else { None }
            }
        }
    )*};
}

as_store_error!(StartError, WriteError, FinishError, TakeError, ReadError);

fn violation(field: &str, error: &impl ToString) -> Vec<FieldViolation> {
    let description = error.to_string();
    let field = field.to_owned();
    vec![FieldViolation { field, description }]
}

impl Coded for StartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Size { .. } => ErrorCode::Invalid,
            Self::Quota { .. } | Self::TooManyUploads => ErrorCode::Conflict,
            Self::Place => ErrorCode::NotHere,
            Self::IdReused => ErrorCode::AlreadyExists,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Size { .. } => "FILE_SIZE",
            Self::Quota { .. } => "FILE_QUOTA",
            Self::TooManyUploads => "TOO_MANY_UPLOADS",
            Self::Place => "STORE_UNAVAILABLE",
            Self::IdReused => "REQUEST_ID_REUSED",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        if let Self::Size { .. } = self {
            violation("size", self)
        } else {
            Vec::new()
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

impl Coded for WriteError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchUpload => ErrorCode::NotFound,
            Self::Finished => ErrorCode::Conflict,
            Self::WrongOffset { .. } | Self::TooMany { .. } => ErrorCode::Invalid,
            Self::RefusedType { .. } => ErrorCode::Forbidden,
            Self::Moved => ErrorCode::Contended,
            Self::Broken => ErrorCode::Corrupt,
            Self::Busy => ErrorCode::Exhausted,
            Self::Store(error) => error.code(),
            Self::Objects(_) => ErrorCode::NotHere,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchUpload => "UPLOAD_NOT_FOUND",
            Self::Finished => "UPLOAD_FINISHED",
            Self::WrongOffset { .. } => "UPLOAD_OFFSET",
            Self::TooMany { .. } => "UPLOAD_TOO_LONG",
            Self::RefusedType { .. } => "FILE_TYPE_REFUSED",
            Self::Moved => "UPLOAD_MOVED",
            Self::Broken => "FILE_BROKEN",
            Self::Busy => "TOO_MANY_TRANSFERS",
            Self::Store(error) => error.reason(),
            Self::Objects(_) => "STORE_UNAVAILABLE",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::WrongOffset { .. } => violation("start.offset", self),
            Self::TooMany { .. } => violation("data", self),
            Self::NoSuchUpload
            | Self::Finished
            | Self::RefusedType { .. }
            | Self::Moved
            | Self::Broken
            | Self::Busy
            | Self::Store(_)
            | Self::Objects(_) => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let busy = matches!(self, Self::Busy).then_some(TRANSFERS_RETRY);
        busy.or_else(|| self.as_store_error().and_then(Coded::retry_after))
    }
}

impl Coded for FinishError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchUpload => ErrorCode::NotFound,
            Self::Incomplete { .. } | Self::HashDiffers => ErrorCode::Conflict,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchUpload => "UPLOAD_NOT_FOUND",
            Self::Incomplete { .. } => "UPLOAD_INCOMPLETE",
            Self::HashDiffers => "UPLOAD_HASH_DIFFERS",
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

impl Coded for TakeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchUpload { .. } => ErrorCode::NotFound,
            Self::Taken { .. } | Self::OtherRoom { .. } | Self::NotFinished { .. } => {
                ErrorCode::Conflict
            }
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchUpload { .. } => "UPLOAD_NOT_FOUND",
            Self::Taken { .. } => "UPLOAD_TAKEN",
            Self::OtherRoom { .. } => "UPLOAD_FOR_ANOTHER_ROOM",
            Self::NotFinished { .. } => "UPLOAD_NOT_FINISHED",
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

impl Coded for ReadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfRange { .. } => ErrorCode::Invalid,
            Self::Gone | Self::Broken => ErrorCode::Corrupt,
            Self::Store(error) => error.code(),
            Self::Objects(_) => ErrorCode::NotHere,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "FILE_RANGE",
            Self::Gone => "FILE_GONE",
            Self::Broken => "FILE_BROKEN",
            Self::Store(error) => error.reason(),
            Self::Objects(_) => "STORE_UNAVAILABLE",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        if let Self::OutOfRange { .. } = self {
            violation("range", self)
        } else {
            Vec::new()
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}
