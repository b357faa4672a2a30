//! Files in memory: what was sent up, what messages carry, and breaks in the middle.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use proto::v1::download_file_response::Part as Sent;
use proto::v1::files_server::Files;
use proto::v1::upload_file_request::Part;
use proto::v1::{
    Attachment, DeleteUploadRequest, DownloadFileRequest, DownloadFileResponse, DownloadStart,
    GetUploadRequest, ListUploadsRequest, ListUploadsResponse, StartUploadRequest, Upload,
    UploadFileRequest,
};
use rookery_client::Attached;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{State, check_token};

/// What is durable moves in steps of this.
pub(crate) const STEP: usize = 10_000;

/// Bytes of a piece on its way down.
const PIECE: usize = 7_000;

/// Pieces on their way to one client.
const PIECES_MAX: usize = 4;

/// The files of a server.
#[derive(Default)]
pub(crate) struct Shelf {
    uploads: HashMap<String, Sending>,
    /// The upload that each request has begun.
    begun: HashMap<String, String>,
    carried: HashMap<String, Vec<u8>>,
    /// Where each call for bytes began, up and down.
    pub(crate) offsets: Vec<u64>,
    /// Every call up and down is cut after so many bytes.
    pub(crate) cut_after: Option<usize>,
    /// So many finished uploads are not answered: every connection is cut instead.
    pub(crate) lose_answers: usize,
    /// So many that have begun an upload are not answered: every connection is cut instead.
    pub(crate) lose_begun: usize,
    /// So many answers say that nothing of an upload is durable: as if the call that sent it were still at work.
    pub(crate) stale: usize,
    /// So many calls up are heard and not read.
    pub(crate) stand_still: usize,
}

#[derive(Default)]
struct Sending {
    upload: Upload,
    bytes: Vec<u8>,
}

pub(super) struct Service(pub(super) Arc<State>);

type Answer<T> = Result<Response<T>, Status>;
type Down = ReceiverStream<Result<DownloadFileResponse, Status>>;

impl Shelf {
    /// What came of an upload.
    pub(crate) fn sent(&self, name: &str) -> &[u8] {
        &self.uploads[name].bytes
    }

    /// Whether there are no uploads.
    pub(crate) fn is_empty(&self) -> bool {
        self.uploads.is_empty()
    }

    /// An upload of which so much came before.
    pub(crate) fn begin(&mut self, name: &str, size: usize, came: &[u8]) {
        let upload = Upload {
            name: name.to_owned(),
            size: size as u64,
            received_size: came.len() as u64,
            ..Upload::default()
        };
        let bytes = came.to_vec();
        self.uploads
            .insert(name.to_owned(), Sending { upload, bytes });
    }

    /// A message carries a file of these bytes.
    pub(crate) fn carry(&mut self, bytes: &[u8]) -> Attached {
        let file = format!("files/{:026}", self.carried.len());
        self.carried.insert(file.clone(), bytes.to_vec());
        Attached {
            room: "rooms/a".to_owned(),
            seq: 1,
            file: Attachment {
                file,
                display_name: "a.bin".to_owned(),
                size: bytes.len() as u64,
                media_type: "application/octet-stream".to_owned(),
                sha256: digest(&SHA256, bytes).as_ref().to_vec(),
            },
        }
    }

    /// From here on, it has other bytes than the message says.
    pub(crate) fn alter(&mut self, of: &Attached) {
        let bytes = self.carried.get_mut(&of.file.file).expect("carried");
        bytes[0] ^= 1;
    }

    /// The upload that a request begins or has begun, and whether it does not hear of it.
    fn begun(&mut self, request: StartUploadRequest) -> Result<(Upload, bool), Status> {
        let new = format!("files/{}", self.uploads.len());
        let known = self.begun.entry(request.request_id);
        let name = known.or_insert_with(|| new.clone()).clone();
        if name == new {
            let size = usize::try_from(request.size).expect("small");
            self.begin(&name, size, &[]);
            self.upload(&name)?.upload.display_name = request.display_name;
        }
        let is_lost = self.lose_begun > 0;
        self.lose_begun = self.lose_begun.saturating_sub(1);
        Ok((self.upload(&name)?.upload.clone(), is_lost))
    }

