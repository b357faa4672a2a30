//! [`PrivateFile`]: a small file with secrets or with what is trusted.
//!
//! Invariant: only its owner can read and write it; it is replaced as a whole or not at all; and of two
//! programs that change it at once, each sees what the other has written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::limits;

/// A small file that belongs to one person, who may run several programs.
#[derive(Clone, Debug)]
pub struct PrivateFile {
    path: PathBuf,
}

/// The file while nobody else changes it; until this is dropped.
#[derive(Debug)]
pub struct LockedFile<'a> {
    file: &'a PrivateFile,
    _lock: File,
}

impl PrivateFile {
    /// The file there, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; `None` if there is no such file. Needs no lock.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than 8 MiB: a mistake in the path.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let length = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > limits::FILE_BYTES_MAX {
            return Err(io::Error::other("is too large to be what it should be"));
        }
        fs::read(&self.path).map(Some)
    }

    /// Waits until no other program changes it. Makes its folder, and a file beside it that is locked:
    /// a lock on the file itself would go with the first one who replaces it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn lock(&self) -> io::Result<LockedFile<'_>> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(self.path.with_extension("lock"))?;
        lock.lock()?;
        Ok(LockedFile {
            file: self,
            _lock: lock,
        })
    }
}

impl LockedFile<'_> {
    /// As [`PrivateFile::read`]; it stays so until the lock is dropped.
    ///
    /// # Errors
    /// As [`PrivateFile::read`].
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        self.file.read()
    }

    /// Puts this in the place of what is in it.
    ///
    /// # Errors
    /// If it cannot be written; then nothing has changed.
    pub fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let path = &self.file.path;
        let beside = path.with_extension("new");
        let mut new =
            private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(beside, path)
    }
}

/// Files that are made are their owner's alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_who_change_it_at_once_neither_undoes_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/file");
        let add = |letter: u8| {
            // As another program would: with an open file of its own.
            let file = PrivateFile::new(&path);
            let locked = file.lock().expect("a lock");
            let mut text = locked.read().expect("readable").unwrap_or_default();
            text.push(letter);
            locked.replace(&text).expect("written");
        };
        std::thread::scope(|scope| {
            for letter in [b'a', b'b', b'c', b'd'] {
                scope.spawn(move || (0..25).for_each(|_| add(letter)));
            }
        });
        let text = PrivateFile::new(&path).read().expect("readable");
        assert_eq!(text.map(|text| text.len()), Some(100));
    }

    #[cfg(unix)]
    #[test]
    fn it_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let file = PrivateFile::new(folder.path().join("file"));
        assert!(file.read().expect("readable").is_none());
        let locked = file.lock().expect("a lock");
        locked.replace(b"secret").expect("written");
        for path in [file.path().to_owned(), file.path().with_extension("lock")] {
            let mode = fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
