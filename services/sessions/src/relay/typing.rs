//! Who was shown to write just now, so that a member who goes on writing is not shown with every key.

use std::collections::{BTreeSet, VecDeque};

use cluster_types::{AccountId, RoomId};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::TYPING_EVERY;

#[derive(Debug, Default)]
pub(super) struct Typing(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    shown: BTreeSet<(RoomId, AccountId)>,
    // The same, oldest first.
    order: VecDeque<(Instant, (RoomId, AccountId))>,
}

impl Typing {
    /// Whether this is to be shown, at `now`. If so, it counts as shown.
    pub(super) fn is_news(&self, room: RoomId, account: AccountId, now: Instant) -> bool {
        let mut recent = self.0.lock();
        let is_old = |at: Instant| now.duration_since(at) >= TYPING_EVERY;
        while let Some((_, entry)) = recent.order.pop_front_if(|(at, _)| is_old(*at)) {
            recent.shown.remove(&entry);
        }
        let is_news = recent.shown.insert((room, account));
        if is_news {
            recent.order.push_back((now, (room, account)));
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_member_is_shown_to_write_once_in_a_while() {
        let (typing, now) = (Typing::default(), Instant::now());
        let room = RoomId::from_bytes([1; 16]);
        let [a, b] = [1, 2].map(|n| AccountId::from_bytes([n; 16]));
        assert!(typing.is_news(room, a, now));
        assert!(!typing.is_news(room, a, now + TYPING_EVERY / 2));
        assert!(typing.is_news(room, b, now + TYPING_EVERY / 2));
        assert!(typing.is_news(room, a, now + TYPING_EVERY));
        assert!(!typing.is_news(room, b, now + TYPING_EVERY));
        assert_eq!(typing.0.lock().order.len(), 2, "what is old is forgotten");
    }
}
