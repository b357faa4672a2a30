//! The items between a session's task and the program that reads them.
//!
//! Invariant: one writer, one reader, in order. It takes no memory while it is empty, so that thousands
//! of idle sessions cost nothing here.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Item;
use crate::limits;

/// Room that an empty queue may keep. More is given back.
const KEPT_CAPACITY_MAX: usize = 16;

pub(super) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    drained: Notify,
    soft_max: usize,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(soft_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            soft_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().items.len()
    }

    /// Whether events are to be left on the server.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.soft_max
    }

    /// Whether nothing more may be put in.
    pub(super) fn is_stuffed(&self) -> bool {
        self.len() >= self.soft_max.saturating_mul(limits::ITEMS_HARD_MAX_FACTOR)
    }

    pub(super) fn push(&self, items: impl IntoIterator<Item = Item>) {
        self.state.lock().items.extend(items);
        self.filled.notify_one();
    }

    /// Nothing more will be put in.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    pub(super) fn try_pop(&self) -> Option<Item> {
        let mut state = self.state.lock();
        let item = state.items.pop_front();
        if state.items.is_empty() && state.items.capacity() > KEPT_CAPACITY_MAX {
            state.items.shrink_to(0);
        }
        let left = state.items.len();
        drop(state);
        if item.is_some() && left == self.soft_max / 2 {
            self.drained.notify_one();
        }
        item
    }

    pub(super) async fn pop(&self) -> Option<Item> {
        loop {
            // A permit of the notifier may be old; only what is in the queue counts.
            if let Some(item) = self.try_pop() {
                return Some(item);
            }
            if self.state.lock().closed {
                return self.try_pop();
            }
            self.filled.notified().await;
        }
    }

    /// Waits until at most half of what may wait is left.
    pub(super) async fn drained(&self) {
        while self.len() > self.soft_max / 2 {
            self.drained.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::poll_now;

    use super::*;

    /// The tests' way to look at a future once.
    mod futures_lite {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        pub(super) fn poll_now<T>(future: impl Future<Output = T>) -> Option<T> {
            let mut future = pin!(future);
            match future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            }
        }
    }

    #[test]
    fn items_come_in_order_and_then_the_end() {
        let queue = Queue::new(4);
        queue.push([Item::Reconnected, Item::SignedOut]);
        queue.close();
        assert!(matches!(
            poll_now(queue.pop()),
            Some(Some(Item::Reconnected))
        ));
        assert!(matches!(poll_now(queue.pop()), Some(Some(Item::SignedOut))));
        assert!(matches!(poll_now(queue.pop()), Some(None)));
    }

    #[test]
    fn an_empty_queue_waits_and_keeps_no_memory() {
        let queue = Queue::new(4);
        assert!(poll_now(queue.pop()).is_none());
        queue.push((0..1_000).map(|_| Item::Reconnected));
        while queue.try_pop().is_some() {}
        assert!(queue.state.lock().items.capacity() <= KEPT_CAPACITY_MAX);
    }

    #[test]
    fn the_writer_hears_when_half_is_read() {
        let queue = Queue::new(4);
        queue.push((0..4).map(|_| Item::Reconnected));
        assert!(queue.is_full() && !queue.is_stuffed());
        assert!(poll_now(queue.drained()).is_none());
        assert!(queue.try_pop().is_some() && queue.try_pop().is_some());
        assert!(poll_now(queue.drained()).is_some());
    }
}
