//! Memory that connections share: scratch space to en- and decrypt in.
//!
//! Invariant: a connection that is quiet holds no buffer. Records are read into, and written from, one
//! piece of memory per thread; what cannot be finished at once is copied out to the connection.

use std::cell::RefCell;

/// Most plaintext in one record.
pub(super) const PLAINTEXT_BYTES_MAX: usize = 16 * 1024;

/// Largest TLS record on the wire: a header, the plaintext, and what a cipher may add.
const RECORD_BYTES_MAX: usize = 5 + PLAINTEXT_BYTES_MAX + 2 * 1024;

/// The largest record and the beginning of the next, in one read. There is always room to read more of
/// a record that is not complete.
const SCRATCH_BYTES: usize = 24 * 1024;
const _: () = assert!(SCRATCH_BYTES > RECORD_BYTES_MAX);

thread_local! {
    static RECORDS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
    static PLAINTEXT: RefCell<Box<[u8]>> = RefCell::new(vec![0; PLAINTEXT_BYTES_MAX].into());
}

/// Lends this thread's space for records. It holds whatever the last borrower left.
pub(super) fn with_records<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    RECORDS.with_borrow_mut(|records| work(records))
}

/// Lends this thread's space for the plaintext of one record.
pub(super) fn with_plaintext<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    PLAINTEXT.with_borrow_mut(|plaintext| work(plaintext))
}

/// Bytes that are taken from the front. Empty, it owns no memory.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

// === impl Queue ===

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What is left, oldest first.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Drops `count` bytes from the front.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Room for exactly `count` more bytes, filled by `fill`, which tells how many it wrote.
    pub(super) fn push_with<E>(
        &mut self,
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        self.bytes.reserve_exact(count);
        self.bytes.resize(start + count, 0);
        let filled = fill(&mut self.bytes[start..]);
        self.bytes.truncate(start + *filled.as_ref().unwrap_or(&0));
        filled.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_gives_back_its_memory_when_it_is_empty() {
        let mut queue = Queue::default();
        queue.push(b"hello");
        queue.take(2);
        assert_eq!(queue.rest(), b"llo");
        queue.push(b"!");
        assert_eq!(queue.rest(), b"llo!");
        queue.take(4);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0);
    }

    #[test]
    fn what_fails_to_be_filled_leaves_nothing() {
        let mut queue = Queue::default();
        queue.push(b"a");
        assert_eq!(queue.push_with(10, |_| Err::<usize, _>("no")), Err("no"));
        assert_eq!(queue.rest(), b"a");
        let filled = queue.push_with(10, |room| {
            room[..2].copy_from_slice(b"bc");
            Ok::<_, &str>(2)
        });
        assert_eq!((filled, queue.rest()), (Ok(()), b"abc".as_slice()));
    }
}
