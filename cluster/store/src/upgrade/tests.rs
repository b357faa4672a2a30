//! Upgrades, over rows of a table that is easy to make: what client message ids were used for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster_types::{AccountId, Rng};

use super::*;
use crate::schema::ClientMessage;
use crate::{Faults, Simulated, SimulatedDisk, open_deployment};

const STEP: &str = "test.numbers";

/// What the walk adds to each number.
const ADDED: u64 = 1_000_000;

fn key(number: u64) -> ClientMessage {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ClientMessage {
        account: AccountId::from_bytes([1; 16]),
        client_message_id: id,
    }
}

fn value(seq: u64) -> v1::ClientMessage {
    v1::ClientMessage {
        seq,
        ..Default::default()
    }
}

/// A store of an earlier release with as many rows.
async fn earlier(disk: &SimulatedDisk, rows: u64) -> Store {
    let store = Store::new(Simulated::new(disk.clone(), Rng::seeded(1)));
    let write = |tx: Transaction, _| async move {
        for number in 0..rows {
            tx.set_row(&key(number), &value(number))?;
        }
        let deployment = v1::Deployment {
            deployment_id: vec![1; 16].into(),
            schema_version: SCHEMA_VERSION - 1,
            ..Default::default()
        };
        tx.set_row(&Deployment {}, &deployment)
    };
    store.run(write).await.expect("writes");
    store
}

/// Has this release open an earlier store.
async fn begun(store: &Store) -> Upgrade {
    let opened = open_deployment(store, &Rng::seeded(1)).await;
    opened.expect("opens");
    let upgrade = Upgrade::pending(store).await.expect("reads");
    upgrade.expect("it is not finished")
}

async fn add(
    tx: Transaction,
    key: ClientMessage,
    row: v1::ClientMessage,
) -> Result<(), StoreError> {
    tx.set_row(&key, &value(row.seq + ADDED))
}

async fn numbers(store: &Store) -> Vec<u64> {
    let read = |tx: Transaction| async move {
        tx.scan(RowRange::<ClientMessage>::all(), Scan::default())
            .await
    };
    let page = store.read(read).await.expect("reads");
    page.rows.into_iter().map(|(_, row)| row.seq).collect()
}

async fn deployment(store: &Store) -> v1::Deployment {
    let read = |tx: Transaction| async move { tx.row(&Deployment {}).await };
    store.read(read).await.expect("reads").expect("is there")
}

#[tokio::test(start_paused = true)]
async fn an_earlier_store_is_marked_at_once_and_upgraded_until_it_is_finished() {
    let store = earlier(&SimulatedDisk::new(), 0).await;
    assert!(Upgrade::pending(&store).await.expect("reads").is_none());
    for _ in 0..2 {
        open_deployment(&store, &Rng::seeded(1))
            .await
            .expect("opens");
        let row = deployment(&store).await;
        assert_eq!(
            (row.schema_version, row.upgrading_from),
            (SCHEMA_VERSION, SCHEMA_VERSION - 1)
        );
    }
    let upgrade = Upgrade::pending(&store).await.expect("reads");
    let upgrade = upgrade.expect("it is not finished");
    assert_eq!(upgrade.from(), SCHEMA_VERSION - 1);
    upgrade.finish().await.expect("commits");
    assert!(Upgrade::pending(&store).await.expect("reads").is_none());
    assert_eq!(deployment(&store).await.schema_version, SCHEMA_VERSION);
}

#[tokio::test(start_paused = true)]
async fn a_new_store_has_nothing_to_upgrade() {
    let store = Store::new(Simulated::reliable());
    open_deployment(&store, &Rng::seeded(1))
        .await
        .expect("opens");
    assert!(Upgrade::pending(&store).await.expect("reads").is_none());
}

