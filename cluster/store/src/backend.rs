//! What a backend must give: snapshots of ordered byte keys, and commits that are checked against
//! what was read.
//!
//! The trait is small on purpose, and cut so that FoundationDB can serve it with its own
//! read-your-writes switched off. Everything that can be done once is done above it, in
//! [`Transaction`](crate::Transaction): limits, read-your-writes, conflict ranges, ages.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;
use crate::limits::{RANGE_BYTES_MAX, RANGE_ROWS_MAX};

/// A point in the order of commits. Larger is later, as long as the store stays open.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u64);

/// A store of ordered byte keys with serializable transactions.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// A view of the store that no later commit changes. Backends may fix it at the first read.
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Where the store is, for messages to operators.
    fn location(&self) -> String;

    /// Finishes what was committed and lets go of files. Later calls answer [`StoreError::Closed`].
    async fn close(&self);
}

/// One view of the store, and the commit that is checked against it.
#[async_trait]
pub trait Snapshot: fmt::Debug + Send + Sync {
    /// The values of these keys, in the order asked for.
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// A page of a range, within the limits of the query. `query.snapshot` means nothing here.
    async fn get_range(&self, query: &RangeQuery) -> Result<Page, StoreError>;

    /// Applies all writes or none, provided that nothing in `writes.read_conflicts` has changed
    /// since this view was fixed. Without mutations it is free and certain. Called at most once.
    async fn commit(&self, writes: WriteSet) -> Result<Version, StoreError>;
}

/// A stretch of the key space: one key, or all keys from one up to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Span {
    /// This key alone.
    Key(Bytes),
    /// All keys `k` with `begin <= k < end`.
    Range {
        /// The first key inside.
        begin: Bytes,
        /// The first key past it.
        end: Bytes,
    },
}

/// One write of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutation {
    /// Gives a key a value.
    Set {
        /// The key.
        key: Bytes,
        /// Its value from now on.
        value: Bytes,
    },
    /// Takes a key away.
    Clear {
        /// The key.
        key: Bytes,
    },
    /// Takes all keys `k` with `begin <= k < end` away.
    ClearRange {
        /// The first key cleared.
        begin: Bytes,
        /// The first key past them.
        end: Bytes,
    },
}

/// What a transaction wants to do at its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WriteSet {
    /// What must not have changed since the snapshot. What is written conflicts by itself with
    /// later readers, so there is no list of write conflicts.
    pub read_conflicts: Vec<Span>,
    /// The writes: cleared ranges first, then single keys in order.
    pub mutations: Vec<Mutation>,
}

impl WriteSet {
    /// Bytes of keys and values that the writes carry.
    pub fn bytes(&self) -> usize {
        self.mutations
            .iter()
            .map(|mutation| match mutation {
                Mutation::Set { key, value } => key.len() + value.len(),
                Mutation::Clear { key } => key.len(),
                Mutation::ClearRange { begin, end } => begin.len() + end.len(),
            })
            .sum()
    }
}

/// A range to read: `begin <= key < end`, from either side, up to a limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RangeQuery {
    /// The first key inside.
    pub begin: Bytes,
    /// The first key past it.
    pub end: Bytes,
    /// From the last key downwards.
    pub reverse: bool,
    /// Rows at most; held to between 1 and [`RANGE_ROWS_MAX`].
    pub limit_rows: usize,
    /// Keys and values at most, in bytes; held to [`RANGE_BYTES_MAX`]. The first row always fits.
    pub limit_bytes: usize,
    /// Adds no read conflict: what is read may change before the commit.
    pub snapshot: bool,
}

impl RangeQuery {
    /// All of a range, forwards, in pages of the largest size.
    pub fn new(begin: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self {
            begin: begin.into(),
            end: end.into(),
            reverse: false,
            limit_rows: RANGE_ROWS_MAX,
            limit_bytes: RANGE_BYTES_MAX,
            snapshot: false,
        }
    }

    /// From the last key downwards.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// At most `rows` rows.
    #[must_use]
    pub fn limit_rows(mut self, rows: usize) -> Self {
        self.limit_rows = rows;
        self
    }

    /// At most `bytes` bytes, or one row.
    #[must_use]
    pub fn limit_bytes(mut self, bytes: usize) -> Self {
        self.limit_bytes = bytes;
        self
    }

    /// Without a read conflict.
    #[must_use]
    pub fn snapshot(mut self) -> Self {
        self.snapshot = true;
        self
    }

    /// The range that `page` of this query leaves to be read; `None` when it was the last.
    #[must_use]
    pub fn after(&self, page: &Page) -> Option<Self> {
        let (last, _) = page.rows.last().filter(|_| page.more)?;
        let mut rest = self.clone();
        if self.reverse {
            rest.end = last.clone();
        } else {
            rest.begin = successor(last);
        }
        Some(rest)
    }

    /// Rows that one page may hold.
    pub fn page_rows(&self) -> usize {
        self.limit_rows.clamp(1, RANGE_ROWS_MAX)
    }

    /// Bytes that one page may hold beside its first row.
    pub fn page_bytes(&self) -> usize {
        self.limit_bytes.min(RANGE_BYTES_MAX)
    }

    /// Whether no key can lie in it.
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }
}

/// Some rows of a range, in the order asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Keys with their values.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether a limit ended the page before the range did.
    pub more: bool,
}

/// Fills a page from rows in order, within the limits of a query. For backends, so that all cut pages at
/// the same row.
#[derive(Debug)]
pub struct PageFill {
    page: Page,
    rows_left: usize,
    bytes_left: usize,
}

impl PageFill {
    /// An empty page of `query`.
    pub fn new(query: &RangeQuery) -> Self {
        Self {
            page: Page::default(),
            rows_left: query.page_rows(),
            bytes_left: query.page_bytes(),
        }
    }

    /// Whether a row of this size may be taken; if not, the page is marked as cut short.
    pub fn admits(&mut self, key_bytes: usize, value_bytes: usize) -> bool {
        let bytes = key_bytes + value_bytes;
        let first = self.page.rows.is_empty();
        if self.rows_left == 0 || (!first && bytes > self.bytes_left) {
            self.page.more = true;
            return false;
        }
        self.rows_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        true
    }

    /// Takes the row that was admitted.
    pub fn push(&mut self, key: Bytes, value: Bytes) {
        self.page.rows.push((key, value));
    }

    /// The page as it is now.
    pub fn finish(self) -> Page {
        self.page
    }
}

/// The first key after `key`.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}
