//! [`Hearing`]: what sessions of the SDK are given of rooms, counted against what they should be given.
//!
//! Invariant: of each room a session is to be given every event after the head at which it began, once and in order.
//! What is not so is counted as broken.
//!
//! Leaves out: how many events there are to be; whoever has them said knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rookery_client::{Error, Incoming, Item};

/// What all sessions together have heard. A cheap handle; clones are the same.
#[derive(Clone, Debug)]
pub struct Hearing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where each room stood when the sessions began.
    heads: HashMap<String, u64>,
    events: AtomicU64,
    broken: AtomicU64,
    reconnects: AtomicU64,
    ended: Mutex<Option<Error>>,
}

impl Hearing {
    /// Nothing yet, of rooms that stand at these places.
    pub fn new(heads: HashMap<String, u64>) -> Self {
        Self(Arc::new(Inner {
            heads,
            events: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            ended: Mutex::new(None),
        }))
    }

    /// Events that were given to sessions.
    pub fn events(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }

    /// Events that came twice, too late or too early, rooms that were lost, and sessions that ended.
    pub fn broken(&self) -> u64 {
        self.0.broken.load(Ordering::Relaxed)
    }

    /// How often a session came back.
    pub fn reconnects(&self) -> u64 {
        self.0.reconnects.load(Ordering::Relaxed)
    }

    /// Why the first session that ended did, once.
    pub fn take_end(&self) -> Option<Error> {
        self.0.ended.lock().take()
    }

    /// Hears what one session is given, until it ends.
    pub async fn listen(self, mut incoming: Incoming) {
        let mut heard = HashMap::new();
        while let Some(item) = incoming.next().await {
            self.take(&mut heard, item);
        }
    }

    /// One item of a session that has heard so much of each room.
    fn take(&self, heard: &mut HashMap<String, u64>, item: Item) {
        let inner = &*self.0;
        let add = |count: &AtomicU64| _ = count.fetch_add(1, Ordering::Relaxed);
        match item {
            Item::Event(event) => {
                let head = inner.heads.get(&event.room).copied().unwrap_or_default();
                let last = heard.entry(event.room).or_insert(head);
                if event.seq != *last + 1 {
                    add(&inner.broken);
                }
                *last = event.seq;
                add(&inner.events);
            }
            Item::Gap { .. } | Item::Rebuilt { .. } | Item::RoomLost { .. } => add(&inner.broken),
            Item::Reconnected => add(&inner.reconnects),
            Item::Ended(error) => self.end(error),
            Item::SignedOut => self.end(Error::SignedOut),
            Item::Ready { .. }
            | Item::Live { .. }
            | Item::RoomCounter(_)
            | Item::RoomGained { .. }
            | Item::Typing(_)
            | Item::Presence(_)
            | Item::ReadMarker(_)
            | Item::Reconnecting { .. } => {}
        }
    }

    fn end(&self, error: Error) {
        self.0.broken.fetch_add(1, Ordering::Relaxed);
        self.0.ended.lock().get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(room: &str, seq: u64) -> Item {
        Item::Event(rookery_client::v1::Event {
            room: room.to_owned(),
            seq,
            ..Default::default()
        })
    }

    #[test]
    fn what_comes_once_and_in_order_after_the_head_is_whole() {
        let hearing = Hearing::new([("a".to_owned(), 5)].into());
        let mut heard = HashMap::new();
        for item in [
            event("a", 6),
            event("b", 1),
            event("a", 7),
            Item::Reconnected,
        ] {
            hearing.take(&mut heard, item);
        }
        let counts = (hearing.events(), hearing.broken(), hearing.reconnects());
        assert_eq!(counts, (3, 0, 1));
    }

    #[test]
    fn what_is_missing_or_comes_twice_is_broken_and_so_is_an_end() {
        for items in [
            vec![event("a", 7)],
            vec![event("a", 6), event("a", 6)],
            vec![event("a", 6), event("a", 8)],
            vec![Item::SignedOut],
        ] {
            let hearing = Hearing::new([("a".to_owned(), 5)].into());
            let ends = matches!(items[..], [Item::SignedOut]);
            let mut heard = HashMap::new();
            for item in items {
                hearing.take(&mut heard, item);
            }
            assert_eq!(hearing.broken(), 1);
            assert_eq!(hearing.take_end().is_some(), ends);
        }
    }
}
