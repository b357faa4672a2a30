//! Clients: gRPC, HTTP/2 by hand, and bare TLS.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cluster_runtime::{TaskKind, Tasks};
use hyper_util::rt::TokioIo;
use proto::v1::accounts_client::AccountsClient;
use proto::v1::sessions_client::SessionsClient;
use proto::v1::{Account, GetAccountRequest, SignInRequest};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use services_gateway::Fingerprint;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Which certificates a client takes.
#[derive(Clone)]
pub(crate) struct Trust(RootCertStore);

impl Trust {
    pub(crate) fn file(path: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).expect("a file") {
            roots
                .add(certificate.expect("a certificate"))
                .expect("a root");
        }
        Self(roots)
    }

    /// TLS over `tcp`, offering `alpn` and no other version than `version`.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        alpn: &[u8],
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(self.0.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

/// TLS 1.3 to `address`, for `alpn`.
pub(crate) async fn tls(address: SocketAddr, trust: &Trust, alpn: &[u8]) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.expect("connects");
    trust
        .connect(tcp, alpn, &rustls::version::TLS13)
        .await
        .expect("shakes hands")
}

/// The fingerprint of what the server shows.
pub(crate) async fn shown(address: SocketAddr, trust: &Trust) -> Fingerprint {
    let stream = tls(address, trust, b"h2").await;
    let (_, session) = stream.get_ref();
    let certificates = session.peer_certificates().expect("a certificate");
    Fingerprint::of(&certificates[0])
}

/// HTTP/2 by hand. The connection runs as one of `tasks`; what it ended with is in `ended`.
pub(crate) struct Http2 {
    pub(crate) requests: h2::client::SendRequest<Bytes>,
    pub(crate) ended: tokio::sync::oneshot::Receiver<Result<(), h2::Error>>,
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr, trust: &Trust, tasks: &Tasks) -> Self {
        Self::with(address, trust, tasks, &h2::client::Builder::new()).await
    }

    pub(crate) async fn with(
        address: SocketAddr,
        trust: &Trust,
        tasks: &Tasks,
        builder: &h2::client::Builder,
    ) -> Self {
        let stream = tls(address, trust, b"h2").await;
        let (requests, connection) = builder.handshake(stream).await.expect("HTTP/2");
        let (end, ended) = tokio::sync::oneshot::channel();
        drop(tasks.spawn(TaskKind::Connection, "client", async {
            let _ = end.send(connection.await);
        }));
        Self { requests, ended }
    }

    /// Waits until there is room for a stream.
    pub(crate) async fn ready(&mut self) -> Result<(), h2::Error> {
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await
    }
}

/// A call of `path` with the token of `who`.
pub(crate) fn call(path: &str, who: Option<&str>) -> http::Request<()> {
    let mut request = http::Request::post(format!("https://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(who) = who {
        request = request.header("authorization", format!("Bearer {who}"));
    }
    request.body(()).expect("a request")
}

/// `message` as gRPC frames it.
pub(crate) fn framed(message: &impl prost::Message) -> Bytes {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[0][..], &length, &body].concat().into()
}

type Authorized = InterceptedService<Channel, Authorize>;

/// A gRPC client with one connection, which it opens anew when it is lost.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    /// A client that has shaken hands.
    pub(crate) async fn connect(address: SocketAddr, trust: &Trust) -> Self {
        let trust = trust.clone();
        let connector = tower::service_fn(move |_: http::Uri| {
            let trust = trust.clone();
            async move { io::Result::Ok(TokioIo::new(tls(address, &trust, b"h2").await)) }
        });
        let endpoint = Endpoint::from_static("https://localhost");
        let channel = endpoint
            .connect_with_connector(connector)
            .await
            .expect("connects");
        Self { channel }
    }

    /// The Accounts service for the account called `who`; nobody for `None`.
    pub(crate) fn accounts(&self, who: Option<&str>) -> AccountsClient<Authorized> {
        AccountsClient::with_interceptor(self.channel.clone(), Authorize::bearer(who))
    }

    /// The Sessions service for the account called `who`.
    pub(crate) fn sessions(&self, who: &str) -> SessionsClient<Authorized> {
        SessionsClient::with_interceptor(self.channel.clone(), Authorize::bearer(Some(who)))
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Asks for an account; `name` tells the service what to do.
    pub(crate) async fn account(&self, who: &str, name: &str) -> Result<Account, Status> {
        let request = GetAccountRequest {
            name: name.to_owned(),
        };
        let answer = self.accounts(Some(who)).get_account(request).await;
        answer.map(tonic::Response::into_inner)
    }

    pub(crate) async fn sign_in(&self) -> Result<(), Status> {
        self.accounts(None)
            .sign_in(SignInRequest::default())
            .await
            .map(drop)
    }
}

/// Adds the header `authorization`.
#[derive(Clone)]
pub(crate) struct Authorize(Option<AsciiMetadataValue>);

impl Authorize {
    pub(crate) fn bearer(who: Option<&str>) -> Self {
        let value = |who| format!("Bearer {who}").parse().expect("a header");
        Self(who.map(value))
    }

    pub(crate) fn raw(value: &str) -> Self {
        Self(Some(value.parse().expect("a header")))
    }
}

impl tonic::service::Interceptor for Authorize {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}