#[tokio::test(start_paused = true)]
async fn each_row_is_rewritten_once_whatever_becomes_of_commits() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new();
        let rows = 3 * UPGRADE_ROWS as u64 + 7;
        let store = earlier(&disk, rows).await;
        open_deployment(&store, &Rng::seeded(1))
            .await
            .expect("opens");
        disk.set_faults(Faults::ROUGH);
        let store = Store::new(Simulated::new(disk.clone(), Rng::seeded(seed)));
        let upgrade = loop {
            match Upgrade::pending(&store).await {
                Ok(upgrade) => break upgrade.expect("it is not finished"),
                Err(error) => assert_eq!(error, StoreError::Unavailable),
            }
        };
        let walked = loop {
            match upgrade.walk(STEP, add).await {
                Ok(walked) => break walked,
                // As after a restart.
                Err(error) => assert_eq!(error, StoreError::Unavailable),
            }
        };
        disk.set_faults(Faults::NONE);
        assert_eq!(walked, rows, "seed {seed}");
        let expected: Vec<_> = (0..rows).map(|number| number + ADDED).collect();
        assert_eq!(numbers(&store).await, expected, "seed {seed}");
        assert_eq!(upgrade.walk(STEP, add).await, Ok(rows), "it is over");
        assert_eq!(numbers(&store).await, expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_keeps_what_it_has_done_and_goes_on_there() {
    let disk = SimulatedDisk::new();
    let rows = 2 * UPGRADE_ROWS as u64;
    let store = earlier(&disk, rows).await;
    let upgrade = begun(&store).await;
    let calls = Arc::new(AtomicU64::new(0));
    let outcome = upgrade.walk(STEP, |tx, key, row| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            if call == rows - 1 {
                return Err(StoreError::Damaged);
            }
            add(tx, key, row).await
        }
    });
    assert_eq!(outcome.await, Err(StoreError::Damaged));
    let half = UPGRADE_ROWS;
    let found = numbers(&store).await;
    assert_eq!(found[half - 1], half as u64 - 1 + ADDED);
    assert_eq!(found[half], half as u64, "its batch was not committed");
    assert_eq!(upgrade.walk(STEP, add).await, Ok(rows));
    assert_eq!(numbers(&store).await[half], half as u64 + ADDED);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_between_look_and_write_is_what_is_rewritten() {
    let store = earlier(&SimulatedDisk::new(), 3).await;
    let upgrade = begun(&store).await;
    let (at, page) = upgrade.look::<ClientMessage>(STEP).await.expect("reads");
    let change = |tx: Transaction, _| async move {
        tx.set_row(&key(0), &value(70))?;
        tx.clear_row(&key(1))
    };
    store.run(change).await.expect("commits");
    let written = upgrade.write(STEP, &at, &page, &add).await;
    assert!(matches!(written, Ok::<_, StoreError>(Batch::Written(0))));
    assert_eq!(numbers(&store).await, [70 + ADDED, 2 + ADDED]);
    let again = upgrade.write(STEP, &at, &page, &add).await;
    assert!(
        matches!(again, Ok::<_, StoreError>(Batch::Moved)),
        "a second node"
    );
    assert_eq!(numbers(&store).await, [70 + ADDED, 2 + ADDED]);
}

async fn places(store: &Store) -> usize {
    let read = |tx: Transaction| async move {
        tx.scan(RowRange::<SchemaUpgrade>::all(), Scan::default())
            .await
    };
    store.read(read).await.expect("reads").rows.len()
}

/// A place that came back would name a row for ever, and have the next upgrade leave out what lies before it.
#[tokio::test(start_paused = true)]
async fn whoever_walks_on_after_another_node_has_finished_leaves_no_place_behind() {
    let store = earlier(&SimulatedDisk::new(), 3).await;
    let late = begun(&store).await;
    let (at, page) = late.look::<ClientMessage>(STEP).await.expect("reads");
    let other = late.clone();
    assert_eq!(other.walk(STEP, add).await, Ok(3));
    other.finish().await.expect("commits");
    let expected = numbers(&store).await;

    let written = late.write(STEP, &at, &page, &add).await;
    assert!(matches!(written, Ok::<_, StoreError>(Batch::Moved)));
    assert_eq!(late.walk(STEP, add).await, Ok(0));
    late.finish().await.expect("commits");
    assert_eq!(places(&store).await, 0);
    assert_eq!(numbers(&store).await, expected);
}

