//! Opening and chunks as they lie in the file, and the chain of hashes. Knows nothing of keys.

use std::io::{self, ErrorKind, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};

use super::error::ReadError;
use super::{BackupId, Sha256};
use crate::limits::{CHUNK_SEALED_MAX, CHUNKS_MAX, PROGRESS_BYTES_MAX};

const MAGIC: &[u8; 15] = b"rookery backup\n";

const FORMAT: u8 = 2;

pub(super) const OPENING_BYTES: usize = 32;

const HEAD_BYTES: usize = 11;

/// How an archive begins.
pub(super) struct Opening {
    pub(super) id: BackupId,
    pub(super) format: u8,
    pub(super) at: Link,
}

impl Opening {
    /// Whether what is written today has this format.
    pub(super) const fn is_of_today(&self) -> bool {
        self.format == FORMAT
    }
}

/// One chunk, sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) is_last: bool,
    pub(super) progress: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

/// A place between two chunks: how many there are before it, and the hash over all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) sha256: Sha256,
}

impl Link {
    /// Before the first chunk.
    fn first(opening: &[u8]) -> Self {
        Self {
            index: 0,
            sha256: sha256(&[opening]),
        }
    }

    fn next(&self, frame: &Frame, head: &[u8]) -> Self {
        Self {
            index: self.index + 1,
            sha256: sha256(&[&self.sha256, head, &frame.progress, &frame.sealed]),
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Sha256 {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

pub(super) fn write_opening(out: &mut impl Write, id: BackupId) -> io::Result<Link> {
    let mut opening = [0; OPENING_BYTES];
    opening[..15].copy_from_slice(MAGIC);
    opening[15] = FORMAT;
    opening[16..].copy_from_slice(&id.0);
    out.write_all(&opening)?;
    Ok(Link::first(&opening))
}

pub(super) fn read_opening(from: &mut impl Read) -> Result<Opening, ReadError> {
    let mut opening = [0; OPENING_BYTES];
    let read = fill(from, &mut opening).map_err(ReadError::Io)?;
    if read < 16 || opening[..15] != *MAGIC {
        return Err(ReadError::NotABackup);
    }
    let format = opening[15];
    if format == 0 {
        return Err(ReadError::NotABackup);
    }
    if format > FORMAT {
        return Err(ReadError::NewerFormat {
            found: format,
            known: FORMAT,
        });
    }
    if read < OPENING_BYTES {
        return Err(ReadError::Truncated { chunk: 1 });
    }
    let mut id = [0; 16];
    id.copy_from_slice(&opening[16..]);
    Ok(Opening {
        id: BackupId(id),
        format,
        at: Link::first(&opening),
    })
}

/// Writes a chunk whose lengths are within the limits, in one go. Returns the place after it.
pub(super) fn write(out: &mut impl Write, at: &Link, frame: &Frame) -> io::Result<Link> {
    let too_long = |_| io::Error::from(ErrorKind::InvalidInput);
    let progress = u16::try_from(frame.progress.len()).map_err(too_long)?;
    let sealed = u32::try_from(frame.sealed.len()).map_err(too_long)?;
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&(at.index + 1).to_be_bytes());
    head[4] = u8::from(frame.is_last);
    head[5..7].copy_from_slice(&progress.to_be_bytes());
    head[7..].copy_from_slice(&sealed.to_be_bytes());
    let next = at.next(frame, &head);
    out.write_all(&head)?;
    out.write_all(&frame.progress)?;
    out.write_all(&frame.sealed)?;
    out.write_all(&next.sha256)?;
    Ok(next)
}

/// Reads the chunk at a place. `None` if the file ends there.
pub(super) fn read(from: &mut impl Read, at: &Link) -> Result<Option<(Frame, Link)>, ReadError> {
    let chunk = at.index + 1;
    let mut head = [0; HEAD_BYTES];
    if !whole(from, &mut head, chunk)? {
        return Ok(None);
    }
    let [a, b, c, d, last, p, q, w, x, y, z] = head;
    let index = u32::from_be_bytes([a, b, c, d]);
    let progress = u16::from_be_bytes([p, q]);
    let sealed = u32::from_be_bytes([w, x, y, z]);
    let is_possible = index == chunk
        && chunk <= CHUNKS_MAX
        && last <= 1
        && progress <= PROGRESS_BYTES_MAX
        && sealed <= CHUNK_SEALED_MAX;
    if !is_possible {
        return Err(ReadError::Damaged { chunk });
    }
    let frame = Frame {
        is_last: last == 1,
        progress: take(from, u64::from(progress), chunk)?,
        sealed: take(from, u64::from(sealed), chunk)?,
    };
    let mut sha256 = [0; 32];
    if !whole(from, &mut sha256, chunk)? {
        return Err(ReadError::Truncated { chunk });
    }
    let next = at.next(&frame, &head);
    if next.sha256 != sha256 {
        return Err(ReadError::Damaged { chunk });
    }
    Ok(Some((frame, next)))
}

/// The bytes that a chunk takes in the file.
pub(super) fn bytes(frame: &Frame) -> u64 {
    (HEAD_BYTES + frame.progress.len() + frame.sealed.len() + 32) as u64
}

/// Fills `buffer`; `false` if the file ends before its first byte.
fn whole(from: &mut impl Read, buffer: &mut [u8], chunk: u32) -> Result<bool, ReadError> {
    match fill(from, buffer).map_err(ReadError::Io)? {
        0 => Ok(false),
        read if read < buffer.len() => Err(ReadError::Truncated { chunk }),
        _ => Ok(true),
    }
}

/// Reads so many bytes. Memory is taken as they come, and not because a length says so.
fn take(from: &mut impl Read, count: u64, chunk: u32) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = from.take(count).read_to_end(&mut bytes);
    if read.map_err(ReadError::Io)? as u64 == count {
        Ok(bytes)
    } else {
        Err(ReadError::Truncated { chunk })
    }
}

/// Reads until `buffer` is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
