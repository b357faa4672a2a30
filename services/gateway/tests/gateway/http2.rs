//! What clients do to HTTP/2: floods that have to end, and busy clients that must not.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::v1::{ClientFrame, GetAccountRequest, ServerFrame};
use services_gateway::{Rate, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::client::{Http2, call, framed, tls};
use crate::support::services::number;
use crate::support::{Fixture, soon};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A frame by hand.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header without compression.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![0];
    for text in [name, value] {
        header.push(u8::try_from(text.len()).expect("short"));
        header.extend(text.as_bytes());
    }
    header
}

/// The headers of a call of `path` with the token of `who`.
fn headers(path: &str, who: &str) -> Vec<u8> {
    [
        literal(":method", "POST"),
        literal(":scheme", "https"),
        literal(":authority", "localhost"),
        literal(":path", path),
        literal("content-type", "application/grpc"),
        literal("te", "trailers"),
        literal("authorization", &format!("Bearer {who}")),
    ]
    .concat()
}

/// The headers of a session of alice's.
fn session_headers() -> Vec<u8> {
    headers("/rookery.v1.Sessions/Connect", "alice")
}

async fn raw(fixture: &Fixture) -> TlsStream<TcpStream> {
    let mut stream = tls(fixture.address(), &fixture.trust(), b"h2").await;
    stream.write_all(PREFACE).await.expect("sends");
    stream
        .write_all(&frame(SETTINGS, 0, 0, &[]))
        .await
        .expect("sends");
    stream
}

/// Sends one `flood` after the other until the server has had enough. How many that were.
async fn until_closed(
    stream: TlsStream<TcpStream>,
    mut flood: impl FnMut(usize) -> Vec<u8>,
    most: usize,
) -> usize {
    let (mut input, mut output) = tokio::io::split(stream);
    let read = async {
        let mut said = vec![0; 16 * 1024];
        while input.read(&mut said).await.is_ok_and(|read| read > 0) {}
    };
    let write = async {
        for round in 0..most {
            if output.write_all(&flood(round)).await.is_err() || output.flush().await.is_err() {
                return round;
            }
        }
        panic!("{most} times and no end");
    };
    let (rounds, ()) = soon(futures::future::join(write, read)).await;
    rounds
}

/// Others are served as if nothing had happened, and nothing is left behind.
async fn unharmed(fixture: &Fixture) {
    fixture
        .until(|m| m.handlers_running == 0 && m.connections_open == 0)
        .await;
    fixture
        .client()
        .await
        .account("bob", "accounts/me")
        .await
        .expect("served");
}

#[tokio::test]
async fn resets_in_bulk_end_the_connection() {
    for (who, path) in [
        ("alice", "/rookery.v1.Accounts/GetAccount"),
        ("alice", "/rookery.v1.Sessions/Connect"),
        ("nobody-at-all", "/rookery.v1.Accounts/GetAccount"),
        ("nobody-at-all", "/rookery.v1.Accounts/SignIn"),
    ] {
        let fixture = Fixture::new().await;
        let stream = raw(&fixture).await;
        let opened = headers(path, who);
        // A hundred streams at a time, each reset as soon as it is opened.
        let flood = |round: usize| {
            let first = u32::try_from(round * 100).expect("few rounds");
            let pair = |index: u32| {
                let stream = 2 * (first + index) + 1;
                let open = frame(HEADERS, END_HEADERS, stream, &opened);
                [open, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
            };
            (0..100).flat_map(pair).collect()
        };
        until_closed(stream, flood, 5_000).await;
        let metrics = fixture.metrics();
        assert!(metrics.calls_cancelled <= 1_000, "{path}: {metrics:?}");
        unharmed(&fixture).await;
    }
}

#[tokio::test]
async fn calls_that_are_cancelled_slowly_and_without_end_end_the_connection_too() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.cancelled_calls = Rate {
            per_second: 1,
            burst: 20,
        };
    })
    .await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let never = framed(&GetAccountRequest {
        name: "accounts/never".to_owned(),
    });
    let cancel_for_ever = async {
        loop {
            let cancelled = fixture.metrics().calls_cancelled;
            http.ready().await?;
            let request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
            let (answer, mut send) = http.requests.send_request(request, false)?;
            send.send_data(never.clone(), true)?;
            fixture.until(|m| m.handlers_running == 1).await;
            send.send_reset(h2::Reason::CANCEL);
            drop(answer);
            fixture.until(|m| m.calls_cancelled > cancelled).await;
        }
    };
    let end: Result<(), h2::Error> = soon(cancel_for_ever).await;
    assert!(end.is_err());
    assert_eq!(fixture.metrics().connections_cancelling, 1);
    assert!(
        fixture.metrics().calls_cancelled <= 25,
        "{:?}",
        fixture.metrics()
    );
    drop(http);
    unharmed(&fixture).await;
}

