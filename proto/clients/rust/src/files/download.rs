//! Fetching a file, whole or in part.
//!
//! Invariant: bytes are written in order, each once, whatever broke in between; a whole file is only said
//! to be there if its SHA-256 is that of the message.

use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256};
use proto::v1::download_file_response::Part;
use proto::v1::files_client::FilesClient;
use proto::v1::{DownloadFileRequest, DownloadFileResponse};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tonic::Streaming;

use super::{Attached, Progress};
use crate::tries::Tries;
use crate::{Client, Error, limits};

impl Client {
    /// Fetches a file that a message carries and writes it to `sink`. Goes on by itself after whatever
    /// broke; what was written stays.
    ///
    /// # Errors
    /// NOT_FOUND once the message does not carry it any more, or one is no member of the room;
    /// [`Error::Altered`] if what came, all of which was written, is not what the message says;
    /// [`Error::Write`] if the sink takes no more. What may pass is tried again as
    /// [the policy for transfers](crate::Builder::transfer_retry) says.
    pub async fn download<W>(
        &self,
        of: &Attached,
        sink: &mut W,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error>
    where
        W: AsyncWrite + Send + Unpin,
    {
        let nothing = Hashed {
            bytes: 0,
            hasher: Context::new(&SHA256),
        };
        self.download_rest(of, nothing, sink, progress).await
    }

    /// Fetches these bytes of a file and writes them to `sink`. A part cannot be compared with the hash of
    /// the whole.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the file has not as many; else as [`Client::download`], which see.
    pub async fn download_range<W>(
        &self,
        of: &Attached,
        range: Range<u64>,
        sink: &mut W,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error>
    where
        W: AsyncWrite + Send + Unpin,
    {
        let fetching = Fetching {
            client: self,
            of,
            total: range.end.saturating_sub(range.start),
            range,
            sink,
            progress,
            hasher: None,
        };
        fetching.run().await.map(drop)
    }

    /// Fetches what is missing behind what was hashed.
    pub(super) async fn download_rest<W>(
        &self,
        of: &Attached,
        hashed: Hashed,
        sink: &mut W,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error>
    where
        W: AsyncWrite + Send + Unpin,
    {
        let fetching = Fetching {
            client: self,
            of,
            range: hashed.bytes..of.file.size,
            total: of.file.size,
            sink,
            progress,
            hasher: Some(hashed.hasher),
        };
        let hasher = fetching.run().await?;
        let is_it = hasher.is_some_and(|hasher| hasher.finish().as_ref() == of.file.sha256);
        if is_it { Ok(()) } else { Err(Error::Altered) }
    }
}

/// The beginning of a file that is there already.
pub(super) struct Hashed {
    pub(super) bytes: u64,
    pub(super) hasher: Context,
}

/// One file on its way down.
struct Fetching<'a, W, P> {
    client: &'a Client,
    of: &'a Attached,
    /// What is missing.
    range: Range<u64>,
    /// For the progress.
    total: u64,
    sink: &'a mut W,
    progress: P,
    hasher: Option<Context>,
}

impl<W, P> Fetching<'_, W, P>
where
    W: AsyncWrite + Send + Unpin,
    P: FnMut(Progress) + Send,
{
    async fn run(mut self) -> Result<Option<Context>, Error> {
        let mut tries = Tries::of_transfer(self.client.server().transfer_retry());
        while !self.range.is_empty() {
            let before = self.range.start;
            let Err(error) = self.fetch().await else {
                break;
            };
            if self.range.start > before {
                tries.progressed();
            }
            tries.again(error).await?;
        }
        self.sink.flush().await.map_err(Error::Write)?;
        Ok(self.hasher)
    }

    /// Fetches what is missing, in one call.
    async fn fetch(&mut self) -> Result<(), Error> {
        let request = self.client.request(DownloadFileRequest {
            room: self.of.room.clone(),
            seq: self.of.seq,
            file: self.of.file.file.clone(),
            offset: self.range.start,
            length: self.range.end - self.range.start,
        });
        let mut files = FilesClient::new(self.client.transfers().await?);
        let answered = timeout(limits::STILL_MAX, files.download_file(request)).await;
        let mut pieces = answered.map_err(|_| Error::TimedOut)??.into_inner();
        match next(&mut pieces).await? {
            Some(Part::Start(start)) if start.offset == self.range.start => {}
            Some(_) => return Err(Error::Nonsense("a file that begins elsewhere")),
            None => return Err(Error::Interrupted),
        }
        while !self.range.is_empty() {
            match next(&mut pieces).await? {
                Some(Part::Data(piece)) => self.take(&piece).await?,
                Some(Part::Start(_)) => return Err(Error::Nonsense("a file that begins twice")),
                None => return Err(Error::Interrupted),
            }
        }
        Ok(())
    }

    async fn take(&mut self, piece: &[u8]) -> Result<(), Error> {
        let length = piece.len() as u64;
        if length > self.range.end - self.range.start {
            return Err(Error::Nonsense("more of a file than was asked for"));
        }
        self.sink.write_all(piece).await.map_err(Error::Write)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        self.range.start += length;
        (self.progress)(Progress {
            bytes: self.total - (self.range.end - self.range.start),
            total: self.total,
        });
        Ok(())
    }
}

async fn next(pieces: &mut Streaming<DownloadFileResponse>) -> Result<Option<Part>, Error> {
    let message = timeout(limits::STILL_MAX, pieces.message()).await;
    match message.map_err(|_| Error::TimedOut)?? {
        Some(DownloadFileResponse { part: Some(part) }) => Ok(Some(part)),
        Some(DownloadFileResponse { part: None }) => Err(Error::Nonsense("a piece of nothing")),
        None => Ok(None),
    }
}
