//! The contract over a real file, what is in the way when opening, and disks that fail or are full.

mod failing;
mod opening;

use std::future::poll_fn;

use tempfile::TempDir;

use super::*;
use crate::{Store, Transaction, contract};

/// A small cache: the tests make many stores.
fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        cache_bytes: 16 * 1024 * 1024,
        free_space_min: 0,
        ..Default::default()
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn open(folder: &TempDir) -> Store {
    Store::new(Embedded::open(folder.path(), options()).expect("opens"))
}

async fn put(store: &Store, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    store
        .run(|tx: Transaction, _| async move { tx.set(key, value) })
        .await
}

async fn get(store: &Store, key: &[u8]) -> Result<Option<bytes::Bytes>, StoreError> {
    store
        .read(|tx: Transaction| async move { tx.get(key).await })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    let folder = folder();
    let store = open(&folder);
    for case in contract::CASES {
        case.run(&store).await;
    }
}

#[tokio::test]
async fn commits_outlive_the_store() {
    let folder = folder();
    let store = open(&folder);
    put(&store, b"a", b"1").await.expect("commits");
    store.close().await;
    assert_eq!(get(&store, b"a").await, Err(StoreError::Closed));
    assert_eq!(put(&store, b"a", b"2").await, Err(StoreError::Closed));

    let store = open(&folder);
    assert_eq!(
        get(&store, b"a").await.expect("reads").as_deref(),
        Some(&b"1"[..])
    );
}

#[tokio::test]
async fn closing_finishes_what_was_asked_for_before() {
    let folder = folder();
    let store = open(&folder);
    let tx = store.begin().await.expect("begins");
    tx.set(b"a", b"1").expect("sets");
    let (committed, ()) = tokio::join!(tx.commit(), store.close());
    committed.expect("it was asked for before the close");
    assert!(get(&open(&folder), b"a").await.expect("reads").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_share_one_wait_for_the_disk() {
    let folder = folder();
    let embedded = Embedded::open(folder.path(), options()).expect("opens");
    let store = Store::new(embedded.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..200_u32 {
        let store = store.clone();
        tasks.spawn(async move { put(&store, &task.to_be_bytes(), b"value").await });
    }
    for outcome in tasks.join_all().await {
        outcome.expect("commits");
    }
    let counts = embedded.group_counts();
    assert_eq!(counts.commits, 200);
    assert!(counts.groups < 100, "{counts:?}");
}

#[tokio::test]
async fn a_caller_that_gives_up_takes_no_place_with_it() {
    let folder = folder();
    let embedded = Embedded::open(folder.path(), options()).expect("opens");
    let store = Store::new(embedded.clone());
    put(&store, b"a", b"1").await.expect("commits");
    for _ in 0..READS_AT_ONCE_MAX * 2 {
        let read = get(&store, b"a");
        // Polled once, so that the read is on its way, and then dropped.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, read).await;
    }
    assert!(get(&store, b"a").await.expect("reads").is_some());
    put(&store, b"a", b"2").await.expect("commits");
}

#[test]
fn a_read_whose_runtime_is_gone_finds_the_store_closed_and_not_damaged() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::new(Embedded::open(folder.path(), options()).expect("opens"));
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let (gone, living) = (runtime(), runtime());
    let its_threads = gone.handle().clone();
    gone.shutdown_background();
    let mut read = Box::pin(async move { store.begin().await?.get(b"key").await });
    let read = poll_fn(move |context| {
        let _gone = its_threads.enter();
        read.as_mut().poll(context)
    });
    assert_eq!(living.block_on(read), Err(StoreError::Closed));
}
