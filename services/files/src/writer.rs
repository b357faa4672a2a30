//! [`Writer`]: takes the bytes of an upload, seals them and makes them durable, a segment at a time, while the next one
//! comes in. A writer that ends before its segment is full makes a tail of it (`tail`).
//!
//! Invariants: a segment is durable before the row counts it, and the row holds the state of the hash after
//! exactly what it counts: so whoever goes on, in another process too, hashes and seals as if nothing had been.
//! Of two writers of an upload, on two nodes too, one that was overtaken is told and counts nothing: the row decides.
//! On one node it finds out before it writes anything: whatever becomes of a call, what it has begun to write is
//! waited for by the next one. Of another node an object can still be on its way then, and lie where the winner's lay:
//! the same bytes, unless the sender sends two files as one; then the hash does not hold. Of a tail too: objects of
//! another length have other names.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cluster_runtime::TaskKind;
use cluster_store::schema::{Table, Upload as UploadRow};
use cluster_store::{MaybeCommitted, StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId};
use proto::storage::v1;
use sha2::digest::common::hazmat::SerializableState as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::cipher::{FileCipher, Place, Prefix};
use crate::layout::{self, PREFIX_BYTES, VERSION};
use crate::limits::{CHUNK_BYTES, SEGMENT_BYTES};
use crate::memory::Memory;
use crate::store::{self, Private, Progress};
use crate::{Files, WriteError, kind};

mod tail;

/// Takes the bytes of one upload, from where it stands.
pub struct Writer {
    files: Files,
    key: UploadRow,
    progress: Progress,
    private: Private,
    cipher: FileCipher,
    /// Has taken what is sealed.
    hasher: Sha256,
    /// The segment that grows, sealed up to `open`.
    segment: Memory,
    prefix: Prefix,
    open: usize,
    /// Bytes taken, durable or not.
    taken: u64,
    /// Bytes of them that are sealed, and can be made durable: whole chunks.
    sealed: u64,
    writing: Arc<tokio::sync::Mutex<()>>,
    place: Arc<OwnedSemaphorePermit>,
    /// The segment before the one that grows, and where the upload stands once that is counted.
    underway: Option<(oneshot::Receiver<Result<Memory, WriteError>>, Progress)>,
    /// The memory of the segment before that, for the next one: two are enough for a file of any size.
    spare: Memory,
}

/// A segment on its way, or the tail of one.
struct Segment {
    files: Files,
    key: UploadRow,
    /// Where the upload stands before it.
    received: u64,
    /// Says where it stands after it.
    row: v1::Upload,
    is_tail: bool,
    bytes: Arc<Memory>,
}

impl Files {
    /// Goes on with an upload, from what is durable of it.
    ///
    /// # Errors
    /// If there is no such upload of the account, if it is finished, or if the node takes as many as it can.
    pub async fn writer(&self, account: AccountId, file: FileId) -> Result<Writer, WriteError> {
        self.check_place().await?;
        let key = UploadRow { account, file };
        let row = self.inner.store.read(|tx: Transaction| {
            let key = key.clone();
            async move { tx.row(&key).await }
        });
        let row = row.await?.ok_or(WriteError::NoSuchUpload)?;
        let progress = store::progress(&row)?;
        if progress.finished {
            return Err(WriteError::Finished);
        }
        let sealer = self.opener(account).await?;
        let sealer = sealer.ok_or(WriteError::NoSuchUpload)?;
        let private = store::private(&sealer, &key, &row)?;
        let place = Arc::clone(&self.inner.writers).try_acquire_owned();
        let place = place.map_err(|_| WriteError::Busy)?;
        Ok(Writer {
            files: self.clone(),
            cipher: FileCipher::new(file, &private.key),
            hasher: resumed(&private.hashing)?,
            taken: progress.received,
            sealed: progress.received,
            segment: Memory::default(),
            prefix: [0; PREFIX_BYTES],
            open: 0,
            key,
            progress,
            private,
            writing: self.writing(file),
            place: Arc::new(place),
            underway: None,
            spare: Memory::default(),
        })
    }
}

impl Writer {
    /// The room that the upload is for.
    pub const fn room(&self) -> RoomId {
        self.progress.room
    }

