//! What the bare store does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use cluster_store::schema::{ClientMessage, ReadMark, RoomEvent, RoomHead};
use cluster_store::{Backend, RangeQuery, Row as _, Scan, Store, StoreError, Transaction};
use cluster_types::{AccountId, Rng, RoomId, Seq};
use prost::Message;
use proto::storage::v1;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Append, Done, Order};
use crate::stats::Latencies;

/// Any moment: as many bytes as a real one.
const TIME_MS: u64 = 1_750_000_000_123;

/// The day of that moment.
const DAY: u32 = 20_254;

/// Bytes that sealing adds: a format, a nonce, a tag.
const SEALED_BYTES_MORE: usize = 1 + 12 + 16;

/// Messages in a transaction of [`Order::Fill`]: well below the largest transaction.
const FILL_TOGETHER: usize = 256;

/// A store, and how far its rooms are.
#[derive(Debug)]
pub(super) struct Work {
    store: Store,
    rng: Rng,
    /// The newest seq of each room.
    heads: Vec<Arc<AtomicU64>>,
}

impl Work {
    pub(super) fn new(backend: impl Backend) -> Self {
        Self {
            store: Store::new(backend),
            rng: Rng::from_os(),
            heads: Vec::new(),
        }
    }

    pub(super) async fn carry_out(&mut self, order: Order) -> anyhow::Result<Done> {
        match order {
            Order::Append(load) => {
                let end = Instant::now() + Duration::from_millis(load.millis);
                self.append(load, move |_| Instant::now() < end).await
            }
            Order::Fill {
                rooms,
                messages,
                body_bytes,
            } => {
                let load = Append {
                    rooms,
                    in_flight: rooms * FILL_TOGETHER,
                    together: FILL_TOGETHER,
                    body_bytes,
                    millis: 0,
                };
                self.append(load, move |head| head < messages).await
            }
            Order::Read {
                readers,
                page_rows,
                millis,
                decoded,
            } => {
                let span = Duration::from_millis(millis);
                self.read(readers, page_rows, span, decoded).await
            }
        }
    }

    /// Appends in as many tasks as it takes, each as long as `goes_on`, which is told the head of the
    /// task's room.
    async fn append(
        &mut self,
        load: Append,
        goes_on: impl Fn(u64) -> bool + Copy + Send + 'static,
    ) -> anyhow::Result<Done> {
        let more = load.rooms.saturating_sub(self.heads.len());
        self.heads
            .extend(std::iter::repeat_with(|| Arc::new(AtomicU64::new(0))).take(more));
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..(load.in_flight / load.together).max(1) {
            let room = task % load.rooms;
            let mut appender = Appender {
                store: self.store.clone(),
                rng: self.rng.fork(),
                room: room_id(room),
                account: AccountId::from_bytes([u8::try_from(task % 256).unwrap_or(0); 16]),
                head: Arc::clone(&self.heads[room]),
                together: load.together,
                body: "x".repeat(load.body_bytes),
                latencies: Latencies::new(),
            };
            tasks.spawn(async move {
                while goes_on(appender.head.load(Ordering::Relaxed)) {
                    appender.append().await?;
                }
                Ok::<_, StoreError>(appender.latencies)
            });
        }
        let mut latencies = Latencies::new();
        let mut transactions = 0;
        for outcome in tasks.join_all().await {
            let part = outcome.context("the store did not take a message")?;
            transactions += part.count();
            latencies.add(&part);
        }
        Ok(Done {
            messages: transactions * load.together as u64,
            seconds: began.elapsed().as_secs_f64(),
            p50_ms: latencies.p50_ms(),
            p99_ms: latencies.p99_ms(),
        })
    }

    async fn read(
        &self,
        readers: usize,
        page_rows: usize,
        span: Duration,
        decoded: bool,
    ) -> anyhow::Result<Done> {
        let began = Instant::now();
        let end = began + span;
        let mut tasks = JoinSet::new();
        for reader in 0..readers {
            let (store, room) = (self.store.clone(), room_id(reader));
            tasks.spawn(async move {
                let mut rows = 0;
                while Instant::now() < end {
                    rows += if decoded {
                        read_rows(&store, room, page_rows, end).await?
                    } else {
                        read_bytes(&store, room, page_rows, end).await?
                    };
                }
                Ok::<_, StoreError>(rows)
            });
        }
        let mut messages = 0;
        for outcome in tasks.join_all().await {
            messages += outcome.context("the store cannot be read")?;
        }
        Ok(Done {
            messages,
            seconds: began.elapsed().as_secs_f64(),
            ..Done::default()
        })
    }
}

/// Appends one transaction after the other to one room.
struct Appender {
    store: Store,
    rng: Rng,
    room: RoomId,
    account: AccountId,
    head: Arc<AtomicU64>,
    together: usize,
    body: String,
    latencies: Latencies,
}

impl Appender {
    async fn append(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        let count = self.together as u64;
        let head = self.head.fetch_add(count, Ordering::Relaxed);
        let ids: Vec<[u8; 16]> = (0..count).map(|_| self.rng.bytes()).collect();
        let (this, ids) = (&*self, &ids);
        let write = |tx: Transaction, _| async move {
            for (seq, id) in (head + 1..).zip(ids) {
                this.write(&tx, seq, *id)?;
            }
            this.write_head(&tx, head + count)
        };
        self.store.run_certain(write).await?;
        self.latencies.record(began.elapsed());
        Ok(())
    }

