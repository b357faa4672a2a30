//! Bare files: what comes up is dropped, or written and synced as often as a `rookery` server does; what
//! was written last goes down.
//!
//! A file that comes up lies beside the former one until it is whole, as with any server that keeps what it has. One
//! that was cut off first and written again would get the memory back that it had just freed, which a virtual machine
//! has at hand, and which a new file has to wait for: 0.3 s and 2.5 s for a gigabyte, where it was measured.
//!
//! Leaves out: hashes, keys, rooms, and going on after a break. What a client said the hash would be is
//! what it is told at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::v1::download_file_response::Part as Sent;
use proto::v1::files_server::Files;
use proto::v1::upload_file_request::Part;
use proto::v1::{
    DeleteUploadRequest, DownloadFileRequest, DownloadFileResponse, DownloadStart,
    GetUploadRequest, ListUploadsRequest, ListUploadsResponse, StartUploadRequest, Upload,
    UploadFileRequest,
};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::limits::{FILE_PIECE_BYTES, FILE_READ_BYTES, FILE_SYNC_BYTES, PIECES_WAITING_MAX};

/// The display name of a file that is dropped.
pub(crate) const DROPPED: &str = "dropped";

/// The display name of a file that is written.
pub(crate) const WRITTEN: &str = "written";

/// Takes files and gives them.
#[derive(Clone, Debug)]
pub(super) struct BareFiles {
    path: PathBuf,
    /// The one that was begun last.
    upload: Arc<Mutex<Upload>>,
}

impl BareFiles {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("file"),
            upload: Arc::default(),
        }
    }

    /// Takes all that comes. Whole pieces of what is written are durable when it returns.
    async fn take(
        &self,
        mut parts: Streaming<UploadFileRequest>,
        is_written: bool,
    ) -> Result<(), Status> {
        let mut file = if is_written {
            let file = File::create(self.path.with_extension("new")).await?;
            Some(BufWriter::with_capacity(FILE_READ_BYTES, file))
        } else {
            None
        };
        let mut unsynced = 0;
        while let Some(part) = parts.message().await? {
            let (Some(Part::Data(piece)), Some(file)) = (part.part, &mut file) else {
                continue;
            };
            file.write_all(&piece).await?;
            unsynced += piece.len();
            if unsynced >= FILE_SYNC_BYTES {
                file.flush().await?;
                file.get_ref().sync_data().await?;
                unsynced = 0;
            }
        }
        if let Some(mut file) = file {
            file.flush().await?;
            file.get_ref().sync_all().await?;
            tokio::fs::rename(self.path.with_extension("new"), &self.path).await?;
        }
        Ok(())
    }
}

/// Sends a part of a file.
async fn give(
    path: PathBuf,
    request: DownloadFileRequest,
    pieces: mpsc::Sender<Result<DownloadFileResponse, Status>>,
) -> Result<(), Status> {
    let mut file = File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(request.offset)).await?;
    let start = Sent::Start(DownloadStart {
        offset: request.offset,
        length: request.length,
        ..DownloadStart::default()
    });
    let send = async |part| {
        let part = Some(part);
        let sent = pieces.send(Ok(DownloadFileResponse { part })).await;
        sent.map_err(|_| Status::cancelled("nobody listens"))
    };
    send(start).await?;
    let mut buffer = vec![0; FILE_READ_BYTES];
    let mut left = request.length;
    while left > 0 {
        let read = file.read(&mut buffer).await?;
        let length = usize::try_from(left).map_or(read, |left| left.min(read));
        if length == 0 {
            break;
        }
        left -= length as u64;
        for piece in buffer[..length].chunks(FILE_PIECE_BYTES) {
            send(Sent::Data(Bytes::copy_from_slice(piece))).await?;
        }
    }
    Ok(())
}

#[tonic::async_trait]
impl Files for BareFiles {
    type DownloadFileStream = ReceiverStream<Result<DownloadFileResponse, Status>>;

    async fn start_upload(
        &self,
        request: Request<StartUploadRequest>,
    ) -> Result<Response<Upload>, Status> {
        let request = request.into_inner();
        let upload = Upload {
            name: "files/1".to_owned(),
            display_name: request.display_name,
            size: request.size,
            sha256: request.sha256,
            ..Upload::default()
        };
        self.upload.lock().clone_from(&upload);
        Ok(Response::new(upload))
    }

    async fn get_upload(&self, _: Request<GetUploadRequest>) -> Result<Response<Upload>, Status> {
        Ok(Response::new(self.upload.lock().clone()))
    }

    async fn list_uploads(
        &self,
        _: Request<ListUploadsRequest>,
    ) -> Result<Response<ListUploadsResponse>, Status> {
        let uploads = vec![self.upload.lock().clone()];
        Ok(Response::new(ListUploadsResponse {
            uploads,
            next_page_token: String::new(),
        }))
    }

    async fn delete_upload(&self, _: Request<DeleteUploadRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<UploadFileRequest>>,
    ) -> Result<Response<Upload>, Status> {
        let mut upload = self.upload.lock().clone();
        let is_written = upload.display_name == WRITTEN;
        self.take(request.into_inner(), is_written).await?;
        upload.finished = true;
        upload.received_size = upload.size;
        Ok(Response::new(upload))
    }

    async fn download_file(
        &self,
        request: Request<DownloadFileRequest>,
    ) -> Result<Response<Self::DownloadFileStream>, Status> {
        let (pieces, outgoing) = mpsc::channel(PIECES_WAITING_MAX);
        let giving = give(self.path.clone(), request.into_inner(), pieces.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(status) = giving.await {
                // Whoever went away does not hear it.
                let _ = pieces.send(Err(status)).await;
            }
        });
        // Ends by itself when nobody listens.
        task.detach_all();
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}
