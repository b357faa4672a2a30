//! Nothing that names a person or opens a door reaches a log, at any level, of ours or of a library.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::v1::SignInRequest;
use services_gateway::Span;
use tokio::io::AsyncWriteExt as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::client::{call, framed};
use crate::support::{Fixture, connect_from, soon};

const HOST: [u8; 4] = [127, 66, 77, 88];
const TOKEN: &str = "cAnArY-t";
const BAD_TOKEN: &str = "cAnArY-that-is-not-valid";
const USER_AGENT: &str = "cAnArY-agent/1.0";
const USER_NAME: &str = "cAnArY-name";
const PASSWORD: &str = "cAnArY-password";

/// All that was ever logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Libraries that log without `tracing` (rustls, mio) land in the same place.
struct Bridge(Log);

impl log::Log for Bridge {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.0.lock().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

impl Log {
    fn install() -> Self {
        let all = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(all.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("the first in this process");
        log::set_boxed_logger(Box::new(Bridge(all.clone()))).expect("the first in this process");
        log::set_max_level(log::LevelFilter::Trace);
        all
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

/// Everything that a client can do, from an address and with secrets that would be found.
async fn be_seen(fixture: &Fixture) {
    let tcp = connect_from(HOST, fixture.address()).await;
    let version = &rustls::version::TLS13;
    let stream = fixture
        .trust()
        .connect(tcp, b"h2", version)
        .await
        .expect("shakes hands");
    let (mut requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let run = async {
        let _ = connection.await;
    };
    drop(
        fixture
            .tasks
            .spawn(cluster_runtime::TaskKind::Connection, "client", run),
    );
    let password = SignInRequest {
        user_name: USER_NAME.to_owned(),
        password: PASSWORD.to_owned(),
        ..SignInRequest::default()
    };
    for (path, token) in [
        ("/rookery.v1.Accounts/SignIn", None),
        ("/rookery.v1.Accounts/SignIn", Some(BAD_TOKEN)),
        ("/rookery.v1.Accounts/GetAccount", Some(TOKEN)),
        ("/rookery.v1.Accounts/GetAccount", Some(BAD_TOKEN)),
        ("/rookery.v1.Sessions/Connect", Some(TOKEN)),
        ("/rookery.v1.Nothing/AtAll", Some(TOKEN)),
    ] {
        let mut request = call(path, token);
        let headers = request.headers_mut();
        headers.insert("user-agent", USER_AGENT.parse().expect("a header"));
        headers.insert("x-forwarded-for", "127.66.77.88".parse().expect("a header"));
        headers.insert("grpc-timeout", "5S".parse().expect("a header"));
        std::future::poll_fn(|cx| requests.poll_ready(cx))
            .await
            .expect("room");
        let (answer, mut send) = requests.send_request(request, false).expect("sent");
        send.send_data(framed(&password), true).expect("sent");
        assert_eq!(
            soon(answer).await.expect("an answer").status(),
            200,
            "{path}"
        );
    }
    // And what goes wrong.
    let mut garbage = connect_from(HOST, fixture.address()).await;
    garbage
        .write_all(b"GET /cAnArY-path HTTP/1.1\r\n\r\n")
        .await
        .expect("sends");
    let silent = connect_from(HOST, fixture.address()).await;
    fixture
        .until(|m| m.handshakes_failed == 1 && m.handshakes_late == 1)
        .await;
    drop((garbage, silent, requests));
}

#[tokio::test]
async fn a_trace_of_everything_names_nobody() {
    let log = Log::install();
    let fixture = Fixture::with(|limits, options| {
        options.reflection = true;
        limits.connections.handshake_within = Span::millis(300);
    })
    .await;
    be_seen(&fixture).await;
    let seen = format!("{:?} {:?}", fixture.handle, fixture.services.last());
    let drained = fixture
        .handle
        .shutdown(std::time::Duration::from_secs(5), async {})
        .await;
    assert_eq!(drained.connections_cut, 0);

    let text = log.text() + &seen;
    for (library, least) in [("h2::", 10), ("rustls", 1), ("tonic_web", 1)] {
        assert!(
            text.matches(library).count() >= least,
            "{library} was heard of: {}",
            text.len()
        );
    }
    for canary in ["127.66.77.88", "127, 66, 77, 88", "7f424d58", "cAnArY"] {
        let found: Vec<_> = text.lines().filter(|line| line.contains(canary)).collect();
        assert!(found.is_empty(), "{canary}: {found:#?}");
    }
}
