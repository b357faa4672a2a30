//! Finding or making the file, and saying what is in the way and what to do about it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::{DatabaseError, StorageError};

use super::disk::{FileDisk, is_full};
use super::engine::Engine;
use super::{EmbeddedOptions, FILE_NAME};
use crate::OpenError;

/// Nobody but the server's user enters the folder that it made.
const DIRECTORY_MODE: u32 = 0o700;

/// Nobody but the server's user reads the file: it holds password hashes and messages.
const FILE_MODE: u32 = 0o600;

/// A new file is made under this name and then given its own: a file cut off while it was being made
/// is not a store, and must not stand in the way of the next start.
const UNFINISHED_NAME: &str = "rookery.redb.unfinished";

/// The store's file in `data_dir`; both are made if they are not there.
pub(super) fn file_in(data_dir: &Path, options: &EmbeddedOptions) -> Result<FileDisk, OpenError> {
    make_directory(data_dir, &mut sync_entries)?;
    let path = data_dir.join(FILE_NAME);
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > 0 => {}
        Ok(_) => make_file(data_dir, &path, options)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_file(data_dir, &path, options)?;
        }
        Err(error) => return Err(refused(&path, error)),
    }
    Ok(FileDisk::new(path))
}

fn make_file(data_dir: &Path, path: &Path, options: &EmbeddedOptions) -> Result<(), OpenError> {
    let directory = File::open(data_dir).map_err(|error| refused(data_dir, error))?;
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(refused(data_dir, error)),
    }
    if std::fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        // Another process was quicker.
        return Ok(());
    }
    let unfinished = data_dir.join(UNFINISHED_NAME);
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(true).mode(FILE_MODE);
    let file = file
        .open(&unfinished)
        .map_err(|error| refused(path, error))?;
    Engine::open(FileDisk::new(unfinished.clone()), options)?.close();
    // The folder's entry for the file has to be as durable as what will be in the file.
    file.sync_all()
        .and_then(|()| std::fs::rename(&unfinished, path))
        .and_then(|()| directory.sync_all())
        .map_err(|error| refused(path, error))
}

/// Makes the folder and those above it that are missing. `sync` makes the entries of a folder durable:
/// asked for each folder that got one, since a file is no safer than the way to it.
fn make_directory(
    path: &Path,
    sync: &mut dyn FnMut(&Path) -> io::Result<()>,
) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(OpenError::NotADirectory {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = match path.parent() {
                Some(above) if above != Path::new("") => above,
                _ => Path::new("."),
            };
            make_directory(above, sync)?;
            match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
                // Another process was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|error| refused(path, error))?,
            }
            sync(above).map_err(|error| refused(above, error))
        }
        Err(error) => Err(refused(path, error)),
    }
}

fn sync_entries(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What an error of the operating system means for the one who chose the path.
pub(super) fn refused(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    let kind = source.kind();
    if matches!(
        kind,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    ) {
        OpenError::ReadOnly { path }
    } else if kind == io::ErrorKind::NotADirectory {
        OpenError::NotADirectory { path }
    } else if matches!(
        kind,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    ) {
        OpenError::Damaged {
            path,
            source: source.into(),
        }
    } else if is_full(&source) {
        OpenError::Full { path }
    } else {
        OpenError::Io { path, source }
    }
}

/// What an error of the engine means for the one who chose the path.
pub(super) fn unusable(path: &Path, error: DatabaseError) -> OpenError {
    if let DatabaseError::Storage(StorageError::Io(error)) = error {
        return refused(path, error);
    }
    let path = path.to_owned();
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        OpenError::InUse { path }
    } else if matches!(
        error,
        DatabaseError::UpgradeRequired(_) | DatabaseError::LockProtocolMismatch
    ) {
        OpenError::OtherFormat { path }
    } else {
        OpenError::Damaged {
            path,
            source: error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_that_got_an_entry_is_synced() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (one, two) = (folder.path().join("one"), folder.path().join("one/two"));
        let mut synced = Vec::new();
        let mut sync = |path: &Path| {
            synced.push(path.to_owned());
            sync_entries(path)
        };
        make_directory(&two, &mut sync).expect("makes both");
        make_directory(&two, &mut sync).expect("finds both");
        assert!(two.is_dir());
        assert_eq!(synced, [folder.path().to_owned(), one]);
    }

    #[test]
    fn an_entry_that_may_not_last_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut fails = |_: &Path| Err(io::ErrorKind::StorageFull.into());
        let error = make_directory(&folder.path().join("data"), &mut fails);
        assert!(matches!(error, Err(OpenError::Full { .. })), "{error:?}");
    }
}
