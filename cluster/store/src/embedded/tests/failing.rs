//! Disks that fail or are full, by a stand-in that does so when told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redb::StorageBackend;

use super::super::disk::FileDisk;
use super::*;
use crate::limits::RECENT_RANGES_MAX;

/// What the stand-in is told to do.
#[derive(Debug, Default)]
struct Orders {
    writes_full: AtomicBool,
    sync_fails: AtomicBool,
    reads_fail: AtomicBool,
    stalls: AtomicBool,
    /// Free bytes to report, plus one; 0 for "unknown".
    free: AtomicU64,
}

#[derive(Debug)]
struct FailingDisk {
    disk: FileDisk,
    orders: Arc<Orders>,
}

impl Disk for FailingDisk {
    fn open(&self) -> std::io::Result<Box<dyn StorageBackend>> {
        let inner = self.disk.open()?;
        Ok(Box::new(Failing {
            inner,
            orders: Arc::clone(&self.orders),
        }))
    }

    fn free_bytes(&self) -> Option<u64> {
        self.orders.free.load(Ordering::SeqCst).checked_sub(1)
    }

    fn path(&self) -> &Path {
        self.disk.path()
    }
}

#[derive(Debug)]
struct Failing {
    inner: Box<dyn StorageBackend>,
    orders: Arc<Orders>,
}

impl StorageBackend for Failing {
    fn len(&self) -> std::io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        while self.orders.stalls.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.orders.reads_fail.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("injected: bad sector"));
        }
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        if self.orders.sync_fails.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("injected: sync failed"));
        }
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        // The header's block exists: a full file system still takes it.
        if offset > 0 && self.orders.writes_full.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> std::io::Result<()> {
        self.inner.close()
    }
}

struct Rig {
    store: Store,
    embedded: Embedded,
    orders: Arc<Orders>,
    ended: Arc<AtomicUsize>,
    path: PathBuf,
    _folder: TempDir,
}

fn rig(cache_bytes: usize, free_space_min: u64) -> Rig {
    let folder = folder();
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, b"").expect("makes the file");
    let orders = Arc::new(Orders::default());
    let disk = FailingDisk {
        disk: FileDisk::new(path.clone()),
        orders: Arc::clone(&orders),
    };
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let on_fatal = OnFatal::call(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let options = EmbeddedOptions {
        cache_bytes,
        free_space_min,
        on_fatal,
    };
    let embedded = Embedded::on_disk(disk, options).expect("opens");
    Rig {
        store: Store::new(embedded.clone()),
        embedded,
        orders,
        ended,
        path,
        _folder: folder,
    }
}

const CACHE: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn a_failed_sync_ends_the_process_and_acknowledges_nothing() {
    let rig = rig(CACHE, 0);
    put(&rig.store, b"a", b"1").await.expect("commits");
    rig.orders.sync_fails.store(true, Ordering::SeqCst);
    let tx = rig.store.begin().await.expect("begins");
    tx.set(b"a", b"2").expect("sets");
    assert_eq!(tx.commit().await, Err(StoreError::CommitUnknown));
    assert_eq!(
        rig.ended.load(Ordering::SeqCst),
        1,
        "ended, and not tried again"
    );

    // The stand-in for the end of the process returned: the store is closed for good.
    rig.orders.sync_fails.store(false, Ordering::SeqCst);
    assert_eq!(put(&rig.store, b"a", b"3").await, Err(StoreError::Closed));
    assert_eq!(get(&rig.store, b"a").await, Err(StoreError::Closed));

    let folder = rig.path.parent().expect("it has a folder");
    let after = Store::new(Embedded::open(folder, options()).expect("a restart opens it"));
    let value = get(&after, b"a").await.expect("reads").expect("is there");
    assert!(value == "1" || value == "2", "{value:?}");
}

