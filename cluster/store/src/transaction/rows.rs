//! Rows: what services read and write. They never see bytes.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use prost::Message;

use super::Transaction;
use crate::StoreError;
use crate::backend::{RangeQuery, successor};
use crate::limits::{RANGE_BYTES_MAX, RANGE_ROWS_MAX};
use crate::schema::{Row, Table};

/// How to read a range of rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scan {
    /// Rows at most, up to [`RANGE_ROWS_MAX`]; 0 counts as 1.
    pub limit_rows: usize,
    /// Stored bytes at most, up to [`RANGE_BYTES_MAX`]; the first row always fits.
    pub limit_bytes: usize,
    /// From the last row downwards.
    pub reverse: bool,
    /// Lets others change what is read before the commit.
    pub snapshot: bool,
}

impl Default for Scan {
    /// Forwards, in pages of the largest size, with conflicts.
    fn default() -> Self {
        Self {
            limit_rows: RANGE_ROWS_MAX,
            limit_bytes: RANGE_BYTES_MAX,
            reverse: false,
            snapshot: false,
        }
    }
}

/// Some rows of a range, in the order asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPage<K: Row> {
    /// Keys with their values.
    pub rows: Vec<(K, K::Value)>,
    /// Whether a limit ended the page before the range did. To go on, scan
    /// [`RowRange::after`] the last key, or [`RowRange::between`] when reading downwards.
    pub more: bool,
}

/// A range of rows of one table. Row types make the ranges of their leading fields, as
/// [`RoomEvent::of`](crate::schema::RoomEvent::of) does.
pub struct RowRange<K> {
    begin: Bytes,
    end: Bytes,
    row: PhantomData<fn() -> K>,
}

impl<K: Row> RowRange<K> {
    /// Every row of the table.
    pub fn all() -> Self {
        Self::of_prefix(K::TABLE.prefix().to_vec())
    }

    /// From `from` up to, but without, `to`.
    pub fn between(from: &K, to: &K) -> Self {
        Self::of_bounds(from.encode(), to.encode())
    }

    /// The part of this range that lies after `key`.
    #[must_use]
    pub fn after(self, key: &K) -> Self {
        let begin = successor(&key.encode()).max(self.begin);
        Self::of_bounds(begin, self.end)
    }

    /// All keys that begin with these bytes, of which the first two name the table.
    pub(crate) fn of_prefix(prefix: Vec<u8>) -> Self {
        let mut end = prefix.clone();
        // A table's prefix is never all 0xff, so there is a byte to count up.
        while let Some(0xff) = end.last() {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Self::of_bounds(prefix.into(), end.into())
    }

    fn of_bounds(begin: Bytes, end: Bytes) -> Self {
        Self {
            begin,
            end,
            row: PhantomData,
        }
    }
}

impl<K> Clone for RowRange<K> {
    fn clone(&self) -> Self {
        Self {
            begin: self.begin.clone(),
            end: self.end.clone(),
            row: PhantomData,
        }
    }
}

impl<K: Row> fmt::Debug for RowRange<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RowRange({:?}, {:?}..{:?})",
            K::TABLE,
            self.begin,
            self.end
        )
    }
}

impl Transaction {
    /// The row under `key`. The commit fails if another transaction changes it first.
    pub async fn row<K: Row>(&self, key: &K) -> Result<Option<K::Value>, StoreError> {
        let value = self.get(&key.encode()).await?;
        value.map(|bytes| decode_value::<K>(bytes)).transpose()
    }

    /// The row under `key`, which others may change before the commit.
    pub async fn row_snapshot<K: Row>(&self, key: &K) -> Result<Option<K::Value>, StoreError> {
        let value = self.get_snapshot(&key.encode()).await?;
        value.map(|bytes| decode_value::<K>(bytes)).transpose()
    }

    /// The rows under `keys` in their order, in one go. The commit fails if another transaction
    /// changes any of them first.
    pub async fn rows<K: Row>(&self, keys: &[K]) -> Result<Vec<Option<K::Value>>, StoreError> {
        self.look_up(keys).await
    }

    /// Writes a row, over the one that is there if any.
    pub fn set_row<K: Row>(&self, key: &K, value: &K::Value) -> Result<(), StoreError> {
        self.set(&key.encode(), &value.encode_to_vec())
    }

    /// Takes a row away, whether or not it is there.
    pub fn clear_row<K: Row>(&self, key: &K) -> Result<(), StoreError> {
        self.clear(&key.encode())
    }

    /// A page of rows. Unless `options.snapshot`, the commit fails if another transaction changes,
    /// adds or removes a row in what the page covers.
    pub async fn scan<K: Row>(
        &self,
        range: RowRange<K>,
        options: Scan,
    ) -> Result<RowPage<K>, StoreError> {
        let page = self
            .get_range(RangeQuery {
                begin: range.begin,
                end: range.end,
                reverse: options.reverse,
                limit_rows: options.limit_rows,
                limit_bytes: options.limit_bytes,
                snapshot: options.snapshot,
            })
            .await?;
        let mut rows = Vec::with_capacity(page.rows.len());
        for (key, value) in page.rows {
            let key = K::decode(&key).map_err(|_| corrupt(K::TABLE))?;
            rows.push((key, decode_value::<K>(value)?));
        }
        Ok(RowPage {
            rows,
            more: page.more,
        })
    }

    /// Takes all rows of the range away.
    pub fn clear_rows<K: Row>(&self, range: RowRange<K>) -> Result<(), StoreError> {
        self.clear_range(&range.begin, &range.end)
    }
}

pub(super) fn decode_value<K: Row>(bytes: Bytes) -> Result<K::Value, StoreError> {
    K::Value::decode(bytes).map_err(|_| corrupt(K::TABLE))
}

fn corrupt(table: Table) -> StoreError {
    tracing::error!(?table, "a stored row does not decode");
    StoreError::Corrupt { table }
}
