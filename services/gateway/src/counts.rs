//! How many there are per key, each a guard that gives its place back when it is dropped.
//!
//! Invariant: a key is remembered only while it has one, so memory is bounded by what is counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts per key. Clones are the same counts.
#[derive(Clone)]
pub(crate) struct Counts<K> {
    per_key_max: u32,
    counts: Arc<Mutex<HashMap<K, u32>>>,
}

/// One of a key, as long as it lives.
pub(crate) struct Counted<K: Eq + Hash> {
    key: K,
    counts: Arc<Mutex<HashMap<K, u32>>>,
}

// === impl Counts ===

impl<K: Copy + Eq + Hash> Counts<K> {
    pub(crate) fn new(per_key_max: u32) -> Self {
        Self {
            per_key_max,
            counts: Arc::default(),
        }
    }

    /// One more of `key`; `None` if it has as many as it may.
    pub(crate) fn add(&self, key: K) -> Option<Counted<K>> {
        let mut counts = self.counts.lock();
        match counts.entry(key) {
            Entry::Occupied(entry) if *entry.get() >= self.per_key_max => return None,
            Entry::Occupied(mut entry) => *entry.get_mut() += 1,
            Entry::Vacant(_) if self.per_key_max == 0 => return None,
            Entry::Vacant(entry) => {
                entry.insert(1);
            }
        }
        let counts = Arc::clone(&self.counts);
        Some(Counted { key, counts })
    }
}

impl<K> fmt::Debug for Counts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("per_key_max", &self.per_key_max)
            .finish_non_exhaustive()
    }
}

// === impl Counted ===

impl<K: Copy + Eq + Hash> Counted<K> {
    pub(crate) fn key(&self) -> K {
        self.key
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
        if counts.capacity() > SPARE_MIN && counts.capacity() > 8 * counts.len() {
            counts.shrink_to_fit();
        }
    }
}

/// A table of this size is not worth making smaller.
const SPARE_MIN: usize = 1_024;

impl<K: Eq + Hash> fmt::Debug for Counted<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_as_many_as_it_may_and_not_one_more() {
        let counts = Counts::new(2);
        let one = counts.add('a').expect("the first");
        let _two = counts.add('a').expect("the second");
        assert!(counts.add('a').is_none());
        assert!(counts.add('b').is_some(), "another key is not affected");
        drop(one);
        assert!(counts.add('a').is_some());
    }

    #[test]
    fn a_key_without_any_is_forgotten() {
        let counts = Counts::new(1);
        for key in 0..10_000 {
            drop(counts.add(key));
        }
        assert_eq!(counts.counts.lock().len(), 0);
        assert!(Counts::new(0).add('a').is_none());
    }

    #[test]
    fn memory_of_a_storm_is_given_back() {
        let counts = Counts::new(1);
        let storm: Vec<_> = (0..100_000).map(|key| counts.add(key)).collect();
        drop(storm);
        assert!(counts.counts.lock().capacity() <= 2 * SPARE_MIN);
    }
}
