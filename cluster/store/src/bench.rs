//! The store's own speed: what one can hope for above it, on this machine and this disk.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Embedded, Store, StoreError, Transaction};

/// What to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupCommit {
    /// Tasks that each write a row, wait for the acknowledgement, and write the next.
    pub writers: usize,
    /// Bytes of each row's value.
    pub value_bytes: usize,
    /// How long.
    pub span: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupCommitFigures {
    /// Rows acknowledged.
    pub rows: u64,
    /// Rows acknowledged per second.
    pub rows_per_second: f64,
    /// Groups written, each with its waits for the disk.
    pub groups: u64,
    /// Half of all commits took no longer.
    pub p50: Duration,
    /// 99 of 100 commits took no longer.
    pub p99: Duration,
}

/// Writes rows of one key per writer and number, as room actors do: each commit waits for the one
/// before it. The store should be a fresh one.
pub async fn group_commit(
    embedded: &Embedded,
    load: GroupCommit,
) -> Result<GroupCommitFigures, StoreError> {
    let store = Store::new(embedded.clone());
    let before = embedded.group_counts();
    let (start, mut writers) = (Instant::now(), JoinSet::new());
    for writer in 0..load.writers {
        writers.spawn(write_until(
            store.clone(),
            writer,
            load.value_bytes,
            start + load.span,
        ));
    }
    let mut spans = Vec::new();
    for outcome in writers.join_all().await {
        spans.extend(outcome?);
    }
    let elapsed = start.elapsed();
    spans.sort_unstable();
    let at = |part: usize| {
        spans
            .get(spans.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    let rows = spans.len() as u64;
    Ok(GroupCommitFigures {
        rows,
        rows_per_second: rows as f64 / elapsed.as_secs_f64(),
        groups: embedded.group_counts().groups - before.groups,
        p50: at(50),
        p99: at(99),
    })
}

async fn write_until(
    store: Store,
    writer: usize,
    value_bytes: usize,
    end: Instant,
) -> Result<Vec<Duration>, StoreError> {
    let value = &Bytes::from(vec![0x5a; value_bytes]);
    let mut spans = Vec::new();
    for number in 0_u64.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        let key = &[&writer.to_be_bytes()[..], &number.to_be_bytes()].concat();
        store
            .run_certain(|tx: Transaction, _| async move { tx.set(key, value) })
            .await?;
        spans.push(begun.elapsed());
    }
    Ok(spans)
}

/// How fast single rows are read back that [`group_commit`] wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointReadFigures {
    /// One transaction per row, one after the other.
    pub alone_per_second: f64,
    /// One transaction per row, `readers` at once.
    pub at_once_per_second: f64,
    /// A hundred rows per call, one call after the other.
    pub many_per_second: f64,
}

/// Reads rows of the first `readers` writers: what the way to the disk's threads costs, and what
/// reading many in one go saves.
pub async fn point_reads(
    embedded: &Embedded,
    readers: usize,
    rows_each: u64,
) -> Result<PointReadFigures, StoreError> {
    let store = Store::new(embedded.clone());
    let key = |reader: usize, row: u64| [reader.to_be_bytes(), row.to_be_bytes()].concat();
    let per_second = |rows: u64, since: Instant| rows as f64 / since.elapsed().as_secs_f64();

    let start = Instant::now();
    for row in 0..rows_each {
        store.begin().await?.get(&key(0, row)).await?;
    }
    let alone_per_second = per_second(rows_each, start);

    let (start, mut tasks) = (Instant::now(), JoinSet::new());
    for reader in 0..readers {
        let store = store.clone();
        tasks.spawn(async move {
            for row in 0..rows_each {
                store.begin().await?.get(&key(reader, row)).await?;
            }
            Ok::<_, StoreError>(())
        });
    }
    for outcome in tasks.join_all().await {
        outcome?;
    }
    let at_once_per_second = per_second(rows_each * readers as u64, start);

    let start = Instant::now();
    for row in 0..rows_each / 100 {
        let keys: Vec<_> = (0..100).map(|more| key(0, row * 100 + more)).collect();
        store.begin().await?.get_many(&keys).await?;
    }
    let many_per_second = per_second(rows_each / 100 * 100, start);
    Ok(PointReadFigures {
        alone_per_second,
        at_once_per_second,
        many_per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EmbeddedOptions;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_row_counted_is_in_the_store() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let embedded = Embedded::open(folder.path(), EmbeddedOptions::default()).expect("opens");
        let load = GroupCommit {
            writers: 8,
            value_bytes: 10,
            span: Duration::from_millis(100),
        };
        let figures = group_commit(&embedded, load).await.expect("runs");
        assert!(
            figures.groups <= figures.rows && figures.p50 <= figures.p99,
            "{figures:?}"
        );

        let store = Store::new(embedded.clone());
        let mut found = 0;
        let mut query = crate::RangeQuery::new(vec![0], vec![0xff]);
        loop {
            let page = store
                .begin()
                .await
                .expect("begins")
                .get_range(query.clone())
                .await;
            let page = page.expect("reads");
            found += page.rows.len() as u64;
            match query.after(&page) {
                Some(rest) => query = rest,
                None => break,
            }
        }
        assert_eq!(found, figures.rows);
        let reads = point_reads(&embedded, 2, 100).await.expect("reads");
        assert!(reads.many_per_second > 0.0);
    }
}
