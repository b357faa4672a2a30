//! [`Inbox`]: what is asked of one actor, bounded by number and by bytes.
//!
//! Who asks pushes, and wakes the actor if the push says so. The actor takes as much as it wants to
//! do in one go, which is what makes group commits out of single requests. A request that is taken
//! still counts against the bound until it is dropped, answered or not: so that the bound holds what
//! is under way as well as what waits, and a caller that gives up frees nothing early.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// The bounds of an inbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InboxLimits {
    /// Requests that wait or are under way.
    pub count_max: usize,
    /// Their bytes, as told by whoever pushes them.
    pub bytes_max: usize,
}

/// Why a request was not taken. Nothing happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PushError {
    /// A bound is reached.
    #[error("the inbox is full")]
    Full,
    /// The actor has ended, or is about to.
    #[error("the inbox is closed")]
    Closed,
}

/// Whether the actor has to be woken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "an actor that is not woken does not look into its inbox"]
pub enum Wake {
    /// It sleeps: send it a wake-up.
    Needed,
    /// It will look anyway.
    Unneeded,
}

/// A queue of requests for one actor. Clones are the same queue.
#[derive(Debug)]
pub struct Inbox<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    limits: InboxLimits,
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<(T, usize)>,
    // Of what waits and of what is under way.
    count: usize,
    bytes: usize,
    awake: bool,
    closed: bool,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Inbox<T> {
    /// An open, empty inbox.
    pub fn new(limits: InboxLimits) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            count: 0,
            bytes: 0,
            awake: false,
            closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                limits,
                queue: Mutex::new(queue),
            }),
        }
    }

    /// Adds a request that weighs `bytes`.
    ///
    /// # Errors
    /// If a bound is reached or the inbox is closed; the request is handed back.
    pub fn push(&self, request: T, bytes: usize) -> Result<Wake, (PushError, T)> {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return Err((PushError::Closed, request));
        }
        let limits = self.shared.limits;
        if queue.count >= limits.count_max || queue.bytes.saturating_add(bytes) > limits.bytes_max {
            return Err((PushError::Full, request));
        }
        queue.count += 1;
        queue.bytes += bytes;
        queue.waiting.push_back((request, bytes));
        let wake = if queue.awake {
            Wake::Unneeded
        } else {
            Wake::Needed
        };
        queue.awake = true;
        Ok(wake)
    }

    /// Takes the requests at the front for which `wanted` says yes, the first one in any case.
    pub fn take(&self, mut wanted: impl FnMut(&T) -> bool) -> Taken<T> {
        let mut queue = self.shared.queue.lock();
        let mut requests = Vec::new();
        let mut bytes_taken = 0;
        while let Some((request, _)) = queue.waiting.front() {
            if !wanted(request) && !requests.is_empty() {
                break;
            }
            let Some((request, bytes)) = queue.waiting.pop_front() else {
                break;
            };
            requests.push(request);
            bytes_taken += bytes;
        }
        let count = requests.len();
        Taken {
            requests,
            count,
            bytes: bytes_taken,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Lets the actor sleep if nothing waits: the next push wakes it. On `false` there is more to take.
    pub fn sleep_if_empty(&self) -> bool {
        let mut queue = self.shared.queue.lock();
        queue.awake = !queue.waiting.is_empty();
        !queue.awake
    }

    /// Closes the inbox if nothing is in it: an actor may end on `true`, and on `false` has work to do.
    pub fn close_if_empty(&self) -> bool {
        let mut queue = self.shared.queue.lock();
        queue.closed |= queue.count == 0;
        queue.closed
    }

    /// Closes the inbox and hands back what waited. None of that was begun, so it can be asked elsewhere;
    /// if it is dropped, those who asked learn that there will be no answer.
    pub fn close(&self) -> Taken<T> {
        let waiting = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.waiting)
        };
        let bytes = waiting.iter().map(|(_, bytes)| bytes).sum();
        let requests: Vec<_> = waiting.into_iter().map(|(request, _)| request).collect();
        Taken {
            count: requests.len(),
            requests,
            bytes,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Whether pushes are refused for good.
    pub fn is_closed(&self) -> bool {
        self.shared.queue.lock().closed
    }

    /// Requests that wait or are under way.
    pub fn count(&self) -> usize {
        self.shared.queue.lock().count
    }
}

/// What [`Inbox::take`] or [`Inbox::close`] took. It counts against the bounds until it is dropped.
#[derive(Debug)]
pub struct Taken<T> {
    /// In the order in which they were pushed; empty if nothing waited.
    pub requests: Vec<T>,
    count: usize,
    bytes: usize,
    shared: Arc<Shared<T>>,
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.count -= self.count;
        queue.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InboxLimits = InboxLimits {
        count_max: 3,
        bytes_max: 100,
    };

    #[test]
    fn one_wake_up_is_enough_until_the_actor_sleeps() {
        let inbox = Inbox::new(LIMITS);
        assert_eq!(inbox.push('a', 1), Ok(Wake::Needed));
        assert_eq!(inbox.push('b', 1), Ok(Wake::Unneeded));
        assert_eq!(inbox.take(|_| true).requests, ['a', 'b']);
        assert_eq!(inbox.push('c', 1), Ok(Wake::Unneeded));
        assert!(!inbox.sleep_if_empty(), "something came in the meantime");
        assert_eq!(inbox.take(|_| true).requests, ['c']);
        assert!(inbox.sleep_if_empty());
        assert_eq!(inbox.push('d', 1), Ok(Wake::Needed));
    }

    #[test]
    fn what_is_under_way_counts_until_it_is_dropped() {
        let inbox = Inbox::new(LIMITS);
        for request in ['a', 'b', 'c'] {
            let _wake = inbox.push(request, 10).expect("room for three");
        }
        let taken = inbox.take(|_| true);
        assert_eq!(inbox.push('d', 1), Err((PushError::Full, 'd')));
        drop(taken);
        assert_eq!(inbox.push('d', 101), Err((PushError::Full, 'd')));
        assert_eq!(inbox.push('d', 100), Ok(Wake::Unneeded));
    }

    #[test]
    fn a_batch_ends_before_what_is_not_wanted() {
        let inbox = Inbox::new(LIMITS);
        for request in [1, 2, -3] {
            let _wake = inbox.push(request, 1).expect("room for three");
        }
        assert_eq!(inbox.take(|n| *n > 0).requests, [1, 2]);
        assert_eq!(
            inbox.take(|n| *n > 0).requests,
            [-3],
            "the first is taken in any case"
        );
    }

    #[test]
    fn only_an_empty_inbox_closes_by_itself() {
        let inbox = Inbox::new(LIMITS);
        let _wake = inbox.push('a', 1).expect("room");
        let taken = inbox.take(|_| true);
        assert!(!inbox.close_if_empty(), "a request is under way");
        drop(taken);
        assert!(inbox.close_if_empty());
        assert_eq!(inbox.push('b', 1), Err((PushError::Closed, 'b')));
    }

    #[test]
    fn closing_hands_back_what_was_not_begun() {
        let inbox = Inbox::new(LIMITS);
        let _wake = inbox.push('a', 1).expect("room");
        let under_way = inbox.take(|_| true);
        let _wake = inbox.push('b', 1).expect("room");
        assert_eq!(inbox.close().requests, ['b']);
        assert_eq!(inbox.count(), 1, "what is under way still counts");
        drop(under_way);
        assert_eq!(inbox.count(), 0);
        assert!(inbox.close().requests.is_empty());
    }
}
