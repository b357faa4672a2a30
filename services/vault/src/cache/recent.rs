//! [`Recent`]: a bounded map of what was used lately.
//!
//! Two halves: what is used goes into the young one; when that is full it becomes the old one, and the
//! old one is dropped. So what was used within the last half of the bound is there, nothing is moved on
//! a hit of the young half, and no list has to be kept in order.
//!
//! Invariant: there are never more entries than the bound, whatever is put in.

use std::collections::HashMap;
use std::hash::Hash;

use tokio::time::Instant;

use crate::limits::KEY_AGE_MAX;

/// The same, of entries that count for [`KEY_AGE_MAX`], however often they are used.
#[derive(Debug)]
pub(crate) struct Aging<K, V>(Recent<K, (Instant, V)>);

impl<K: Copy + Eq + Hash, V: Clone> Aging<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self(Recent::new(max))
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let (since, value) = self.0.get(key)?;
        (since.elapsed() < KEY_AGE_MAX).then_some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, (Instant::now(), value));
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.0.retain(keep);
    }
}

#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    /// One for at most `max` entries, at least two.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (max / 2).max(1),
        }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(*key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Drops what is not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.young.retain(|key, _| keep(key));
        self.old.retain(|key, _| keep(key));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_bounded_and_holds_what_was_used_last(
            used in prop::collection::vec(0..20_u8, 0..200),
            max in 2..12_usize,
        ) {
            let mut recent = Recent::new(max);
            let mut last = VecDeque::new();
            for key in used {
                if recent.get(&key).is_none() {
                    recent.insert(key, u32::from(key) * 3);
                }
                last.retain(|other| *other != key);
                last.push_front(key);
                prop_assert!(recent.len() <= max);
                for key in last.iter().take(max / 2) {
                    let held = recent.young.get(key).or_else(|| recent.old.get(key));
                    prop_assert_eq!(held, Some(&(u32::from(*key) * 3)));
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_all_the_time_is_forgotten_as_well() {
        let mut aging = Aging::new(4);
        aging.insert(1, "one");
        tokio::time::advance(KEY_AGE_MAX / 2).await;
        assert_eq!(aging.get(&1), Some("one"));
        tokio::time::advance(KEY_AGE_MAX / 2).await;
        assert_eq!(aging.get(&1), None);
    }

    #[test]
    fn what_is_not_kept_is_gone_from_both_halves() {
        let mut recent = Recent::new(4);
        for key in 0..4 {
            recent.insert(key, key);
        }
        recent.retain(|key| key % 2 == 1);
        assert_eq!(recent.len(), 2);
        assert_eq!((recent.get(&0), recent.get(&1)), (None, Some(1)));
        assert_eq!((recent.get(&2), recent.get(&3)), (None, Some(3)));
    }
}