    /// How many bytes are known to be durable: all but the last full segment, and what came after it.
    pub const fn received(&self) -> u64 {
        self.progress.received
    }

    /// How many bytes were taken, durable or not. What comes next begins here.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the bytes at `offset`. What is full by them is made durable while the next bytes come; the last byte of
    /// the file waits until all of it is.
    ///
    /// # Errors
    /// If they begin elsewhere than where the last ones ended, or are more than the sender said, nothing of them
    /// is taken. After any other error the writer is of no more use; another one goes on from what is durable.
    pub async fn write(&mut self, offset: u64, mut bytes: &[u8]) -> Result<(), WriteError> {
        let (expected, size) = (self.taken, self.progress.size);
        match offset.cmp(&expected) {
            Ordering::Less => return Err(WriteError::Moved),
            Ordering::Greater => return Err(WriteError::WrongOffset { expected }),
            Ordering::Equal => {}
        }
        if bytes.len() as u64 > size - expected {
            return Err(WriteError::TooMany { size });
        }
        while !bytes.is_empty() {
            if self.segment.is_empty() {
                self.begin_segment().await?;
            }
            let room = CHUNK_BYTES - (self.segment.len() - self.open);
            let (some, rest) = bytes.split_at(bytes.len().min(room));
            bytes = rest;
            self.segment.push(some);
            self.taken += some.len() as u64;
            let is_last = self.taken == size;
            if self.segment.len() - self.open == CHUNK_BYTES || is_last {
                self.seal_chunk(is_last)?;
                if is_last || self.taken.is_multiple_of(SEGMENT_BYTES as u64) {
                    self.flush().await?;
                }
                if is_last {
                    self.settle().await?;
                }
            }
        }
        Ok(())
    }

    /// Begins the segment of the next byte, with what is durable of it.
    async fn begin_segment(&mut self) -> Result<(), WriteError> {
        let chunks = layout::tail(self.taken);
        let tail = self.read_tail(&chunks).await?;
        self.segment = std::mem::take(&mut self.spare);
        self.segment
            .begin()
            .map_err(|_no_memory| WriteError::Busy)?;
        self.prefix = self.files.inner.rng.bytes();
        self.segment.push(&[VERSION]);
        self.segment.push(&self.prefix);
        self.open = self.segment.len();
        self.seal_anew(chunks, tail)
    }

    fn seal_chunk(&mut self, is_last: bool) -> Result<(), WriteError> {
        let chunk = layout::chunk_at(self.taken - 1);
        if chunk == 0 {
            let refused = &self.files.inner.policy.refused_types;
            let served = look(&self.segment[self.open..], refused)?;
            served.clone_into(&mut self.private.media_type);
        }
        let place = Place {
            prefix: self.prefix,
            chunk,
            is_last,
        };
        self.hasher.update(&self.segment[self.open..]);
        let tag = self.cipher.seal(place, &mut self.segment[self.open..]);
        self.segment.push(&tag);
        self.open = self.segment.len();
        self.sealed = self.taken;
        Ok(())
    }

    /// Has what is sealed of the segment made durable and counted, once the one before it is.
    async fn flush(&mut self) -> Result<(), WriteError> {
        self.settle().await?;
        self.private.hashing = Bytes::copy_from_slice(&self.hasher.serialize());
        let progress = Progress {
            received: self.sealed,
            ..self.progress
        };
        // Asked for each time: an account that is erased has no key any more.
        let sealer = self.files.opener(self.key.account).await?;
        let sealer = sealer.ok_or(WriteError::NoSuchUpload)?;
        let is_full = self.sealed.is_multiple_of(SEGMENT_BYTES as u64);
        self.segment.truncate(self.open);
        let segment = Segment {
            files: self.files.clone(),
            key: self.key.clone(),
            received: self.progress.received,
            row: store::sealed(&sealer, &self.key, progress, &self.private)?,
            is_tail: !is_full && self.sealed < self.progress.size,
            bytes: Arc::new(std::mem::take(&mut self.segment)),
        };
        let (sender, ended) = oneshot::channel();
        let (writing, place) = (Arc::clone(&self.writing), Arc::clone(&self.place));
        // Also if this call is dropped: the object store would go on with it anyway. Until it has ended nobody else
        // writes the upload here, and its memory counts.
        let write = async move {
            let alone = writing.lock_owned().await;
            let written = segment.write().await;
            drop((alone, place));
            // If nobody waits, whoever goes on asks the row.
            let _nobody = sender.send(written);
        };
        let tasks = &self.files.inner.tasks;
        tasks.spawn(TaskKind::Completion, "files: write a segment", write);
        self.underway = Some((ended, progress));
        Ok(())
    }

