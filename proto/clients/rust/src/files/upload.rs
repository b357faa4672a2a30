//! Sending a file up.
//!
//! Invariant: a file is read once from its beginning to its end, and hashed as it was read then; what is
//! sent again after a break may be read again, and a difference is found at the end.

use std::io::SeekFrom;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use proto::v1::files_client::FilesClient;
use proto::v1::upload_file_request::Part;
use proto::v1::{StartUploadRequest, Upload, UploadFileRequest, UploadStart};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeek, AsyncSeekExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::Progress;
use crate::tries::Tries;
use crate::{Client, Error, limits, new_request_id};

impl Client {
    /// Sends a file up for `rooms/{room}`, under its own name. It is in the room once a message
    /// [carries](crate::Outgoing::attach) it, until the end of the next day (UTC).
    ///
    /// Goes on by itself after whatever broke, from what the server has made durable. What fails for good is given
    /// up; where only the attempts ran out, the server keeps what it has until the end of the next day (UTC). A
    /// program that wants to go on with it, after its own restart too, begins it with [`Client::start_upload`] and
    /// keeps its request id, or its name for [`Client::continue_upload`].
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read; else as [`Client::upload`].
    pub async fn upload_file(
        &self,
        room: &str,
        path: &Path,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Upload, Error> {
        let (display_name, size) = name_and_size(path).await?;
        let name = self.begin(room, &display_name, size).await?;
        let sent = self.continue_upload_file(&name, path, progress).await;
        self.given_up_if_vain(&name, sent).await
    }

    /// As [`Client::continue_upload`], from a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read; else as [`Client::continue_upload`].
    pub async fn continue_upload_file(
        &self,
        name: &str,
        path: &Path,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Upload, Error> {
        let file = File::open(path).await.map_err(|e| Error::file(path, &e))?;
        let mut source = BufReader::with_capacity(limits::FILE_BUFFER_BYTES, file);
        let sent = self.continue_upload(name, &mut source, progress).await;
        sent.map_err(|error| error.about(path))
    }

    /// As [`Client::upload_file`], from anything that can be read from its beginning to its end, and
    /// from the middle after a break.
    ///
    /// # Errors
    /// What [`Client::start_upload`] and [`Client::continue_upload`] fail with.
    pub async fn upload<S>(
        &self,
        room: &str,
        display_name: &str,
        source: &mut S,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Upload, Error>
    where
        S: AsyncRead + AsyncSeek + Send + Unpin,
    {
        let size = source.seek(SeekFrom::End(0)).await.map_err(Error::Read)?;
        let name = self.begin(room, display_name, size).await?;
        let sent = self.continue_upload(&name, source, progress).await;
        self.given_up_if_vain(&name, sent).await
    }

    /// Sends what is missing of one's own upload `files/{file}`, also of one that another program began.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name, also once a message carries it; PERMISSION_DENIED for a
    /// type of file that the server does not take; [`Error::Altered`] if what the server has is not what
    /// was read, [`Error::Read`] if the source cannot be read or has become shorter. What may pass is
    /// tried again as [the policy for transfers](crate::Builder::transfer_retry) says.
    pub async fn continue_upload<S>(
        &self,
        name: &str,
        source: &mut S,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Upload, Error>
    where
        S: AsyncRead + AsyncSeek + Send + Unpin,
    {
        let sending = Sending {
            client: self,
            source,
            progress,
            hashed: 0,
            hasher: Context::new(&SHA256),
        };
        sending.run(name).await
    }

    async fn begin(&self, room: &str, display_name: &str, size: u64) -> Result<String, Error> {
        let started = self.start_upload(StartUploadRequest {
            room: room.to_owned(),
            display_name: display_name.to_owned(),
            size,
            sha256: Vec::new(),
            request_id: new_request_id(),
        });
        Ok(started.await?.name)
    }

    /// Gives an upload up that comes to nothing any more. If this fails too, the server sweeps it a day later.
    async fn given_up_if_vain(
        &self,
        name: &str,
        sent: Result<Upload, Error>,
    ) -> Result<Upload, Error> {
        if sent.as_ref().is_err_and(|error| !error.is_transient()) {
            let _ = self.delete_upload(name).await;
        }
        sent
    }
}

/// What [`StartUploadRequest`] says of a file on this machine: its name, and its bytes.
///
/// # Errors
/// [`Error::File`] if it cannot be looked at, or is a folder or a device.
pub async fn name_and_size(path: &Path) -> Result<(String, u64), Error> {
    let about = tokio::fs::metadata(path).await;
    let about = about.map_err(|e| Error::file(path, &e))?;
    if !about.is_file() {
        return Err(Error::File {
            path: path.to_owned(),
            problem: "is no file".to_owned(),
        });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((name.into_owned(), about.len()))
}

/// One upload on its way.
struct Sending<'a, S, P> {
    client: &'a Client,
    source: &'a mut S,
    progress: P,
    /// How many bytes were hashed: all up to there.
    hashed: u64,
    hasher: Context,
}

impl<S, P> Sending<'_, S, P>
where
    S: AsyncRead + AsyncSeek + Send + Unpin,
    P: FnMut(Progress) + Send,
{
    async fn run(mut self, name: &str) -> Result<Upload, Error> {
        let mut tries = Tries::of_transfer(self.client.server().transfer_retry());
        let mut durable = 0;
        let sent = loop {
            let error = match self.client.upload_once(name).await {
                Ok(stands) => {
                    if stands.received_size > durable {
                        durable = stands.received_size;
                        tries.progressed();
                    }
                    match self.send(&stands).await {
                        Ok(sent) => break sent,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            tries.again(error).await?;
        };
        if sent.sha256 == self.hasher.finish().as_ref() {
            Ok(sent)
        } else {
            Err(Error::Altered)
        }
    }

    /// Hashes what the server has and an earlier program has sent. No call waits meanwhile: to read gigabytes can
    /// take longer than a server waits for a piece.
    async fn catch_up(&mut self, durable: u64) -> Result<(), Error> {
        if self.hashed < durable {
            self.seek(self.hashed).await?;
        }
        while self.hashed < durable {
            let piece = self.piece(durable - self.hashed).await?;
            self.hash(self.hashed, &piece);
        }
        Ok(())
    }

    /// Sends what is missing, in one call.
    async fn send(&mut self, stands: &Upload) -> Result<Upload, Error> {
        self.catch_up(stands.received_size).await?;
        let (pieces, outgoing) = mpsc::channel(limits::PIECES_OUT_MAX);
        let mut files = FilesClient::new(self.client.transfers().await?);
        let request = self.client.request(ReceiverStream::new(outgoing));
        let mut call = Box::pin(files.upload_file(request));
        tokio::select! {
            biased;
            // Before all is sent, this is a refusal or the end of the connection.
            answered = &mut call => return Ok(answered?.into_inner()),
            read = self.read(stands, pieces) => read?,
        }
        let answered = timeout(limits::STILL_MAX, call).await;
        let sent = answered.map_err(|_| Error::TimedOut)??.into_inner();
        if sent.finished {
            Ok(sent)
        } else {
            Err(Error::Nonsense("an upload that ended and is not finished"))
        }
    }

    /// Reads the source and hands on what the server does not have. Ends early if nobody takes it.
    async fn read(
        &mut self,
        stands: &Upload,
        pieces: mpsc::Sender<UploadFileRequest>,
    ) -> Result<(), Error> {
        let (size, mut at) = (stands.size, stands.received_size);
        let start = UploadStart {
            name: stands.name.clone(),
            offset: at,
        };
        let mut is_taken = hand_on(&pieces, Part::Start(start)).await?;
        self.seek(at).await?;
        while at < size && is_taken {
            let piece = self.piece(size - at).await?;
            self.hash(at, &piece);
            at += piece.len() as u64;
            is_taken = hand_on(&pieces, Part::Data(piece)).await?;
            (self.progress)(Progress {
                bytes: at,
                total: size,
            });
        }
        Ok(())
    }

    async fn seek(&mut self, at: u64) -> Result<(), Error> {
        let sought = self.source.seek(SeekFrom::Start(at)).await;
        sought.map(drop).map_err(Error::Read)
    }

    /// The next piece, of at most `left` bytes.
    async fn piece(&mut self, left: u64) -> Result<Bytes, Error> {
        let wanted =
            usize::try_from(left).map_or(limits::PIECE_BYTES, |left| left.min(limits::PIECE_BYTES));
        let mut piece = BytesMut::zeroed(wanted);
        let read = self.source.read_exact(&mut piece).await;
        read.map_err(Error::Read)?;
        Ok(piece.freeze())
    }

    /// Hashes what of a piece was not hashed yet.
    fn hash(&mut self, begin: u64, piece: &[u8]) {
        let known =
            usize::try_from(self.hashed - begin).map_or(piece.len(), |n| n.min(piece.len()));
        self.hasher.update(&piece[known..]);
        self.hashed += (piece.len() - known) as u64;
    }
}

/// Whether the call still takes pieces.
async fn hand_on(pieces: &mpsc::Sender<UploadFileRequest>, part: Part) -> Result<bool, Error> {
    let part = Some(part);
    let sent = timeout(limits::STILL_MAX, pieces.send(UploadFileRequest { part })).await;
    Ok(sent.map_err(|_| Error::TimedOut)?.is_ok())
}
