//! What an operator finds of files, once nothing happens any more.
//!
//! Leaves out: what has to be kept, which the checker knows.

use cluster_types::Seq;

use crate::names::{File, Person, Room};

/// What is kept of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptFile {
    /// Which.
    pub file: File,
    /// How many messages carry it, as it is counted; `None`: it is not.
    pub uses: Option<u32>,
    /// The messages that say that they carry it.
    pub carried: Vec<(Room, Seq)>,
    /// Whether it still is an upload.
    pub is_upload: bool,
    /// How many objects it has: one, as small as files are here.
    pub objects: u32,
}

/// What an account has used of its quota.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Whose, if it is anybody's here.
    pub who: Option<Person>,
    /// Bytes, as they are counted.
    pub counted: u64,
    /// Bytes of its files that are kept.
    pub kept: u64,
    /// Uploads, as they are counted.
    pub uploads: u32,
}
