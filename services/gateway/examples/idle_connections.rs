//! What an idle connection costs: resident bytes per TLS connection, without and with one open stream.
//!
//! `cargo run --release --example idle_connections -- 10000` starts a gateway in a process of its own,
//! opens that many connections to it, and reads how much the gateway's process has grown.
//!
//! Leaves out: the session behind the stream. This one says one thing and waits.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cluster_runtime::Tasks;
use cluster_types::{AccountId, Caller, Rng, SignInId, SystemClock};
use futures::{StreamExt as _, TryStreamExt as _};
use http::{Request, Response};
use http_body::Frame;
use proto::v1::ClientFrame;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use services_gateway::{
    AccountRates, Authenticate, AuthenticateError, CertificateSource, Certificates, Gateway,
    GatewayOptions, Limits, Rate, Span, listen,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::codec::BufferSettings;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// Connections that are being opened at a time.
const OPENING_MAX: usize = 64;

/// What a session reads a client's frames into; as small as the real one's.
const READ_BUFFER_BYTES: usize = 512;

/// A message without fields, as gRPC frames it.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("serve") => serve(&args.next().ok_or("which folder?")?).await,
        count => measure(count.unwrap_or("10000").parse()?).await,
    }
}

// === the gateway's process ===

async fn serve(dir: &str) -> Result<(), Failure> {
    let mut limits = Limits::default();
    limits.connections.unauthenticated_max = 100_000;
    limits.connections.unauthenticated_per_address_max = 100_000;
    limits.connections.authenticated_per_account_max = 100_000;
    limits.connections.authenticate_within = Span::hours(1);
    limits.calls.account_rate = Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    let source = CertificateSource::Generated {
        dir: dir.into(),
        names: Vec::new(),
    };
    let gateway = Gateway {
        routes: Routes::new(Idle),
        authenticate: Arc::new(Anyone),
        certificates: Arc::new(Certificates::load(source, Arc::new(SystemClock))?),
        account_rates: AccountRates::new(&limits.calls),
        options: GatewayOptions::default(),
        tasks: Tasks::new(),
        rng: Rng::from_os(),
        limits,
    };
    let listener = listen(([127, 0, 0, 1], 0).into(), &gateway.limits.connections)?;
    let handle = gateway.serve(listener).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", handle.local_addr())?;
    for line in std::io::stdin().lines() {
        line?;
        let open = handle.metrics().snapshot().connections_open;
        writeln!(out, "{open} {}", resident_bytes()?)?;
    }
    Ok(())
}

fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
}

struct Anyone;

#[async_trait::async_trait]
impl Authenticate for Anyone {
    async fn authenticate(&self, _token: &str) -> Result<Caller, AuthenticateError> {
        Ok(Caller {
            account: AccountId::from_bytes([1; 16]),
            sign_in: SignInId::from_bytes([2; 16]),
            administrator: false,
        })
    }
}

/// A session that waits: it sends one empty frame, reads into a small buffer, and encodes nothing. As the
/// real one does, it answers with a body of its own and not through tonic's encoder.
#[derive(Clone)]
struct Idle;

impl NamedService for Idle {
    const NAME: &'static str = "rookery.v1.Sessions";
}

impl tower::Service<Request<Body>> for Idle {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let small = BufferSettings::new(READ_BUFFER_BYTES, READ_BUFFER_BYTES);
        let decoder = ProstCodec::<(), ClientFrame>::raw_decoder(small);
        let body = IdleBody {
            input: Streaming::new_request(decoder, request.into_body(), None, None),
            greeted: false,
        };
        let mut response = Response::new(Body::new(body));
        let grpc = http::HeaderValue::from_static("application/grpc");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, grpc);
        ready(Ok(response))
    }
}

struct IdleBody {
    input: Streaming<ClientFrame>,
    greeted: bool,
}

impl http_body::Body for IdleBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(EMPTY_MESSAGE)))));
        }
        while let Poll::Ready(frame) = self.input.poll_next_unpin(cx) {
            if !matches!(frame, Some(Ok(_))) {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }
}

// === the clients' process ===

