//! Certificates that change, connections that age, and going down in order.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::v1::{ClientFrame, ServerFrame};
use services_gateway::{CertificateSource, Drained, Reloaded, Span};
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::client::{Http2, call, shown};
use crate::support::services::number;
use crate::support::{Client, Fixture, Trust, eventually, soon};

async fn session(client: &Client, who: &str) -> Streaming<ServerFrame> {
    let mut sessions = client.sessions(who);
    let opened = sessions
        .connect(futures::stream::pending::<ClientFrame>())
        .await;
    opened.expect("connected").into_inner()
}

async fn next(frames: &mut Streaming<ServerFrame>) -> u64 {
    number(
        &soon(frames.message())
            .await
            .expect("open")
            .expect("a frame"),
    )
}

fn fixture_file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A gateway with a certificate in files that can be replaced.
async fn with_files() -> (Fixture, Trust) {
    let dir = tempfile::tempdir().expect("a folder");
    install(dir.path(), "ec.crt", "ec-sec1.key");
    let source = CertificateSource::Files {
        chain: dir.path().join("certificate.pem"),
        key: dir.path().join("key.pem"),
        password: None,
    };
    let both = dir.path().join("both.pem");
    let text = |name| fs::read_to_string(fixture_file(name)).expect("reads");
    fs::write(&both, text("ec.crt") + &text("rsa.crt")).expect("writes");
    let fixture = Fixture::with_certificate(dir, source, |limits, _| {
        limits.connections.unauthenticated_per_address_max = 1_000;
        limits.connections.authenticated_per_account_max = 1_000;
    })
    .await;
    (fixture, Trust::file(&both))
}

fn install(dir: &Path, chain: &str, key: &str) {
    fs::copy(fixture_file(chain), dir.join("certificate.pem")).expect("copies");
    fs::copy(fixture_file(key), dir.join("key.pem")).expect("copies");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_newcomers_and_drops_nobody() {
    const SESSIONS: usize = 200;
    let (fixture, trust) = with_files().await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let client = Client::connect(fixture.address(), &trust).await;
        let mut frames = session(&client, "alice").await;
        assert_eq!(next(&mut frames).await, 0);
        sessions.push((client, frames));
    }
    for round in 1..=10_u64 {
        let before = fixture.handle.certificates().fingerprint();
        let (chain, key) =
            [("rsa.crt", "rsa-pkcs1.key"), ("ec.crt", "ec-sec1.key")][(round % 2) as usize];
        install(fixture.dir.path(), key, chain);
        assert!(
            fixture.handle.certificates().reload().is_err(),
            "a bad pair is not taken"
        );
        assert_eq!(shown(fixture.address(), &trust).await, before);
        install(fixture.dir.path(), chain, key);
        let reloaded = fixture.handle.certificates().reload().expect("a pair");
        if reloaded != Reloaded::Unchanged {
            assert_ne!(fixture.handle.certificates().fingerprint(), before);
        }
        assert_eq!(
            shown(fixture.address(), &trust).await,
            fixture.handle.certificates().fingerprint()
        );
        fixture.services.news.send_replace(round);
        for (_, frames) in &mut sessions {
            assert_eq!(next(frames).await, round);
        }
    }
    assert!(fixture.metrics().connections_open >= u64::try_from(SESSIONS).expect("small"));
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed_without_being_told() {
    let (fixture, _) = with_files().await;
    let before = fixture.handle.certificates().fingerprint();
    install(fixture.dir.path(), "rsa.crt", "rsa-pkcs1.key");
    let certificates = Arc::clone(fixture.handle.certificates());
    // Time passes by itself while nobody has anything to do.
    eventually(
        || certificates.fingerprint() != before,
        || "the old certificate".to_owned(),
    )
    .await;
}

#[tokio::test]
async fn an_old_connection_is_asked_to_go_and_its_client_comes_back() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::seconds(1);
        limits.connections.age_max = Span::millis(300);
        limits.connections.age_jitter_max = Span::millis(100);
    })
    .await;
    let client = fixture.client().await;
    let mut frames = session(&client, "alice").await;
    assert_eq!(next(&mut frames).await, 0);
    let leaving = fixture.services.last().leaving.expect("streams are told");
    soon(leaving.cancelled()).await;
    // The stream ends in order, without an error.
    assert!(soon(frames.message()).await.expect("no error").is_none());
    client
        .account("alice", "accounts/me")
        .await
        .expect("on a new connection");
    let metrics = fixture.metrics();
    assert!(
        metrics.connections_aged >= 1 && metrics.connections_accepted >= 2,
        "{metrics:?}"
    );
    assert_eq!(metrics.connections_cut, 0);
}

