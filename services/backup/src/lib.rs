//! Backups: what is in the store, as one encrypted file.
//!
//! Owns: the format of an archive ([`archive`]), the file that it lies in ([`file`](mod@file)) and whom it is
//! encrypted to ([`keys`]), what goes into one: all that a store holds ([`collect`]), room by room as each
//! stood at one moment ([`rooms`]), then files, as they lie; read here or by the server that has the store open
//! ([`origin`], [`socket`]); and the way back, into an empty store and an empty place for files ([`mod@restore`]).
//!
//! Invariants: an archive that is read to its end without an error is whole, in order and unaltered; what
//! is wrong with another one is said with the chunk at fault. A copy of a room is of one moment. A store that
//! a restore did not finish does not open.
//!
//! Leaves out: the keys that open what rows and files hold, which are sealed as they lie in the store. The key that
//! opens these in turn is in no backup.

pub mod archive;
mod blocking;
pub mod collect;
pub mod envelope;
pub mod file;
pub mod keys;
pub mod limits;
pub mod origin;
mod plan;
pub mod restore;
pub mod rooms;
pub mod socket;
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