    /// Waits until all full segments are durable.
    ///
    /// # Errors
    /// Of the segment that is not. The writer is of no more use then.
    pub(crate) async fn settle(&mut self) -> Result<(), WriteError> {
        if let Some((ended, progress)) = &mut self.underway {
            let (written, progress) = (ended.await, *progress);
            self.underway = None;
            let written = written.unwrap_or_else(|_| Err(StoreError::Closed.into()));
            // What follows one that is not durable cannot be.
            self.spare = written.inspect_err(|_| self.sealed = self.progress.received)?;
            self.progress = progress;
        }
        Ok(())
    }
}

impl Segment {
    /// Makes it durable, and then counts it; gives back its memory, empty. Nobody else writes this upload here, and
    /// whoever has done so meanwhile has moved it on.
    async fn write(self) -> Result<Memory, WriteError> {
        let (inner, key, received, row) = (&self.files.inner, &self.key, self.received, &self.row);
        let stands = |tx: Transaction| async move { is_at(&tx, key, received).await };
        inner.store.read(stands).await?;
        let bytes = self.bytes.lend();
        if self.is_tail {
            let put = inner.objects.put_tail(key.file, row.received, bytes);
            put.await?;
        } else {
            let number = layout::segment_of(layout::chunk_at(row.received - 1));
            inner.objects.put(key.file, number, bytes).await?;
        }
        let count = |tx: Transaction, maybe_committed: MaybeCommitted| async move {
            if maybe_committed.is_yes() && is_at(&tx, key, row.received).await.is_ok() {
                return Ok(());
            }
            is_at(&tx, key, received).await?;
            Ok::<_, WriteError>(tx.set_row(key, row)?)
        };
        inner.store.run(count).await?;
        self.files.drop_tail(key.file, received).await;
        Ok(self.bytes.take_back())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("file", &self.key.file)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// What a file with these first bytes is served as, unless it is not taken.
fn look(beginning: &[u8], refused: &[String]) -> Result<&'static str, WriteError> {
    let served = kind::served(beginning);
    let seen = kind::seen(beginning).unwrap_or(served);
    if refused
        .iter()
        .any(|refused| refused == seen || refused == served)
    {
        let media_type = seen.to_owned();
        return Err(WriteError::RefusedType { media_type });
    }
    Ok(served)
}

/// Whether the upload is where this writer has left it.
async fn is_at(tx: &Transaction, key: &UploadRow, received: u64) -> Result<(), WriteError> {
    let row = tx.row(key).await?.ok_or(WriteError::NoSuchUpload)?;
    if row.received == received && !row.finished {
        Ok(())
    } else {
        Err(WriteError::Moved)
    }
}

/// The hash in this state.
pub(crate) fn resumed(state: &[u8]) -> Result<Sha256, StoreError> {
    if state.is_empty() {
        return Ok(Sha256::new());
    }
    let state = state.try_into().ok();
    let hasher = state.and_then(|state| Sha256::deserialize(state).ok());
    hasher.ok_or_else(|| store::corrupt(Table::Upload))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it lies in the rows of uploads that were begun before: five bytes were hashed.
    const STORED: &str = "67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b\
        00000000000000000568656c6c6f0000000000000000000000000000000000000000000000000000\
        0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn the_state_of_a_hash_that_is_stored_is_gone_on_with() {
        let mut hasher = Sha256::new();
        hasher.update(b"hello");
        let state: String = hasher
            .serialize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(state, STORED);
        let mut hasher = resumed(&hasher.serialize()).expect("reads");
        hasher.update(b" world");
        assert_eq!(hasher.finalize(), Sha256::digest(b"hello world"));
    }
}
