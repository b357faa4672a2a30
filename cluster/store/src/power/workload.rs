//! What is committed while the disk records, and what must be found afterwards.
//!
//! Each writer makes one commit after the other. Commit `n` sets the writer's head to `n`, adds rows
//! of round `n` and clears a round that is too old. So the head alone says which rows there must be,
//! byte for byte: a commit that is there by half cannot hide.

use bytes::Bytes;
use cluster_types::Rng;
use tokio::task::JoinSet;

use super::recording::{Event, RecordingDisk};
use crate::{Embedded, EmbeddedOptions, OnFatal, RangeQuery, Store, StoreError, Transaction};

/// Rounds that a writer keeps.
const ROUNDS_KEPT: u32 = 5;

/// Rows in one commit.
const ROWS: u8 = 3;

/// Longest value: with it a commit spans several pages.
const VALUE_BYTES_MAX: u64 = 6_000;

/// Small, so that pages are written before the commit too.
const CACHE_BYTES: usize = 256 * 1024;

/// One run of the store over a recording disk.
pub(super) struct Run {
    start: Vec<u8>,
    events: Vec<Event>,
    writers: usize,
    /// Head of each writer when the record began.
    heads: Vec<u32>,
    /// Commits acknowledged: writer, round, and the events before the acknowledgement.
    acks: Vec<(usize, u32, usize)>,
}

/// What was found in one image.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) opened: bool,
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) torn: u64,
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        cache_bytes: CACHE_BYTES,
        on_fatal: OnFatal::call(|| {}),
        ..EmbeddedOptions::default()
    }
}

/// What the file of a new store holds.
pub(super) async fn new_store() -> Vec<u8> {
    let disk = RecordingDisk::new(Vec::new());
    let embedded = Embedded::on_disk(disk.clone(), options()).expect("an empty disk opens");
    Store::new(embedded).close().await;
    disk.content()
}

impl Run {
    /// Runs `writers` tasks, each for `commits` commits, on the store that `disk` holds. An error
    /// means that the store, which opened before, cannot be written to.
    pub(super) async fn record(
        disk: RecordingDisk,
        writers: usize,
        commits: u32,
        rng: &Rng,
    ) -> Result<Self, StoreError> {
        let start = disk.content();
        let embedded =
            Embedded::on_disk(disk.clone(), options()).map_err(|_| StoreError::Damaged)?;
        let store = Store::new(embedded);
        let mut heads = Vec::with_capacity(writers);
        for writer in 0..writers {
            heads.push(head(&store, writer).await?);
        }
        let mut tasks = JoinSet::new();
        for (writer, head) in heads.iter().copied().enumerate() {
            let (store, disk, rng) = (store.clone(), disk.clone(), rng.fork());
            tasks.spawn(async move {
                let mut acks = Vec::new();
                for round in head + 1..=head + commits {
                    let length = usize::try_from(rng.below(VALUE_BYTES_MAX)).unwrap_or(0);
                    commit(&store, writer, round, length).await?;
                    acks.push((writer, round, disk.position()));
                }
                Ok(acks)
            });
        }
        let acks: Result<Vec<Vec<_>>, StoreError> = tasks.join_all().await.into_iter().collect();
        // Taken before the close: the power goes away while the store runs.
        let events = disk.take_events();
        store.close().await;
        Ok(Self {
            start,
            events,
            writers,
            heads,
            acks: acks?.concat(),
        })
    }

    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn syncs(&self) -> u64 {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::Sync))
            .count() as u64
    }

    /// Opens the image, which was cut off after `position` events, and looks for what had been
    /// acknowledged by then.
    pub(super) async fn check(&self, image: &[u8], position: usize) -> Verdict {
        let mut verdict = Verdict::default();
        let acked = self.acks.iter().filter(|(_, _, at)| *at <= position);
        verdict.acked = acked.count() as u64;
        let disk = RecordingDisk::new(image.to_vec());
        let Ok(embedded) = Embedded::on_disk(disk, options()) else {
            return verdict;
        };
        verdict.opened = true;
        let store = Store::new(embedded);
        for writer in 0..self.writers {
            let rounds = self
                .acks
                .iter()
                .filter(|(of, _, at)| *of == writer && *at <= position);
            let acked = rounds
                .map(|(_, round, _)| *round)
                .max()
                .unwrap_or(self.heads[writer]);
            match intact(&store, writer).await {
                // One more may have been on its way.
                Ok(Some(head)) if head <= acked + 1 => {
                    verdict.lost += u64::from(acked.saturating_sub(head));
                }
                Ok(_) | Err(_) => verdict.torn += 1,
            }
        }
        store.close().await;
        verdict
    }
}

fn head_key(writer: usize) -> Vec<u8> {
    [b"head/", &writer.to_be_bytes()[..]].concat()
}

fn round_key(writer: usize, round: u32) -> Vec<u8> {
    [b"rows/", &writer.to_be_bytes()[..], &round.to_be_bytes()].concat()
}

/// The value of a row tells whose it is, so that none can pass for another.
fn value(writer: usize, round: u32, row: u8, length: usize) -> Bytes {
    let head = [&writer.to_be_bytes()[..], &round.to_be_bytes(), &[row]].concat();
    let rest = head.iter().copied().cycle().skip(head.len()).take(length);
    head.iter().copied().chain(rest).collect()
}

async fn commit(store: &Store, writer: usize, round: u32, length: usize) -> Result<(), StoreError> {
    let body = |tx: Transaction, _| async move {
        tx.get(&head_key(writer)).await?;
        tx.set(&head_key(writer), &round.to_be_bytes())?;
        for row in 0..ROWS {
            let key = [&round_key(writer, round)[..], &[row]].concat();
            tx.set(&key, &value(writer, round, row, length))?;
        }
        let oldest = (round + 1).saturating_sub(ROUNDS_KEPT);
        tx.clear_range(&round_key(writer, 0), &round_key(writer, oldest))
    };
    store.run_certain(body).await
}

async fn head(store: &Store, writer: usize) -> Result<u32, StoreError> {
    let tx = store.begin().await?;
    let bytes = tx.get(&head_key(writer)).await?;
    let bytes = bytes.and_then(|bytes| bytes[..].try_into().ok());
    Ok(bytes.map_or(0, u32::from_be_bytes))
}

/// The writer's head, if its rows are exactly as that commit left them.
async fn intact(store: &Store, writer: usize) -> Result<Option<u32>, StoreError> {
    let head = head(store, writer).await?;
    let range = RangeQuery::new(round_key(writer, 0), round_key(writer, u32::MAX));
    let page = store.begin().await?.get_range(range).await?;
    let oldest = (head + 1).saturating_sub(ROUNDS_KEPT).max(1);
    let expected = (oldest..=head).flat_map(|round| (0..ROWS).map(move |row| (round, row)));
    let expected: Vec<(u32, u8)> = expected.collect();
    let whole = page.rows.len() == expected.len()
        && page
            .rows
            .iter()
            .zip(expected)
            .all(|((key, found), (round, row))| {
                let length = found
                    .len()
                    .saturating_sub(value(writer, round, row, 0).len());
                key[..] == [&round_key(writer, round)[..], &[row]].concat()
                    && *found == value(writer, round, row, length)
            });
    Ok(whole.then_some(head))
}