async fn measure(count: usize) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path())?;
    let tls = connector(dir.path())?;
    let (tasks, address) = (Tasks::new(), server.address);
    let mut out = std::io::stdout();

    // The first connections pay for what is made once: threads' buffers, arenas, tables.
    let warm: Vec<_> = open_many(count / 10 + 1, address, &tls, &tasks).await?;
    drop(warm);
    let before = server.settled(0).await?;

    let mut connections = open_many(count, address, &tls, &tasks).await?;
    let connected = server.settled(count).await?;
    report(
        &mut out,
        "TLS and HTTP/2, no stream",
        count,
        before,
        connected,
    )?;

    let streams = open_streams(&mut connections).await?;
    let streaming = server.settled(count).await?;
    report(&mut out, "with one open stream", count, before, streaming)?;

    // Memory that was used before is used again, and is resident from the start.
    drop((connections, streams));
    server.settled(0).await?;
    let mut connections = open_many(count, address, &tls, &tasks).await?;
    let streams = open_streams(&mut connections).await?;
    let again = server.settled(count).await?;
    report(&mut out, "after all have come back", count, before, again)?;
    drop((connections, streams));
    Ok(())
}

type OpenStream = (h2::SendStream<Bytes>, h2::RecvStream);

async fn open_streams(connections: &mut [Requests]) -> Result<Vec<OpenStream>, Failure> {
    let opened = futures::stream::iter(connections.iter_mut().map(open_stream));
    opened.buffer_unordered(OPENING_MAX).try_collect().await
}

fn report(
    out: &mut impl std::io::Write,
    what: &str,
    count: usize,
    before: u64,
    after: u64,
) -> std::io::Result<()> {
    let each = after.saturating_sub(before) / u64::try_from(count).unwrap_or(1);
    writeln!(
        out,
        "{what:<28} {count} connections, {each} resident bytes each"
    )
}

struct Server {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    address: SocketAddr,
}

impl Server {
    fn start(dir: &std::path::Path) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.next().ok_or("the gateway ended")??.parse()?;
        Ok(Self {
            process,
            lines,
            address,
        })
    }

    /// Resident bytes, once `count` connections are open.
    async fn settled(&mut self, count: usize) -> Result<u64, Failure> {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let stdin = self.process.stdin.as_mut().ok_or("no stdin")?;
            writeln!(stdin, "?")?;
            let line = self.lines.next().ok_or("the gateway ended")??;
            let (open, bytes) = line.split_once(' ').ok_or("no numbers")?;
            if open.parse::<usize>()? == count {
                return Ok(bytes.parse()?);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connector(dir: &std::path::Path) -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("certificate.pem"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

type Requests = h2::client::SendRequest<Bytes>;

async fn open_many(
    count: usize,
    address: SocketAddr,
    tls: &TlsConnector,
    tasks: &Tasks,
) -> Result<Vec<Requests>, Failure> {
    let open = |_| open(address, tls.clone(), tasks.clone());
    let opened = futures::stream::iter(0..count).map(open);
    opened.buffer_unordered(OPENING_MAX).try_collect().await
}

async fn open(address: SocketAddr, tls: TlsConnector, tasks: Tasks) -> Result<Requests, Failure> {
    let tcp = TcpStream::connect(address).await?;
    let tls = tls.connect(ServerName::try_from("localhost")?, tcp).await?;
    let (requests, connection) = h2::client::handshake(tls).await?;
    let run = async {
        let _ = connection.await;
    };
    drop(tasks.spawn(cluster_runtime::TaskKind::Connection, "client", run));
    Ok(requests)
}

async fn open_stream(requests: &mut Requests) -> Result<OpenStream, Failure> {
    let request = Request::post("https://localhost/rookery.v1.Sessions/Connect")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(
            "authorization",
            "Bearer rk_s_0123456789012345678901234567890123456789012",
        )
        .body(())?;
    let mut requests = requests.clone().ready().await?;
    let (answer, mut send) = requests.send_request(request, false)?;
    // An empty frame: what is in a Hello is not the gateway's business.
    send.send_data(Bytes::from_static(EMPTY_MESSAGE), false)?;
    let mut body = answer.await?.into_body();
    body.data().await.ok_or("no Ready")??;
    Ok((send, body))
}
