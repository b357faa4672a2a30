//! [`Reader`]: the bytes of a file, or of a range of it, a chunk at a time. A few are read together, and each is
//! opened where it lies: what goes out to the client is the memory that was read into.
//!
//! Invariant: what is handed out was checked, chunk by chunk, under the key of the descriptor.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use services_vault::Broken;

use crate::cipher::{FileCipher, Place, Prefix};
use crate::layout::{self, HEADER_BYTES, TAG_BYTES, VERSION};
use crate::limits::{CHUNK_BYTES, READ_CHUNKS};
use crate::objects::Objects;
use crate::{Descriptor, Files, ReadError};

/// Reads a range of one file.
#[derive(Debug)]
pub struct Reader {
    objects: Objects,
    cipher: FileCipher,
    file: cluster_types::FileId,
    size: u64,
    range: Range<u64>,
    /// The segment that was read last, and the prefix of its nonces.
    prefix: Option<(u64, Prefix)>,
    /// Chunks that were read and not opened: the next ones of the range.
    sealed: BytesMut,
}

impl Files {
    /// Reads this range of a file, which the caller may read.
    ///
    /// # Errors
    /// If the range ends behind the file or before it begins.
    pub fn reader(&self, of: &Descriptor, range: Range<u64>) -> Result<Reader, ReadError> {
        if range.start > range.end || range.end > of.size {
            return Err(ReadError::OutOfRange { size: of.size });
        }
        Ok(Reader {
            objects: self.inner.objects.clone(),
            cipher: FileCipher::new(of.file, &of.key),
            file: of.file,
            size: of.size,
            range,
            prefix: None,
            sealed: BytesMut::new(),
        })
    }
}

impl Reader {
    /// The next bytes, of one chunk; `None` at the end of the range.
    ///
    /// # Errors
    /// If the file is gone, does not open, or the object store fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let chunk = layout::chunk_at(self.range.start);
        if self.sealed.is_empty() {
            self.sealed = self.read(chunk).await?;
        }
        let (_segment, prefix) = self.prefix.ok_or(Broken)?;
        let place = Place {
            prefix,
            chunk,
            is_last: chunk == layout::chunks(self.size) - 1,
        };
        let most = self.sealed.len().min(CHUNK_BYTES + TAG_BYTES);
        let mut opened = self.sealed.split_to(most);
        let bytes = self.cipher.open(place, &mut opened)?.len();
        let (begin, end) = (layout::begin(chunk), layout::begin(chunk + 1));
        let within = |at: u64| usize::try_from(at - begin).expect("a chunk fits into memory");
        if bytes != within(self.size.min(end)) {
            return Err(Broken.into());
        }
        opened.truncate(within(self.range.end.min(end)));
        let wanted = opened.split_off(within(self.range.start));
        self.range.start = self.range.end.min(end);
        Ok(Some(wanted.freeze()))
    }

    /// Some chunks of one segment from this one on, sealed. The prefix of their nonces is known then.
    async fn read(&mut self, first: u64) -> Result<BytesMut, ReadError> {
        let end = (layout::chunk_at(self.range.end - 1) + 1)
            .min(first + READ_CHUNKS as u64)
            .min(layout::next_segment(first));
        let segment = layout::segment_of(first);
        let sealed = layout::sealed(&(first..end), self.size);
        if self.prefix.is_some_and(|(of, _)| of == segment) {
            let mut read = self.objects.read(self.file, segment, &[sealed]).await?;
            return Ok(read.pop().ok_or(Broken)?.into());
        }
        let ranges = [0..HEADER_BYTES as u64, sealed];
        let mut read = self.objects.read(self.file, segment, &ranges).await?;
        let (sealed, header) = (read.pop().ok_or(Broken)?, read.pop().ok_or(Broken)?);
        let Some((&VERSION, prefix)) = header.split_first() else {
            return Err(Broken.into());
        };
        self.prefix = Some((segment, prefix.try_into().map_err(|_| Broken)?));
        Ok(sealed.into())
    }
}
