//! [`Attachment`]: a file that comes with a message, as rooms know it, and [`Attachments`], whoever keeps files.
//!
//! Invariants: neither the key nor the name of a file can be printed. Which message carries a file changes in
//! the transaction that changes the message, and nowhere else.
//!
//! Leaves out: the bytes of files, and which ones are taken at all.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, ErrorCode, FieldViolation, FileId, RoomId};
use services_vault::KeyBytes;

use crate::limits::ATTACHMENT_OVERHEAD_BYTES;

/// Whoever keeps files, as far as rooms have to know.
#[async_trait]
pub trait Attachments: fmt::Debug + Send + Sync + 'static {
    /// These uploads of `account` for `room`, in their order, as `tx` finds them. Changes nothing.
    ///
    /// # Errors
    /// Of the first that no message of this account in this room can carry.
    async fn find(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<Vec<Attachment>, AttachError>;

    /// Has the message that `tx` writes carry the uploads that `tx` has found. They are uploads no more.
    ///
    /// # Errors
    /// If the store fails.
    async fn take(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<(), StoreError>;

    /// Has the message that `tx` rewrites or clears carry this file no more. One that is gone stays so.
    ///
    /// # Errors
    /// If the store fails.
    async fn release(&self, tx: &Transaction, file: FileId) -> Result<(), StoreError>;
}

/// Why uploads were not found.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AttachError {
    /// A message cannot carry one of them.
    #[error(transparent)]
    Unattachable(#[from] Unattachable),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A file that a message cannot carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("attachments[{place}] {why}")]
pub struct Unattachable {
    /// Its place among those that were asked for.
    pub place: usize,
    /// Why not.
    pub why: WhyNot,
}

/// Why a message cannot carry a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WhyNot {
    /// The sender has no such upload.
    #[error("is no upload of the sender")]
    NoSuchUpload,
    /// A message carries it.
    #[error("is in a message already")]
    Taken,
    /// It is for another room.
    #[error("is for another room")]
    OtherRoom,
    /// It has not come in whole.
    #[error("has not come in whole")]
    NotFinished,
}

/// Keeps no files.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

/// A file that comes with a message, with all that is needed to read it.
#[derive(Clone)]
pub struct Attachment {
    /// Which file.
    pub file: FileId,
    /// What its bytes are sealed under.
    pub key: Arc<KeyBytes>,
    /// What its sender calls it.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What its first bytes show.
    pub media_type: String,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            file,
            key,
            name,
            size,
            media_type,
            sha256,
        } = self;
        key.is(&other.key)
            && (file, name, size, media_type, sha256)
                == (
                    &other.file,
                    &other.name,
                    &other.size,
                    &other.media_type,
                    &other.sha256,
                )
    }
}

impl Eq for Attachment {}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("file", &self.file)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Attachment {
    /// What it weighs in a page of events.
    pub(crate) const fn bytes(&self) -> usize {
        ATTACHMENT_OVERHEAD_BYTES + self.name.len() + self.media_type.len()
    }
}

impl Unattachable {
    pub(crate) const fn code(self) -> ErrorCode {
        match self.why {
            WhyNot::NoSuchUpload => ErrorCode::NotFound,
            WhyNot::Taken | WhyNot::OtherRoom | WhyNot::NotFinished => ErrorCode::Conflict,
        }
    }

    pub(crate) const fn reason(self) -> &'static str {
        match self.why {
            WhyNot::NoSuchUpload => "UPLOAD_NOT_FOUND",
            WhyNot::Taken => "UPLOAD_TAKEN",
            WhyNot::OtherRoom => "UPLOAD_FOR_ANOTHER_ROOM",
            WhyNot::NotFinished => "UPLOAD_NOT_FINISHED",
        }
    }

    pub(crate) fn violations(self) -> Vec<FieldViolation> {
        vec![FieldViolation {
            field: format!("attachments[{}]", self.place),
            description: self.why.to_string(),
        }]
    }
}

#[async_trait]
impl Attachments for NoFiles {
    async fn find(
        &self,
        _tx: &Transaction,
        _account: AccountId,
        _room: RoomId,
        _files: &[FileId],
    ) -> Result<Vec<Attachment>, AttachError> {
        let (place, why) = (0, WhyNot::NoSuchUpload);
        Err(Unattachable { place, why }.into())
    }

    async fn take(
        &self,
        _tx: &Transaction,
        _account: AccountId,
        _room: RoomId,
        _files: &[FileId],
    ) -> Result<(), StoreError> {
        // It has found none.
        Ok(())
    }

    async fn release(&self, _tx: &Transaction, _file: FileId) -> Result<(), StoreError> {
        Ok(())
    }
}
