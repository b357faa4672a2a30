//! The writes of one transaction so far, in a form that does not depend on their order.
//!
//! Invariant: `cleared` holds disjoint ranges that do not touch; a key in `keys` was written after
//! every clear that covers it. So the writes are "all cleared ranges, then all keys".

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::backend::Mutation;

#[derive(Debug, Default)]
pub(crate) struct Writes {
    keys: BTreeMap<Bytes, Option<Bytes>>,
    /// First key cleared -> first key past them.
    cleared: BTreeMap<Bytes, Bytes>,
    /// Bytes of all writes asked for, also of those overwritten since.
    bytes: usize,
}

impl Writes {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn set(&mut self, key: Bytes, value: Bytes) {
        self.bytes += key.len() + value.len();
        self.keys.insert(key, Some(value));
    }

    pub(crate) fn clear(&mut self, key: Bytes) {
        self.bytes += key.len();
        self.keys.insert(key, None);
    }

    pub(crate) fn clear_range(&mut self, begin: Bytes, end: Bytes) {
        self.bytes += begin.len() + end.len();
        if begin >= end {
            return;
        }
        let inside: Vec<Bytes> = self
            .keys
            .range(begin.clone()..end.clone())
            .map(|(key, _)| key.clone())
            .collect();
        for key in inside {
            self.keys.remove(&key);
        }
        self.join_cleared(begin, end);
    }

    /// What the transaction itself says about `key`: its value, its absence, or nothing.
    pub(crate) fn lookup(&self, key: &[u8]) -> Option<Option<Bytes>> {
        match self.keys.get(key) {
            Some(own) => Some(own.clone()),
            None => self.is_cleared(key).then_some(None),
        }
    }

    /// `base` is everything that the snapshot holds in `begin..end`, in the order of reading; the
    /// answer is what the transaction sees there, in the same order.
    pub(crate) fn merge(
        &self,
        base: Vec<(Bytes, Bytes)>,
        begin: &Bytes,
        end: &Bytes,
        reverse: bool,
    ) -> Vec<(Bytes, Bytes)> {
        if self.keys.is_empty() && self.cleared.is_empty() {
            return base;
        }
        let mut rows: BTreeMap<Bytes, Bytes> = base
            .into_iter()
            .filter(|(key, _)| !self.is_cleared(key))
            .collect();
        for (key, value) in self.keys.range(begin.clone()..end.clone()) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        if reverse {
            rows.into_iter().rev().collect()
        } else {
            rows.into_iter().collect()
        }
    }

    pub(crate) fn into_mutations(self) -> Vec<Mutation> {
        let cleared = self.cleared.into_iter();
        let ranges = cleared.map(|(begin, end)| Mutation::ClearRange { begin, end });
        let keys = self.keys.into_iter().map(|(key, value)| match value {
            Some(value) => Mutation::Set { key, value },
            None => Mutation::Clear { key },
        });
        ranges.chain(keys).collect()
    }

    fn is_cleared(&self, key: &[u8]) -> bool {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.cleared
            .range::<[u8], _>(upto)
            .next_back()
            .is_some_and(|(_, end)| key < &end[..])
    }

    /// Adds a range and joins it with those that it overlaps or touches.
    fn join_cleared(&mut self, mut begin: Bytes, mut end: Bytes) {
        loop {
            let before = self.cleared.range(..=end.clone()).next_back();
            let Some((other_begin, other_end)) = before else {
                break;
            };
            if *other_end < begin {
                break;
            }
            let (other_begin, other_end) = (other_begin.clone(), other_end.clone());
            self.cleared.remove(&other_begin);
            begin = begin.min(other_begin);
            end = end.max(other_end);
        }
        self.cleared.insert(begin, end);
    }
}
