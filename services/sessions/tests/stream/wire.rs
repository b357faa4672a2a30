//! A client as the server sees it: gRPC messages in, gRPC messages out, over bodies and no network.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use cluster_types::Caller;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
pub(crate) use proto::v1::client_frame::Command;
pub(crate) use proto::v1::reply::Result as Answer;
pub(crate) use proto::v1::server_item::Item;
use proto::v1::{ClientFrame, CommandError, Hello, ServerFrame};
use services_sessions::Sessions;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
pub(crate) use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

/// Longer than anything takes that is going to happen. Time is paused, so nobody waits for it.
const NEVER: Duration = Duration::from_secs(300);

/// Messages between a client and the server's reading them: as many as a test sends in one go.
const ON_THE_WAY_MAX: usize = 10_000;

/// One stream.
pub(crate) struct Client {
    // `None`: the client has nothing more to say.
    input: Option<mpsc::Sender<Result<Frame<Bytes>, Status>>>,
    body: Body,
    items: VecDeque<Item>,
    status: Option<Status>,
    last_request: u64,
}

impl Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} items wait)", self.items.len())
    }
}

/// Opens a stream, which says nothing yet.
pub(crate) async fn connect(sessions: &Sessions, caller: Option<Caller>) -> Result<Client, Status> {
    open(sessions, caller, services_sessions::grpc::CONNECT).await
}

/// As [`connect`], on a connection that has to go when `leaving` is cancelled.
pub(crate) async fn connect_until(
    sessions: &Sessions,
    caller: Caller,
    leaving: CancellationToken,
) -> Result<Client, Status> {
    let path = services_sessions::grpc::CONNECT;
    request(sessions, Some(caller), path, Some(leaving)).await
}

/// As [`connect`], by any path.
pub(crate) async fn open(
    sessions: &Sessions,
    caller: Option<Caller>,
    path: &str,
) -> Result<Client, Status> {
    request(sessions, caller, path, None).await
}

async fn request(
    sessions: &Sessions,
    caller: Option<Caller>,
    path: &str,
    leaving: Option<CancellationToken>,
) -> Result<Client, Status> {
    let (input, sent) = mpsc::channel(ON_THE_WAY_MAX);
    let sent = stream::unfold(
        sent,
        |mut sent| async move { Some((sent.recv().await?, sent)) },
    );
    let mut request = http::Request::new(Body::new(StreamBody::new(Box::pin(sent))));
    *request.uri_mut() = path.parse().expect("a path");
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    if let Some(leaving) = leaving {
        request.extensions_mut().insert(leaving);
    }
    let response = sessions.clone().oneshot(request).await.expect("infallible");
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status);
    }
    Ok(Client {
        input: Some(input),
        body: response.into_body(),
        items: VecDeque::new(),
        status: None,
        last_request: 0,
    })
}

impl Client {
    // --- What it says ---

    /// Sends a command without waiting for anything. Returns the number of its reply.
    pub(crate) fn send(&mut self, command: impl Into<Option<Command>>) -> u64 {
        self.last_request += 1;
        self.send_numbered(self.last_request, command);
        self.last_request
    }

    pub(crate) fn send_numbered(&mut self, request_id: u64, command: impl Into<Option<Command>>) {
        let command = command.into();
        let frame = ClientFrame {
            request_id,
            command,
        };
        self.send_bytes(message(&frame.encode_to_vec()));
    }

    pub(crate) fn send_bytes(&mut self, bytes: Bytes) {
        let input = self
            .input
            .as_ref()
            .expect("it has not said that it is done");
        // It fails only if the server has stopped to listen.
        let _unheard = input.try_send(Ok(Frame::data(bytes)));
    }

    /// The client has nothing more to say.
    pub(crate) fn half_close(&mut self) {
        self.input = None;
    }

    // --- What it hears ---

    /// The next item; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(item);
            }
            if self.status.is_some() {
                return None;
            }
            let frame = timeout(NEVER, self.body.frame()).await;
            self.take(frame.expect("the server says something"));
        }
    }

    /// The next item that is not the reply to a command.
    pub(crate) async fn item(&mut self) -> Item {
        self.next().await.expect("the stream goes on")
    }

    /// Items up to the one that is looked for, which is the last.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Item) -> bool) -> Vec<Item> {
        let mut items = vec![self.item().await];
        while !is_it(&items[items.len() - 1]) {
            items.push(self.item().await);
        }
        items
    }

    /// Items up to the reply to a command, without it, and what it says.
    pub(crate) async fn reply(&mut self, request: u64) -> (Vec<Item>, Answer) {
        let is_it = |item: &Item| matches!(item, Item::Reply(reply) if reply.request_id == request);
        let mut items = self.until(is_it).await;
        match items.pop() {
            Some(Item::Reply(reply)) => (items, reply.result.expect("a result")),
            other => panic!("{other:?}"),
        }
    }

    /// Has a command done, and forgets what else comes.
    pub(crate) async fn done(&mut self, command: Command) -> Answer {
        let request = self.send(command);
        self.reply(request).await.1
    }

    /// Items up to the end, and how it ends.
    pub(crate) async fn rest(&mut self) -> (Vec<Item>, Status) {
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item);
        }
        (items, self.status.clone().expect("it has ended"))
    }

    /// Says hello.
    pub(crate) async fn hello(&mut self, hello: Hello) -> Vec<Item> {
        let request = self.send(Command::Hello(hello));
        let (mut items, answer) = self.reply(request).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
        let ready = items.remove(0);
        assert!(matches!(ready, Item::Ready(_)), "{ready:?}");
        items
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, Status>>) {
        let frame = frame.expect("trailers come first").expect("no error");
        match frame.into_data() {
            Ok(data) => {
                let length = u32::from_be_bytes(data[1..5].try_into().expect("four bytes"));
                assert_eq!((data[0], length as usize), (0, data.len() - 5));
                let frame = ServerFrame::decode(&data[5..]).expect("a frame");
                let items = frame.items.into_iter();
                self.items
                    .extend(items.map(|item| item.item.expect("an item")));
            }
            Err(frame) => {
                let trailers = frame.into_trailers().expect("data or trailers");
                self.status = Status::from_header_map(&trailers);
            }
        }
    }
}

/// A gRPC message.
pub(crate) fn message(payload: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(payload.len()).expect("small"));
    message.extend_from_slice(payload);
    message.freeze()
}

/// What is wrong with which field.
pub(crate) fn violation(status: &Status) -> (String, String) {
    let details = status.get_error_details();
    let mut violations = details
        .bad_request()
        .expect("a BadRequest")
        .field_violations
        .clone();
    let violation = violations.remove(0);
    (violation.field, violation.description)
}

/// The reason that programs match on, and whether a retry has a chance.
pub(crate) fn reason(status: &Status) -> (String, bool) {
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    (info.reason.clone(), details.retry_info().is_some())
}

/// When to come again.
pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info()?.retry_delay
}

/// An error in a reply, as the status of the unary call.
pub(crate) fn status_of(answer: Answer) -> Status {
    match answer {
        Answer::Error(CommandError {
            code,
            message,
            status_details,
        }) => Status::with_details(Code::from(code), message, status_details.into()),
        other => panic!("not an error: {other:?}"),
    }
}
