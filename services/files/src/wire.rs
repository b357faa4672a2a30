//! Requests become what cannot be invalid by itself, with every field that is wrong named at once; and uploads
//! become what clients get.

use std::ops::Range;

use bytes::Bytes;
use cluster_rpc::{InvalidRequest, name, page, required};
use cluster_types::{AccountId, Coded as _, FileId, RoomId, Seq};
use proto::v1;
use proto::v1::download_file_response::Part as Sent;
use proto::v1::upload_file_request::Part;

use crate::limits::{PIECE_BYTES_MAX, UPLOADS_PAGE, UPLOADS_PAGE_MAX};
use crate::{Descriptor, FileName, InvalidFileName, NewUpload, RequestId, Upload};

type Read<T> = Result<T, InvalidRequest>;

/// What its page tokens are bound to.
const LIST_UPLOADS: &str = "ListUploads";

/// What somebody wants to fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) file: FileId,
    offset: u64,
    length: u64,
}

/// Reads what a StartUpload asks for.
pub(crate) fn new_upload(request: v1::StartUploadRequest) -> Read<NewUpload> {
    let room = name::room(&request.room, "room");
    let file_name = FileName::new(request.display_name)
        .map_err(|InvalidFileName| InvalidRequest::field("display_name", NAME));
    let sha256 = sha256(&request.sha256);
    let id = cluster_rpc::uuid(&request.request_id, "request_id").map(RequestId);
    match (room, file_name, sha256, id) {
        (Ok(room), Ok(name), Ok(sha256), Ok(request_id)) => Ok(NewUpload {
            request: request_id,
            room,
            name,
            size: request.size,
            sha256,
        }),
        (room, name, sha256, id) => refuse(&[room.err(), name.err(), sha256.err(), id.err()]),
    }
}

const NAME: &str = "must be one visible line of at most 255 bytes, without `/` and `\\`";

fn sha256(bytes: &[u8]) -> Read<Option<[u8; 32]>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let hash = bytes.try_into().map(Some);
    hash.map_err(|_| InvalidRequest::field("sha256", "must have 32 bytes, or none"))
}

/// Reads after which upload a page begins, and how long it is.
pub(crate) fn list_uploads(
    account: AccountId,
    request: &v1::ListUploadsRequest,
) -> Read<(Option<FileId>, usize)> {
    let size = page::size(request.page_size, UPLOADS_PAGE, UPLOADS_PAGE_MAX);
    let token = &request.page_token;
    let after = page::fixed_cursor(LIST_UPLOADS, account.as_bytes(), token);
    match (size, after) {
        (Ok(size), Ok(after)) => Ok((after.map(FileId::from_bytes), size)),
        (size, after) => refuse(&[size.err(), after.err()]),
    }
}

/// A page of an account's uploads.
pub(crate) fn uploads(
    account: AccountId,
    page: Vec<(FileId, Upload)>,
    last: Option<FileId>,
) -> v1::ListUploadsResponse {
    let next = last.map(|file| page::token(LIST_UPLOADS, account.as_bytes(), file.as_bytes()));
    let page = page.into_iter();
    v1::ListUploadsResponse {
        uploads: page.map(|(file, found)| upload(file, found)).collect(),
        next_page_token: next.unwrap_or_default(),
    }
}

/// Reads which upload goes on, and where.
pub(crate) fn upload_start(part: Option<Part>) -> Read<(FileId, u64)> {
    let Some(Part::Start(start)) = part else {
        return Err(InvalidRequest::field("start", "must come first"));
    };
    Ok((name::file(&start.name, "start.name")?, start.offset))
}

/// Reads the next bytes of an upload.
pub(crate) fn piece(part: Option<Part>) -> Read<Bytes> {
    let wrong = |text: String| Err(InvalidRequest::field("data", text));
    match part {
        Some(Part::Data(bytes)) if bytes.is_empty() => wrong("must not be empty".to_owned()),
        Some(Part::Data(bytes)) if bytes.len() > PIECE_BYTES_MAX => wrong(format!(
            "is {} bytes long, {PIECE_BYTES_MAX} are allowed",
            bytes.len()
        )),
        Some(Part::Data(bytes)) => Ok(bytes),
        Some(Part::Start(_)) | None => wrong("must follow, and nothing else".to_owned()),
    }
}

/// The error for a message that is too long to be read at all.
pub(crate) fn too_long() -> InvalidRequest {
    let text = format!("must have at most {PIECE_BYTES_MAX} bytes");
    InvalidRequest::field("data", text)
}

/// Reads what a DownloadFile asks for.
pub(crate) fn wanted(request: &v1::DownloadFileRequest) -> Read<Wanted> {
    let seq = match request.seq {
        0 => Err(InvalidRequest::field("seq", "must be at least 1")),
        seq => Ok(Seq(seq)),
    };
    let room = name::room(&request.room, "room");
    match (room, seq, name::file(&request.file, "file")) {
        (Ok(room), Ok(seq), Ok(file)) => Ok(Wanted {
            room,
            seq,
            file,
            offset: request.offset,
            length: request.length,
        }),
        (room, seq, file) => refuse(&[room.err(), seq.err(), file.err()]),
    }
}

impl Wanted {
    /// The range of a file of so many bytes.
    pub(crate) fn range(&self, size: u64) -> Read<Range<u64>> {
        if self.offset > size {
            let text = format!("must be at most {size}, the size of the file");
            return Err(InvalidRequest::field("offset", text));
        }
        let left = size - self.offset;
        match self.length {
            0 => Ok(self.offset..size),
            length if length <= left => Ok(self.offset..self.offset + length),
            _ => {
                let text = format!("must be at most {left}, which follow the offset");
                Err(InvalidRequest::field("length", text))
            }
        }
    }
}

/// An upload, as its sender sees it.
pub(crate) fn upload(file: FileId, upload: Upload) -> v1::Upload {
    v1::Upload {
        name: name::of_file(file),
        room: name::of_room(upload.room),
        display_name: upload.name.as_str().to_owned(),
        size: upload.size,
        received_size: upload.received,
        finished: upload.finished,
        media_type: upload.media_type,
        sha256: upload.sha256.map(Vec::from).unwrap_or_default(),
    }
}

/// The first message of a download.
pub(crate) fn download_start(of: &Descriptor, range: &Range<u64>) -> v1::DownloadFileResponse {
    sent(Sent::Start(v1::DownloadStart {
        size: of.size,
        media_type: of.media_type.clone(),
        sha256: of.sha256.to_vec(),
        offset: range.start,
        length: range.end - range.start,
    }))
}

/// Each further one.
pub(crate) fn download_data(bytes: Bytes) -> v1::DownloadFileResponse {
    sent(Sent::Data(bytes))
}

fn sent(part: Sent) -> v1::DownloadFileResponse {
    v1::DownloadFileResponse { part: Some(part) }
}

/// Refuses a request of which these parts are invalid, so that one answer names all of them.
fn refuse<T>(parts: &[Option<InvalidRequest>]) -> Read<T> {
    let violations = parts.iter().flatten().flat_map(|part| part.violations());
    InvalidRequest::none_of(violations.collect())?;
    // Only parts that are wrong get here, and each has said so.
    required(None, "request")
}
