//! Backups: what is in the store, as one encrypted file.
//!
//! Owns: the format of an archive ([`archive`]), the file that it lies in ([`file`](mod@file)), and what goes
//! into one: all that a store holds ([`collect`]), room by room as each stood at one moment ([`rooms`]).
//!
//! Invariants: an archive that is read to its end without an error is whole, in order and unaltered; what
//! is wrong with another one is said with the chunk at fault. A copy of a room is of one moment.
//!
//! Leaves out: keys that seal rows, which are copied as they lie there.

pub mod archive;
pub mod collect;
pub mod file;
pub mod limits;
mod plan;
pub mod rooms;
#[cfg(test)]
mod testing;
mod wire;

use bytes::Bytes;

/// A row as it lies in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawRow {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
}

impl From<(Bytes, Bytes)> for RawRow {
    fn from((key, value): (Bytes, Bytes)) -> Self {
        Self { key, value }
    }
}