#[tokio::test]
async fn a_few_cancelled_calls_are_nobodys_business() {
    let fixture = Fixture::new().await;
    let client = fixture.client().await;
    for _ in 0..50 {
        let mut cancelled = Box::pin(client.account("alice", "accounts/never"));
        let running = fixture.until(|m| m.handlers_running == 1);
        tokio::select! {
            biased;
            answer = &mut cancelled => panic!("answered: {answer:?}"),
            () = running => {}
        }
        drop(cancelled);
        fixture.until(|m| m.handlers_running == 0).await;
    }
    client
        .account("alice", "accounts/me")
        .await
        .expect("served");
    assert_eq!(fixture.metrics().connections_accepted, 1);
    assert_eq!(fixture.metrics().calls_cancelled, 50);
}

#[tokio::test]
async fn headers_without_end_end_the_connection() {
    let fixture = Fixture::new().await;
    let mut stream = raw(&fixture).await;
    stream
        .write_all(&frame(HEADERS, 0, 1, &session_headers()))
        .await
        .expect("sends");
    let flood = frame(
        CONTINUATION,
        0,
        1,
        &literal("x-filler", &"x".repeat(100)).repeat(20),
    );
    let rounds = until_closed(stream, |_| flood.clone(), 10_000).await;
    assert!(rounds < 1_000, "{rounds}");
    unharmed(&fixture).await;
}

#[tokio::test]
async fn headers_that_unfold_to_a_lot_are_refused() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::seconds(1);
    })
    .await;
    let mut stream = raw(&fixture).await;
    // One header put into the table, and then named a thousand times with one byte each.
    let mut bomb = session_headers();
    let mut indexed = literal("x-bomb", &"x".repeat(100));
    indexed[0] = 0x40;
    bomb.extend(indexed);
    bomb.extend([0x80 | 62].repeat(1_000));
    stream
        .write_all(&frame(HEADERS, END_HEADERS, 1, &bomb))
        .await
        .expect("sends");
    stream.flush().await.expect("sends");
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let mut large = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
    for index in 0..100 {
        let name: http::HeaderName = format!("x-large-{index}").parse().expect("a name");
        large
            .headers_mut()
            .insert(name, "x".repeat(100).parse().expect("a value"));
    }
    http.ready().await.expect("room");
    let (answer, _) = http.requests.send_request(large, true).expect("sent");
    let refused = soon(answer).await;
    let status = refused
        .as_ref()
        .map(|answer| answer.status().as_u16())
        .unwrap_or_default();
    assert!(refused.is_err() || status == 431, "{refused:?}");
    assert_eq!(fixture.services.calls(), 0);
    drop((stream, http));
    unharmed(&fixture).await;
}

#[tokio::test]
async fn empty_frames_in_bulk_end_the_connection() {
    let fixture = Fixture::new().await;
    let mut stream = raw(&fixture).await;
    let open = frame(HEADERS, END_HEADERS, 1, &session_headers());
    stream.write_all(&open).await.expect("sends");
    let flood = frame(DATA, 0, 1, &[]).repeat(100);
    until_closed(stream, |_| flood.clone(), 100_000).await;
    unharmed(&fixture).await;
}

