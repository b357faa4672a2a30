//! gRPC-Web: from pages, over HTTP/1.1 and HTTP/2.

use services_gateway::{ByteCount, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::client::{Http2, call, tls};
use crate::support::{Fixture, soon};

const ORIGIN: &str = "https://chat.example.org";

/// An answer over HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Sends `request` and reads one answer with a length or until the server closes.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> Answer {
    stream.write_all(request).await.expect("sends");
    stream.flush().await.expect("sends");
    let mut got = Vec::new();
    let end = loop {
        let mut bytes = [0; 4_096];
        let read = soon(stream.read(&mut bytes)).await.expect("reads");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&bytes[..read]);
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(got[..end].to_vec()).expect("text");
    let mut body = got[end + 4..].to_vec();
    let status = head
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    let chunked = answer.header("transfer-encoding") == Some("chunked");
    let length: usize = answer
        .header("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    while (chunked && !body.ends_with(b"0\r\n\r\n")) || (!chunked && body.len() < length) {
        let mut bytes = [0; 4_096];
        let read = soon(stream.read(&mut bytes)).await.expect("reads");
        assert!(read > 0, "closed in the body");
        body.extend_from_slice(&bytes[..read]);
    }
    answer.body = body;
    answer
}

/// A gRPC-Web call over HTTP/1.1 with further headers.
fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc-web+proto\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len())
        .any(|window| window == text.as_bytes())
}

async fn page() -> Fixture {
    Fixture::with(|_, options| options.web_origins = vec![ORIGIN.to_owned()]).await
}

#[tokio::test]
async fn a_page_calls_over_http_1_and_the_connection_goes_on() {
    let fixture = page().await;
    let mut stream = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    for _ in 0..3 {
        let headers = format!("authorization: Bearer alice\r\norigin: {ORIGIN}\r\n");
        let request = post("/rookery.v1.Accounts/GetAccount", &headers, &[0; 5]);
        let answer = ask(&mut stream, &request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/grpc-web+proto")
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert!(contains(&answer.body, "grpc-status:0"), "{answer:?}");
    }
    assert_eq!(fixture.metrics().connections_accepted, 1);
    assert_eq!(fixture.services.calls(), 3);
}

#[tokio::test]
async fn a_refusal_reaches_a_page_in_its_own_form() {
    let fixture = page().await;
    let mut stream = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    let answer = ask(
        &mut stream,
        &post("/rookery.v1.Accounts/GetAccount", "", &[0; 5]),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("grpc-status"), Some("16"), "{answer:?}");
    assert!(
        answer.header("grpc-status-details-bin").is_some(),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_page_calls_over_http_2() {
    let fixture = page().await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let mut request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
    let headers = request.headers_mut();
    headers.insert(
        "content-type",
        "application/grpc-web-text".parse().expect("a header"),
    );
    headers.insert("origin", ORIGIN.parse().expect("a header"));
    let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
    send.send_data("AAAAAAA=".into(), true).expect("sent");
    let answer = soon(answer).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(fixture.services.calls(), 1);
}

#[tokio::test]
async fn a_page_is_allowed_to_call_only_from_an_origin_on_the_list() {
    let fixture = page().await;
    let mut stream = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    for (origin, allowed) in [
        (ORIGIN, Some(ORIGIN)),
        ("https://evil.example", None),
        ("null", None),
    ] {
        let preflight = format!(
            "OPTIONS /rookery.v1.Accounts/GetAccount HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: authorization,content-type,x-grpc-web\r\n\r\n"
        );
        let answer = ask(&mut stream, preflight.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{answer:?}"
        );
        let headers = answer
            .header("access-control-allow-headers")
            .unwrap_or_default();
        assert!(headers.contains("authorization"), "{answer:?}");
    }
    assert_eq!(fixture.services.calls(), 0);
}

#[tokio::test]
async fn an_origin_that_is_none_is_refused_at_the_start() {
    for origin in [
        "chat.example.org",
        "https://",
        "https://chat.example.org/",
        "https://*.example.org",
        "*",
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let source = services_gateway::CertificateSource::Generated {
            dir: dir.path().to_owned(),
            names: Vec::new(),
        };
        let clock = std::sync::Arc::new(cluster_types::SystemClock);
        let limits = services_gateway::Limits::default();
        let services = crate::support::Services::default();
        let gateway = services_gateway::Gateway {
            routes: tonic::service::Routes::default(),
            authenticate: std::sync::Arc::new(services),
            certificates: std::sync::Arc::new(
                services_gateway::Certificates::load(source, clock).expect("a pair"),
            ),
            account_rates: services_gateway::AccountRates::new(&limits.calls),
            options: services_gateway::GatewayOptions {
                web_origins: vec![origin.to_owned()],
                ..Default::default()
            },
            tasks: cluster_runtime::Tasks::new(),
            rng: cluster_types::Rng::seeded(1),
            limits,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let error = gateway.serve(listener).await.expect_err(origin);
        assert!(
            error.to_string().contains("write it as https://"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_refused_over_http_1() {
    let fixture = page().await;
    let mut stream = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    let answer = ask(&mut stream, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(answer.status, 405);
    let plain = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(ask(&mut stream, plain).await.status, 400);
}

/// Reads to the end of the connection.
async fn closed(mut stream: TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let fixture = Fixture::with(|limits, _| limits.http1.header_within = Span::millis(50)).await;
    let mut slow = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    slow.write_all(b"POST / HTTP/1.1\r\nhost: loc")
        .await
        .expect("sends");
    slow.flush().await.expect("sends");
    closed(slow).await;
    let mut endless = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    endless
        .write_all(b"POST / HTTP/1.1\r\n")
        .await
        .expect("sends");
    for _ in 0..1_000 {
        if endless
            .write_all(b"x-filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
            .await
            .is_err()
        {
            break;
        }
    }
    closed(endless).await;
    fixture.until(|m| m.connections_open == 0).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let fixture = Fixture::with(|limits, _| {
        limits.messages.request_bytes_max = ByteCount::kib(4);
    })
    .await;
    let mut stream = tls(fixture.address(), &fixture.trust(), b"http/1.1").await;
    let mut body = vec![0, 0, 0, 0x40, 0];
    body.resize(5 + 0x4000, 0);
    let request = post("/rookery.v1.Accounts/SignIn", "", &body);
    let answer = ask(&mut stream, &request).await;
    assert_eq!(answer.header("grpc-status"), Some("3"), "{answer:?}");
    assert_eq!(fixture.services.calls(), 0);
}
