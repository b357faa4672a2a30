//! Backing up to a file: what comes from an [`Origin`] becomes one archive.
//!
//! What is not finished lies beside the file, as `FILE.partial`, and a backup to the same file goes on with
//! it: after a crash, a full disk, or an operator's Ctrl-C. **Invariant: a file of the name that was asked
//! for is whole, and synced.**
//!
//! One process at a time writes it: two would write over each other, so it is locked as long.
//!
//! The archive is written on blocking threads, one chunk at a time; reading waits meanwhile.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::storage::v1::BackupManifest;

use crate::archive::{BackupId, ResumeError, WriteError, Writer, resume};
use crate::blocking::blocking;
use crate::collect::{Progress, Scope};
use crate::keys::Recipients;
use crate::origin::{Origin, SourceError};
use crate::wire;

#[cfg(test)]
mod tests;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is one already.
    #[error("{} is there already: name another file, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process is writing it.
    #[error("{} is being written by another backup: wait for that one", path.display())]
    UnderWay {
        /// The file.
        path: PathBuf,
    },
    /// What lies where an interrupted backup would is none that can be gone on with.
    #[error("{} cannot be gone on with: move it away to begin anew", path.display())]
    Partial {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ResumeError,
    },
    /// The file could not be written.
    #[error("{} cannot be written: make place or make it writable, then run the backup again, which goes on there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: WriteError,
    },
    /// No more rows came.
    #[error("the backup is not whole: run it again, which goes on in {}", path.display())]
    Source {
        /// The file that holds what there is.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: SourceError,
    },
}

/// Backs up to the file `to`, or goes on with a backup to it that was interrupted, of whatever recipients; what
/// is written from now on is for `recipients`. A backup that begins is called `id`. `watch` hears of the
/// progress after each step, and how long the file is by then.
///
/// # Errors
/// Each names the file.
pub async fn back_up(
    from: Origin,
    scope: Scope,
    to: &Path,
    id: BackupId,
    recipients: Recipients,
    mut watch: impl FnMut(&Progress, u64),
) -> Result<Progress, BackupError> {
    let path = partial(to);
    let name = to.to_owned();
    let begun = blocking(move || begin(&name, scope, id, recipients)).await?;
    let (mut writer, progress) = match begun {
        Begun::Open(writer, progress) => (writer, progress),
        Begun::Done(progress) => return Ok(progress),
    };
    let failed = |source| BackupError::Write {
        path: path.clone(),
        source,
    };
    let unread = |source| BackupError::Source {
        path: path.clone(),
        source,
    };
    let mut source = from.open(progress).await.map_err(unread)?;
    while let Some(records) = source.step().await.map_err(unread)? {
        let progress = source.progress().clone();
        writer = blocking(move || add(writer, records, &progress))
            .await
            .map_err(failed)?;
        watch(source.progress(), writer.bytes());
    }
    let progress = source.progress().clone();
    let (done, name, at) = (progress.clone(), to.to_owned(), path.clone());
    blocking(move || end(writer, &progress, &at, &name))
        .await
        .map_err(failed)?;
    Ok(done)
}

/// Where a backup to this file lies as long as it is not whole.
pub fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

type ToFile = Writer<BufWriter<File>>;

/// A backup that is to be made.
enum Begun {
    /// It goes on here.
    Open(ToFile, Progress),
    /// It was whole, and has its name now: what was interrupted was the end.
    Done(Progress),
}

fn begin(
    to: &Path,
    scope: Scope,
    id: BackupId,
    recipients: Recipients,
) -> Result<Begun, BackupError> {
    free(to)?;
    let path = &partial(to);
    let write = |source: WriteError| BackupError::Write {
        path: path.clone(),
        source,
    };
    let partial = |source: ResumeError| BackupError::Partial {
        path: path.clone(),
        source,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let mut file = options.open(path).map_err(WriteError::Io).map_err(write)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => BackupError::UnderWay { path: path.clone() },
        TryLockError::Error(error) => write(WriteError::Io(error)),
    })?;
    // Whoever had it until now may have given it its name.
    free(to)?;
    let is_new = file
        .metadata()
        .map_err(WriteError::Io)
        .map_err(write)?
        .len()
        == 0;
    if is_new {
        let writer = Writer::create(BufWriter::new(file), id, recipients).map_err(write)?;
        return Ok(Begun::Open(writer, Progress::new(scope)));
    }
    let found = resume(BufReader::new(&file)).map_err(partial)?;
    let progress = found.progress.as_deref().map(Progress::decode).transpose();
    let progress = progress.map_err(|_| partial(ResumeError::OtherProgress))?;
    let progress = progress.unwrap_or_else(|| Progress::new(scope));
    if progress.scope != scope {
        return Err(partial(ResumeError::OtherScope));
    }
    let cut = file
        .set_len(found.bytes)
        .and_then(|()| file.seek(SeekFrom::End(0)));
    cut.map_err(WriteError::Io).map_err(write)?;
    if found.is_complete {
        put(&file, path, to)
            .map_err(WriteError::Io)
            .map_err(write)?;
        return Ok(Begun::Done(progress));
    }
    let out = BufWriter::new(file);
    let writer = Writer::go_on(out, found, recipients, progress.records).map_err(write)?;
    Ok(Begun::Open(writer, progress))
}

/// There must be no file of that name.
fn free(to: &Path) -> Result<(), BackupError> {
    if to.exists() {
        let path = to.to_owned();
        return Err(BackupError::Exists { path });
    }
    Ok(())
}

fn add(mut writer: ToFile, records: Vec<Bytes>, progress: &Progress) -> Result<ToFile, WriteError> {
    for record in records {
        writer.push(record)?;
    }
    if writer.is_full() {
        writer = writer.flush(&progress.encode())?;
    }
    Ok(writer)
}

fn end(writer: ToFile, progress: &Progress, from: &Path, to: &Path) -> Result<(), WriteError> {
    let about = BackupManifest {
        counts: progress.counts.clone().into_iter().collect(),
        scope: wire::stored_scope(progress.scope),
        ..Default::default()
    };
    let out = writer.finish(&progress.encode(), about)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    put(&file, from, to)?;
    Ok(())
}

/// Gives a whole file its name.
fn put(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    // The name is there once the folder says so.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
