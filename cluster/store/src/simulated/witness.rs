//! [`Witness`]: sees each commit in the order of the store, with what was there before it.
//!
//! Leaves out: what a commit may do. Whoever simulates knows that.

use std::fmt;

use bytes::Bytes;

use super::data::Data;
use crate::backend::{Mutation, Span, Version};

/// Sees each commit that happens, whatever its client hears of it. It is called within the commit: one call
/// at a time, and it must not call the disk.
pub trait Witness: fmt::Debug + Send + Sync {
    /// These writes happen now.
    fn committed(&self, commit: &Commit<'_>);
}

/// A commit at the moment at which it happens.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The number of the client that commits.
    pub client: u32,
    /// What it writes.
    pub writes: &'a [Mutation],
    /// What must not have changed since it was read.
    pub(super) reads: &'a [Span],
    pub(super) before: &'a Data,
    pub(super) version: Version,
}

impl Commit<'_> {
    /// What a key held right before this commit.
    pub fn before(&self, key: &Bytes) -> Option<Bytes> {
        self.before.get(key, self.version)
    }

    /// Whether this commit would have been refused if a key had changed since it was read.
    pub fn depends_on(&self, key: &Bytes) -> bool {
        self.reads.iter().any(|span| match span {
            Span::Key(read) => read == key,
            Span::Range { begin, end } => begin <= key && key < end,
        })
    }
}
