//! Services that do as the test says, and tell it what they saw.

use std::pin::Pin;
use std::sync::Arc;

use cluster_types::{AccountId, Caller, Coded, ErrorCode, PeerAddr, SignInId};
use futures::{Stream, StreamExt as _};
use parking_lot::Mutex;
use proto::v1::accounts_server::Accounts;
use proto::v1::files_server::Files;
use proto::v1::sessions_server::Sessions;
use proto::v1::{
    Account, ChangePasswordRequest, ClientFrame, DeleteSignInRequest, DeleteUploadRequest,
    DownloadFileRequest, DownloadFileResponse, GetAccountRequest, GetUploadRequest,
    ListSignInsRequest, ListSignInsResponse, ListUploadsRequest, ListUploadsResponse,
    LookUpAccountRequest, RegisterAccountRequest, Reply, ServerFrame, ServerItem, SignInRequest,
    SignInResponse, SignOutRequest, StartUploadRequest, UpdateAccountRequest, Upload,
    UploadFileRequest, download_file_response::Part, server_item::Item,
};
use services_gateway::{Authenticate, AuthenticateError};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// What a service was asked, as far as the gateway decides it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) caller: Option<Caller>,
    pub(crate) peer: Option<PeerAddr>,
    pub(crate) headers: Vec<String>,
    pub(crate) leaving: Option<CancellationToken>,
}

/// Accounts and sessions of a test. Clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Calls for `accounts/gate` wait for this to be open.
    pub(crate) gate: Arc<watch::Sender<bool>>,
    /// What every open session is sent when it changes.
    pub(crate) news: Arc<watch::Sender<u64>>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            seen: Arc::default(),
            gate: Arc::new(watch::Sender::new(false)),
            news: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Services {
    /// The call that was seen last.
    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().last().expect("a call").clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().len()
    }

    fn see<T>(&self, request: &Request<T>) {
        let extensions = request.extensions();
        let header = |key: tonic::metadata::KeyRef<'_>| match key {
            tonic::metadata::KeyRef::Ascii(key) => key.to_string(),
            tonic::metadata::KeyRef::Binary(key) => key.to_string(),
        };
        self.seen.lock().push(Seen {
            caller: extensions.get().copied(),
            peer: extensions.get().copied(),
            headers: request.metadata().keys().map(header).collect(),
            leaving: extensions.get().cloned(),
        });
    }
}

/// A token is the name of its account; one that is not a short word is not valid.
#[async_trait::async_trait]
impl Authenticate for Services {
    async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError> {
        if token.len() > 8 {
            return Err(Box::new(NotValid));
        }
        Ok(caller(token))
    }
}

/// The caller that the token `who` belongs to.
pub(crate) fn caller(who: &str) -> Caller {
    let mut bytes = [0; 16];
    bytes[..who.len()].copy_from_slice(who.as_bytes());
    Caller {
        account: AccountId::from_bytes(bytes),
        sign_in: SignInId::from_bytes(bytes),
        administrator: false,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the token is not valid")]
struct NotValid;

impl Coded for NotValid {
    fn code(&self) -> ErrorCode {
        ErrorCode::Unauthenticated
    }

    fn reason(&self) -> &'static str {
        "TOKEN_INVALID"
    }
}

fn not_part_of_this<T>() -> Result<Response<T>, Status> {
    Err(Status::internal("no test asks for this"))
}

#[tonic::async_trait]
impl Accounts for Services {
    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        self.see(&request);
        Ok(Response::new(SignInResponse::default()))
    }

    async fn register_account(
        &self,
        request: Request<RegisterAccountRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        self.see(&request);
        Ok(Response::new(SignInResponse::default()))
    }

    /// `accounts/gate` waits until the gate opens, `accounts/never` forever, `accounts/large` is 1 MiB,
    /// `accounts/panic` is a defect.
    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<Account>, Status> {
        self.see(&request);
        let name = request.into_inner().name;
        let mut account = Account {
            name: name.clone(),
            ..Account::default()
        };
        match name.as_str() {
            "accounts/gate" => {
                let mut gate = self.gate.subscribe();
                gate.wait_for(|open| *open).await.expect("the gate stays");
            }
            "accounts/never" => std::future::pending().await,
            "accounts/large" => account.display_name = "x".repeat(1 << 20),
            "accounts/panic" => panic!("a defect"),
            _ => {}
        }
        Ok(Response::new(account))
    }

    async fn sign_out(&self, _: Request<SignOutRequest>) -> Result<Response<()>, Status> {
        not_part_of_this()
    }

    async fn list_sign_ins(
        &self,
        _: Request<ListSignInsRequest>,
    ) -> Result<Response<ListSignInsResponse>, Status> {
        not_part_of_this()
    }

    async fn delete_sign_in(
        &self,
        _: Request<DeleteSignInRequest>,
    ) -> Result<Response<()>, Status> {
        not_part_of_this()
    }

    async fn change_password(
        &self,
        _: Request<ChangePasswordRequest>,
    ) -> Result<Response<()>, Status> {
        not_part_of_this()
    }

    async fn look_up_account(
        &self,
        _: Request<LookUpAccountRequest>,
    ) -> Result<Response<Account>, Status> {
        not_part_of_this()
    }

    async fn update_account(
        &self,
        _: Request<UpdateAccountRequest>,
    ) -> Result<Response<Account>, Status> {
        not_part_of_this()
    }
}

