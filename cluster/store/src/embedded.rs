//! The store of one machine: one file, optimistic transactions, commits in groups.
//!
//! Owns: the file `rookery.redb` in the data directory, and the one thread that writes to it.
//!
//! How a transaction runs. Its first read fixes a snapshot: the version is noted *before* the file's
//! read transaction begins, so that a check against it errs on the safe side. Reads go to the disk on
//! tokio's blocking threads, a bounded number at a time, so a stalled disk costs latency and never a
//! worker of the runtime. A commit goes into a bounded queue. The committer takes all that has
//! gathered while the previous group was being written, refuses those whose reads have changed
//! (`conflicts`), writes the rest as one transaction of the file, waits for the disk, and only then
//! answers, losers included, so that their retry sees what they lost to.
//!
//! **Invariant: an acknowledged commit has been synced, and what a snapshot shows has been synced.**
//!
//! # Durability, and why these settings
//!
//! Every group is written with `Durability::Immediate`, two-phase commit and quick repair:
//! - *Two-phase commit* (sync the data, then flip to it and sync again). With one phase, recovery
//!   after a crash trusts a checksum that is not cryptographic (XXH3); who chooses values and can
//!   provoke crashes could make half a group look whole. Message bodies are chosen by others.
//! - *Quick repair* saves the allocator's state with each group. Without it, reopening after a crash
//!   walks the whole file: 3.5 to 5 s for 1 GB of rows with a warm page cache, so 10 GB would miss
//!   the bar of 5 s by far. With it that file opens in 1 ms, and one of 10.5 GB of rows after a
//!   kill -9 in 8 ms, or in 62 ms when nothing is cached.
//! - The price, measured on two cores with a virtual NVMe disk and ext4: a group of one row takes
//!   0.28 ms with one phase, 0.39 ms with two, 0.54 ms with quick repair; of 500 rows, spread over a
//!   file of 1 GB, 18.7, 17.9 and 18.6 ms. Groups form under load, so the price fades when it counts.
//!
//! A new file is made under another name and renamed when it is whole, because a file that was cut
//! off while being made is one that redb refuses.
//!
//! # When the disk fails
//!
//! A failed sync ends the process, after one line in the log: what the kernel dropped cannot be
//! written again by trying again, and memory must not disagree with the disk. The same holds for any
//! other failed write or read, except one kind: **no space**. Writes are refused while less than
//! [`FREE_SPACE_MIN`] is free, so the file system is hardly ever really
//! full. Should it be (a quota, a neighbour), the failed write came before the flip, so the group is
//! known not to be committed; the file is opened afresh, reads go on, and writes are tried again after
//! [`FULL_RETRY`](crate::limits::FULL_RETRY).
//!
//! Leaves out: read-your-writes and limits (`Transaction`), and sharing the file between processes.

mod committer;
mod disk;
mod engine;
mod open;
mod snapshot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::backend::{Backend, Snapshot, Version};
use crate::conflicts::Readers;
use crate::limits::{
    CACHE_BYTES, COMMIT_QUEUE_BYTES_MAX, COMMIT_QUEUE_MAX, FREE_SPACE_MIN, READS_AT_ONCE_MAX,
};
use crate::{OpenError, StoreError};
pub use committer::GroupCounts;
use committer::Order;
pub(crate) use disk::Disk;
use engine::Engine;
use snapshot::View;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "rookery.redb";

/// What to do when the disk failed and nothing can be trusted any more.
#[derive(Clone)]
pub struct OnFatal(Arc<dyn Fn() + Send + Sync>);

impl OnFatal {
    /// Ends the process at once, without unwinding: nothing may run on.
    pub fn abort() -> Self {
        Self::call(|| std::process::abort())
    }

    /// Calls `action`; if it returns, the store answers [`StoreError::Closed`] from then on.
    pub fn call(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(action))
    }
}

impl fmt::Debug for OnFatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFatal")
    }
}

/// How to open an embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Memory for pages of the file, in bytes.
    pub cache_bytes: usize,
    /// Writes are refused while the file system has fewer bytes free.
    pub free_space_min: u64,
    /// What to do when the disk failed.
    pub on_fatal: OnFatal,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            cache_bytes: CACHE_BYTES,
            free_space_min: FREE_SPACE_MIN,
            on_fatal: OnFatal::abort(),
        }
    }
}

