//! [`Reader`]: the bytes of a file, or of a range of it, a few chunks at a time.
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
        })
    }
}

impl Reader {
    /// The next bytes; `None` at the end of the range.
    ///
    /// # Errors
    /// If the file is gone, does not open, or the object store fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let first = layout::chunk_at(self.range.start);
        let end = (layout::chunk_at(self.range.end - 1) + 1)
            .min(first + READ_CHUNKS as u64)
            .min(layout::next_segment(first));
        let (prefix, sealed) = self.read(&(first..end)).await?;
        let mut opened = self.open(prefix, first, sealed)?;
        let read_to = layout::begin(end).min(self.range.end);
        let skipped = self.range.start - layout::begin(first);
        let wanted = read_to - self.range.start;
        let fits = |bytes: u64| usize::try_from(bytes).expect("a few chunks fit into memory");
        let mut opened = opened.split_off(fits(skipped));
        opened.truncate(fits(wanted));
        self.range.start = read_to;
        Ok(Some(opened.freeze()))
    }

    /// These chunks of one segment, sealed, and the prefix of their nonces.
    async fn read(&mut self, chunks: &Range<u64>) -> Result<(Prefix, Bytes), ReadError> {
        let segment = layout::segment_of(chunks.start);
        let sealed = layout::sealed(chunks, self.size);
        if let Some((of, prefix)) = self.prefix
            && of == segment
        {
            let mut read = self.objects.read(self.file, segment, &[sealed]).await?;
            return Ok((prefix, read.pop().ok_or(Broken)?));
        }
        let ranges = [0..HEADER_BYTES as u64, sealed];
        let mut read = self.objects.read(self.file, segment, &ranges).await?;
        let (sealed, header) = (read.pop().ok_or(Broken)?, read.pop().ok_or(Broken)?);
        let Some((&VERSION, prefix)) = header.split_first() else {
            return Err(Broken.into());
        };
        let prefix = prefix.try_into().map_err(|_| Broken)?;
        self.prefix = Some((segment, prefix));
        Ok((prefix, sealed))
    }

    /// Opens chunks from `first` on.
    fn open(&self, prefix: Prefix, first: u64, sealed: Bytes) -> Result<BytesMut, ReadError> {
        let last = layout::chunks(self.size) - 1;
        let mut opened = BytesMut::with_capacity(sealed.len());
        let mut sealed = BytesMut::from(sealed);
        for (chunk, sealed) in (first..).zip(sealed.chunks_mut(CHUNK_BYTES + TAG_BYTES)) {
            let place = Place {
                prefix,
                chunk,
                is_last: chunk == last,
            };
            opened.extend_from_slice(self.cipher.open(place, sealed)?);
        }
        Ok(opened)
    }
}
