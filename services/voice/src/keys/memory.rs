//! [`SecretMemory`]: pages for secrets, which the system neither dumps nor, if it can be asked, swaps.
//!
//! A page is shared by the secrets of many calls, so that a node with thousands of calls has few of them to lock:
//! what a process may lock is 8 MiB on most systems. Pages without secrets are given back.
//!
//! Invariant: a piece is zeros when it is given, and again before anybody else gets it.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use memmap2::MmapMut;
use parking_lot::Mutex;
use zeroize::Zeroize as _;

/// Bytes of a piece: what one call needs.
pub(super) const PIECE_BYTES: usize = 128;

/// Bytes of a page. Where the system's are larger, the rest is not used.
const PAGE_BYTES: usize = 4096;

/// A bit for each piece of a page.
type Taken = u32;

const _: () = assert!(PAGE_BYTES / PIECE_BYTES == Taken::BITS as usize);

/// Where the secrets of a node lie. Clones are the same memory.
#[derive(Clone, Debug, Default)]
pub struct SecretMemory {
    pages: Arc<Mutex<Vec<Weak<Page>>>>,
}

/// A part of a page.
pub(super) struct Piece {
    page: Arc<Page>,
    number: usize,
}

#[derive(Debug)]
struct Page {
    content: Mutex<Content>,
    /// Whether it stays out of the swap file.
    is_locked: bool,
}

struct Content {
    map: MmapMut,
    taken: Taken,
}

impl SecretMemory {
    /// No page yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether all secrets are kept out of the swap file. Where they are not, the limit of locked memory is too low, and
    /// an operator should be told once.
    pub fn is_locked(&self) -> bool {
        let pages = self.pages.lock();
        let mut pages = pages.iter().filter_map(Weak::upgrade);
        pages.all(|page| page.is_locked)
    }

    /// A piece of zeros.
    ///
    /// # Errors
    /// If the system has no memory, or would dump it.
    pub(super) fn piece(&self) -> io::Result<Piece> {
        let mut pages = self.pages.lock();
        let mut held = pages.iter().filter_map(Weak::upgrade);
        if let Some(piece) = held.find_map(Page::take) {
            return Ok(piece);
        }
        pages.retain(|page| page.strong_count() > 0);
        let page = Arc::new(Page::map()?);
        pages.push(Arc::downgrade(&page));
        Ok(Page::take(page).expect("a page without secrets has room for one"))
    }

    #[cfg(test)]
    pub(super) fn pages(&self) -> usize {
        let pages = self.pages.lock();
        pages.iter().filter(|page| page.strong_count() > 0).count()
    }
}

impl Page {
    fn map() -> io::Result<Self> {
        let map = MmapMut::map_anon(PAGE_BYTES)?;
        #[cfg(target_os = "linux")]
        map.advise(memmap2::Advice::DontDump)?;
        // Without the right to it, secrets may be swapped: still better than no call.
        let is_locked = map.lock().is_ok();
        Ok(Self {
            content: Mutex::new(Content { map, taken: 0 }),
            is_locked,
        })
    }

    /// A piece that nobody has, if there is one.
    fn take(self: Arc<Self>) -> Option<Piece> {
        let mut content = self.content.lock();
        let number = content.taken.trailing_ones();
        if number == Taken::BITS {
            return None;
        }
        content.taken |= 1 << number;
        drop(content);
        Some(Piece {
            page: self,
            number: number as usize,
        })
    }
}

impl Content {
    fn piece(&mut self, number: usize) -> &mut [u8; PIECE_BYTES] {
        let (pieces, _) = self.map.as_chunks_mut();
        &mut pieces[number]
    }
}

impl Piece {
    /// Reads or writes it. Others on its page wait meanwhile.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut [u8; PIECE_BYTES]) -> T) -> T {
        f(self.page.content.lock().piece(self.number))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut content = self.page.content.lock();
        content.piece(self.number).zeroize();
        content.taken &= !(1 << self.number);
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Piece(..)")
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