    fn write(&self, tx: &Transaction, seq: u64, id: [u8; 16]) -> Result<(), StoreError> {
        let (room, account) = (self.room, self.account);
        let message = v1::Message {
            body: self.body.clone(),
            format: 1,
            priority: 1,
            client_message_id: Bytes::copy_from_slice(&id),
            salt: Bytes::copy_from_slice(&id),
            ..v1::Message::default()
        };
        let said = v1::RoomEvent {
            time_ms: TIME_MS,
            kind: Some(v1::room_event::Kind::Message(message)),
            ..v1::RoomEvent::default()
        };
        let event = v1::RoomEvent {
            actor_id: Bytes::copy_from_slice(account.as_bytes()),
            message_count: seq,
            day: DAY,
            sealed: as_if_sealed(&said),
            kind: Some(v1::room_event::Kind::Message(v1::Message::default())),
            ..v1::RoomEvent::default()
        };
        let key = RoomEvent {
            room,
            seq: Seq(seq),
        };
        tx.set_row(&key, &event)?;
        let used = v1::ClientMessage {
            room_id: Bytes::copy_from_slice(room.as_bytes()),
            seq,
            keyed_digest: Bytes::copy_from_slice(&id),
            ..v1::ClientMessage::default()
        };
        let key = ClientMessage {
            account,
            client_message_id: id,
        };
        tx.set_row(&key, &used)?;
        let mark = v1::ReadMark {
            seq,
            message_count: seq,
        };
        tx.set_row(&ReadMark { room, account }, &mark)
    }

    fn write_head(&self, tx: &Transaction, seq: u64) -> Result<(), StoreError> {
        let head = v1::RoomHead {
            seq,
            message_count: seq,
            member_count: 2,
            ..v1::RoomHead::default()
        };
        tx.set_row(&RoomHead { room: self.room }, &head)
    }
}

/// As many bytes as a sealed row has: the store is measured, and not the sealing.
fn as_if_sealed(row: &impl Message) -> Bytes {
    let mut bytes = row.encode_to_vec();
    bytes.resize(bytes.len() + SEALED_BYTES_MORE, 0);
    bytes.into()
}

fn room_id(number: usize) -> RoomId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RoomId::from_bytes(bytes)
}

/// Reads a room once, as rows, but not longer than `end`.
async fn read_rows(
    store: &Store,
    room: RoomId,
    page_rows: usize,
    end: Instant,
) -> Result<u64, StoreError> {
    let page = Scan {
        limit_rows: page_rows,
        snapshot: true,
        ..Scan::default()
    };
    let (mut rows, mut range) = (0, RoomEvent::of(room));
    loop {
        let next = range.clone();
        let found = store
            .read(|tx: Transaction| {
                let next = next.clone();
                async move { tx.scan(next, page).await }
            })
            .await?;
        rows += found.rows.len() as u64;
        match found.rows.last() {
            Some((last, _)) if found.more && Instant::now() < end => range = range.after(last),
            Some(_) | None => return Ok(rows),
        }
    }
}

/// As [`read_rows`], without decoding them.
async fn read_bytes(
    store: &Store,
    room: RoomId,
    page_rows: usize,
    end: Instant,
) -> Result<u64, StoreError> {
    let place = |seq| {
        let key = RoomEvent {
            room,
            seq: Seq(seq),
        };
        key.encode()
    };
    let mut query = RangeQuery::new(place(0), place(u64::MAX))
        .limit_rows(page_rows)
        .snapshot();
    let mut rows = 0;
    loop {
        let next = &query;
        let found = store
            .read(|tx: Transaction| async move { tx.get_range(next.clone()).await })
            .await?;
        rows += found.rows.len() as u64;
        match query.after(&found) {
            Some(rest) if Instant::now() < end => query = rest,
            Some(_) | None => return Ok(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use cluster_store::Simulated;

    use super::*;

    #[tokio::test]
    async fn what_was_appended_is_read_back() {
        let mut work = Work::new(Simulated::reliable());
        let fill = Order::Fill {
            rooms: 2,
            messages: 1_000,
            body_bytes: 10,
        };
        let filled = work.carry_out(fill).await.expect("fills");
        assert!(filled.messages >= 2_000, "{filled:?}");
        let end = Instant::now() + Duration::from_secs(60);
        for number in 0..2 {
            let room = room_id(number);
            let in_room = work.heads[number].load(Ordering::Relaxed);
            let rows = read_rows(&work.store, room, 100, end).await.expect("reads");
            assert_eq!(rows, in_room);
            let rows = read_bytes(&work.store, room, 100, end)
                .await
                .expect("reads");
            assert_eq!(rows, in_room);
        }
    }

    #[tokio::test]
    async fn each_message_of_a_transaction_has_rows_of_its_own() {
        let mut work = Work::new(Simulated::reliable());
        let load = Append {
            rooms: 1,
            in_flight: 8,
            together: 4,
            body_bytes: 10,
            millis: 20,
        };
        let done = work.carry_out(Order::Append(load)).await.expect("appends");
        let tx = work.store.begin().await.expect("begins");
        let ids = tx.scan(
            ClientMessage::of(AccountId::from_bytes([0; 16])),
            Scan::default(),
        );
        let ids = ids.await.expect("reads").rows.len() as u64;
        let others = tx.scan(
            ClientMessage::of(AccountId::from_bytes([1; 16])),
            Scan::default(),
        );
        let others = others.await.expect("reads").rows.len() as u64;
        assert_eq!(ids + others, done.messages);
    }
}