/// The store of one machine. A cheap handle; clones share the file.
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
}

/// What handles and snapshots share. The committer's thread ends when the last of them is gone.
#[derive(Debug)]
struct Shared {
    core: Arc<Core>,
    orders: mpsc::Sender<Order>,
    /// One permit per byte that may wait in the queue.
    queue_bytes: Arc<Semaphore>,
    /// One permit per read that may be at the disk.
    reads: Arc<Semaphore>,
    reads_waiting: AtomicUsize,
}

/// What the committer's thread shares with the rest.
#[derive(Debug)]
struct Core {
    path: PathBuf,
    engine: Engine,
    on_fatal: OnFatal,
    timeline: Mutex<Timeline>,
    counts: committer::Counters,
}

/// How far commits have come, and who still reads from before. One lock for both, so that nobody
/// can begin to read at a version that is being forgotten.
#[derive(Debug, Default)]
struct Timeline {
    committed: Version,
    readers: Readers,
}

impl Embedded {
    /// Opens the store in the folder `data_dir`, or makes it there. A new folder gets mode 0700, the
    /// file 0600; an existing folder keeps its mode, since it may be shared. Blocks for the repair
    /// after a crash, which is short, and needs no runtime.
    pub fn open(data_dir: impl AsRef<Path>, options: EmbeddedOptions) -> Result<Self, OpenError> {
        Self::on_disk(open::file_in(data_dir.as_ref(), &options)?, options)
    }

    /// Opens the store on a disk of the caller's making.
    pub(crate) fn on_disk(disk: impl Disk, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let path = disk.path().to_owned();
        let engine = Engine::open(disk, &options)?;
        let core = Arc::new(Core {
            path: path.clone(),
            engine,
            on_fatal: options.on_fatal,
            timeline: Mutex::new(Timeline::default()),
            counts: committer::Counters::default(),
        });
        let (orders, queue) = mpsc::channel(COMMIT_QUEUE_MAX);
        committer::start(Arc::clone(&core), queue, options.free_space_min)
            .map_err(|source| OpenError::Io { path, source })?;
        let shared = Shared {
            core,
            orders,
            queue_bytes: Arc::new(Semaphore::new(COMMIT_QUEUE_BYTES_MAX)),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)),
            reads_waiting: AtomicUsize::new(0),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// How many commits were written in how many groups, since the store was opened.
    pub fn group_counts(&self) -> GroupCounts {
        self.shared.core.counts.read()
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        if self.shared.orders.is_closed() {
            return Err(StoreError::Closed);
        }
        Ok(Box::new(View::new(Arc::clone(&self.shared))))
    }

    fn location(&self) -> String {
        self.shared.core.path.display().to_string()
    }

    async fn close(&self) {
        let (closed, done) = oneshot::channel();
        // Behind all commits that were asked for before. If the thread is gone, so is the file.
        if self.shared.orders.send(Order::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

impl Core {
    /// Ends the process: the disk failed, and what is in memory can no longer be made to agree with
    /// what is on it. Trying again would hide the loss.
    fn fatal(&self, error: &str) {
        tracing::error!(
            path = %self.path.display(),
            error,
            "the disk failed and the store cannot be trusted any more: the process ends"
        );
        (self.on_fatal.0)();
        self.engine.close();
    }
}

/// A snapshot's place in the timeline; what it has not seen is remembered until it goes.
#[derive(Debug)]
struct Registered {
    core: Arc<Core>,
    version: Version,
}

impl Registered {
    fn enter(core: &Arc<Core>) -> Self {
        let mut timeline = core.timeline.lock();
        let version = timeline.committed;
        timeline.readers.enter(version);
        Self {
            core: Arc::clone(core),
            version,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.core.timeline.lock().readers.leave(self.version);
    }
}

impl Shared {
    /// Takes a place at the disk, or fails if too many wait already.
    async fn read_permit(&self) -> Result<tokio::sync::OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(&self.reads).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::join(&self.reads_waiting)?;
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        drop(waiting);
        permit.map_err(|_| StoreError::Closed)
    }
}

/// One of the reads that wait, also if its caller gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Result<Self, StoreError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= crate::limits::READS_WAITING_MAX {
            return Err(StoreError::Unavailable);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
