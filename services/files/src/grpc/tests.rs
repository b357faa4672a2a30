//! The Files service as a client meets it: the generated client on the generated server, with nothing between.

mod endings;
mod listing;
mod refusals;
mod travelling;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_rpc::name;
use cluster_store::StoreError;
use cluster_types::{AccountId, Caller, Coded, ErrorCode, FileId, Rng, RoomId, Seq, SignInId};
use futures::Stream;
use parking_lot::Mutex;
use proto::v1;
use proto::v1::download_file_response::Part as Sent;
use proto::v1::files_client::FilesClient;
use proto::v1::files_server::FilesServer;
use proto::v1::upload_file_request::Part;
use services_vault::KeyBytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::neighbours::{Carriers, Pace, Refused, SignIns};
use crate::tests::{ACCOUNT, OTHER, ROOM, World, bytes};
use crate::transfers::{Dependencies, Transfers};
use crate::{Descriptor, Policy};

/// The message that carries what was [carried](House::carry).
const SEQ: Seq = Seq(7);

/// What others know, as a test says.
#[derive(Debug, Default)]
struct Others {
    /// In [`ROOM`].
    members: Mutex<Vec<AccountId>>,
    /// By the message at [`SEQ`].
    carried: Mutex<Option<Descriptor>>,
    /// Times that it was looked up.
    looked_up: AtomicU64,
    signed_out: AtomicBool,
    /// Calls that are counted before the next one is too many.
    calls_left: AtomicU64,
}

#[derive(Debug, thiserror::Error)]
#[error("not for you")]
struct NotForYou;

impl Coded for NotForYou {
    fn code(&self) -> ErrorCode {
        ErrorCode::NotFound
    }

    fn reason(&self) -> &'static str {
        "ROOM_NOT_FOUND"
    }
}

#[async_trait]
impl Carriers for Others {
    async fn may_send(&self, account: AccountId, room: RoomId) -> Result<(), Refused> {
        if room == ROOM && self.members.lock().contains(&account) {
            Ok(())
        } else {
            Err(Box::new(NotForYou))
        }
    }

    async fn carried(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
        file: FileId,
    ) -> Result<Descriptor, Refused> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        self.may_send(account, room).await?;
        let carried = self.carried.lock();
        let found = carried.as_ref().filter(|of| seq == SEQ && of.file == file);
        found
            .map(copy)
            .ok_or_else(|| Box::new(NotForYou) as Refused)
    }
}

#[async_trait]
impl SignIns for Others {
    async fn is_current(&self, _caller: &Caller) -> Result<bool, StoreError> {
        Ok(!self.signed_out.load(Ordering::SeqCst))
    }
}

impl Pace for Others {
    fn take(&self, _caller: &Caller) -> Result<(), Duration> {
        let less = |left: u64| left.checked_sub(1);
        let took = self
            .calls_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        took.map(|_| ()).map_err(|_| Duration::from_secs(1))
    }
}

fn copy(of: &Descriptor) -> Descriptor {
    Descriptor {
        file: of.file,
        key: KeyBytes::from_slice(of.key.expose()).expect("a key"),
        name: of.name.clone(),
        size: of.size,
        media_type: of.media_type.clone(),
        sha256: of.sha256,
    }
}

/// A node with the service on it. [`ACCOUNT`] is a member of [`ROOM`].
struct House {
    world: World,
    others: Arc<Others>,
    transfers: Transfers,
}

impl House {
    async fn new() -> Self {
        Self::with(Policy::default()).await
    }

    async fn with(policy: Policy) -> Self {
        let world = World::new(policy).await;
        let others = Arc::new(Others::default());
        others.members.lock().push(ACCOUNT);
        others.calls_left.store(u64::MAX, Ordering::SeqCst);
        let transfers = Transfers::new(Dependencies {
            files: world.files.clone(),
            carriers: others.clone(),
            sign_ins: others.clone(),
            pace: others.clone(),
        });
        Self {
            world,
            others,
            transfers,
        }
    }

    fn client(&self) -> FilesClient<FilesServer<Transfers>> {
        FilesClient::new(FilesServer::new(self.transfers.clone()))
    }

