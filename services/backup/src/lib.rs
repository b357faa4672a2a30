//! Backups: what is in the store, as one encrypted file.
//!
//! Owns: the format of an archive ([`archive`]).
//!
//! Invariant: an archive that is read to its end without an error is whole, in order and unaltered; what
//! is wrong with another one is said with the chunk at fault.
//!
//! Leaves out: which rows make up a backup and in which order they are read, and what is done with them.

pub mod archive;
pub mod limits;