#[tonic::async_trait]
impl Files for Services {
    type DownloadFileStream =
        Pin<Box<dyn Stream<Item = Result<DownloadFileResponse, Status>> + Send>>;

    /// 1 MiB, and then nothing until the gate opens.
    async fn download_file(
        &self,
        request: Request<DownloadFileRequest>,
    ) -> Result<Response<Self::DownloadFileStream>, Status> {
        self.see(&request);
        let piece = bytes::Bytes::from(vec![7; 64 << 10]);
        let piece = DownloadFileResponse {
            part: Some(Part::Data(piece)),
        };
        let mut gate = self.gate.subscribe();
        let end = futures::stream::once(async move {
            gate.wait_for(|open| *open).await.expect("the gate stays");
            Ok(DownloadFileResponse::default())
        });
        let pieces = futures::stream::iter(vec![Ok(piece); 16]);
        Ok(Response::new(Box::pin(pieces.chain(end))))
    }

    async fn start_upload(
        &self,
        _: Request<StartUploadRequest>,
    ) -> Result<Response<Upload>, Status> {
        not_part_of_this()
    }

    async fn get_upload(&self, _: Request<GetUploadRequest>) -> Result<Response<Upload>, Status> {
        not_part_of_this()
    }

    async fn list_uploads(
        &self,
        _: Request<ListUploadsRequest>,
    ) -> Result<Response<ListUploadsResponse>, Status> {
        not_part_of_this()
    }

    async fn delete_upload(&self, _: Request<DeleteUploadRequest>) -> Result<Response<()>, Status> {
        not_part_of_this()
    }

    async fn upload_file(
        &self,
        _: Request<Streaming<UploadFileRequest>>,
    ) -> Result<Response<Upload>, Status> {
        not_part_of_this()
    }
}

type Frames = Pin<Box<dyn Stream<Item = Result<ServerFrame, Status>> + Send>>;

#[tonic::async_trait]
impl Sessions for Services {
    type ConnectStream = Frames;

    /// Sends the news, now and whenever it changes, and answers each command with its number. Ends when
    /// the client has said all, or the connection has to go.
    async fn connect(
        &self,
        request: Request<Streaming<ClientFrame>>,
    ) -> Result<Response<Frames>, Status> {
        self.see(&request);
        let leaving = request.extensions().get::<CancellationToken>().cloned();
        let leaving = leaving.ok_or_else(|| Status::internal("nobody tells when to leave"))?;
        let news = WatchStream::new(self.news.subscribe()).map(|news| Ok(frame(news)));
        let replies = request
            .into_inner()
            .map(|got| got.map(|got| frame(got.request_id)));
        let end = futures::stream::once(async { Err(Status::cancelled("all is said")) });
        let all = futures::stream::select(replies.chain(end), news)
            .take_while(|item| std::future::ready(item.is_ok()))
            .take_until(leaving.cancelled_owned());
        Ok(Response::new(Box::pin(all)))
    }
}

/// A frame that carries a number.
fn frame(number: u64) -> ServerFrame {
    let reply = Reply {
        request_id: number,
        ..Reply::default()
    };
    ServerFrame {
        items: vec![ServerItem {
            item: Some(Item::Reply(reply)),
        }],
    }
}

/// The number in a frame.
pub(crate) fn number(frame: &ServerFrame) -> u64 {
    match frame.items.as_slice() {
        [
            ServerItem {
                item: Some(Item::Reply(reply)),
            },
        ] => reply.request_id,
        other => panic!("not a number: {other:?}"),
    }
}
