//! The tail of an upload: the whole chunks that came after its last full segment, in an object of their own.
//!
//! A writer that ends leaves one, so that a client whose line breaks before each full segment gets on as well. Whoever
//! goes on reads it, once, and seals its chunks anew with those that follow: under another prefix, so that no nonce is
//! used twice, whatever became of earlier attempts. It is removed once what it holds lies in a later object.
//!
//! Invariant: the tail that a row counts lies there until the row counts more.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use cluster_runtime::TaskKind;
use cluster_store::Transaction;
use cluster_types::FileId;
use object_store::Error;
use services_vault::Broken;
use tokio::time::timeout;

use super::{Writer, is_at};
use crate::cipher::Place;
use crate::layout::{self, HEADER_BYTES, TAG_BYTES, VERSION};
use crate::limits::{CHUNK_BYTES, WORK_WITHIN};
use crate::{Files, WriteError};

impl Writer {
    /// Ends the writer: makes the whole chunks durable that came. How many bytes of the upload are durable then; what
    /// came of one more chunk has to come again.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn keep(mut self) -> Result<u64, WriteError> {
        self.settle().await?;
        if self.sealed > self.progress.received {
            self.flush().await?;
            self.settle().await?;
        }
        Ok(self.progress.received)
    }

    /// As [`keep`](Self::keep), for a call that is gone and waits for nothing: as far as it can be done within
    /// [`WORK_WITHIN`].
    pub(crate) fn keep_later(self) {
        let underway = self.underway.as_ref();
        let counted = underway.map_or(self.progress.received, |(_, after)| after.received);
        if self.sealed <= counted {
            return;
        }
        let tasks = self.files.inner.tasks.clone();
        tasks.spawn(TaskKind::Completion, "files: keep a tail", async move {
            let file = self.key.file;
            if let Ok(Err(error)) = timeout(WORK_WITHIN, self.keep()).await {
                let cause = &error as &dyn std::error::Error;
                tracing::info!(%file, cause, "what came last of an upload has to come again");
            }
        });
    }

    /// What is durable of the segment that begins: these chunks, which may be none.
    pub(super) async fn read_tail(&self, chunks: &Range<u64>) -> Result<Bytes, WriteError> {
        if chunks.is_empty() {
            return Ok(Bytes::new());
        }
        let (inner, key, received) = (&self.files.inner, &self.key, self.progress.received);
        let read = inner.objects.read_tail(key.file, received).await;
        if let Err(Error::NotFound { .. }) = &read {
            // Whoever has overtaken this writer has removed it.
            let stands = |tx: Transaction| async move { is_at(&tx, key, received).await };
            inner.store.read(stands).await?;
        }
        Ok(read?)
    }

    /// Has the segment begin with these chunks, from a tail.
    pub(super) fn seal_anew(&mut self, chunks: Range<u64>, tail: Bytes) -> Result<(), WriteError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let mut tail = BytesMut::from(tail);
        if tail.len() < HEADER_BYTES {
            return Err(Broken.into());
        }
        let mut sealed = tail.split_off(HEADER_BYTES);
        let Some((&VERSION, prefix)) = tail.split_first() else {
            return Err(Broken.into());
        };
        let prefix = prefix.try_into().map_err(|_| Broken)?;
        let pieces = sealed.chunks_exact_mut(CHUNK_BYTES + TAG_BYTES);
        if pieces.len() as u64 != chunks.end - chunks.start {
            return Err(Broken.into());
        }
        for (chunk, piece) in chunks.zip(pieces) {
            let (is_last, anew) = (false, self.prefix);
            let place = |prefix| Place {
                prefix,
                chunk,
                is_last,
            };
            let opened = self.cipher.open(place(prefix), piece)?;
            self.segment.push(opened);
            let tag = self
                .cipher
                .seal(place(anew), &mut self.segment[self.open..]);
            self.segment.push(&tag);
            self.open = self.segment.len();
        }
        Ok(())
    }
}

impl Files {
    /// Waits until what earlier calls have begun to write of an upload here is counted, or is not.
    pub(crate) async fn written(&self, file: FileId) {
        drop(self.writing(file).lock().await);
    }

    /// Removes the tail that an upload has got beyond. One that stays is found by the sweep.
    pub(super) async fn drop_tail(&self, file: FileId, received: u64) {
        if layout::tail(received).is_empty() {
            return;
        }
        if let Err(error) = self.inner.objects.remove_tail(file, received).await {
            let cause = &error as &dyn std::error::Error;
            tracing::debug!(%file, cause, "a tail is left to the sweep");
        }
    }
}
