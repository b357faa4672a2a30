//! The promises of a store, on a real cluster.
//!
//! `cargo xtask test --fdb CLUSTER_FILE` runs them and names the cluster file in `ROOKERY_TEST_FDB`. Each test
//! has a prefix of its own, and clears it when it is over.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use cluster_store::limits::KEY_BYTES_MAX;
use cluster_store::{Backend, RangeQuery, Store, StoreError, Transaction, contract};
use cluster_store_fdb::{Fdb, FdbOptions, Prefix};
use cluster_types::Rng;
use futures::FutureExt;

/// No test writes a key that is larger.
static LAST_KEY: [u8; KEY_BYTES_MAX] = [0xff; KEY_BYTES_MAX];

fn cluster_file() -> PathBuf {
    let file = std::env::var_os("ROOKERY_TEST_FDB");
    file.expect("ROOKERY_TEST_FDB names a cluster file; cargo xtask test --fdb FILE sets it")
        .into()
}

fn open(prefix: &str) -> Fdb {
    let options = FdbOptions {
        prefix: prefix.parse::<Prefix>().expect("a name"),
        ..FdbOptions::new(cluster_file())
    };
    Fdb::open(options).expect("opens")
}

/// A prefix that nobody else uses.
fn fresh(test: &str) -> String {
    let number = u64::from_be_bytes(Rng::from_os().bytes());
    format!("test-{test}-{number:016x}")
}

async fn clear(store: &Store) {
    let cleared = store
        .run(|tx: Transaction, _| async move { tx.clear_range(b"", &LAST_KEY) })
        .await;
    cleared.expect("the rows of a test can be cleared");
}

/// Runs `test` on a store of its own, and clears that whatever comes of it.
async fn on_a_cluster<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Store, Fdb) -> F) {
    let fdb = open(&fresh(name));
    let store = Store::with_jitter(fdb.clone(), Rng::from_os());
    let outcome = AssertUnwindSafe(test(store.clone(), fdb))
        .catch_unwind()
        .await;
    clear(&store).await;
    store.close().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    on_a_cluster("contract", |store, _| async move {
        for case in contract::CASES {
            case.run(&store).await;
        }
    })
    .await;
}

#[tokio::test]
async fn deployments_that_share_a_cluster_do_not_see_each_other() {
    on_a_cluster("neighbours", |store, fdb| async move {
        let neighbour = Store::new(open(&format!("{}2", fdb.prefix())));
        let put =
            |value: &'static [u8]| move |tx: Transaction, _| async move { tx.set(b"key", value) };
        store.run(put(b"ours")).await.expect("commits");
        neighbour.run(put(b"theirs")).await.expect("commits");
        let everything = || RangeQuery::new(&b""[..], &b"\xff\xff"[..]);
        let read = |tx: Transaction| async move { tx.get_range(everything()).await };
        let page = store.read(read).await.expect("reads");
        let values: Vec<_> = page.rows.iter().map(|(_, value)| &value[..]).collect();
        assert_eq!(values, [b"ours"]);
        clear(&store).await;
        let theirs = neighbour
            .read(|tx: Transaction| async move { tx.get(b"key").await })
            .await;
        assert_eq!(theirs.expect("reads").as_deref(), Some(&b"theirs"[..]));
        clear(&neighbour).await;
        neighbour.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    on_a_cluster("closed", |store, fdb| async move {
        let other = Store::new(open(fdb.prefix().name()));
        let begun = other.begin().await.expect("begins");
        other.close().await;
        assert_eq!(begun.get(b"a").await, Err(StoreError::Closed));
        assert_eq!(other.begin().await.err(), Some(StoreError::Closed));
        let read = store.read(|tx: Transaction| async move { tx.get(b"a").await });
        assert_eq!(read.await, Ok(None), "the other store goes on");
    })
    .await;
}

#[tokio::test]
async fn a_transaction_too_large_for_the_cluster_is_refused_and_writes_nothing() {
    on_a_cluster("large", |store, _| async move {
        let tx = store.begin().await.expect("begins");
        for row in 0..100_000_u32 {
            tx.set(&row.to_be_bytes(), b"a small row")
                .expect("the store lets it pass");
        }
        let outcome = tx.commit().await;
        assert!(
            matches!(
                outcome,
                Err(StoreError::TooLarge {
                    what: "transaction",
                    ..
                })
            ),
            "{outcome:?}"
        );
        let first = store.read(|tx: Transaction| async move { tx.get(&[0; 4]).await });
        assert_eq!(first.await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_an_answer_within_its_time() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("fdb.cluster");
    // Nobody listens on port 1.
    std::fs::write(&file, "nobody:0@127.0.0.1:1\n").expect("writes");
    let started = tokio::time::Instant::now();
    let fdb = Fdb::open(FdbOptions::new(&file)).expect("opening asks nobody");
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    assert_eq!(fdb.location(), format!("fdb:{}", file.display()));
    let store = Store::new(fdb);
    let read = store.read(|tx: Transaction| async move { tx.get(b"a").await });
    assert_eq!(read.await, Err(StoreError::Unavailable));
    let write = store.run(|tx: Transaction, _| async move { tx.set(b"a", b"1") });
    assert_eq!(
        write.await,
        Err(StoreError::Unavailable),
        "certain, as nothing was sent"
    );
    let each = cluster_store_fdb::limits::TRANSACTION_TIME_MAX;
    assert!(
        started.elapsed() < each * 2 + each / 2,
        "{:?}",
        started.elapsed()
    );
    store.close().await;
}
