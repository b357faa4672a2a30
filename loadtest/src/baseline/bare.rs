//! The bare server: the calls of the public API that benchmarks measure, with nothing behind them.
//!
//! - `Messages/SendMessage` answers at once: an echo.
//! - `Files` takes files and gives them ([`files`]).
//! - `Sessions/Connect` says Ready and Live at once, and then relays: what one client sends is an event
//!   for every client that follows a room, encoded once.
//!
//! Everything is what tonic and rustls do by themselves. Two things are as on a `rookery` server, since
//! they are choices and not work: no TLS session is resumed, and small writes leave at once.
//!
//! Leaves out: accounts, rooms, order between senders, history, and clients that do not read (they hold
//! up everybody).

pub(crate) mod files;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::{Buf as _, BufMut as _, Bytes};
use futures::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use prost::Message as _;
use proto::v1::client_frame::Command;
use proto::v1::event::Kind;
use proto::v1::files_server::FilesServer;
use proto::v1::server_item::Item;
use proto::v1::{
    ClientFrame, Event, Live, Message, Ready, SendMessageRequest, SendMessageResponse, ServerFrame,
    ServerItem,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::{Request, Response, Status};

use crate::limits::{HANDSHAKES_AT_ONCE, RELAY_BUFFER};

/// Serves connections that `listener` takes, until it fails. Files that are kept lie in `folder`.
///
/// # Errors
/// If no certificate can be made.
pub(crate) async fn serve(listener: TcpListener, folder: &Path) -> anyhow::Result<()> {
    let tls = TlsAcceptor::from(Arc::new(tls_config()?));
    let (connections, incoming) = mpsc::channel(HANDSHAKES_AT_ONCE);
    let incoming = ReceiverStream::new(incoming);
    let mut builder = tonic::transport::Server::builder();
    let router = builder
        .add_service(Messages)
        .add_service(FilesServer::new(files::BareFiles::new(folder)))
        .add_service(Sessions::default());
    tokio::select! {
        served = router.serve_with_incoming(incoming) => served.context("the bare server failed"),
        () = accept(listener, tls, connections) => Ok(()),
    }
}

type Connection = std::io::Result<TlsStream<TcpStream>>;

/// Takes connections. Their handshakes run side by side.
async fn accept(listener: TcpListener, tls: TlsAcceptor, connections: mpsc::Sender<Connection>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
    let mut handshakes = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((tcp, _)) = listener.accept().await else {
            continue;
        };
        let (tls, connections) = (tls.clone(), connections.clone());
        handshakes.spawn(async move {
            let _place = place;
            // A client that goes away in the middle is no concern of others.
            if tcp.set_nodelay(true).is_ok()
                && let Ok(stream) = tls.accept(tcp).await
            {
                let _ = connections.send(Ok(stream)).await;
            }
        });
        while handshakes.try_join_next().is_some() {}
    }
}

fn tls_config() -> anyhow::Result<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .context("no certificate can be made")?;
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key.into())
        })
        .context("the certificate cannot be used")?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

// === Messages: an echo ===

/// Answers every message at once.
#[derive(Clone, Copy, Debug)]
struct Messages;

impl NamedService for Messages {
    const NAME: &'static str = "rookery.v1.Messages";
}

type HttpRequest = http::Request<tonic::body::Body>;
type HttpResponse = http::Response<tonic::body::Body>;

impl tower::Service<HttpRequest> for Messages {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let mut grpc = Grpc::new(tonic_prost::ProstCodec::default());
        async move { Ok(grpc.unary(Echo, request).await) }.boxed()
    }
}

struct Echo;

impl UnaryService<SendMessageRequest> for Echo {
    type Response = SendMessageResponse;
    type Future = futures::future::Ready<Result<Response<SendMessageResponse>, Status>>;

    fn call(&mut self, request: Request<SendMessageRequest>) -> Self::Future {
        let seq = request.into_inner().body.len() as u64;
        let create_time = Some(create_time());
        futures::future::ready(Ok(Response::new(SendMessageResponse { seq, create_time })))
    }
}

/// Any time: as many bytes as a real one.
const fn create_time() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: 1_750_000_000,
        nanos: 123_000_000,
    }
}

// === Sessions: a relay ===

/// Says what a session says first, and relays.
#[derive(Clone, Debug, Default)]
struct Sessions(Arc<Relay>);

#[derive(Debug, Default)]
struct Relay {
    clients: Mutex<Vec<mpsc::Sender<Result<Bytes, Status>>>>,
    seq: AtomicU64,
}