#[tokio::test(start_paused = true)]
async fn places_that_an_earlier_upgrade_has_left_count_for_nothing_in_the_next() {
    let store = earlier(&SimulatedDisk::new(), 3).await;
    let left = |tx: Transaction, _| async move {
        let done = v1::SchemaUpgrade {
            after: key(2).encode(),
            rows: 3,
            done: true,
            ..Default::default()
        };
        tx.set_row(&place(STEP), &done)
    };
    store.run(left).await.expect("commits");
    let upgrade = begun(&store).await;
    assert_eq!(upgrade.walk(STEP, add).await, Ok(3));
    assert_eq!(numbers(&store).await, [ADDED, 1 + ADDED, 2 + ADDED]);
}

#[tokio::test(start_paused = true)]
async fn a_node_of_this_release_does_not_finish_the_upgrade_of_a_newer_one() {
    let store = earlier(&SimulatedDisk::new(), 3).await;
    let upgrade = begun(&store).await;
    let newer = |tx: Transaction, _| async move {
        let row = tx.row(&Deployment {}).await?;
        let mut row = row.expect("it was opened");
        row.schema_version += 1;
        tx.set_row(&Deployment {}, &row)
    };
    store.run(newer).await.expect("commits");
    assert_eq!(upgrade.walk(STEP, add).await, Ok(0));
    upgrade.finish().await.expect("commits");
    assert_eq!(
        numbers(&store).await,
        [0, 1, 2],
        "its rows are another form"
    );
    let row = deployment(&store).await;
    assert_eq!(row.upgrading_from, SCHEMA_VERSION - 1);
}

/// Whoever waited for such a row would be upgraded never.
#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_read_is_counted_and_stays_and_the_others_are_rewritten() {
    let rows = UPGRADE_ROWS as u64 + 3;
    let store = earlier(&SimulatedDisk::new(), rows).await;
    let prefix = (Table::ClientMessage as u16).to_be_bytes();
    let strange_key = &Bytes::from([&prefix[..], &[0xff; 3]].concat());
    let strange_value = &key(5).encode();
    let break_some = |tx: Transaction, _| async move {
        tx.set(strange_key, b"")?;
        tx.set(strange_value, &[0xff])
    };
    store.run(break_some).await.expect("commits");
    let upgrade = begun(&store).await;
    let refused = |tx, key: ClientMessage, row: v1::ClientMessage| async move {
        if row.seq == 7 {
            let table = Table::ClientMessage;
            return Err(StoreError::Corrupt { table });
        }
        add(tx, key, row).await
    };
    assert_eq!(upgrade.walk(STEP, refused).await, Ok(rows + 1));
    assert_eq!(Upgrade::unreadable(&store).await, Ok(0), "not finished");
    upgrade.finish().await.expect("commits");
    assert_eq!(Upgrade::unreadable(&store).await, Ok(3));
    let keys: &Vec<_> = &(0..rows).filter(|number| *number != 5).map(key).collect();
    let read = |tx: Transaction| async move {
        let strange = [strange_key.clone(), strange_value.clone()];
        let kept = tx.get_many(&strange).await?;
        Ok::<_, StoreError>((tx.rows(keys).await?, kept))
    };
    let (rewritten, kept) = store.read(read).await.expect("reads");
    for row in rewritten.into_iter().flatten().filter(|row| row.seq != 7) {
        assert!(row.seq >= ADDED, "{row:?}");
    }
    let expected = [Bytes::new(), Bytes::from_static(&[0xff])];
    assert_eq!(kept, expected.map(Some));
}
