//! Writing an archive, and going on with one.

use std::io::{Read, Write};
use std::mem;

use age::{Encryptor, Recipient};
use bytes::Bytes;
use proto::storage::v1::{BackupChunk, BackupManifest};

use super::error::{ReadError, ResumeError, WriteError};
use super::frame::{self, Frame, Link, Opening};
use super::{BackupId, Sha256, wire};
use crate::limits::{
    CHUNK_BYTES_TARGET, CHUNK_PLAIN_MAX, CHUNK_SEALED_MAX, CHUNKS_MAX, PROGRESS_BYTES_MAX,
    RECORD_BYTES_MAX, ZSTD_LEVEL,
};

/// Writes an archive, chunk by chunk. It blocks on its output, and holds one chunk in memory.
pub struct Writer<W> {
    out: W,
    recipients: Vec<Box<dyn Recipient + Send>>,
    id: BackupId,
    at: Link,
    records: Vec<Bytes>,
    records_bytes: usize,
    chunk_sha256: Vec<Sha256>,
    records_total: u64,
    bytes: u64,
}

impl<W> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("id", &self.id)
            .field("chunks", &self.at.index)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    ///
    /// # Errors
    /// If there are no recipients, or the output fails.
    pub fn create(
        mut out: W,
        id: BackupId,
        recipients: Vec<Box<dyn Recipient + Send>>,
    ) -> Result<Self, WriteError> {
        check(&recipients)?;
        let at = frame::write_opening(&mut out, id)?;
        Ok(Self {
            out,
            recipients,
            id,
            at,
            records: Vec::new(),
            records_bytes: 0,
            chunk_sha256: Vec::new(),
            records_total: 0,
            bytes: frame::OPENING_BYTES as u64,
        })
    }

    /// Goes on with an archive, after the last whole chunk that [`resume`] found: `out` stands there.
    /// `records` are those of all chunks before, which whoever goes on knows from the progress.
    ///
    /// # Errors
    /// If there are no recipients.
    pub fn go_on(
        out: W,
        resumed: Resumed,
        recipients: Vec<Box<dyn Recipient + Send>>,
        records: u64,
    ) -> Result<Self, WriteError> {
        check(&recipients)?;
        Ok(Self {
            out,
            recipients,
            id: resumed.id,
            at: resumed.at,
            records: Vec::new(),
            records_bytes: 0,
            chunk_sha256: resumed.chunk_sha256,
            records_total: records,
            bytes: resumed.bytes,
        })
    }

    /// Adds a record to the chunk. Nothing is written yet.
    ///
    /// # Errors
    /// If it is longer than [`RECORD_BYTES_MAX`].
    pub fn push(&mut self, record: Bytes) -> Result<(), WriteError> {
        check_size("record", record.len(), RECORD_BYTES_MAX)?;
        self.records_bytes += record.len();
        self.records.push(record);
        self.records_total += 1;
        Ok(())
    }

    /// Whether it is time for [`Writer::flush`].
    pub fn is_full(&self) -> bool {
        self.records_bytes >= CHUNK_BYTES_TARGET
    }

    /// Writes what was added as a chunk, and how far the backup has come with it. Without records nothing
    /// is written.
    ///
    /// # Errors
    /// If the output fails, or the progress is longer than [`PROGRESS_BYTES_MAX`]. A writer that failed is
    /// gone, for its last chunk may lie half in the file: another one can go on after the last whole chunk.
    pub fn flush(mut self, progress: &[u8]) -> Result<Self, WriteError> {
        if self.records.is_empty() {
            return Ok(self);
        }
        let records = mem::take(&mut self.records);
        self.records_bytes = 0;
        self.write(progress, records, None)?;
        self.chunk_sha256.push(self.at.sha256);
        Ok(self)
    }

    /// Ends the archive: writes the rest as a chunk with this progress, and the manifest, which repeats
    /// `about` and adds what the writer knows. Returns the output, which is flushed and not synced.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub fn finish(self, progress: &[u8], about: BackupManifest) -> Result<W, WriteError> {
        let mut writer = self.flush(progress)?;
        let hashes = writer.chunk_sha256.iter();
        let manifest = BackupManifest {
            chunks: writer.at.index,
            records: writer.records_total,
            chunk_sha256: hashes.map(|hash| Bytes::copy_from_slice(hash)).collect(),
            ..about
        };
        writer.write(&[], Vec::new(), Some(manifest))?;
        writer.out.flush()?;
        Ok(writer.out)
    }

    /// Bytes of the archive, as far as it is written.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Chunks written.
    pub const fn chunks(&self) -> u32 {
        self.at.index
    }

    fn write(
        &mut self,
        progress: &[u8],
        records: Vec<Bytes>,
        manifest: Option<BackupManifest>,
    ) -> Result<(), WriteError> {
        if self.at.index >= CHUNKS_MAX {
            return Err(WriteError::TooManyChunks);
        }
        check_size("progress", progress.len(), PROGRESS_BYTES_MAX.into())?;
        let chunk = BackupChunk {
            backup_id: Bytes::copy_from_slice(&self.id.0),
            index: self.at.index + 1,
            previous_sha256: Bytes::copy_from_slice(&self.at.sha256),
            records,
            manifest,
        };
        let plain = wire::encode(&chunk);
        check_size("chunk", plain.len(), CHUNK_PLAIN_MAX)?;
        let sealed = self.seal(&plain)?;
        check_size("chunk", sealed.len(), CHUNK_SEALED_MAX as usize)?;
        let frame = Frame {
            is_last: chunk.manifest.is_some(),
            progress: progress.to_vec(),
            sealed,
        };
        self.at = frame::write(&mut self.out, &self.at, &frame)?;
        self.bytes += frame::bytes(&frame);
        Ok(())
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, WriteError> {
        let compressed = zstd::bulk::compress(plain, ZSTD_LEVEL)?;
        let recipients = self.recipients.iter();
        let recipients = recipients.map(|recipient| recipient.as_ref() as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients)
            .map_err(|error| WriteError::Recipients(Box::new(error)))?;
        let mut sealed = Vec::with_capacity(compressed.len() + 1024);
        let mut stream = encryptor.wrap_output(&mut sealed)?;
        stream.write_all(&compressed)?;
        stream.finish()?;
        Ok(sealed)
    }
}

