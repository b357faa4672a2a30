//! Fetching a file into a folder.
//!
//! Invariant: at the path itself there is nothing, or the whole file, whose SHA-256 was compared and whose
//! bytes were synced. What is on its way lies beside it, in a file named after both path and file
//! (`NAME.FILE.part`), so that what goes on is the same file; and one program at a time writes to it. Both are
//! their owner's alone, and no link leads the part elsewhere: the folder may be one that others write to.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, BufWriter};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::download::Hashed;
use super::{Attached, Progress};
use crate::{Client, Error, limits};

/// What is wrong with a part that somebody else has open.
const IN_USE: &str = "another program is saving it";

/// What becomes of a file that is at the path already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Existing {
    /// It stays, and nothing is saved.
    Keep,
    /// The new one takes its place, once it is there whole.
    Replace,
}

impl Client {
    /// Saves a file that a message carries at `path`, where only its owner can read it. Goes on by itself after whatever broke; and if it was
    /// dropped or failed, the next call for this file and this path goes on where it stood.
    ///
    /// [`local_name`](crate::local_name) makes a name of what the sender calls it.
    ///
    /// # Errors
    /// [`Error::Exists`] if something is there and is to be kept; [`Error::File`] if it cannot be written,
    /// or another program is saving it there; else as [`Client::download`].
    pub async fn save(
        &self,
        of: &Attached,
        path: &Path,
        existing: Existing,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error> {
        let target = Target {
            path: path.to_owned(),
            part: part_of(path, &of.file.file),
            existing,
        };
        let mut file = target.open().await?;
        let fetched = async {
            let begun = hashed(&mut file, of.file.size).await?;
            let resumed = begun.bytes > 0;
            let fetched = self.fetch_into(&mut file, of, begun, &mut progress).await;
            if !(resumed && matches!(fetched, Err(Error::Altered))) {
                return fetched;
            }
            // What was there is not what it should be: after the power failed, for example.
            let nothing = hashed(&mut file, 0).await?;
            self.fetch_into(&mut file, of, nothing, &mut progress).await
        };
        match fetched.await {
            Ok(()) => target.finish(file).await,
            Err(error) => {
                if matches!(error, Error::Altered) {
                    // Nothing to go on with. That it is there still harms nobody.
                    let _ = tokio::fs::remove_file(&target.part).await;
                }
                Err(error.about(&target.part))
            }
        }
    }

    async fn fetch_into(
        &self,
        file: &mut File,
        of: &Attached,
        hashed: Hashed,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let mut sink = BufWriter::with_capacity(limits::FILE_BUFFER_BYTES, file);
        self.download_rest(of, hashed, &mut sink, progress).await
    }
}

/// Removes what a [`Client::save`] of this file to `path`, which was dropped or failed, has left for the next one to go
/// on with.
///
/// # Errors
/// [`Error::File`] if it cannot be removed, or something is still being written to it.
pub async fn discard_part(of: &Attached, path: &Path) -> Result<(), Error> {
    let part = part_of(path, &of.file.file);
    for _ in 0..limits::DISCARD_TRIES {
        let path = part.clone();
        if blocking(move || discarded(&path)).await? {
            return Ok(());
        }
        // A call that was dropped writes its last bytes to the end.
        sleep(limits::DISCARD_PAUSE).await;
    }
    Err(Error::File {
        path: part,
        problem: IN_USE.to_owned(),
    })
}

/// Removes a part unless somebody has it open to write to. Whether it is gone.
fn discarded(part: &Path) -> Result<bool, Error> {
    let failed = |error: io::Error| Error::file(part, &error);
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let file = match own(&mut options).open(part) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => fs::remove_file(part).map(|()| true).map_err(failed),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Hashes what is there of a file of `size` bytes, and stands behind it. What is longer is of no use.
async fn hashed(file: &mut File, size: u64) -> Result<Hashed, Error> {
    let mut bytes = file.metadata().await.map_err(Error::Write)?.len();
    if bytes > size {
        file.set_len(0).await.map_err(Error::Write)?;
        bytes = 0;
    }
    file.seek(SeekFrom::Start(0)).await.map_err(Error::Write)?;
    let mut hasher = Context::new(&SHA256);
    let mut buffer = vec![0; limits::FILE_BUFFER_BYTES];
    let mut read = 0;
    while read < bytes {
        let length = file.read(&mut buffer).await.map_err(Error::Write)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        read += length as u64;
    }
    Ok(Hashed {
        bytes: read,
        hasher,
    })
}

/// Where a file is to be.
#[derive(Clone, Debug)]
struct Target {
    path: PathBuf,
    part: PathBuf,
    existing: Existing,
}

impl Target {
    /// The part, which nobody else writes to as long as it is open.
    async fn open(&self) -> Result<File, Error> {
        let target = self.clone();
        blocking(move || {
            let is_there = target.path.symlink_metadata().is_ok();
            if target.existing == Existing::Keep && is_there {
                return Err(Error::Exists { path: target.path });
            }
            let failed = |error: io::Error| Error::file(&target.part, &error);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = own(&mut options).open(&target.part).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => Ok(File::from_std(file)),
                Err(TryLockError::WouldBlock) => Err(Error::File {
                    path: target.part,
                    problem: IN_USE.to_owned(),
                }),
                Err(TryLockError::Error(error)) => Err(failed(error)),
            }
        })
        .await
    }

    /// What was the part is the file.
    async fn finish(self, file: File) -> Result<(), Error> {
        let file = file.into_std().await;
        blocking(move || {
            let failed = |error: io::Error| Error::file(&self.path, &error);
            file.sync_all().map_err(failed)?;
            match self.existing {
                Existing::Replace => fs::rename(&self.part, &self.path).map_err(failed)?,
                Existing::Keep => self.link()?,
            }
            let folder = self
                .path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            sync_folder(folder.unwrap_or_else(|| Path::new("."))).map_err(failed)
        })
        .await
    }

    /// Gives the part its name unless something else has it.
    fn link(&self) -> Result<(), Error> {
        let exists = || Error::Exists {
            path: self.path.clone(),
        };
        let linked = match fs::hard_link(&self.part, &self.path) {
            Ok(()) => fs::remove_file(&self.part),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
            // A file system without links: the moment between the two calls is all there is to lose.
            Err(_) if self.path.symlink_metadata().is_ok() => return Err(exists()),
            Err(_) => fs::rename(&self.part, &self.path),
        };
        linked.map_err(|error| Error::file(&self.path, &error))
    }
}

/// A file that is made is its owner's alone, and a link is not followed.
#[cfg(unix)]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    options.mode(0o600).custom_flags(no_link)
}

/// Other systems have folders of their own for each person.
#[cfg(not(unix))]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A name is durable once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Other systems keep names by themselves.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Beside the path, under a name of this file alone.
fn part_of(path: &Path, file: &str) -> PathBuf {
    let id: String = file
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .rev()
        .take(limits::PART_ID_CHARS)
        .collect();
    let mut name: OsString = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{id}.part"));
    path.with_file_name(name)
}

/// Does what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going away.
            Err(_) => Err(Error::Ended),
        },
    }
}
