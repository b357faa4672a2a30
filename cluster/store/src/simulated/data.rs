//! Keys with the values that they had at each version still read by somebody.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::backend::{Mutation, Page, PageFill, RangeQuery, Version};

/// Invariant: for every version that is still read, each key's newest entry at or below it is what
/// the key held then; no entry at all means that it was not there.
#[derive(Debug, Default)]
pub(super) struct Data {
    keys: BTreeMap<Bytes, Vec<(Version, Option<Bytes>)>>,
    /// Keys with something to let go of once the version has been seen by all.
    superseded: VecDeque<(Version, Bytes)>,
}

impl Data {
    pub(super) fn get(&self, key: &Bytes, at: Version) -> Option<Bytes> {
        self.keys.get(key).and_then(|history| as_of(history, at))
    }

    pub(super) fn page(&self, query: &RangeQuery, at: Version) -> Page {
        let mut fill = PageFill::new(query);
        if query.is_empty() {
            return fill.finish();
        }
        let mut range = self.keys.range(query.begin.clone()..query.end.clone());
        let next = || {
            if query.reverse {
                range.next_back()
            } else {
                range.next()
            }
        };
        for (key, history) in std::iter::from_fn(next) {
            let Some(value) = as_of(history, at) else {
                continue;
            };
            if !fill.admits(key.len(), value.len()) {
                break;
            }
            fill.push(key.clone(), value);
        }
        fill.finish()
    }

    pub(super) fn contents(&self, at: Version) -> Vec<(Bytes, Bytes)> {
        let rows = self.keys.iter();
        rows.filter_map(|(key, history)| Some((key.clone(), as_of(history, at)?)))
            .collect()
    }

    pub(super) fn apply(&mut self, version: Version, mutations: &[Mutation]) {
        for mutation in mutations {
            match mutation {
                Mutation::Set { key, value } => self.put(version, key, Some(value.clone())),
                Mutation::Clear { key } => self.put(version, key, None),
                Mutation::ClearRange { begin, end } if begin >= end => {}
                Mutation::ClearRange { begin, end } => {
                    let range = self.keys.range(begin.clone()..end.clone());
                    let inside: Vec<Bytes> = range.map(|(key, _)| key.clone()).collect();
                    for key in inside {
                        self.put(version, &key, None);
                    }
                }
            }
        }
    }

    /// Nobody reads at a version below `oldest` any more.
    pub(super) fn forget_before(&mut self, oldest: Version) {
        while self
            .superseded
            .front()
            .is_some_and(|(version, _)| *version <= oldest)
        {
            let Some((_, key)) = self.superseded.pop_front() else {
                break;
            };
            let Some(history) = self.keys.get_mut(&key) else {
                continue;
            };
            let visible = history.partition_point(|(version, _)| *version <= oldest);
            history.drain(..visible.saturating_sub(1));
            if let [(version, None)] = history[..]
                && version <= oldest
            {
                self.keys.remove(&key);
            }
        }
    }

    fn put(&mut self, version: Version, key: &Bytes, value: Option<Bytes>) {
        let history = self.keys.entry(key.clone()).or_default();
        if history.last().is_some_and(|(last, _)| *last == version) {
            history.pop();
        }
        let lets_go = !history.is_empty() || value.is_none();
        history.push((version, value));
        if lets_go {
            self.superseded.push_back((version, key.clone()));
        }
    }
}

fn as_of(history: &[(Version, Option<Bytes>)], at: Version) -> Option<Bytes> {
    let visible = history.partition_point(|(version, _)| *version <= at);
    history[..visible]
        .last()
        .and_then(|(_, value)| value.clone())
}

#[cfg(test)]
impl Data {
    /// Values held in memory, of all keys and versions.
    pub(super) fn versions_kept(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }
}
