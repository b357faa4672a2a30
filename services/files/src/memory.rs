//! [`Memory`]: where a segment is gathered and sealed, mapped from the system instead of taken from the heap.
//!
//! A heap keeps what it is given back, for each thread that gave, and its pieces come to lie between what lives longer.
//! Of segments, far larger than most else that a server holds, that was a third of what transfers added to its
//! memory. What is mapped is the system's again once it is dropped, zeroed by it for whoever gets it next; and pages
//! that a small file does not reach are never there.
//!
//! Invariant: while an object store may still read it, nobody writes it.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use memmap2::MmapMut;

use crate::layout::OBJECT_BYTES;

/// Up to [`OBJECT_BYTES`] bytes. An empty one is no memory yet.
#[derive(Default)]
pub(crate) struct Memory {
    map: Option<MmapMut>,
    len: usize,
}

/// Memory that an object store reads.
struct Lent(Arc<Memory>);

impl Memory {
    /// Holds nothing, and has room for an object.
    ///
    /// # Errors
    /// If the system has no memory.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.len = 0;
        if self.map.is_none() {
            self.map = Some(MmapMut::map_anon(OBJECT_BYTES)?);
        }
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// If they are more than there is room for, or it was not begun.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let map = self
            .map
            .as_mut()
            .expect("memory is begun before it is filled");
        let end = self.len + bytes.len();
        map[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Keeps the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The same bytes, for an object store.
    pub(crate) fn lend(self: &Arc<Self>) -> Bytes {
        Bytes::from_owner(Lent(Arc::clone(self)))
    }

    /// The memory, once nobody reads it; none if somebody does, who then has it alone.
    pub(crate) fn take_back(self: Arc<Self>) -> Self {
        Arc::into_inner(self).unwrap_or_default()
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[..self.len])
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map
            .as_mut()
            .map_or(&mut [], |map| &mut map[..self.len])
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_an_object_store_keeps_is_not_written_again() {
        let mut memory = Memory::default();
        assert!(memory.is_empty());
        memory.begin().expect("there is memory");
        memory.push(&vec![1; OBJECT_BYTES]);
        memory.truncate(3);
        let memory = Arc::new(memory);
        let (kept, returned) = (memory.lend(), Memory::take_back(memory));
        assert!(returned.map.is_none());
        assert_eq!(kept, [1, 1, 1].as_slice());
    }

    #[test]
    fn memory_that_nobody_reads_any_more_is_used_again() {
        let mut memory = Memory::default();
        memory.begin().expect("there is memory");
        memory.push(b"first");
        let (memory, at) = (Arc::new(memory), |memory: &Memory| memory.as_ptr());
        let was = at(&memory);
        drop(memory.lend());
        let mut again = Memory::take_back(memory);
        again.begin().expect("it is there");
        assert!(again.is_empty());
        again.push(b"second");
        assert_eq!((&*again, at(&again)), (b"second".as_slice(), was));
    }
}
