//! The socket by which a server hands out its rows while it serves.
//!
//! An embedded store is open in one process, so whoever backs it up has to ask that one. It listens in the
//! data directory, for programs of the user that it runs as, or of root: who can open the socket could read
//! the file of the store as well. So nobody gets a right by it, no administrator of the API either, and no
//! password or token lies in a timer's file.
//!
//! A program says how far it has come ([`Progress`]), and gets parts of records with the progress after each.
//! It compresses, encrypts and writes them down itself: the server never learns where a backup goes, and one
//! that was interrupted goes on without anything being kept here.
//!
//! ```text
//! program  length (4, big-endian), BackupProgress
//! server   length (4, big-endian), BackupPart
//! ...
//! server   length (4, big-endian), BackupPart with `end`, or with `trouble`
//! ```
//!
//! **Those who are served come first**: after each part the server rests for as long as reading it and having it taken has
//! lasted, so that a backup has at most half of the machine. Where nobody is served, a store that no server
//! has open, it goes as fast as it can.
//!
//! **Invariant: rows go to one program at a time.** Who comes meanwhile is told so. One that does not read loses its
//! place, and goes on later. No transaction is open while a part waits to be read.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::Store;
use services_files::SealedFiles;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::collect::{Collector, Progress, Record};
use crate::limits::{
    ACCEPT_PAUSE, BACKUPS_AT_ONCE, PART_BYTES_MAX, PROGRESS_BYTES_MAX, READER_PATIENCE, REST_MAX,
};
use crate::origin::SourceError;
use crate::wire::{self, Part, Trouble};

#[cfg(test)]
mod tests;

/// The name of the socket in the data directory.
const SOCKET_NAME: &str = "backup.sock";

/// Where the server of this data directory listens.
pub fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET_NAME)
}

/// Listens at `path`, and hands the rows of `store` and its files to whoever asks, until `tasks` stop. What an earlier
/// process has left there is removed: whoever has the store open is the only one to listen.
///
/// # Errors
/// If nobody can listen there.
pub fn listen(path: &Path, store: Store, files: SealedFiles, tasks: &Tasks) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let server = Server {
        store,
        files,
        tasks: tasks.clone(),
        places: Arc::new(Semaphore::new(BACKUPS_AT_ONCE)),
        path: path.to_owned(),
    };
    tasks.spawn(TaskKind::Accept, "backup: listen", server.run(listener));
    Ok(())
}

struct Server {
    store: Store,
    files: SealedFiles,
    tasks: Tasks,
    places: Arc<Semaphore>,
    path: PathBuf,
}

impl Server {
    async fn run(self, listener: UnixListener) {
        let stopping = self.tasks.stopping().clone();
        while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, _)) => self.serve(stream),
                Err(error) => {
                    tracing::warn!(%error, "a program that asked for a backup was not heard");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // The next process removes it if this fails.
        let _left = fs::remove_file(&self.path);
    }

    fn serve(&self, stream: UnixStream) {
        let (store, files) = (self.store.clone(), self.files.clone());
        let places = Arc::clone(&self.places);
        let stopping = self.tasks.stopping().clone();
        let work = async move {
            let handed = stopping.run_until_cancelled(hand_out(stream, store, files, &places));
            if let Some(Err(error)) = handed.await {
                tracing::info!(%error, "a backup was broken off");
            }
        };
        self.tasks
            .spawn(TaskKind::Connection, "backup: hand out", work);
    }
}

/// Hands out rows until there are no more, the program goes, or something is wrong.
async fn hand_out(
    mut stream: UnixStream,
    store: Store,
    files: SealedFiles,
    places: &Semaphore,
) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != rustix::process::geteuid().as_raw() && peer != 0 {
        let text = "it does so for its own user and for root alone";
        return refuse(&mut stream, text, false).await;
    }
    let Ok(place) = places.try_acquire() else {
        return refuse(&mut stream, "another backup is under way", true).await;
    };
    let said = patiently(receive(&mut stream, PROGRESS_BYTES_MAX.into())).await?;
    let Ok(progress) = Progress::decode(&said) else {
        let text = "the backup was begun by another release";
        return refuse(&mut stream, text, false).await;
    };
    let mut collector = match Collector::open(store, files, progress).await {
        Ok(collector) => collector,
        Err(error) => return refuse(&mut stream, &error.to_string(), error.passes()).await,
    };
    tracing::info!("a backup is being handed out");
    loop {
        let begun = Instant::now();
        match collector.step().await {
            Ok(Some(records)) => {
                let part = Part::Records {
                    records: records.iter().map(Record::encode).collect(),
                    progress: collector.progress().clone(),
                };
                patiently(send(&mut stream, &part.encode())).await?;
                sleep(begun.elapsed().min(REST_MAX)).await;
            }
            Ok(None) => break,
            Err(error) => return refuse(&mut stream, &error.to_string(), error.passes()).await,
        }
    }
    // Whoever has heard the end may begin the next one.
    drop(place);
    patiently(send(&mut stream, &Part::End.encode())).await?;
    tracing::info!("a backup was handed out");
    Ok(())
}

/// Says why nothing comes, and whether that passes by itself.
async fn refuse(stream: &mut UnixStream, text: &str, passes: bool) -> io::Result<()> {
    let text = text.to_owned();
    let trouble = Part::Trouble(Trouble { text, passes });
    patiently(send(stream, &trouble.encode())).await
}

/// Waits for a program, but not for ever.
async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(READER_PATIENCE, work).await?
}

async fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidData)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(bytes).await
}

async fn receive(stream: &mut UnixStream, bytes_max: usize) -> io::Result<Bytes> {
    let length = stream.read_u32().await? as usize;
    if length > bytes_max {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

/// A server that hands out its rows, as a program sees it.
#[derive(Debug)]
pub(crate) struct Remote {
    stream: UnixStream,
    progress: Progress,
}

impl Remote {
    pub(crate) async fn connect(path: &Path, progress: Progress) -> Result<Self, SourceError> {
        let mut stream = UnixStream::connect(path).await?;
        // Whoever is refused is told so without having been heard.
        match send(&mut stream, &progress.encode()).await {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { stream, progress })
    }

    pub(crate) const fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) async fn step(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
        let bytes = receive(&mut self.stream, PART_BYTES_MAX).await?;
        match wire::read_part(bytes)? {
            Part::Records { records, progress } => {
                self.progress = progress;
                Ok(Some(records))
            }
            Part::End if self.progress.is_at_end() => Ok(None),
            // A server of an earlier release ends before the files.
            Part::End => Err(SourceError::OtherRelease),
            Part::Trouble(Trouble { text, passes }) => Err(SourceError::Refused {
                trouble: text,
                passes,
            }),
        }
    }
}
