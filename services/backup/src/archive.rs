//! The format of an archive, version 2.
//!
//! ```text
//! opening  "rookery backup\n", version (1 byte), backup id (16 bytes)
//! chunk    index (4), 1 if it is the last (1), length of progress (2), length of sealed (4), progress, sealed,
//!          SHA-256 over the hash before and all of this (32)
//! ...
//! chunk    the last one, with the manifest
//! ```
//!
//! Numbers are big-endian. `sealed` is a [BackupChunk](proto::storage::v1::BackupChunk), compressed with
//! zstd and encrypted as an [age](https://age-encryption.org/v1) file of its own: so a chunk can be written
//! and forgotten, and an archive that was interrupted goes on where its last whole chunk ends, by somebody
//! who cannot decrypt it.
//!
//! The hashes form a chain from the opening on. They find damage, and what was moved, without a key. Who
//! alters an archive on purpose can compute them anew, so each chunk says in its sealed part which archive
//! it belongs to, its place and the hash before it. What nothing here proves is who made the archive:
//! everybody who knows a recipient can encrypt to it.
//!
//! `progress` is not encrypted: it holds a cursor and counts, for who goes on with the archive.
//!
//! Version 1 is the same, and has rows alone: it was written before there were files. It is read, and not gone on
//! with.
//!
//! **Invariant: [`Reader`] hands out the records of a chunk after all of the chunk has been checked.**
//!
//! Leaves out: what records mean, and files (any reader and writer will do).

mod error;
mod frame;
mod reader;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

pub use age;

pub use error::{ReadError, ResumeError, WriteError};
pub use reader::{Chunk, Reader};
pub use writer::{Resumed, Writer, resume};

/// The first format that holds files.
pub const FORMAT_WITH_FILES: u8 = 2;

/// Which archive it is, by chance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackupId(pub [u8; 16]);

type Sha256 = [u8; 32];
