//! [`Floor`]: the room that files leave on their file system, which may be the store's as well.
//!
//! Invariant: nothing is put while less is free, and everything again once more is; it is asked each time. Writes that
//! are under way at once can go below it, by the segment that each of them writes: the store's own floor lies far below.
//!
//! Leaves out: reading and removing, which go on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::{Error, Result};
use rustix::fs::statvfs;

type Free = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// How much room a file system has to have.
pub(super) struct Floor {
    path: PathBuf,
    min: u64,
    /// Bytes that are free; `None` if that cannot be found out.
    free: Free,
    /// Whether it was refused the last time, so that the log says it once.
    refuses: AtomicBool,
}

impl Floor {
    /// For the file system of this folder.
    pub(super) fn of(path: &Path, min: u64) -> Self {
        let folder = path.to_owned();
        let free = Box::new(move || {
            let about = statvfs(&folder).ok()?;
            Some(about.f_bavail.saturating_mul(about.f_frsize))
        });
        Self::with(path, min, free)
    }

    fn with(path: &Path, min: u64, free: Free) -> Self {
        Self {
            path: path.to_owned(),
            min,
            free,
            refuses: AtomicBool::new(false),
        }
    }

    /// Whether something may be put.
    ///
    /// # Errors
    /// As of a disk that is full, if it may not.
    pub(super) fn check(&self) -> Result<()> {
        let is_low = (self.free)().is_some_and(|free| free < self.min);
        if self.refuses.swap(is_low, Ordering::Relaxed) != is_low {
            let (path, min) = (self.path.display(), self.min);
            if is_low {
                tracing::error!(%path, min, "too little space is free: files are refused, free some space");
            } else {
                tracing::info!(%path, min, "there is space again: files are taken");
            }
        }
        if is_low {
            return Err(Error::Generic {
                store: "folder",
                source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Floor")
            .field("min", &self.min)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use services_files::WriteError;

    use super::*;

    #[test]
    fn what_is_put_leaves_so_much_and_goes_on_once_there_is_more() {
        let free = Arc::new(AtomicU64::new(1_000));
        let of_test = Arc::clone(&free);
        let free_now = Box::new(move || Some(of_test.load(Ordering::SeqCst)));
        let floor = Floor::with(Path::new("files"), 1_000, free_now);
        for (is, is_taken) in [(1_000, true), (999, false), (0, false), (1_000, true)] {
            free.store(is, Ordering::SeqCst);
            assert_eq!(floor.check().is_ok(), is_taken, "{is}");
        }
        free.store(999, Ordering::SeqCst);
        let error = WriteError::from(floor.check().expect_err("is low"));
        let full = cluster_store::StoreError::Full;
        assert!(matches!(error, WriteError::Store(error) if error == full));
    }

    #[test]
    fn a_file_system_that_does_not_say_refuses_nothing() {
        let floor = Floor::with(Path::new("files"), u64::MAX, Box::new(|| None));
        assert!(floor.check().is_ok());
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Floor::of(folder.path(), u64::MAX).check().is_err());
        assert!(Floor::of(folder.path(), 0).check().is_ok());
    }
}