    /// Begins an upload of so many bytes.
    async fn start(&self, size: usize) -> v1::Upload {
        let begun = self
            .client()
            .start_upload(by(ACCOUNT, start_upload(size as u64)))
            .await;
        begun.expect("begins").into_inner()
    }

    /// How an upload stands.
    async fn stands(&self, upload: &v1::Upload) -> v1::Upload {
        let name = upload.name.clone();
        let request = by(ACCOUNT, v1::GetUploadRequest { name });
        let found = self.client().get_upload(request).await;
        found.expect("is there").into_inner()
    }

    /// Sends these messages, and ends the stream.
    async fn send(
        &self,
        account: AccountId,
        messages: Vec<v1::UploadFileRequest>,
    ) -> Result<Response<v1::Upload>, Status> {
        let messages = by(account, futures::stream::iter(messages));
        self.client().upload_file(messages).await
    }

    /// Has the message at [`SEQ`] carry a file with these bytes.
    async fn carry(&self, bytes: &[u8]) -> FileId {
        let of = self.world.upload(bytes).await;
        let file = of.file;
        *self.others.carried.lock() = Some(of);
        file
    }

    async fn fetch(
        &self,
        request: v1::DownloadFileRequest,
    ) -> Result<Streaming<v1::DownloadFileResponse>, Status> {
        let sent = self.client().download_file(by(ACCOUNT, request)).await;
        sent.map(Response::into_inner)
    }

    /// An upload whose stream stays open, and what it comes to.
    fn open(
        &self,
        upload: &v1::Upload,
        leaving: &CancellationToken,
    ) -> (
        mpsc::Sender<v1::UploadFileRequest>,
        impl Future<Output = Result<Response<v1::Upload>, Status>> + use<>,
    ) {
        let (sender, receiver) = mpsc::channel(64);
        let first = sender.try_send(from(upload, 0));
        first.expect("there is room");
        let mut request = by(ACCOUNT, received(receiver));
        request.extensions_mut().insert(leaving.clone());
        let mut client = self.client();
        (sender, async move { client.upload_file(request).await })
    }
}

fn received(
    receiver: mpsc::Receiver<v1::UploadFileRequest>,
) -> impl Stream<Item = v1::UploadFileRequest> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|message| (message, receiver))
    })
}

/// A request as the gateway hands it over.
fn by<T>(account: AccountId, request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.extensions_mut().insert(Caller {
        account,
        sign_in: SIGN_IN,
        administrator: false,
    });
    request
}

const SIGN_IN: SignInId = SignInId::from_bytes([9; 16]);

fn start_upload(size: u64) -> v1::StartUploadRequest {
    v1::StartUploadRequest {
        room: name::of_room(ROOM),
        display_name: "notes.txt".to_owned(),
        size,
        sha256: Vec::new(),
        request_id: uuid::Uuid::from_bytes(Rng::from_os().bytes()).to_string(),
    }
}

/// The first message of an upload.
fn from(upload: &v1::Upload, offset: u64) -> v1::UploadFileRequest {
    let name = upload.name.clone();
    let start = v1::UploadStart { name, offset };
    message(Part::Start(start))
}

/// Each further one.
fn piece(bytes: &[u8]) -> v1::UploadFileRequest {
    message(Part::Data(Bytes::copy_from_slice(bytes)))
}

fn message(part: Part) -> v1::UploadFileRequest {
    v1::UploadFileRequest { part: Some(part) }
}

fn download(file: FileId, offset: u64, length: u64) -> v1::DownloadFileRequest {
    v1::DownloadFileRequest {
        room: name::of_room(ROOM),
        seq: SEQ.0,
        file: name::of_file(file),
        offset,
        length,
    }
}

/// The code, the reason and the fields of a refusal.
fn refusal<T>(answer: Result<T, Status>) -> (Code, String, Vec<String>) {
    let Err(status) = answer else {
        panic!("it was not refused");
    };
    let details = status.get_error_details();
    let info = details.error_info().expect("has a reason");
    let bad = details.bad_request().into_iter();
    let fields = bad
        .flat_map(|bad| &bad.field_violations)
        .map(|violation| violation.field.clone());
    (status.code(), info.reason.clone(), fields.collect())
}
