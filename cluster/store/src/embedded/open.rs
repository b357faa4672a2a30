//! Finding or making the file, and saying what is in the way and what to do about it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::{DatabaseError, StorageError};

use super::FILE_NAME;
use super::disk::{FileDisk, is_full};
use crate::OpenError;

/// Nobody but the server's user enters the folder that it made.
const DIRECTORY_MODE: u32 = 0o700;

/// Nobody but the server's user reads the file: it holds password hashes and messages.
const FILE_MODE: u32 = 0o600;

/// The store's file in `data_dir`; both are made if they are not there.
pub(super) fn file_in(data_dir: &Path) -> Result<FileDisk, OpenError> {
    make_directory(data_dir)?;
    let path = data_dir.join(FILE_NAME);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE);
    options.open(&path).map_err(|error| refused(&path, error))?;
    // The folder's entry for the file has to be as durable as what will be in the file.
    let directory = File::open(data_dir).and_then(|directory| directory.sync_all());
    directory.map_err(|error| refused(data_dir, error))?;
    Ok(FileDisk::new(path))
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(OpenError::NotADirectory {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(DIRECTORY_MODE)
                .create(path);
            made.map_err(|error| refused(path, error))
        }
        Err(error) => Err(refused(path, error)),
    }
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
