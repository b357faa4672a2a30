//! What the file lies on: [`Disk`] opens it and tells how much space is left; [`Watched`] remembers
//! how it failed, since the engine above only says that it did.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Where the header of the file lies. It holds the flip from one commit to the next.
const HEADER_OFFSET: u64 = 0;

/// A place for the file: the file system, or a test's stand-in for it.
pub(crate) trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The file, opened afresh.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Bytes that can still be written; `None` if nobody knows.
    fn free_bytes(&self) -> Option<u64>;

    /// The file's path, for messages.
    fn path(&self) -> &Path;
}

/// A file in a file system.
#[derive(Debug)]
pub(super) struct FileDisk {
    path: PathBuf,
}

impl FileDisk {
    /// The file must exist.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Disk for FileDisk {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    }

    fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.path).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// How the disk failed, the worst so far.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(super) enum Failure {
    /// Not at all.
    None,
    /// A page could not be written for want of space, before anything was committed.
    NoSpace,
    /// In a way after which nothing can be trusted.
    Fatal,
}

/// The worst failure so far, shared with the backend that may fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Arc<AtomicU8>);

impl Failures {
    pub(super) fn worst(&self) -> Failure {
        match self.0.load(Ordering::SeqCst) {
            0 => Failure::None,
            1 => Failure::NoSpace,
            _ => Failure::Fatal,
        }
    }

    /// Forgets what a fresh start has cured.
    pub(super) fn clear(&self) {
        self.0.store(Failure::None as u8, Ordering::SeqCst);
    }

    fn note<T>(&self, result: io::Result<T>, when_full: Failure) -> io::Result<T> {
        if let Err(error) = &result {
            let failure = if is_full(error) {
                when_full
            } else {
                Failure::Fatal
            };
            tracing::debug!(%error, ?failure, "the disk failed");
            self.0.fetch_max(failure as u8, Ordering::SeqCst);
        }
        result
    }
}

/// Whether an error says that there is no space.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The file as the engine sees it, with its failures noted.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Box<dyn StorageBackend>,
    failures: Failures,
}

impl Watched {
    pub(super) fn new(inner: Box<dyn StorageBackend>, failures: Failures) -> Self {
        Self { inner, failures }
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.failures.note(self.inner.len(), Failure::Fatal)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.failures
            .note(self.inner.read(offset, out), Failure::Fatal)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.failures
            .note(self.inner.set_len(len), Failure::NoSpace)
    }

    fn sync_data(&self) -> io::Result<()> {
        // Some file systems notice only now that there is no space, and what they dropped is gone.
        self.failures.note(self.inner.sync_data(), Failure::Fatal)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // Without the header nobody can say which commit is the current one.
        let when_full = if offset == HEADER_OFFSET {
            Failure::Fatal
        } else {
            Failure::NoSpace
        };
        self.failures
            .note(self.inner.write(offset, data), when_full)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