    fn upload(&mut self, name: &str) -> Result<&mut Sending, Status> {
        let upload = self.uploads.get_mut(name);
        upload.ok_or_else(|| Status::not_found("no such upload"))
    }

    /// Takes a piece. What is left of a step when the call ends is lost.
    fn take(&mut self, name: &str, piece: &[u8]) -> Result<(), Status> {
        let sending = self.upload(name)?;
        sending.bytes.extend_from_slice(piece);
        let (came, size) = (sending.bytes.len(), sending.upload.size);
        sending.upload.finished = came as u64 == size;
        let durable = if sending.upload.finished {
            sending.upload.sha256 = digest(&SHA256, &sending.bytes).as_ref().to_vec();
            came
        } else {
            came / STEP * STEP
        };
        sending.upload.received_size = sending.upload.received_size.max(durable as u64);
        Ok(())
    }
}

/// Whether a call that begins there begins where the upload stands.
fn stands_at(offset: u64, upload: &Upload) -> Result<(), Status> {
    let (code, reason) = match offset.cmp(&upload.received_size) {
        Ordering::Equal => return Ok(()),
        Ordering::Less => (Code::Aborted, "UPLOAD_MOVED"),
        Ordering::Greater => (Code::InvalidArgument, "UPLOAD_OFFSET"),
    };
    let reason = ErrorDetails::with_error_info(reason, "rookery.v1", []);
    Err(Status::with_error_details(
        code,
        "it begins elsewhere",
        reason,
    ))
}

impl State {
    /// Reads one call up. `None`: there is to be no answer.
    async fn receive(
        &self,
        mut parts: Streaming<UploadFileRequest>,
    ) -> Result<Option<Upload>, Status> {
        let Some(Part::Start(start)) = parts.message().await?.and_then(|p| p.part) else {
            return Err(Status::invalid_argument("the start comes first"));
        };
        let cut_after = {
            let mut shelf = self.files.lock();
            shelf.offsets.push(start.offset);
            self.changed.send_modify(|version| *version += 1);
            if shelf.stand_still > 0 {
                shelf.stand_still -= 1;
                return Ok(None);
            }
            let cut_after = shelf.cut_after;
            let sending = shelf.upload(&start.name)?;
            stands_at(start.offset, &sending.upload)?;
            let durable = usize::try_from(start.offset).expect("small");
            sending.bytes.truncate(durable);
            cut_after
        };
        let mut came = 0;
        loop {
            if cut_after.is_some_and(|most| came >= most) {
                self.connections.lock().abort_all();
                return Ok(None);
            }
            let Some(part) = parts.message().await? else {
                break;
            };
            let Some(Part::Data(piece)) = part.part else {
                return Err(Status::invalid_argument("pieces follow"));
            };
            came += piece.len();
            self.files.lock().take(&start.name, &piece)?;
        }
        let mut shelf = self.files.lock();
        if shelf.lose_answers > 0 {
            shelf.lose_answers -= 1;
            self.connections.lock().abort_all();
            return Ok(None);
        }
        Ok(Some(shelf.upload(&start.name)?.upload.clone()))
    }

