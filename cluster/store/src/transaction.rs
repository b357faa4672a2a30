//! [`Transaction`]: one unit of reads and writes, the same over every backend.
//!
//! Owns: read-your-writes, the limits of FoundationDB, the record of what was read (so that the
//! backend can check it at commit), and the age after which a snapshot must not be read any more.
//!
//! Invariant: what a transaction reads is its snapshot with its own writes on top, and nothing of
//! any other transaction after the snapshot was fixed.
//!
//! Leaves out: retrying (`runner`) and the meaning of bytes (`schema`, reached through `rows`).

mod lookup;
mod rows;
#[cfg(test)]
mod tests;
mod writes;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use lookup::Lookup;
pub use rows::{RowPage, RowRange, Scan};

use crate::StoreError;
use crate::backend::{Page, PageFill, RangeQuery, Snapshot, Span, Version, WriteSet, successor};
use crate::limits::{
    KEY_BYTES_MAX, READ_MANY_MAX, TRANSACTION_AGE_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX,
};
use writes::Writes;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    ReadWrite,
    ReadOnly,
}

/// A transaction. A cheap handle: clones are the same transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    snapshot: Box<dyn Snapshot>,
    begun: Instant,
    mode: Mode,
    pending: Mutex<Pending>,
}

/// What will go into the commit.
#[derive(Debug, Default)]
struct Pending {
    writes: Writes,
    reads: Vec<Span>,
    reads_bytes: usize,
    finished: bool,
}

impl Pending {
    fn check_size(&self, more: usize) -> Result<(), StoreError> {
        let actual = self.writes.bytes() + self.reads_bytes + more;
        check_size("transaction", actual, TRANSACTION_BYTES_MAX)
    }

    fn read(&mut self, span: Span) -> Result<(), StoreError> {
        let bytes = match &span {
            Span::Key(key) => key.len(),
            Span::Range { begin, end } => begin.len() + end.len(),
        };
        self.check_size(bytes)?;
        self.reads_bytes += bytes;
        self.reads.push(span);
        Ok(())
    }
}