#[tokio::test]
async fn an_old_connection_that_does_not_go_is_cut() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::seconds(1);
        limits.connections.age_max = Span::millis(100);
        limits.connections.age_jitter_max = Span::millis(0);
        limits.connections.leave_within = Span::millis(100);
    })
    .await;
    let client = fixture.client().await;
    let error = soon(client.account("alice", "accounts/never"))
        .await
        .expect_err("cut");
    assert_ne!(error.code(), Code::DeadlineExceeded, "{error:?}");
    fixture
        .until(|m| m.connections_cut == 1 && m.handlers_running == 0)
        .await;
}

#[tokio::test]
async fn an_old_connection_has_no_more_time_than_the_node_that_drains() {
    let fixture = Fixture::with(|limits, _| {
        limits.connections.authenticate_within = Span::millis(100);
        limits.connections.age_max = Span::millis(100);
        limits.connections.age_jitter_max = Span::millis(0);
        limits.connections.leave_within = Span::minutes(1);
        limits.calls.unary_within = Span::minutes(1);
    })
    .await;
    let client = fixture.client().await;
    let stuck = client.account("alice", "accounts/never");
    let down = async {
        fixture.until(|m| m.connections_aged == 1).await;
        let within = Duration::from_millis(100);
        fixture.handle.shutdown(within, async {}).await
    };
    let (stuck, drained) = tokio::join!(soon(stuck), soon(down));
    assert!(stuck.is_err(), "{stuck:?}");
    assert_eq!(drained, Drained { connections_cut: 1 });
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_is_noticed() {
    let fixture = Fixture::with(|limits, _| {
        limits.http2.keepalive_every = Span::millis(50);
        limits.http2.keepalive_within = Span::millis(50);
    })
    .await;
    let http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    fixture.until(|m| m.connections_open == 1).await;
    // A connection that nobody drives answers no ping.
    let mut stream = crate::support::client::tls(fixture.address(), &fixture.trust(), b"h2").await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .expect("sends");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .expect("sends");
    fixture.until(|m| m.connections_open == 2).await;
    fixture.until(|m| m.connections_open == 1).await;
    drop(http);
}

async fn health(fixture: &Fixture, service: &str) -> Result<HealthCheckResponse, Code> {
    let channel = fixture.client().await.channel();
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel).check(request).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_tells_of_the_node_and_of_each_service() {
    let fixture = Fixture::new().await;
    for service in ["", "rookery.v1.Accounts", "rookery.v1.Sessions"] {
        let answer = health(&fixture, service).await.expect("known");
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(
        health(&fixture, "rookery.v1.Nothing").await,
        Err(Code::NotFound)
    );
    fixture.handle.set_ready(false).await;
    let answer = health(&fixture, "rookery.v1.Sessions")
        .await
        .expect("known");
    assert_eq!(answer.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn going_down_tells_health_then_streams_then_connections_and_loses_no_answer() {
    let fixture = Fixture::new().await;
    let client = fixture.client().await;
    let mut frames = session(&client, "alice").await;
    assert_eq!(next(&mut frames).await, 0);
    let mut watch = HealthClient::new(client.channel());
    let watched = watch
        .watch(HealthCheckRequest::default())
        .await
        .expect("watches");
    let mut watched = watched.into_inner();
    let status = soon(watched.message())
        .await
        .expect("open")
        .expect("a status");
    assert_eq!(status.status(), ServingStatus::Serving);
    let caller = client.clone();
    let mut under_way = Box::pin(async move { caller.account("alice", "accounts/gate").await });
    let running = fixture.until(|m| m.handlers_running == 1);
    tokio::select! {
        biased;
        answer = &mut under_way => panic!("answered: {answer:?}"),
        () = running => {}
    }

    let (told, address) = (AtomicBool::new(false), fixture.address());
    let tell_streams = async {
        // Not ready, and nobody new gets in, before the streams are told.
        let status = soon(watched.message())
            .await
            .expect("open")
            .expect("a status");
        assert_eq!(status.status(), ServingStatus::NotServing);
        eventually(
            || std::net::TcpStream::connect(address).is_err(),
            || "accepting".to_owned(),
        )
        .await;
        assert!(
            !fixture
                .services
                .last()
                .leaving
                .is_some_and(|leaving| leaving.is_cancelled())
        );
        told.store(true, Ordering::SeqCst);
    };
    let shutdown = fixture
        .handle
        .shutdown(Duration::from_secs(10), tell_streams);
    let finish = async {
        // The stream ends in order; the call that is under way gets its answer.
        assert!(soon(frames.message()).await.expect("no error").is_none());
        assert!(told.load(Ordering::SeqCst));
        fixture.services.gate.send_replace(true);
        soon(under_way).await.expect("answered");
        drop((client, frames));
    };
    let (drained, ()) = tokio::join!(shutdown, finish);
    assert_eq!(drained, Drained { connections_cut: 0 });
    let end = soon(watched.message())
        .await
        .expect_err("the watch has ended, too");
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(fixture.metrics().connections_open, 0);
}

#[tokio::test]
async fn who_is_sent_away_connects_anew_and_is_served() {
    let fixture = Fixture::new().await;
    let first = fixture.client().await;
    first.account("alice", "accounts/me").await.expect("served");
    assert_eq!(fixture.metrics().connections_open, 1);
    fixture.handle.send_away();
    let gone = || fixture.metrics().connections_open == 0;
    eventually(gone, || format!("{:?}", fixture.metrics())).await;
    let second = fixture.client().await;
    second
        .account("alice", "accounts/me")
        .await
        .expect("served");
    assert_eq!(fixture.metrics().connections_open, 1);
    fixture
        .handle
        .shutdown(Duration::from_secs(10), async {})
        .await;
    assert_eq!(fixture.metrics().connections_open, 0);
}

#[tokio::test]
async fn idle_connections_go_at_once_when_the_node_goes_down() {
    let fixture = Fixture::new().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = fixture.client().await;
        client
            .account("alice", "accounts/me")
            .await
            .expect("served");
        clients.push(client);
    }
    let started = tokio::time::Instant::now();
    let drained = fixture
        .handle
        .shutdown(Duration::from_secs(60), async {})
        .await;
    assert_eq!(drained, Drained { connections_cut: 0 });
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    fixture.tasks.stop();
    assert_eq!(fixture.tasks.ended(Duration::from_secs(10)).await, 0);
}

#[tokio::test]
async fn what_does_not_go_by_the_deadline_is_cut() {
    let fixture = Fixture::new().await;
    let stuck: FuturesUnordered<_> = FuturesUnordered::new();
    for _ in 0..3 {
        let client = fixture.client().await;
        stuck.push(async move { client.account("alice", "accounts/never").await });
    }
    let down = async {
        fixture.until(|m| m.handlers_running == 3).await;
        let never = std::future::pending();
        fixture
            .handle
            .shutdown(Duration::from_millis(200), never)
            .await
    };
    let (answers, drained) = tokio::join!(stuck.collect::<Vec<_>>(), soon(down));
    assert_eq!(drained, Drained { connections_cut: 3 });
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    fixture
        .until(|m| m.handlers_running == 0 && m.connections_open == 0)
        .await;
}

#[tokio::test]
async fn a_handshake_under_way_does_not_hold_up_going_down() {
    let fixture = Fixture::new().await;
    let _silent = tokio::net::TcpStream::connect(fixture.address())
        .await
        .expect("connects");
    fixture.until(|m| m.connections_open == 1).await;
    let drained = soon(fixture.handle.shutdown(Duration::from_secs(60), async {})).await;
    assert_eq!(drained, Drained { connections_cut: 0 });
}

#[tokio::test]
async fn a_call_that_was_begun_is_answered_although_the_node_goes_down() {
    let fixture = Fixture::new().await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let (answer, mut send) = {
        http.ready().await.expect("room");
        let request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
        http.requests.send_request(request, false).expect("sent")
    };
    // The connection is told to go while the call's message is still to come.
    fixture.until(|m| m.handlers_running == 1).await;
    let shutdown = fixture.handle.shutdown(Duration::from_secs(10), async {});
    let late = async {
        let address = fixture.address();
        eventually(
            || std::net::TcpStream::connect(address).is_err(),
            || "accepting".to_owned(),
        )
        .await;
        send.send_data(bytes::Bytes::from_static(&[0; 5]), true)
            .expect("sent");
        let answer = soon(answer)
            .await
            .expect("a call that was begun is answered");
        assert_eq!(answer.status(), 200);
        drop(answer);
        drop(http.requests);
        assert!(soon(http.ended).await.expect("it ended").is_ok());
    };
    let (drained, ()) = tokio::join!(shutdown, late);
    assert_eq!(drained, Drained { connections_cut: 0 });
}
