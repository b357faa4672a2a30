//! What strangers do to the port.

use std::time::Duration;

use services_gateway::{Rate, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::support::client::{Http2, call, tls};
use crate::support::{Fixture, connect_from, eventually, soon};

/// Reads until the server closes; what it said.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is as good an end as a close.
    let _ = soon(stream.read_to_end(&mut said)).await;
    said
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_nothing_else() {
    let fixture = Fixture::new().await;
    let garbage: [&[u8]; 6] = [
        &[0; 4_096],
        &[0xff; 4_096],
        b"SSH-2.0-OpenSSH_9.9\r\n",
        // A handshake record without end, one of no length, one of a version that never was.
        &[22, 3, 1, 0xff, 0xff],
        &[22, 3, 1, 0, 0, 22, 3, 1, 0, 0, 22, 3, 1, 0, 0],
        &[22, 9, 9, 0, 1, 1],
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(fixture.address())
            .await
            .expect("connects");
        stream.write_all(bytes).await.expect("sends");
        stream.shutdown().await.expect("ends");
        rest(&mut stream).await;
    }
    fixture
        .until(|m| m.handshakes_failed == 6 && m.connections_open == 0)
        .await;
    fixture
        .client()
        .await
        .account("alice", "accounts/me")
        .await
        .expect("served");
}

#[tokio::test]
async fn who_speaks_http_is_told_to_speak_tls() {
    let fixture = Fixture::new().await;
    for request in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(fixture.address())
            .await
            .expect("connects");
        stream.write_all(request).await.expect("sends");
        let said = String::from_utf8(rest(&mut stream).await).expect("text");
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
        let (head, body) = said.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{said}"
        );
        assert!(body.contains("https://"), "{said}");
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_only_where_it_is_allowed() {
    for (min, works) in [
        (services_gateway::TlsVersion::V1_3, false),
        (services_gateway::TlsVersion::V1_2, true),
    ] {
        let fixture = Fixture::with(|_, options| options.tls_min = min).await;
        let tcp = TcpStream::connect(fixture.address())
            .await
            .expect("connects");
        let old = fixture
            .trust()
            .connect(tcp, b"h2", &rustls::version::TLS12)
            .await;
        assert_eq!(old.is_ok(), works, "{min:?}: {old:?}");
        tls(fixture.address(), &fixture.trust(), b"h2").await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.handshake_within = Span::millis(50);
    })
    .await;
    let mut silent = TcpStream::connect(fixture.address())
        .await
        .expect("connects");
    let mut slow = TcpStream::connect(fixture.address())
        .await
        .expect("connects");
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("sends");
    assert!(rest(&mut silent).await.is_empty());
    assert!(rest(&mut slow).await.is_empty());
    fixture
        .until(|m| m.handshakes_late == 2 && m.connections_open == 0)
        .await;
}

#[tokio::test]
async fn one_address_cannot_take_the_places_of_others() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.unauthenticated_per_address_max = 3;
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect_from([127, 0, 0, 9], fixture.address()).await);
    }
    fixture.until(|m| m.connections_open == 3).await;
    let mut fourth = connect_from([127, 0, 0, 9], fixture.address()).await;
    assert!(rest(&mut fourth).await.is_empty());
    assert_eq!(fixture.metrics().connections_refused_address, 1);
    fixture
        .client()
        .await
        .account("alice", "accounts/me")
        .await
        .expect("another address is served");
    drop(held);
    fixture.until(|m| m.connections_unauthenticated == 0).await;
}

#[tokio::test]
async fn callers_from_one_address_are_not_limited_by_it() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.unauthenticated_per_address_max = 1;
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = fixture.client().await;
        client
            .account("alice", "accounts/me")
            .await
            .expect("served");
        clients.push(client);
    }
    assert_eq!(fixture.metrics().connections_open, 5);
}

#[tokio::test]
async fn a_full_node_closes_what_comes_at_once() {
    let fixture = Fixture::with(|limits, _| limits.connections.count_max = 2).await;
    let first = fixture.client().await;
    let second = fixture.client().await;
    for client in [&first, &second] {
        client
            .account("alice", "accounts/me")
            .await
            .expect("served");
    }
    let mut third = TcpStream::connect(fixture.address())
        .await
        .expect("connects");
    assert!(rest(&mut third).await.is_empty());
    assert_eq!(fixture.metrics().connections_refused_total, 1);
    drop(first);
    fixture.until(|m| m.connections_open == 1).await;
    fixture
        .client()
        .await
        .account("alice", "accounts/me")
        .await
        .expect("there is room again");
}

/// What this process holds in memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a size");
    let kib: u64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kib * 1024
}

#[tokio::test]
async fn two_thousand_half_open_handshakes_take_bounded_memory_and_pass() {
    const HALF_OPEN: u32 = 2_000;
    let fixture = Fixture::with(|limits, _| {
        limits.connections.handshake_within = Span::seconds(2);
    })
    .await;
    // A caller that was there before them.
    let before = fixture.client().await;
    before
        .account("alice", "accounts/me")
        .await
        .expect("served");
    let resident = resident_bytes();
    let mut held = Vec::new();
    for index in 0..HALF_OPEN {
        let host = u8::try_from(10 + index / 32).expect("few addresses");
        let mut stream = connect_from([127, 0, 0, host], fixture.address()).await;
        // Half a ClientHello, so that there is something to keep.
        stream
            .write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])
            .await
            .expect("sends");
        held.push(stream);
    }
    fixture
        .until(|m| m.connections_unauthenticated == 1_024)
        .await;
    let grown = resident_bytes().saturating_sub(resident);
    assert!(
        grown < 32 << 20,
        "{grown} bytes for half-open handshakes and their clients"
    );
    before
        .account("alice", "accounts/me")
        .await
        .expect("still served");

    // A newcomer waits in the kernel's queue until the first of them are through, and is served.
    let newcomer = soon(fixture.client()).await;
    newcomer
        .account("bob", "accounts/me")
        .await
        .expect("served");
    assert!(fixture.metrics().connections_unauthenticated <= 1_024);
    drop(held);
    fixture.until(|m| m.connections_open == 2).await;
}

