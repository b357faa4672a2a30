//! One transaction: reads of a snapshot, and the commit that is checked against it.
//!
//! Invariant: reads add no conflicts by themselves. What the commit is checked against is what the caller
//! recorded, no more and no less, as on every backend.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_store::{
    Mutation, Page, PageFill, RangeQuery, Snapshot, Span, StoreError, Version, WriteSet,
};
use foundationdb::future::FdbValues;
use foundationdb::options::{ConflictRangeType, StreamingMode};
use foundationdb::{FdbError, FdbResult, RangeOption, Transaction};
use futures::future::try_join_all;
use parking_lot::Mutex;

use super::Shared;
use crate::{outcome, size};

/// A snapshot that is fixed by its first read.
pub(super) struct View {
    shared: Arc<Shared>,
    /// Gone with the commit.
    transaction: Mutex<Option<Transaction>>,
    /// Whether a read has fixed the snapshot.
    is_fixed: AtomicBool,
}

impl View {
    pub(super) fn new(shared: Arc<Shared>, transaction: Transaction) -> Self {
        Self {
            shared,
            transaction: Mutex::new(Some(transaction)),
            is_fixed: AtomicBool::new(false),
        }
    }

    /// Waits for a place, and for what `ask` asks for `requests` requests.
    async fn read<T, F>(
        &self,
        requests: usize,
        ask: impl FnOnce(&Transaction) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = FdbResult<T>> + Send,
    {
        let _place = self.shared.places.read(requests).await?;
        let asked = {
            let transaction = self.transaction.lock();
            ask(transaction.as_ref().ok_or(StoreError::Finished)?)
        };
        let answer = asked.await;
        self.shared.heard(answer.as_ref().err());
        let value = answer.map_err(|error| outcome::of_read(error.code()))?;
        self.is_fixed.store(true, Ordering::Relaxed);
        Ok(value)
    }

    /// The version of the snapshot, fixed now if it was not before.
    async fn version(&self) -> Result<Version, StoreError> {
        let version = self.read(1, Transaction::get_read_version).await?;
        Ok(as_version(version))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("store", &self.shared.location)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Snapshot for View {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let prefix = &self.shared.prefix;
        let ask = |transaction: &Transaction| {
            // All are sent before the first answer is waited for.
            try_join_all(
                keys.iter()
                    .map(|key| transaction.get(&prefix.add(key), true)),
            )
        };
        let found = self.read(keys.len(), ask).await?;
        let copied = found
            .into_iter()
            .map(|value| value.as_deref().map(Bytes::copy_from_slice));
        Ok(copied.collect())
    }

    async fn get_range(&self, query: &RangeQuery) -> Result<Page, StoreError> {
        if query.is_empty() {
            return Ok(Page::default());
        }
        let prefix = &self.shared.prefix;
        let (begin, end) = (prefix.add(&query.begin), prefix.add(&query.end));
        let range = RangeOption {
            limit: Some(query.page_rows()),
            // FoundationDB counts the prefixes too, and ends after the row that passes the target.
            target_bytes: query.page_bytes() + query.page_rows() * prefix.len() + 1,
            mode: StreamingMode::Exact,
            reverse: query.reverse,
            ..RangeOption::from((begin, end))
        };
        let rows = self
            .read(1, |transaction| transaction.get_range(&range, 1, true))
            .await?;
        self.page(query, &rows)
    }

    async fn commit(&self, writes: WriteSet) -> Result<Version, StoreError> {
        if writes.mutations.is_empty() {
            // Free and certain. A transaction that read nothing has no place in the order.
            return if self.is_fixed.load(Ordering::Relaxed) {
                self.version().await
            } else {
                Ok(Version::default())
            };
        }
        let bytes = size::check(&writes, self.shared.prefix.len())?;
        if !self.is_fixed.load(Ordering::Relaxed) {
            // A commit needs a version to be checked from. Asked for by itself, a cluster that does not
            // answer is certain to have written nothing; within the commit it would be a doubt.
            self.version().await?;
        }
        let _place = self.shared.places.commit(bytes).await?;
        let transaction = self.transaction.lock().take().ok_or(StoreError::Finished)?;
        self.shared.fill(&transaction, &writes)?;
        match transaction.commit().await {
            Ok(committed) => {
                self.shared.heard(None);
                // The commit is done: a version that cannot be told does not undo it.
                Ok(as_version(
                    committed.committed_version().unwrap_or_default(),
                ))
            }
            Err(error) => {
                self.shared.heard(Some(&error));
                Err(self.shared.commit_failed(&error, bytes))
            }
        }
    }
}

impl View {
    fn page(&self, query: &RangeQuery, rows: &FdbValues) -> Result<Page, StoreError> {
        let prefix = &self.shared.prefix;
        let mut fill = PageFill::new(query);
        for row in rows {
            let Some(key) = prefix.strip(row.key()) else {
                return Err(self.shared.impossible("a row outside of its range"));
            };
            if !fill.admits(key.len(), row.value().len()) {
                return Ok(fill.finish());
            }
            let (key, value) = (
                Bytes::copy_from_slice(key),
                Bytes::copy_from_slice(row.value()),
            );
            fill.push(key, value);
        }
        let mut page = fill.finish();
        if rows.more() && page.rows.is_empty() {
            // Where it goes on is not known, and taking this for the end would lose rows.
            return Err(self.shared.impossible("no rows, and more"));
        }
        page.more = rows.more();
        Ok(page)
    }
}

impl Shared {
    /// Puts what the commit is checked against and what it writes into the client's transaction.
    fn fill(&self, transaction: &Transaction, writes: &WriteSet) -> Result<(), StoreError> {
        for span in &writes.read_conflicts {
            let (begin, end) = match span {
                Span::Key(key) => {
                    let key = self.prefix.add(key);
                    let end = [&key[..], &[0]].concat();
                    (key, end)
                }
                Span::Range { begin, end } => (self.prefix.add(begin), self.prefix.add(end)),
            };
            let added = transaction.add_conflict_range(&begin, &end, ConflictRangeType::Read);
            if let Err(error) = added {
                let (code, error) = (error.code(), error.message());
                tracing::error!(location = %self.location, code, error, "a conflict range was refused");
                return Err(StoreError::Unavailable);
            }
        }
        for mutation in &writes.mutations {
            match mutation {
                Mutation::Set { key, value } => transaction.set(&self.prefix.add(key), value),
                Mutation::Clear { key } => transaction.clear(&self.prefix.add(key)),
                Mutation::ClearRange { begin, end } => {
                    transaction.clear_range(&self.prefix.add(begin), &self.prefix.add(end));
                }
            }
        }
        Ok(())
    }

    /// Notes what an answer, or its want, says about the cluster.
    fn heard(&self, error: Option<&FdbError>) {
        let silence = error.filter(|error| outcome::is_silence(error.code()));
        if let Some(error) = silence {
            if self.reach.lost() {
                let (code, error) = (error.code(), error.message());
                tracing::warn!(
                    location = %self.location, code, error,
                    "the cluster does not answer; requests fail until it does"
                );
            }
        } else if self.reach.found() {
            tracing::info!(location = %self.location, "the cluster answers again");
        }
    }

    fn commit_failed(&self, error: &FdbError, bytes: usize) -> StoreError {
        let outcome = outcome::of_commit(error.code(), bytes);
        if outcome.maybe_committed() {
            let (code, error) = (error.code(), error.message());
            tracing::warn!(location = %self.location, code, error, "a commit may or may not have happened");
        }
        outcome
    }

    fn impossible(&self, what: &'static str) -> StoreError {
        tracing::error!(location = %self.location, what, "the cluster gave an answer that makes no sense");
        StoreError::Unavailable
    }
}

/// FoundationDB's versions are never negative, but for "none".
fn as_version(version: i64) -> Version {
    Version(u64::try_from(version).unwrap_or_default())
}
