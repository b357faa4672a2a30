//! [`BoundedMap`]: a map that forgets what has lost its meaning, and when full, what soon will.

use std::collections::HashMap;
use std::hash::Hash;

use tokio::time::Instant;

use crate::limits::FORGET_PART;

/// A value that means nothing any more after a while.
pub(crate) trait Forget {
    /// From this moment on, having the value and not having it are the same.
    fn forgotten_at(&self) -> Instant;
}

#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    entries: HashMap<K, V>,
    max: usize,
}

impl<K: Copy + Eq + Hash, V: Copy + Forget> BoundedMap<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value, if it still means something.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        self.entries
            .get(key)
            .filter(|value| value.forgotten_at() > now)
            .copied()
    }

    pub(crate) fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.entries.len() >= self.max && !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        self.entries.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Drops what means nothing, and what is the nearest to it, until a part of the map is free.
    fn make_room(&mut self, now: Instant) {
        self.entries.retain(|_, value| value.forgotten_at() > now);
        let keep = self.max - self.max.div_ceil(FORGET_PART);
        let too_many = self.entries.len().saturating_sub(keep);
        if too_many == 0 {
            return;
        }
        let mut ends: Vec<Instant> = self.entries.values().map(Forget::forgotten_at).collect();
        let (_, last_dropped, _) = ends.select_nth_unstable(too_many - 1);
        let last_dropped = *last_dropped;
        let mut left_to_drop = too_many;
        self.entries.retain(|_, value| {
            let drop = left_to_drop > 0 && value.forgotten_at() <= last_dropped;
            left_to_drop -= usize::from(drop);
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Until(Instant);

    impl Forget for Until {
        fn forgotten_at(&self) -> Instant {
            self.0
        }
    }

    fn second(start: Instant, seconds: u64) -> Until {
        Until(start + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_map_keeps_what_means_something_the_longest() {
        let start = Instant::now();
        let mut map = BoundedMap::new(16);
        for key in 0..16 {
            map.insert(key, second(start, 100 - key), start);
        }
        map.insert(99, second(start, 1), start);
        assert_eq!(map.len(), 15, "two made room for one");
        for gone in [14, 15] {
            assert!(map.get(&gone, start).is_none(), "{gone}");
        }
        assert!(map.get(&0, start).is_some() && map.get(&99, start).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn equal_ends_do_not_empty_the_map() {
        let start = Instant::now();
        let mut map = BoundedMap::new(16);
        for key in 0..17 {
            map.insert(key, second(start, 100), start);
        }
        assert_eq!(map.len(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn what_means_nothing_is_not_found() {
        let start = Instant::now();
        let mut map = BoundedMap::new(16);
        map.insert(1, second(start, 10), start);
        assert!(map.get(&1, start + Duration::from_secs(9)).is_some());
        assert!(map.get(&1, start + Duration::from_secs(10)).is_none());
    }
}