#[tokio::test]
async fn a_connection_that_never_authenticates_is_closed() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::millis(500);
    })
    .await;
    let caller = fixture.client().await;
    caller
        .account("alice", "accounts/me")
        .await
        .expect("served");
    let idle = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let refused = fixture.client().await;
    let error = refused
        .account("not-a-short-word", "accounts/me")
        .await
        .expect_err("no such token");
    assert_eq!(error.code(), Code::Unauthenticated);
    let _ = soon(idle.ended).await.expect("it ended");
    fixture
        .until(|m| m.connections_never_authenticated == 2 && m.connections_open == 1)
        .await;
    let open = fixture.metrics().connections_accepted;
    caller
        .account("alice", "accounts/me")
        .await
        .expect("served");
    assert_eq!(
        fixture.metrics().connections_accepted,
        open,
        "on the same connection"
    );
}

#[tokio::test]
async fn signing_in_and_health_give_time_for_the_next_step() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::seconds(1);
        limits.connections.unauthenticated_calls_max = 1_000;
        limits.calls.address_rate = Rate {
            per_second: 1_000,
            burst: 1_000,
        };
    })
    .await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let started = tokio::time::Instant::now();
    // Three times as long as a connection that does nothing has.
    while started.elapsed() < Duration::from_secs(3) {
        for path in [
            "/rookery.v1.Accounts/SignIn",
            "/grpc.health.v1.Health/Check",
        ] {
            http.ready().await.expect("the connection is open");
            let (answer, mut send) = http
                .requests
                .send_request(call(path, None), false)
                .expect("open");
            send.send_data(bytes::Bytes::from_static(&[0; 5]), true)
                .expect("sent");
            assert_eq!(soon(answer).await.expect("an answer").status(), 200);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fixture.metrics().connections_accepted, 1);
    let _ = soon(http.ended)
        .await
        .expect("it ended, once it did nothing any more");
}

#[tokio::test]
async fn whoever_asks_for_health_for_ever_has_no_call_fail() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.unauthenticated_calls_max = 4;
    })
    .await;
    let client = fixture.client().await;
    let mut health = HealthClient::new(client.channel());
    for asked in 0..50 {
        let answer = soon(health.check(HealthCheckRequest::default())).await;
        assert!(answer.is_ok(), "{asked}: {answer:?}");
    }
    let opened = fixture.metrics().connections_accepted;
    assert!(opened > 5, "{opened}: no connection went");
}

#[tokio::test]
async fn one_account_cannot_take_the_places_of_others() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticated_per_account_max = 2;
    })
    .await;
    let (one, two) = (fixture.client().await, fixture.client().await);
    for client in [&one, &two, &one] {
        client
            .account("alice", "accounts/me")
            .await
            .expect("served");
    }
    let three = fixture.client().await;
    let refused = three.account("alice", "accounts/me").await;
    let refused = refused.expect_err("a third connection");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let details = refused.get_error_details();
    assert_eq!(
        details.error_info().expect("one").reason,
        "TOO_MANY_CONNECTIONS"
    );
    assert!(details.retry_info().is_some());
    let metrics = fixture.metrics();
    assert_eq!(metrics.connections_refused_account, 1);
    assert_eq!(metrics.connections_unauthenticated, 1, "it is nobody's yet");

    three
        .account("bob", "accounts/me")
        .await
        .expect("another account");
    drop(one);
    fixture.until(|m| m.connections_open == 2).await;
    let four = fixture.client().await;
    four.account("alice", "accounts/me")
        .await
        .expect("a place is free");
}

#[tokio::test]
async fn calls_without_a_caller_end_a_connection_after_a_while() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.unauthenticated_calls_max = 4;
    })
    .await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let mut answered = 0;
    for path in [
        "/grpc.health.v1.Health/Check",
        "/rookery.v1.Accounts/GetAccount",
    ]
    .iter()
    .cycle()
    {
        if http.ready().await.is_err() {
            break;
        }
        let Ok((answer, mut send)) = http.requests.send_request(call(path, None), false) else {
            break;
        };
        let sent = send.send_data(bytes::Bytes::from_static(&[0; 5]), true);
        if sent.is_err() || soon(answer).await.is_err() {
            break;
        }
        answered += 1;
        assert!(answered < 10, "no end");
    }
    assert!(answered >= 3, "{answered}");
    let _ = soon(http.ended).await.expect("it ended");

    let caller = fixture.client().await;
    caller
        .account("alice", "accounts/me")
        .await
        .expect("served");
    let mut health = HealthClient::new(caller.channel());
    for _ in 0..20 {
        health
            .check(HealthCheckRequest::default())
            .await
            .expect("callers may ask as often as they like");
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_says_so() {
    let fixture = Fixture::new().await;
    let limits = services_gateway::Limits::default();
    let error =
        services_gateway::listen(fixture.address(), &limits.connections).expect_err("taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    eventually(
        || fixture.metrics().connections_open == 0,
        || "open".to_owned(),
    )
    .await;
}
