//! [`SealedFiles`]: files as they lie, for whoever copies them and need not read them: a backup.
//!
//! The objects of a file, laid end to end, are one sequence of bytes, and a copy knows no more of it.
//!
//! Invariant: nothing is opened here, so no key is needed.
//!
//! Leaves out: rows. Which files there are, and who needs them, is known to whoever copies.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use cluster_types::FileId;
use object_store::ObjectStore;

use crate::limits::FILE_BYTES_MAX;
use crate::objects::Objects;
use crate::{Files, ReadError, WriteError, layout};

/// The bytes of all files, sealed. A cheap handle; clones are the same.
#[derive(Clone, Debug)]
pub struct SealedFiles(pub(crate) Objects);

/// Takes the bytes of one file that was copied, and makes them durable, object by object.
pub struct SealedWriter {
    objects: Objects,
    file: FileId,
    size: u64,
    /// Bytes that are still to come.
    left: u64,
    segment: u64,
    object: BytesMut,
}

impl Files {
    /// The files as they lie.
    pub fn sealed(&self) -> SealedFiles {
        SealedFiles(self.inner.objects.clone())
    }
}

impl SealedFiles {
    /// Files in this object store.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self(Objects(objects))
    }

    /// The bytes that a file of this size lies in; `None` if no file has it.
    pub fn bytes(size: u64) -> Option<u64> {
        (1..=FILE_BYTES_MAX)
            .contains(&size)
            .then(|| layout::sealed_bytes(size))
    }

    /// The bytes of a file of this size from `at` on: one at least, and not more than `most`, of which there
    /// must be one.
    ///
    /// # Errors
    /// If the file ends before `at`, is gone, is shorter than it should be, or the object store fails.
    pub async fn read(
        &self,
        file: FileId,
        size: u64,
        at: u64,
        most: u64,
    ) -> Result<Bytes, ReadError> {
        let bytes = Self::bytes(size).filter(|bytes| at < *bytes && most > 0);
        let bytes = bytes.ok_or(ReadError::OutOfRange { size })?;
        let (segment, range) = layout::in_object(at, bytes.min(at.saturating_add(most)));
        let length = range.end - range.start;
        let read = self.0.read(file, segment, &[range]).await?.pop();
        read.filter(|read| read.len() as u64 == length)
            .ok_or(ReadError::Broken)
    }

    /// Writes the bytes of a file of this size. What lies there of it is replaced.
    ///
    /// # Errors
    /// If no file has this size.
    pub fn writer(&self, file: FileId, size: u64) -> Result<SealedWriter, WriteError> {
        let left = Self::bytes(size).ok_or(WriteError::TooMany { size })?;
        Ok(SealedWriter {
            objects: self.0.clone(),
            file,
            size,
            left,
            segment: 0,
            object: BytesMut::new(),
        })
    }

    /// Whether there is no file.
    ///
    /// # Errors
    /// If the object store fails.
    pub async fn is_empty(&self) -> Result<bool, ReadError> {
        Ok(self.0.is_empty().await?)
    }
}

impl SealedWriter {
    /// Takes the bytes that come next.
    ///
    /// # Errors
    /// If they are more than the file lies in, nothing is taken. If the object store fails, the writer is of no
    /// more use.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        let size = self.size;
        if bytes.len() as u64 > self.left {
            return Err(WriteError::TooMany { size });
        }
        while !bytes.is_empty() {
            let room = layout::OBJECT_BYTES - self.object.len();
            let (some, rest) = bytes.split_at(bytes.len().min(room));
            bytes = rest;
            self.object.extend_from_slice(some);
            self.left -= some.len() as u64;
            if self.object.len() == layout::OBJECT_BYTES || self.left == 0 {
                let object = std::mem::take(&mut self.object).freeze();
                self.objects.put(self.file, self.segment, object).await?;
                self.segment += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SealedFiles {
    /// Where they lie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.location())
    }
}

impl fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedWriter")
            .field("file", &self.file)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
