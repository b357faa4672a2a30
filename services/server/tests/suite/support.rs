//! A server to test against, and the plainest client there can be: one HTTP/2 connection, calls by
//! path, bytes in and out. It knows nothing that a stranger with the .proto files would not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use cluster_runtime::{TaskKind, Tasks};
use http::{Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use services_gateway::Fingerprint;
use services_server::app::App;
use services_server::config::Config;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic_types::StatusExt as _;

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    // Removed when the server is dropped.
    _data: Option<TempDir>,
}

impl Server {
    /// Starts a server, with the defaults but for what `change` changes.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut server = Self::start_in(&data.path().join("data"), change).await;
        server._data = Some(data);
        server
    }

    /// As [`start`](Self::start), with its data in a folder that outlives it.
    pub(crate) async fn start_in(data_dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data_dir.to_owned(),
            ..Config::default()
        };
        // All clients of a test come from one address, and none of them waits.
        let rate = services_gateway::Rate {
            per_second: 1_000_000,
            burst: 1_000_000,
        };
        config.limits.calls.account_rate = rate;
        config.limits.calls.address_rate = rate;
        config.limits.connections.unauthenticated_per_address_max = 1_000;
        #[cfg(feature = "foundationdb")]
        crate::cluster::configure(&mut config);
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        let address = app.gateway().local_addr();
        Self {
            app,
            address,
            _data: None,
        }
    }

    /// Stops it in order, so that another can start on the same data.
    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }

    /// The first invitation, which makes an administrator.
    pub(crate) async fn invitation(&self) -> String {
        let invitation = self.app.first_invitation().await.expect("the store works");
        invitation.expect("nobody is here yet").reveal()
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::to(self.address).await
    }
}

/// One connection. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    sender: SendRequest<BoxBody<Bytes, Infallible>>,
    driver: AbortHandle,
    socket: Arc<std::net::TcpStream>,
    /// What the server showed.
    pub(crate) fingerprint: Fingerprint,
}

/// A call that is not over: the client goes on listening, and has nothing more to say.
#[derive(Debug)]
pub(crate) struct Stream {
    body: Incoming,
    /// What came and is no whole message yet.
    rest: BytesMut,
    /// The number in `grpc-status`, once it is over.
    pub(crate) code: Option<i32>,
}

/// Bytes, and then silence instead of an end.
struct Open(Option<Bytes>);

impl Body for Open {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

impl Stream {
    /// The next message; `None` when the stream is over.
    pub(crate) async fn next<T: Message + Default>(&mut self) -> Option<T> {
        loop {
            if let Some(length) = self.rest.get(1..5) {
                let length = <[u8; 4]>::try_from(length).expect("four bytes");
                let end = 5 + usize::try_from(u32::from_be_bytes(length)).expect("a length");
                if self.rest.len() >= end {
                    let message = self.rest.split_to(end).freeze().slice(5..);
                    return Some(T::decode(message).expect("decodes"));
                }
            }
            match self
                .body
                .frame()
                .await?
                .expect("the connection stands")
                .into_data()
            {
                Ok(bytes) => self.rest.extend_from_slice(&bytes),
                Err(frame) => {
                    let trailers = frame.into_trailers().expect("the only other kind");
                    self.code =
                        Status::from_header_map(&trailers).map(|status| status.code().into());
                }
            }
        }
    }
}

/// What a call came to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The number in `grpc-status`.
    pub(crate) code: i32,
    pub(crate) message: String,
    /// The reason in its `ErrorInfo`.
    pub(crate) reason: String,
    /// The fields in its `BadRequest`.
    pub(crate) fields: Vec<String>,
    /// The messages of the answer.
    pub(crate) messages: Vec<Bytes>,
}

impl Answer {
    /// The one message of a call that went well.
    pub(crate) fn ok<T: Message + Default>(&self) -> T {
        assert_eq!(self.code, 0, "{}", self.message);
        T::decode(self.messages.first().cloned().unwrap_or_default()).expect("decodes")
    }
}