    /// What is sent of a file, and whether the connection is to be cut behind it.
    fn give(&self, request: &DownloadFileRequest) -> Result<(Vec<Sent>, bool), Status> {
        let mut shelf = self.files.lock();
        shelf.offsets.push(request.offset);
        let bytes = shelf.carried.get(&request.file);
        let bytes = bytes.ok_or_else(|| Status::not_found("no such file"))?;
        let begin = usize::try_from(request.offset).expect("small");
        let length = usize::try_from(request.length).expect("small");
        let part = bytes.get(begin..begin + length);
        let part = part.ok_or_else(|| Status::invalid_argument("not as many"))?;
        let given = part.len().min(shelf.cut_after.unwrap_or(usize::MAX));
        let start = Sent::Start(DownloadStart {
            size: bytes.len() as u64,
            offset: request.offset,
            length: request.length,
            ..DownloadStart::default()
        });
        let pieces = part[..given].chunks(PIECE);
        let pieces = pieces.map(|piece| Sent::Data(Bytes::copy_from_slice(piece)));
        let all = std::iter::once(start).chain(pieces).collect();
        Ok((all, given < part.len()))
    }
}

#[async_trait::async_trait]
impl Files for Service {
    type DownloadFileStream = Down;

    async fn start_upload(&self, request: Request<StartUploadRequest>) -> Answer<Upload> {
        check_token(&request)?;
        if let Some(status) = self.0.faults.lock().refuse.pop_front() {
            return Err(status);
        }
        let request = request.into_inner();
        let (upload, is_lost) = self.0.files.lock().begun(request)?;
        if is_lost {
            self.0.connections.lock().abort_all();
            return std::future::pending().await;
        }
        Ok(Response::new(upload))
    }

    async fn get_upload(&self, request: Request<GetUploadRequest>) -> Answer<Upload> {
        check_token(&request)?;
        let mut shelf = self.0.files.lock();
        let mut upload = shelf.upload(&request.get_ref().name)?.upload.clone();
        if upload.received_size > 0 && shelf.stale > 0 {
            shelf.stale -= 1;
            (upload.received_size, upload.finished) = (0, false);
        }
        Ok(Response::new(upload))
    }

    async fn list_uploads(
        &self,
        request: Request<ListUploadsRequest>,
    ) -> Answer<ListUploadsResponse> {
        check_token(&request)?;
        // One a page; a token is how many came before.
        let before: usize = request.get_ref().page_token.parse().unwrap_or_default();
        let shelf = self.0.files.lock();
        let mut names: Vec<_> = shelf.uploads.keys().collect();
        names.sort();
        let uploads: Vec<_> = names.iter().skip(before).take(1).collect();
        let uploads = uploads
            .iter()
            .map(|name| shelf.uploads[**name].upload.clone());
        Ok(Response::new(ListUploadsResponse {
            uploads: uploads.collect(),
            next_page_token: if before + 1 < names.len() {
                (before + 1).to_string()
            } else {
                String::new()
            },
        }))
    }

    async fn delete_upload(&self, request: Request<DeleteUploadRequest>) -> Answer<()> {
        check_token(&request)?;
        let gone = self.0.files.lock().uploads.remove(&request.get_ref().name);
        let gone = gone.ok_or_else(|| Status::not_found("no such upload"))?;
        drop(gone);
        Ok(Response::new(()))
    }

    async fn upload_file(&self, request: Request<Streaming<UploadFileRequest>>) -> Answer<Upload> {
        check_token(&request)?;
        match self.0.receive(request.into_inner()).await? {
            Some(upload) => Ok(Response::new(upload)),
            None => std::future::pending().await,
        }
    }

    async fn download_file(&self, request: Request<DownloadFileRequest>) -> Answer<Down> {
        check_token(&request)?;
        let (parts, is_cut) = self.0.give(request.get_ref())?;
        let (pieces, outgoing) = tokio::sync::mpsc::channel(PIECES_MAX);
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            for part in parts {
                let part = Some(part);
                if pieces
                    .send(Ok(DownloadFileResponse { part }))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            if is_cut {
                // As a crash: without a last word, and after what was sent has left.
                let lost = Status::unavailable("cut in the middle");
                let _ = pieces.send(Err(lost)).await;
            }
        });
        // Ends by itself when the connection does.
        task.detach_all();
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}