#[tokio::test]
async fn pings_in_bulk_do_not_pile_up_answers() {
    let fixture = Fixture::new().await;
    let mut stream = raw(&fixture).await;
    let flood = frame(PING, 0, 0, &[0; 8]).repeat(1_000);
    // The answers are not read: once the way back is full, the server reads no more either.
    let stuck = async {
        for _ in 0..100_000 {
            stream
                .write_all(&flood)
                .await
                .expect("the connection is open");
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(2), stuck).await;
    assert!(waited.is_err(), "it went on reading without end");
    drop(stream);
    unharmed(&fixture).await;
}

#[tokio::test]
async fn settings_in_bulk_do_not_pile_up_answers() {
    let fixture = Fixture::new().await;
    let mut stream = raw(&fixture).await;
    let flood = frame(SETTINGS, 0, 0, &[]).repeat(1_000);
    let stuck = async {
        for _ in 0..100_000 {
            if stream.write_all(&flood).await.is_err() {
                return;
            }
        }
        panic!("no end");
    };
    // Closed or stuck: either is an end.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), stuck).await;
    drop(stream);
    unharmed(&fixture).await;
}

#[tokio::test]
async fn a_stream_too_many_waits_for_its_turn() {
    let fixture = Fixture::with(|limits, _| limits.http2.streams_max = 4).await;
    let client = fixture.client().await;
    // The first answer comes after the settings, in which the limit stands.
    client
        .account("alice", "accounts/me")
        .await
        .expect("served");
    let calls: FuturesUnordered<_> = (0..20)
        .map(|_| client.account("alice", "accounts/me"))
        .collect();
    let answers: Vec<_> = soon(calls.collect()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn tunnels_and_other_methods_are_refused() {
    let fixture = Fixture::new().await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    for method in ["GET", "PUT", "OPTIONS", "CONNECT"] {
        let mut request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
        *request.method_mut() = method.parse().expect("a method");
        if method == "CONNECT" {
            *request.uri_mut() = "localhost:1".parse().expect("an authority");
        }
        http.ready().await.expect("room");
        let (answer, _) = http
            .requests
            .send_request(request, method != "CONNECT")
            .expect("sent");
        assert_eq!(
            soon(answer).await.expect("an answer").status(),
            405,
            "{method}"
        );
    }
    assert_eq!(fixture.services.calls(), 0);
}

/// The mistake of h2 0.4.16: a limit against floods that ended busy, honest clients.
#[tokio::test]
async fn many_streams_with_many_small_messages_are_no_flood() {
    const STREAMS: u64 = 60;
    const MESSAGES: u64 = 500;
    let fixture = Fixture::new().await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        http.ready().await.expect("room");
        let request = call("/rookery.v1.Sessions/Connect", Some("alice"));
        open.push(http.requests.send_request(request, false).expect("sent"));
    }
    let busy: FuturesUnordered<_> = open
        .into_iter()
        .map(|(answer, mut send)| async move {
            let mut replies = Replies::new(soon(answer).await.expect("an answer"));
            for request_id in 1..=MESSAGES {
                let command = ClientFrame {
                    request_id,
                    ..ClientFrame::default()
                };
                send.send_data(framed(&command), false).expect("open");
                // Every hundred the stream is heard out, so that both directions stay busy.
                while request_id.is_multiple_of(100) && replies.count < request_id {
                    replies.read().await;
                }
            }
            replies.count
        })
        .collect();
    let counts: Vec<u64> = soon(busy.collect()).await;
    assert!(counts.iter().all(|count| *count == MESSAGES), "{counts:?}");
    assert_eq!(fixture.metrics().connections_accepted, 1);
}

#[tokio::test]
async fn a_thousand_small_messages_at_once_on_a_new_stream_are_no_flood() {
    const MESSAGES: u64 = 1_000;
    let fixture = Fixture::new().await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let request = call("/rookery.v1.Sessions/Connect", Some("alice"));
    let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
    for request_id in 1..=MESSAGES {
        let command = ClientFrame {
            request_id,
            ..ClientFrame::default()
        };
        send.send_data(framed(&command), false).expect("open");
    }
    let mut replies = Replies::new(soon(answer).await.expect("an answer"));
    while replies.count < MESSAGES {
        soon(replies.read()).await;
    }
}

/// Counts the replies to commands on a stream.
struct Replies {
    body: h2::RecvStream,
    /// The beginning of a message.
    rest: Vec<u8>,
    count: u64,
}

impl Replies {
    fn new(answer: http::Response<h2::RecvStream>) -> Self {
        Self {
            body: answer.into_body(),
            rest: Vec::new(),
            count: 0,
        }
    }

    async fn read(&mut self) {
        let bytes: Bytes = self.body.data().await.expect("open").expect("bytes");
        self.body
            .flow_control()
            .release_capacity(bytes.len())
            .expect("room");
        self.rest.extend_from_slice(&bytes);
        while let [_, a, b, c, d, rest @ ..] = self.rest.as_slice() {
            let length = u32::from_be_bytes([*a, *b, *c, *d]);
            let Some((message, rest)) =
                rest.split_at_checked(usize::try_from(length).expect("short"))
            else {
                break;
            };
            let message: ServerFrame = prost::Message::decode(message).expect("a frame");
            self.count += u64::from(number(&message) > 0);
            self.rest = rest.to_vec();
        }
    }
}

#[tokio::test]
async fn two_thousand_small_calls_on_one_connection_are_no_flood() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.account_rate = Rate {
            per_second: 1_000_000,
            burst: 1_000_000,
        };
    })
    .await;
    let client = fixture.client().await;
    let calls = futures::stream::iter(0..2_000).map(|_| client.account("alice", "accounts/me"));
    let failed = soon(
        calls
            .buffer_unordered(50)
            .filter(|answer| std::future::ready(answer.is_err()))
            .count(),
    )
    .await;
    assert_eq!(failed, 0);
    assert_eq!(fixture.metrics().connections_accepted, 1);
}