impl Transaction {
    pub(crate) fn new(snapshot: Box<dyn Snapshot>, mode: Mode) -> Self {
        let inner = Inner {
            snapshot,
            begun: Instant::now(),
            mode,
            pending: Mutex::new(Pending::default()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The value of `key`. The commit fails if another transaction changes it first.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read_keys(&[key], true).await.map(first)
    }

    /// The value of `key`, which others may change before the commit.
    pub async fn get_snapshot(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read_keys(&[key], false).await.map(first)
    }

    /// The values of `keys` in their order, in one go: cheaper than one after the other. The commit
    /// fails if another transaction changes any of them first.
    pub async fn get_many(
        &self,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.read_keys(&keys, true).await
    }

    /// A page of the range. Unless the query says `snapshot`, the commit fails if another
    /// transaction changes, adds or removes a key in what the page covers.
    pub async fn get_range(&self, query: RangeQuery) -> Result<Page, StoreError> {
        self.check_age()?;
        check_size(
            "key",
            query.begin.len().max(query.end.len()),
            KEY_BYTES_MAX + 1,
        )?;
        if query.is_empty() {
            return Ok(Page::default());
        }
        let page = self.merged_range(&query).await?;
        if self.is_checked(!query.snapshot) {
            self.open()?.read(seen(&query, &page))?;
        }
        Ok(page)
    }

    /// Gives `key` a value.
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        check_size("value", value.len(), VALUE_BYTES_MAX)?;
        self.write(key, value.len(), |writes, key| {
            writes.set(key, Bytes::copy_from_slice(value))
        })
    }

    /// Takes `key` away, whether or not it is there.
    pub fn clear(&self, key: &[u8]) -> Result<(), StoreError> {
        self.write(key, 0, Writes::clear)
    }

    /// Takes all keys `k` with `begin <= k < end` away.
    pub fn clear_range(&self, begin: &[u8], end: &[u8]) -> Result<(), StoreError> {
        check_size("key", end.len(), KEY_BYTES_MAX + 1)?;
        let end = Bytes::copy_from_slice(end);
        self.write(begin, end.len(), |writes, begin| {
            writes.clear_range(begin, end)
        })
    }

    /// Makes the commit fail if another transaction changes `key` first, as a read would.
    pub fn add_read_conflict_key(&self, key: &[u8]) -> Result<(), StoreError> {
        check_size("key", key.len(), KEY_BYTES_MAX)?;
        self.open()?.read(Span::Key(Bytes::copy_from_slice(key)))
    }

    /// Makes the commit fail if another transaction changes a key in the range first.
    pub fn add_read_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<(), StoreError> {
        check_size("key", begin.len().max(end.len()), KEY_BYTES_MAX + 1)?;
        if begin >= end {
            return Ok(());
        }
        let (begin, end) = (Bytes::copy_from_slice(begin), Bytes::copy_from_slice(end));
        self.open()?.read(Span::Range { begin, end })
    }

    /// Applies the writes, all or none. Afterwards no handle of this transaction can be used.
    /// Without writes it is free and certain.
    pub async fn commit(self) -> Result<Version, StoreError> {
        self.check_age()?;
        let pending = {
            let mut pending = self.open()?;
            let taken = std::mem::take(&mut *pending);
            pending.finished = true;
            taken
        };
        let mutations = pending.writes.into_mutations();
        let read_conflicts = if mutations.is_empty() {
            Vec::new()
        } else {
            pending.reads
        };
        self.inner
            .snapshot
            .commit(WriteSet {
                read_conflicts,
                mutations,
            })
            .await
    }

    async fn read_keys(
        &self,
        keys: &[&[u8]],
        conflicts: bool,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.check_age()?;
        let mut values = vec![None; keys.len()];
        let (mut wanted, mut places) = (Vec::new(), Vec::new());
        {
            let mut pending = self.open()?;
            for (place, key) in keys.iter().enumerate() {
                check_size("key", key.len(), KEY_BYTES_MAX)?;
                if let Some(own) = pending.writes.lookup(key) {
                    values[place] = own;
                    continue;
                }
                let key = Bytes::copy_from_slice(key);
                if self.is_checked(conflicts) {
                    pending.read(Span::Key(key.clone()))?;
                }
                wanted.push(key);
                places.push(place);
            }
        }
        let mut places = places.into_iter();
        for chunk in wanted.chunks(READ_MANY_MAX) {
            let found = self.inner.snapshot.get_many(chunk).await?;
            for (value, place) in found.into_iter().zip(places.by_ref()) {
                values[place] = value;
            }
        }
        Ok(values)
    }

    /// Reads pages of the snapshot until the page asked for is full: own clears may empty some.
    async fn merged_range(&self, query: &RangeQuery) -> Result<Page, StoreError> {
        let mut fill = PageFill::new(query);
        let mut rest = query.clone();
        loop {
            self.check_age()?;
            let base = self.inner.snapshot.get_range(&rest).await?;
            let next = rest.after(&base);
            let (begin, end) = covered(&rest, &base);
            let merged = self
                .open()?
                .writes
                .merge(base.rows, &begin, &end, query.reverse);
            for (key, value) in merged {
                if !fill.admits(key.len(), value.len()) {
                    return Ok(fill.finish());
                }
                fill.push(key, value);
            }
            match next {
                Some(next) => rest = next,
                None => return Ok(fill.finish()),
            }
        }
    }

    fn write(
        &self,
        key: &[u8],
        more_bytes: usize,
        apply: impl FnOnce(&mut Writes, Bytes),
    ) -> Result<(), StoreError> {
        check_size("key", key.len(), KEY_BYTES_MAX)?;
        if self.inner.mode == Mode::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let mut pending = self.open()?;
        pending.check_size(key.len() + more_bytes)?;
        apply(&mut pending.writes, Bytes::copy_from_slice(key));
        Ok(())
    }

    fn open(&self) -> Result<parking_lot::MutexGuard<'_, Pending>, StoreError> {
        let pending = self.inner.pending.lock();
        if pending.finished {
            Err(StoreError::Finished)
        } else {
            Ok(pending)
        }
    }

    /// Whether what is read must not change: who writes nothing commits nothing that could conflict.
    fn is_checked(&self, conflicts: bool) -> bool {
        conflicts && self.inner.mode == Mode::ReadWrite
    }

    fn check_age(&self) -> Result<(), StoreError> {
        let old = self.inner.begun.elapsed() > TRANSACTION_AGE_MAX;
        if old { Err(StoreError::TooOld) } else { Ok(()) }
    }
}

fn first(values: Vec<Option<Bytes>>) -> Option<Bytes> {
    values.into_iter().next().flatten()
}

fn check_size(what: &'static str, actual: usize, limit: usize) -> Result<(), StoreError> {
    if actual > limit {
        Err(StoreError::TooLarge {
            what,
            limit,
            actual,
        })
    } else {
        Ok(())
    }
}

/// The part of the query's range about which `page` tells everything.
fn covered(query: &RangeQuery, page: &Page) -> (Bytes, Bytes) {
    match page.rows.last().filter(|_| page.more) {
        Some((last, _)) if query.reverse => (last.clone(), query.end.clone()),
        Some((last, _)) => (query.begin.clone(), successor(last)),
        None => (query.begin.clone(), query.end.clone()),
    }
}

/// What the caller learnt from `page`, and what must therefore not change.
fn seen(query: &RangeQuery, page: &Page) -> Span {
    let (begin, end) = covered(query, page);
    Span::Range { begin, end }
}
