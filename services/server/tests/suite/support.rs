//! A server to test against, and the plainest client there can be: one HTTP/2 connection, calls by
//! path, bytes in and out. It knows nothing that a stranger with the .proto files would not.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use cluster_runtime::{TaskKind, Tasks};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use services_server::app::App;
use services_server::config::Config;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    // Removed when the server is dropped.
    _data: TempDir,
}

impl Server {
    /// Starts a server, with the defaults but for what `change` changes.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data.path().join("data"),
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
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        let address = app.gateway().local_addr();
        Self {
            app,
            address,
            _data: data,
        }
    }

    /// The first invitation, which makes an administrator.
    pub(crate) async fn invitation(&self) -> String {
        let invitation = self.app.first_invitation().await.expect("the store works");
        invitation.expect("nobody is here yet").reveal()
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        Connection::over(stream).await
    }
}

/// One connection. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

/// What a call came to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The number in `grpc-status`.
    pub(crate) code: i32,
    pub(crate) message: String,
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
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (sender, connection) = handshake.expect("HTTP/2");
        drive(connection);
        Self(sender)
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
        let uri: Uri = format!("https://localhost/rookery.v1.{path}")
            .parse()
            .expect("a path");
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(framed(messages)))
            .expect("a request");
        let mut sender = self.0.clone();
        sender.ready().await.expect("the connection stands");
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole answer");
        let trailers = body.trailers().cloned().unwrap_or_default();
        let text = |name: &str| {
            let value = trailers.get(name).or_else(|| head.headers.get(name));
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let code = text("grpc-status")
            .parse()
            .unwrap_or_else(|_| -i32::from(head.status.as_u16()));
        Answer {
            code,
            message: text("grpc-message"),
            messages: unframed(body.to_bytes()),
        }
    }
}

fn drive(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) {
    Tasks::new().spawn(TaskKind::Connection, "test client", async move {
        // How a connection of a test ends is seen by its calls.
        let _ended = connection.await;
    });
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
