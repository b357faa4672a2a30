//! Reading an archive from a file: one chunk is read ahead, decrypted and checked on another thread.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use proto::storage::v1::BackupManifest;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::VerifyError;
use super::survey::Unfit;
use crate::archive::{BackupId, Chunk, ReadError, Reader};
use crate::blocking::{blocking, ended};
use crate::collect::Record;
use crate::keys::Identities;

type FromFile = Reader<BufReader<File>>;

/// The chunks of a file, in their order.
#[derive(Debug)]
pub(super) struct Chunks {
    path: PathBuf,
    id: BackupId,
    format: u8,
    next: JoinHandle<(FromFile, Result<Option<Chunk>, ReadError>)>,
}

/// What came out of a file.
#[derive(Debug)]
pub(super) enum Part {
    /// A chunk's records, and how many bytes of the file are read with it.
    Records(Vec<Record>, Place),
    /// The end of an archive that is whole.
    End(BackupManifest),
}

/// Where in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) chunk: u32,
    pub(super) bytes: u64,
}

impl Chunks {
    /// Opens a file.
    pub(super) async fn open(path: &Path, identities: &Identities) -> Result<Self, VerifyError> {
        let (path, at) = (path.to_owned(), path.to_owned());
        let identities = identities.boxed();
        let opened = blocking(move || {
            let file = File::open(&at).map_err(|source| VerifyError::Open {
                path: at.clone(),
                source,
            })?;
            Reader::open(BufReader::new(file), identities)
                .map_err(|source| VerifyError::Archive { path: at, source })
        });
        let reader = opened.await?;
        Ok(Self {
            path,
            id: reader.id(),
            format: reader.format(),
            next: ahead(reader),
        })
    }

    /// Which archive it is.
    pub(super) const fn id(&self) -> BackupId {
        self.id
    }

    /// Its format.
    pub(super) const fn format(&self) -> u8 {
        self.format
    }

    /// The next chunk, until the end has come.
    pub(super) async fn next(&mut self) -> Result<Part, VerifyError> {
        let (reader, chunk) = ended(&mut self.next).await;
        let chunk = chunk.map_err(|source| VerifyError::Archive {
            path: self.path.clone(),
            source,
        })?;
        let Some(Chunk { number, records }) = chunk else {
            let manifest = reader.manifest().cloned().unwrap_or_default();
            return Ok(Part::End(manifest));
        };
        let place = Place {
            chunk: number,
            bytes: reader.bytes(),
        };
        self.next = ahead(reader);
        let records: Result<_, _> = records.into_iter().map(Record::decode).collect();
        let records = records.map_err(|_| unknown(&self.path, number))?;
        Ok(Part::Records(records, place))
    }
}

/// A chunk holds what nobody knows.
pub(super) fn unknown(path: &Path, chunk: u32) -> VerifyError {
    VerifyError::Unknown {
        path: path.to_owned(),
        chunk,
    }
}

/// A record of a chunk cannot be restored.
pub(super) fn unfit(path: &Path, chunk: u32, what: Unfit) -> VerifyError {
    let path = path.to_owned();
    match what {
        Unfit::Unknown => VerifyError::Unknown { path, chunk },
        Unfit::NotWhole => VerifyError::NotWhole { path, chunk },
    }
}

/// The manifest does not say what there is.
pub(super) fn other_manifest(path: &Path, chunk: u32) -> VerifyError {
    VerifyError::Archive {
        path: path.to_owned(),
        source: ReadError::OtherManifest { chunk },
    }
}

fn ahead(mut reader: FromFile) -> JoinHandle<(FromFile, Result<Option<Chunk>, ReadError>)> {
    spawn_blocking(move || {
        let chunk = reader.next_chunk();
        (reader, chunk)
    })
}
