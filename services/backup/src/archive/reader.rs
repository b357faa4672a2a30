//! Reading an archive, chunk by chunk, each checked as a whole before it is handed out.

use std::io::Read;

use age::{DecryptError, Decryptor, Identity};
use bytes::Bytes;
use proto::storage::v1::{BackupChunk, BackupManifest};

use super::error::ReadError;
use super::frame::{self, Frame, Link, Opening};
use super::{BackupId, Sha256, wire};
use crate::limits::CHUNK_PLAIN_MAX;

/// Reads an archive. It blocks on its input, and holds one chunk in memory.
pub struct Reader<R> {
    from: R,
    identities: Vec<Box<dyn Identity + Send>>,
    id: BackupId,
    format: u8,
    at: Link,
    chunk_sha256: Vec<Sha256>,
    records: u64,
    bytes: u64,
    manifest: Option<BackupManifest>,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("id", &self.id)
            .field("chunks", &self.at.index)
            .finish_non_exhaustive()
    }
}

/// Records that were written together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Which it is, from 1.
    pub number: u32,
    /// In the order in which they were added.
    pub records: Vec<Bytes>,
}

impl<R: Read> Reader<R> {
    /// Opens an archive.
    ///
    /// # Errors
    /// If it does not begin as one, or is of a newer format.
    pub fn open(mut from: R, identities: Vec<Box<dyn Identity + Send>>) -> Result<Self, ReadError> {
        let Opening { id, format, at } = frame::read_opening(&mut from)?;
        Ok(Self {
            from,
            identities,
            id,
            format,
            at,
            chunk_sha256: Vec::new(),
            records: 0,
            bytes: frame::OPENING_BYTES as u64,
            manifest: None,
        })
    }

    /// Which archive it is.
    pub const fn id(&self) -> BackupId {
        self.id
    }

    /// Its format.
    pub const fn format(&self) -> u8 {
        self.format
    }

    /// The next records; `None` once the archive has been read to its end, and is whole.
    ///
    /// # Errors
    /// Each names the chunk at fault.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        if self.manifest.is_some() {
            return Ok(None);
        }
        let number = self.at.index + 1;
        let (frame, next) =
            frame::read(&mut self.from, &self.at)?.ok_or(ReadError::Truncated { chunk: number })?;
        let chunk = self.unseal(&frame, number)?;
        self.bytes += frame::bytes(&frame);
        let belongs = chunk.backup_id == self.id.0[..]
            && chunk.index == number
            && chunk.previous_sha256 == self.at.sha256[..]
            && chunk.manifest.is_some() == frame.is_last;
        if !belongs {
            return Err(ReadError::Foreign { chunk: number });
        }
        if let Some(manifest) = chunk.manifest {
            self.end(&manifest, number)?;
            self.manifest = Some(manifest);
            return Ok(None);
        }
        self.at = next;
        self.chunk_sha256.push(self.at.sha256);
        self.records += chunk.records.len() as u64;
        Ok(Some(Chunk {
            number,
            records: chunk.records,
        }))
    }

    /// Bytes of the file that have been read.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What there is in the archive, once it has been read to its end.
    pub const fn manifest(&self) -> Option<&BackupManifest> {
        self.manifest.as_ref()
    }

    fn end(&mut self, manifest: &BackupManifest, chunk: u32) -> Result<(), ReadError> {
        let hashes = manifest.chunk_sha256.iter();
        let agrees = manifest.chunks == self.at.index
            && manifest.records == self.records
            && hashes.eq(self.chunk_sha256.iter().map(<[u8; 32]>::as_slice));
        if !agrees {
            return Err(ReadError::OtherManifest { chunk });
        }
        let rest = (&mut self.from).take(1).read_to_end(&mut Vec::new());
        match rest.map_err(ReadError::Io)? {
            0 => Ok(()),
            _ => Err(ReadError::Trailing { chunk }),
        }
    }

    fn unseal(&self, frame: &Frame, chunk: u32) -> Result<BackupChunk, ReadError> {
        // The chain has said that the bytes are those that were written, so this is no accident.
        let damaged = || ReadError::Damaged { chunk };
        let decryptor = Decryptor::new(&frame.sealed[..]).map_err(|_| damaged())?;
        let identities = self.identities.iter();
        let identities = identities.map(|identity| identity.as_ref() as &dyn Identity);
        let compressed = decryptor.decrypt(identities).map_err(|error| {
            if matches!(error, DecryptError::NoMatchingKeys) {
                ReadError::WrongIdentity
            } else {
                damaged()
            }
        })?;
        let plain = zstd::stream::read::Decoder::new(compressed).map_err(|_| damaged())?;
        let mut bytes = Vec::new();
        let read = plain
            .take(CHUNK_PLAIN_MAX as u64 + 1)
            .read_to_end(&mut bytes);
        if read.map_err(|_| damaged())? > CHUNK_PLAIN_MAX {
            return Err(damaged());
        }
        wire::decode(Bytes::from(bytes)).map_err(|_| damaged())
    }
}
