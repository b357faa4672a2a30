//! [`Load`]: the file that goes up and down, and what its bytes hash to.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use aws_lc_rs::digest::{Context, SHA256};
use cluster_types::Rng;
use rookery_client::v1::{Attachment, StartUploadRequest};
use rookery_client::{Attached, Client, new_request_id};
use tempfile::TempDir;
use tokio::io::BufReader;

use crate::folder;

/// Bytes that the file is read in.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Bytes that are drawn at a time.
const DRAWN_BYTES: usize = 1024;

/// A file to send, and what its bytes hash to.
pub(super) struct Load {
    _folder: TempDir,
    path: PathBuf,
    pub(super) size: u64,
    pub(super) sha256: Vec<u8>,
}

impl Load {
    /// A file of random bytes.
    pub(super) fn make(size: u64) -> anyhow::Result<Self> {
        let folder = folder::new()?;
        let path = folder.path().join("sent");
        let mut file = BufWriter::new(File::create_new(&path)?);
        let (rng, mut hasher) = (Rng::from_os(), Context::new(&SHA256));
        let mut left = size;
        while left > 0 {
            let bytes: [u8; DRAWN_BYTES] = rng.bytes();
            let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            hasher.update(&bytes[..length]);
            file.write_all(&bytes[..length])?;
            left -= length as u64;
        }
        file.into_inner()?.sync_all()?;
        Ok(Self {
            path,
            _folder: folder,
            size,
            sha256: hasher.finish().as_ref().to_vec(),
        })
    }

    pub(super) async fn start(
        &self,
        client: &Client,
        room: &str,
        display_name: &str,
    ) -> anyhow::Result<String> {
        let started = client.start_upload(StartUploadRequest {
            room: room.to_owned(),
            display_name: display_name.to_owned(),
            size: self.size,
            sha256: self.sha256.clone(),
            request_id: new_request_id(),
        });
        Ok(started.await.context("no upload can be begun")?.name)
    }

    pub(super) async fn open(&self) -> anyhow::Result<BufReader<tokio::fs::File>> {
        let file = tokio::fs::File::open(&self.path).await?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, file))
    }

    pub(super) fn attached(&self, room: &str, seq: u64, file: String) -> Attached {
        Attached {
            room: room.to_owned(),
            seq,
            file: Attachment {
                file,
                size: self.size,
                sha256: self.sha256.clone(),
                ..Attachment::default()
            },
        }
    }
}

/// What the bytes of a file hash to, as they lie there.
pub(super) fn hash_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hasher = Hashing(Context::new(&SHA256));
    let bytes = std::io::copy(&mut file, &mut hasher)?;
    ensure!(bytes > 0, "the file is empty");
    Ok(hasher.0.finish().as_ref().to_vec())
}

struct Hashing(Context);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