#[tokio::test]
async fn a_failed_read_ends_the_process() {
    // Without a cache every read reaches the disk.
    let rig = rig(0, 0);
    put(&rig.store, b"a", b"1").await.expect("commits");
    rig.orders.reads_fail.store(true, Ordering::SeqCst);
    let tx = rig.store.begin().await.expect("begins");
    assert_eq!(tx.get(b"a").await, Err(StoreError::Unavailable));
    assert_eq!(rig.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_until_space_is_freed() {
    let rig = rig(CACHE, 1_000);
    rig.orders.free.store(1 + 1_000, Ordering::SeqCst);
    put(&rig.store, b"a", b"1")
        .await
        .expect("just enough is free");
    rig.orders.free.store(1 + 999, Ordering::SeqCst);
    assert_eq!(put(&rig.store, b"a", b"2").await, Err(StoreError::Full));
    assert_eq!(
        get(&rig.store, b"a").await.expect("reads go on").as_deref(),
        Some(&b"1"[..])
    );
    rig.orders.free.store(1 + 1_000, Ordering::SeqCst);
    put(&rig.store, b"a", b"3").await.expect("recovers at once");
    assert_eq!(rig.ended.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_write_that_finds_the_disk_full_is_refused_and_the_store_goes_on() {
    let rig = rig(CACHE, 0);
    put(&rig.store, b"a", b"1").await.expect("commits");
    let old = rig.store.begin().await.expect("begins");
    old.get(b"a").await.expect("reads");
    rig.orders.writes_full.store(true, Ordering::SeqCst);
    let large = vec![7; 90_000];
    assert_eq!(put(&rig.store, b"a", &large).await, Err(StoreError::Full));
    assert_eq!(put(&rig.store, b"b", &large).await, Err(StoreError::Full));

    assert_eq!(
        get(&rig.store, b"a").await.expect("reads go on").as_deref(),
        Some(&b"1"[..])
    );
    let again = old.get(b"b").await;
    assert!(
        matches!(again, Ok(None) | Err(StoreError::TooOld)),
        "{again:?}"
    );

    rig.orders.writes_full.store(false, Ordering::SeqCst);
    let recovered = async {
        while put(&rig.store, b"a", b"2").await == Err(StoreError::Full) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, recovered)
        .await
        .expect("recovers within five seconds");
    assert_eq!(
        get(&rig.store, b"a").await.expect("reads").as_deref(),
        Some(&b"2"[..])
    );
    assert_eq!(rig.ended.load(Ordering::SeqCst), 0, "no restart was needed");
}

/// Reads a counter and writes one more, in one attempt: nothing here hides a conflict.
async fn count_up(store: &Store, key: &[u8]) -> Result<(), StoreError> {
    let tx = store.begin().await?;
    let count = tx.get(key).await?.map_or(0, |value| value[0]);
    tx.set(key, &[count + 1])?;
    tx.commit().await.map(|_| ())
}

#[tokio::test]
async fn what_was_refused_while_nearly_full_is_taken_at_the_first_try_after_it() {
    let rig = rig(CACHE, 1_000);
    count_up(&rig.store, b"a").await.expect("commits");
    let counts = rig.embedded.group_counts();
    rig.orders.free.store(1, Ordering::SeqCst);
    assert_eq!(count_up(&rig.store, b"a").await, Err(StoreError::Full));
    assert_eq!(count_up(&rig.store, b"a").await, Err(StoreError::Full));
    assert_eq!(rig.embedded.group_counts(), counts, "nothing was written");

    rig.orders.free.store(1 + 1_000, Ordering::SeqCst);
    count_up(&rig.store, b"a")
        .await
        .expect("nobody else has written");
    let value = get(&rig.store, b"a").await.expect("reads");
    assert_eq!(value.as_deref(), Some(&[2][..]));
}

#[tokio::test]
async fn what_a_full_disk_refused_is_taken_at_the_first_try_after_it() {
    let rig = rig(CACHE, 0);
    count_up(&rig.store, b"a").await.expect("commits");
    rig.orders.writes_full.store(true, Ordering::SeqCst);
    assert_eq!(count_up(&rig.store, b"a").await, Err(StoreError::Full));
    rig.orders.writes_full.store(false, Ordering::SeqCst);
    let first_try = async {
        loop {
            match count_up(&rig.store, b"a").await {
                Err(StoreError::Full) => tokio::time::sleep(Duration::from_millis(20)).await,
                outcome => break outcome,
            }
        }
    };
    assert_eq!(first_try.await, Ok(()), "nobody else has written");
}

#[tokio::test]
async fn more_refusals_than_can_be_remembered_stand_in_nobodys_way() {
    let rig = rig(CACHE, 1_000);
    count_up(&rig.store, b"a").await.expect("commits");
    rig.orders.free.store(1, Ordering::SeqCst);
    for n in 0..=RECENT_RANGES_MAX {
        let tx = rig.store.begin().await.expect("begins");
        let begin = n.to_be_bytes();
        tx.clear_range(&begin, &[&begin[..], &[0]].concat())
            .expect("clears");
        assert_eq!(tx.commit().await, Err(StoreError::Full));
    }
    assert_eq!(
        count_up(&rig.store, b"a").await,
        Err(StoreError::Full),
        "full, and not too old"
    );
    rig.orders.free.store(1 + 1_000, Ordering::SeqCst);
    count_up(&rig.store, b"a").await.expect("is not too old");
}

#[tokio::test]
async fn a_stalled_disk_does_not_stall_the_runtime() {
    let rig = rig(0, 0);
    put(&rig.store, b"a", b"1").await.expect("commits");
    rig.orders.stalls.store(true, Ordering::SeqCst);
    let store = &rig.store;
    let reads = futures::future::join_all((0..500).map(|_| get(store, b"a")));
    let released = async {
        // This task runs on the only worker: it would never get here if a read blocked it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.orders.stalls.store(false, Ordering::SeqCst);
    };
    let (values, ()) = tokio::join!(reads, released);
    assert!(
        values
            .iter()
            .all(|value| value.as_ref().is_ok_and(Option::is_some))
    );
}