impl NamedService for Sessions {
    const NAME: &'static str = "rookery.v1.Sessions";
}

impl tower::Service<HttpRequest> for Sessions {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let relay = Connect(Arc::clone(&self.0));
        let mut grpc = Grpc::new(Encoded);
        async move { Ok(grpc.streaming(relay, request).await) }.boxed()
    }
}

struct Connect(Arc<Relay>);

impl StreamingService<Bytes> for Connect {
    type Response = Bytes;
    type ResponseStream = ClientStream;
    type Future = BoxFuture<'static, Result<Response<ClientStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let relay = Arc::clone(&self.0);
        async move {
            let mut input = request.into_inner();
            let hello = read(&mut input).await?;
            let Some(Command::Hello(hello)) = hello.and_then(|frame| frame.command) else {
                return Err(Status::invalid_argument("hello must be the first frame"));
            };
            let (client, frames) = mpsc::channel(RELAY_BUFFER);
            let rooms: Vec<String> = hello.follow_rooms.into_iter().map(|f| f.room).collect();
            // The channel is new and has room for one.
            let _ = client.try_send(Ok(greeting(&rooms)));
            if !rooms.is_empty() {
                relay.clients.lock().push(client.clone());
            }
            let mut tasks = JoinSet::new();
            tasks.spawn(relay.run(input, client));
            Ok(Response::new(ClientStream {
                frames: ReceiverStream::new(frames),
                _input: tasks,
            }))
        }
        .boxed()
    }
}

/// What one client is sent. What it says is read as long as this lives.
#[derive(Debug)]
struct ClientStream {
    frames: ReceiverStream<Result<Bytes, Status>>,
    _input: JoinSet<()>,
}

impl futures::Stream for ClientStream {
    type Item = Result<Bytes, Status>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        std::pin::Pin::new(&mut self.frames).poll_next(context)
    }
}

impl Relay {
    /// Hands on what one client says, until it has no more to say.
    async fn run(
        self: Arc<Self>,
        mut input: Streaming<Bytes>,
        client: mpsc::Sender<Result<Bytes, Status>>,
    ) {
        while let Ok(Some(frame)) = read(&mut input).await {
            if let Some(Command::SendMessage(message)) = frame.command {
                let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
                self.hand_out(&encoded(vec![event(seq, message)])).await;
            }
        }
        drop(client);
    }

    async fn hand_out(&self, frame: &Bytes) {
        let clients = self.clients.lock().clone();
        let mut gone = false;
        for client in &clients {
            gone |= client.send(Ok(frame.clone())).await.is_err();
        }
        if gone {
            self.clients.lock().retain(|client| !client.is_closed());
        }
    }
}

async fn read(input: &mut Streaming<Bytes>) -> Result<Option<ClientFrame>, Status> {
    let Some(bytes) = input.message().await? else {
        return Ok(None);
    };
    let frame = ClientFrame::decode(bytes);
    frame
        .map(Some)
        .map_err(|_| Status::invalid_argument("not a frame"))
}

fn greeting(rooms: &[String]) -> Bytes {
    let ready = Item::Ready(Ready {
        account: "accounts/00000000000000000000000000".to_owned(),
        session_id: "0".to_owned(),
    });
    let live = |room: &String| {
        Item::Live(Live {
            room: room.clone(),
            seq: 0,
            log_id: "00000000000000000000000000".to_owned(),
            rebuilt: false,
        })
    };
    encoded(
        std::iter::once(ready)
            .chain(rooms.iter().map(live))
            .collect(),
    )
}

/// The event that a `rookery` server would make of this message: as many bytes.
fn event(seq: u64, message: SendMessageRequest) -> Item {
    Item::Event(Event {
        room: message.room,
        seq,
        actor: "accounts/00000000000000000000000000".to_owned(),
        create_time: Some(create_time()),
        message_count: seq,
        kind: Some(Kind::Message(Message {
            body: message.body,
            format: message.format,
            priority: message.priority,
            reply_to_seq: message.reply_to_seq,
            client_message_id: message.client_message_id,
            ..Message::default()
        })),
    })
}

fn encoded(items: Vec<Item>) -> Bytes {
    let items = items.into_iter();
    let items = items.map(|item| ServerItem { item: Some(item) }).collect();
    ServerFrame { items }.encode_to_vec().into()
}

/// Frames that are encoded already.
#[derive(Clone, Copy, Debug)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(frame);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

#[cfg(test)]
mod tests;
