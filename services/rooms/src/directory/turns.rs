//! [`Turns`]: who asks first goes first, though each may have to be looked up before.
//!
//! Invariant: turns of one account at one room are taken in the order in which they were asked for, and end when they
//! are dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_types::{AccountId, RoomId};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Key = (RoomId, AccountId);

#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those that are taken, or waited for.
    under_way: Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    key: Key,
    lock: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Whether nobody has a turn or waits for it.
    pub(super) fn are_free(&self, key: Key) -> bool {
        !self.under_way.lock().contains_key(&key)
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, key: Key) -> Turn<'_> {
        let line = Arc::clone(self.under_way.lock().entry(key).or_default());
        // Before it waits: who gives up makes room, too.
        let mut turn = Turn {
            turns: self,
            key,
            lock: None,
        };
        turn.lock = Some(line.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lock = None;
        let mut under_way = self.turns.under_way.lock();
        let is_last = |line: &Arc<_>| Arc::strong_count(line) == 1;
        if under_way.get(&self.key).is_some_and(is_last) {
            under_way.remove(&self.key);
        }
    }
}