impl Connection {
    /// A connection to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).await.expect("connects")).await
    }

    /// A connection to `server` from another address of this machine.
    pub(crate) async fn from(server: SocketAddr, local: [u8; 4]) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from((local, 0)))
            .expect("an address of this machine");
        Self::over(socket.connect(server).await.expect("connects")).await
    }

    async fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        let stream = stream.into_std().expect("a socket");
        let socket = Arc::new(stream.try_clone().expect("a socket"));
        let stream = TcpStream::from_std(stream).expect("a socket");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await;
        let stream = TokioIo::new(stream.expect("a handshake"));
        let (_, session) = stream.inner().get_ref();
        let fingerprint = Fingerprint::of(&session.peer_certificates().expect("a chain")[0]);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (sender, connection) = handshake.expect("HTTP/2");
        Self {
            sender,
            driver: drive(connection),
            socket,
            fingerprint,
        }
    }

    /// Calls `path` with one message, and leaves the call open.
    pub(crate) async fn open(&self, token: &str, path: &str, message: &impl Message) -> Stream {
        let bytes = framed(&[message.encode_to_vec()]);
        self.stream(token, path, Open(Some(bytes)).boxed()).await
    }

    /// Calls `path` with one message, and listens to what comes.
    pub(crate) async fn listen(&self, token: &str, path: &str, message: &impl Message) -> Stream {
        let bytes = framed(&[message.encode_to_vec()]);
        self.stream(token, path, Full::new(bytes).boxed()).await
    }

    async fn stream(&self, token: &str, path: &str, body: BoxBody<Bytes, Infallible>) -> Stream {
        let response = self.send(Some(token), path, body).await;
        Stream {
            body: response.into_body(),
            rest: BytesMut::new(),
            code: None,
        }
    }

    /// Calls `path` (`Rooms/GetRoom`) with one message.
    pub(crate) async fn call(
        &self,
        token: Option<&str>,
        path: &str,
        message: &impl Message,
    ) -> Answer {
        self.call_with(token, path, &[message.encode_to_vec()])
            .await
    }

    /// Calls `path` with encoded messages, and has nothing to say after them.
    pub(crate) async fn call_with(
        &self,
        token: Option<&str>,
        path: &str,
        messages: &[Vec<u8>],
    ) -> Answer {
        self.call_raw(token, path, framed(messages)).await
    }

    /// Calls `path` with these bytes, whatever they are.
    pub(crate) async fn call_raw(&self, token: Option<&str>, path: &str, body: Bytes) -> Answer {
        answer(self.send(token, path, Full::new(body).boxed()).await).await
    }

    /// Begins a call of `path` that never says what it wants. Whatever comes later on this connection
    /// comes after it.
    pub(crate) async fn stall(&self, token: &str, path: &str) {
        drop(self.begin(token, path, Open(None)).await);
    }

    /// Begins a call of `path` with encoded messages, and says neither more nor that this was all. What it
    /// comes to, if it is not cut.
    pub(crate) async fn unended(
        &self,
        token: &str,
        path: &str,
        messages: &[Vec<u8>],
    ) -> oneshot::Receiver<Answer> {
        let said = Open(Some(framed(messages)));
        self.begin(token, path, said).await
    }

    async fn begin(&self, token: &str, path: &str, said: Open) -> oneshot::Receiver<Answer> {
        let mut sender = self.sender.clone();
        sender.ready().await.expect("the connection stands");
        let request = request(Some(token), path).body(said.boxed());
        let response = sender.send_request(request.expect("a request"));
        let (tell, told) = oneshot::channel();
        Tasks::new().spawn(TaskKind::Connection, "unended call", async move {
            if let Ok(response) = response.await {
                let _nobody_asks = tell.send(answer(response).await);
            }
        });
        told
    }

    /// Cuts the connection, as a network does.
    pub(crate) fn cut(self) {
        // hyper keeps what has open calls, whatever becomes of its driver.
        let cut = self.socket.shutdown(std::net::Shutdown::Both);
        cut.expect("it stood");
        self.driver.abort();
    }

    async fn send(
        &self,
        token: Option<&str>,
        path: &str,
        body: BoxBody<Bytes, Infallible>,
    ) -> Response<Incoming> {
        let mut sender = self.sender.clone();
        sender.ready().await.expect("the connection stands");
        let request = request(token, path).body(body).expect("a request");
        sender.send_request(request).await.expect("an answer")
    }
}

/// The head of a call.
fn request(token: Option<&str>, path: &str) -> http::request::Builder {
    let package = if path.starts_with("grpc.") {
        ""
    } else {
        "rookery.v1."
    };
    let uri: Uri = format!("https://localhost/{package}{path}")
        .parse()
        .expect("a path");
    let request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// The whole of an answer.
async fn answer(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole answer");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = Status::from_header_map(&trailers)
        .or_else(|| Status::from_header_map(&head.headers))
        .unwrap_or_else(|| Status::unknown(format!("no status, HTTP {}", head.status)));
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    let bad = details.bad_request().into_iter();
    Answer {
        code: status.code().into(),
        message: status.message().to_owned(),
        reason: reason.unwrap_or_default(),
        fields: bad
            .flat_map(|bad| &bad.field_violations)
            .map(|violation| violation.field.clone())
            .collect(),
        messages: unframed(body.to_bytes()),
    }
}

fn drive(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
) -> AbortHandle {
    let driver = Tasks::new().spawn(TaskKind::Connection, "test client", async move {
        // How a connection of a test ends is seen by its calls.
        let _ended = connection.await;
    });
    driver.abort_handle()
}

fn framed(messages: &[Vec<u8>]) -> Bytes {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.push(0);
        let length = u32::try_from(message.len()).expect("a small message");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(message);
    }
    bytes.into()
}

fn unframed(mut bytes: Bytes) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while bytes.remaining() >= 5 {
        assert_eq!(bytes.get_u8(), 0, "not compressed");
        let length = usize::try_from(bytes.get_u32()).expect("a length");
        messages.push(bytes.split_to(length));
    }
    messages
}

/// Takes every certificate: what is tested here is not trust.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