/// An archive that was interrupted, up to where it is whole.
#[derive(Debug)]
pub struct Resumed {
    /// Which archive it is.
    pub id: BackupId,
    /// Its whole chunks end here: what follows is to be cut off.
    pub bytes: u64,
    /// What was said of the progress with the last whole chunk; `None` if there is none.
    pub progress: Option<Vec<u8>>,
    /// Whether it has its manifest: nothing is missing then.
    pub is_complete: bool,
    at: Link,
    chunk_sha256: Vec<Sha256>,
}

impl Resumed {
    /// Whole chunks.
    pub const fn chunks(&self) -> u32 {
        self.at.index
    }
}

/// Looks how far an archive is whole, without a key. What follows its last whole chunk is what an
/// interruption leaves, a chunk cut off or, after a loss of power, anything.
///
/// # Errors
/// If it is no archive, has an earlier format, or cannot be read.
pub fn resume(mut from: impl Read) -> Result<Resumed, ResumeError> {
    let opening = frame::read_opening(&mut from)?;
    if !opening.is_of_today() {
        return Err(ResumeError::OtherProgress);
    }
    let Opening { id, at, .. } = opening;
    let mut resumed = Resumed {
        id,
        bytes: frame::OPENING_BYTES as u64,
        progress: None,
        is_complete: false,
        at,
        chunk_sha256: Vec::new(),
    };
    loop {
        match frame::read(&mut from, &resumed.at) {
            Ok(Some((frame, next))) => {
                resumed.bytes += frame::bytes(&frame);
                if frame.is_last {
                    resumed.is_complete = true;
                    return Ok(resumed);
                }
                resumed.chunk_sha256.push(next.sha256);
                resumed.at = next;
                resumed.progress = Some(frame.progress);
            }
            Ok(None) | Err(ReadError::Truncated { .. } | ReadError::Damaged { .. }) => {
                return Ok(resumed);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn check(recipients: &[Box<dyn Recipient + Send>]) -> Result<(), WriteError> {
    if recipients.is_empty() {
        return Err(WriteError::NoRecipients);
    }
    Ok(())
}

fn check_size(what: &'static str, actual: usize, limit: usize) -> Result<(), WriteError> {
    if actual > limit {
        return Err(WriteError::TooLarge {
            what,
            limit,
            actual,
        });
    }
    Ok(())
}
