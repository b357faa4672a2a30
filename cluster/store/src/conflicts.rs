//! What was written lately, so that a commit can be checked against everything that its snapshot
//! has not seen.
//!
//! Invariant: every write with a version above `floor` is remembered. A transaction whose snapshot
//! is older than `floor` cannot be checked, and is told so. Memory is bounded: when there is too much
//! to remember, `floor` rises.
//!
//! Leaves out when a version counts as committed, and who still reads: the backends know.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::StoreError;
use crate::backend::{Mutation, Span, Version};

#[derive(Debug)]
pub(crate) struct RecentWrites {
    /// Key -> the newest version that wrote it.
    keys: BTreeMap<Bytes, Version>,
    /// Writes of keys in the order of versions; a key written again is here again.
    order: VecDeque<(Version, Bytes)>,
    /// Cleared ranges in the order of versions.
    ranges: VecDeque<(Version, Bytes, Bytes)>,
    floor: Version,
    keys_max: usize,
    ranges_max: usize,
}

impl RecentWrites {
    /// Remembers nothing yet: snapshots at `floor` or later can be checked.
    pub(crate) fn new(floor: Version, keys_max: usize, ranges_max: usize) -> Self {
        Self {
            keys: BTreeMap::new(),
            order: VecDeque::new(),
            ranges: VecDeque::new(),
            floor,
            keys_max,
            ranges_max,
        }
    }

    /// Whether a transaction that read `reads` from the snapshot at `read` may still commit.
    pub(crate) fn check(&self, read: Version, reads: &[Span]) -> Result<(), StoreError> {
        if reads.is_empty() {
            return Ok(());
        }
        if read < self.floor {
            return Err(StoreError::TooOld);
        }
        let changed = reads.iter().any(|span| match span {
            Span::Key(key) => self.key_changed_since(read, key),
            Span::Range { begin, end } => begin < end && self.range_changed_since(read, begin, end),
        });
        if changed {
            Err(StoreError::Conflict)
        } else {
            Ok(())
        }
    }

    /// Remembers writes of `version`, which is not lower than any before it.
    pub(crate) fn record(&mut self, version: Version, mutations: &[Mutation]) {
        for mutation in mutations {
            match mutation {
                Mutation::Set { key, .. } | Mutation::Clear { key } => {
                    self.keys.insert(key.clone(), version);
                    self.order.push_back((version, key.clone()));
                }
                Mutation::ClearRange { begin, end } if begin >= end => {}
                Mutation::ClearRange { begin, end } => {
                    self.ranges.push_back((version, begin.clone(), end.clone()));
                }
            }
        }
        while self.order.len() > self.keys_max {
            let oldest = self.order.front().map_or(version, |(oldest, _)| *oldest);
            self.forget_through(oldest);
        }
        while self.ranges.len() > self.ranges_max {
            let oldest = self
                .ranges
                .front()
                .map_or(version, |(oldest, _, _)| *oldest);
            self.forget_through(oldest);
        }
    }

    /// Forgets all writes up to and with `version`, which every snapshot still in use has seen.
    pub(crate) fn forget_through(&mut self, version: Version) {
        self.floor = self.floor.max(version);
        while self
            .order
            .front()
            .is_some_and(|(oldest, _)| *oldest <= version)
        {
            let Some((written, key)) = self.order.pop_front() else {
                break;
            };
            if self.keys.get(&key) == Some(&written) {
                self.keys.remove(&key);
            }
        }
        while self
            .ranges
            .front()
            .is_some_and(|(oldest, _, _)| *oldest <= version)
        {
            self.ranges.pop_front();
        }
    }

    fn key_changed_since(&self, read: Version, key: &[u8]) -> bool {
        self.keys.get(key).is_some_and(|written| *written > read)
            || self
                .ranges_since(read)
                .any(|(begin, end)| begin <= key && key < end)
    }

    fn range_changed_since(&self, read: Version, begin: &Bytes, end: &Bytes) -> bool {
        let inside = (Bound::Included(begin), Bound::Excluded(end));
        self.keys
            .range::<Bytes, _>(inside)
            .any(|(_, written)| *written > read)
            || self
                .ranges_since(read)
                .any(|(first, past)| first < &end[..] && &begin[..] < past)
    }

    fn ranges_since(&self, read: Version) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.ranges
            .iter()
            .rev()
            .take_while(move |(written, _, _)| *written > read)
            .map(|(_, begin, end)| (&begin[..], &end[..]))
    }
}

/// The versions that snapshots in use were taken at.
#[derive(Debug, Default)]
pub(crate) struct Readers(BTreeMap<Version, usize>);

impl Readers {
    pub(crate) fn enter(&mut self, version: Version) {
        *self.0.entry(version).or_default() += 1;
    }

    pub(crate) fn leave(&mut self, version: Version) {
        if let Some(count) = self.0.get_mut(&version) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&version);
            }
        }
    }

    /// The oldest version in use, or `newest` if none is.
    pub(crate) fn oldest(&self, newest: Version) -> Version {
        self.0.keys().next().copied().unwrap_or(newest)
    }
}
