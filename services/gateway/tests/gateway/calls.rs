//! How fast, how much at once, and how long.

use std::time::Duration;

use proto::v1::{ClientFrame, DownloadFileRequest, GetAccountRequest, SignInRequest};
use services_gateway::{ByteCount, Limits, Rate, Span};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::client::{Http2, call, framed};
use crate::support::services::number;
use crate::support::{Client, Fixture, soon};

/// The reason of a refusal, and after how long to come again.
fn reason(refused: &Status) -> (String, Option<Duration>) {
    let details = refused.get_error_details();
    let info = details.error_info().expect("one ErrorInfo");
    assert_eq!(info.domain, "rookery.v1");
    let retry = details.retry_info().and_then(|retry| retry.retry_delay);
    (info.reason.clone(), retry)
}

/// Starts a call and waits until its service has it.
macro_rules! started {
    ($fixture:expr, $call:expr) => {{
        let running = $fixture.metrics().handlers_running;
        let mut call = Box::pin($call);
        tokio::select! {
            biased;
            answer = &mut call => panic!("answered: {answer:?}"),
            () = $fixture.until(|m| m.handlers_running > running) => {}
        }
        call
    }};
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_with_its_reason() {
    let fixture = Fixture::with(|limits, _| limits.calls.unary_within = Span::millis(50)).await;
    let client = fixture.client().await;
    let late = soon(client.account("alice", "accounts/never"))
        .await
        .expect_err("late");
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&late), ("DEADLINE_EXCEEDED".to_owned(), None));
    fixture
        .until(|m| m.handlers_running == 0 && m.calls_late == 1)
        .await;
}

#[tokio::test]
async fn a_client_may_ask_for_less_time_and_not_for_more() {
    let fixture = Fixture::with(|limits, _| limits.calls.unary_within = Span::millis(300)).await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    for (asked, least) in [("20m", 20), ("1H", 300)] {
        let mut request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
        request
            .headers_mut()
            .insert("grpc-timeout", asked.parse().expect("a header"));
        let started = tokio::time::Instant::now();
        http.ready().await.expect("room");
        let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
        let never = GetAccountRequest {
            name: "accounts/never".to_owned(),
        };
        send.send_data(framed(&never), true).expect("sent");
        let answer = soon(answer).await.expect("an answer");
        assert_eq!(answer.headers()["grpc-status"], "4", "{asked}");
        let (took, least) = (started.elapsed(), Duration::from_millis(least));
        assert!(
            took >= least && took < least + Duration::from_secs(10),
            "{asked}: {took:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_outlives_the_deadline_of_calls() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.unary_within = Span::millis(30);
        limits.calls.fetched_within = Span::millis(30);
    })
    .await;
    let client = fixture.client().await;
    let mut sessions = client.sessions("alice");
    let session = sessions
        .connect(futures::stream::pending::<ClientFrame>())
        .await;
    let mut frames = session.expect("connected").into_inner();
    assert_eq!(
        number(&soon(frames.message()).await.expect("open").expect("news")),
        0
    );
    for news in 1..4 {
        // Each call is later than the deadline of the one before it.
        let late = client
            .account("alice", "accounts/never")
            .await
            .expect_err("late");
        assert_eq!(late.code(), Code::DeadlineExceeded);
        fixture.services.news.send_replace(news);
        let frame = soon(frames.message()).await.expect("open").expect("news");
        assert_eq!(number(&frame), news);
    }
}

#[tokio::test]
async fn what_is_too_much_is_shed_at_once_and_told_when_to_come_again() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_max = 2).await;
    let (one, two) = (fixture.client().await, fixture.client().await);
    let first = started!(fixture, one.account("alice", "accounts/gate"));
    let second = started!(fixture, two.account("bob", "accounts/gate"));
    let shed = soon(two.account("bob", "accounts/me"))
        .await
        .expect_err("shed");
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert_eq!(
        reason(&shed),
        ("OVERLOADED".to_owned(), Some(Duration::from_secs(1)))
    );
    assert_eq!(fixture.metrics().calls_shed, 1);

    // Who asks after the node's health gets an answer all the same.
    let mut health = tonic_health::pb::health_client::HealthClient::new(two.channel());
    let healthy = health
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await;
    assert!(healthy.is_ok(), "{healthy:?}");

    fixture.services.gate.send_replace(true);
    first.await.expect("served");
    second.await.expect("served");
    soon(two.account("bob", "accounts/me"))
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn a_session_takes_no_place_while_it_is_open() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_max = 1).await;
    let client = fixture.client().await;
    let mut sessions = client.sessions("alice");
    let open = sessions
        .connect(futures::stream::pending::<ClientFrame>())
        .await;
    let open = open.expect("connected");
    soon(client.account("alice", "accounts/me"))
        .await
        .expect("there is room");
    drop(open);
}

#[tokio::test]
async fn a_call_that_is_cancelled_frees_its_place() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_max = 1).await;
    let client = fixture.client().await;
    let cancelled = started!(fixture, client.account("alice", "accounts/never"));
    drop(cancelled);
    fixture
        .until(|m| m.handlers_running == 0 && m.calls_cancelled == 1)
        .await;
    soon(client.account("alice", "accounts/me"))
        .await
        .expect("there is room");
}

#[tokio::test]
async fn a_service_that_panics_hurts_its_call_alone() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_max = 1).await;
    let client = fixture.client().await;
    let error = soon(client.account("alice", "accounts/panic")).await;
    assert!(error.is_err(), "{error:?}");
    soon(client.account("alice", "accounts/me"))
        .await
        .expect("the same connection goes on");
    assert_eq!(fixture.metrics().handlers_running, 0);
}

#[tokio::test]
async fn one_connection_waits_for_its_own_calls() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_per_connection_max = 1).await;
    let (busy, other) = (fixture.client().await, fixture.client().await);
    let first = started!(fixture, busy.account("alice", "accounts/gate"));
    let mut second = started!(fixture, busy.account("alice", "accounts/me"));
    soon(other.account("bob", "accounts/me"))
        .await
        .expect("not held up by others");
    assert!(futures::poll!(&mut second).is_pending());
    fixture.services.gate.send_replace(true);
    first.await.expect("served");
    soon(second).await.expect("served next");
}

async fn use_up(client: &Client, who: &str, burst: usize) {
    for _ in 0..burst {
        client
            .account(who, "accounts/me")
            .await
            .expect("within the burst");
    }
}

#[tokio::test]
async fn an_account_has_one_pace_over_all_its_connections() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.account_rate = Rate {
            per_second: 1,
            burst: 4,
        };
    })
    .await;
    let (one, two) = (fixture.client().await, fixture.client().await);
    use_up(&one, "alice", 2).await;
    use_up(&two, "alice", 2).await;
    let refused = one
        .account("alice", "accounts/me")
        .await
        .expect_err("too fast");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let (reason, retry) = reason(&refused);
    assert_eq!(reason, "RATE_LIMITED");
    assert!(
        retry.is_some_and(|retry| retry <= Duration::from_secs(1)),
        "{retry:?}"
    );
    one.account("bob", "accounts/me")
        .await
        .expect("another account is not affected");
    assert_eq!(fixture.metrics().calls_too_fast, 1);
}

#[tokio::test]
async fn strangers_from_one_address_have_one_pace() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.address_rate = Rate {
            per_second: 1,
            burst: 2,
        };
    })
    .await;
    let (one, two) = (fixture.client().await, fixture.client().await);
    one.sign_in().await.expect("within the burst");
    two.sign_in().await.expect("within the burst");
    let refused = two.sign_in().await.expect_err("too fast");
    assert_eq!(reason(&refused).0, "RATE_LIMITED");
    two.account("alice", "accounts/me")
        .await
        .expect("callers are counted by account");
}

#[tokio::test]
async fn a_request_that_is_too_large_does_not_reach_its_service() {
    let small = |limits: &mut Limits, _: &mut _| {
        limits.messages.request_bytes_max = ByteCount::kib(4);
    };
    let fixture = Fixture::with(small).await;
    let client = fixture.client().await;
    let user_name = "x".repeat(5 * 1024);
    let large = SignInRequest {
        user_name,
        ..SignInRequest::default()
    };
    let refused = soon(client.accounts(None).sign_in(large))
        .await
        .expect_err("too large");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason(&refused), ("INVALID_REQUEST".to_owned(), None));
    let details = refused.get_error_details();
    let fields = &details.bad_request().expect("one").field_violations;
    assert_eq!((fields.len(), fields[0].field.as_str()), (1, "user_name"));
    assert_eq!(fixture.services.calls(), 0);
    client.sign_in().await.expect("the connection goes on");
}

/// A client that reads a thousand bytes of each answer and gives no room for more.
async fn reluctant(fixture: &Fixture) -> Http2 {
    let mut narrow = h2::client::Builder::new();
    narrow.initial_window_size(1_000);
    Http2::with(fixture.address(), &fixture.trust(), &fixture.tasks, &narrow).await
}

/// Asks for 1 MiB and waits until the answer has begun.
async fn ask_for_much(http: &mut Http2) -> h2::RecvStream {
    http.ready().await.expect("room");
    let request = call("/rookery.v1.Accounts/GetAccount", Some("alice"));
    let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
    let large = GetAccountRequest {
        name: "accounts/large".to_owned(),
    };
    send.send_data(framed(&large), true).expect("sent");
    soon(answer).await.expect("the answer begins").into_body()
}

#[tokio::test]
async fn who_does_not_fetch_answers_loses_the_connection() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.unary_within = Span::millis(50);
        limits.calls.fetched_within = Span::millis(50);
    })
    .await;
    let mut http = reluctant(&fixture).await;
    let mut body = ask_for_much(&mut http).await;
    let mut fetched = 0;
    while let Some(Ok(bytes)) = soon(body.data()).await {
        fetched += bytes.len();
    }
    assert_eq!(fetched, 1_000);
    let _ = soon(http.ended).await.expect("it ended");
    fixture
        .until(|m| m.connections_not_fetching == 1 && m.connections_open == 0)
        .await;
}

/// Asks for a file of 1 MiB and waits until it has begun.
async fn ask_for_a_file(http: &mut Http2) -> h2::RecvStream {
    http.ready().await.expect("room");
    let request = call("/rookery.v1.Files/DownloadFile", Some("alice"));
    let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
    let file = DownloadFileRequest::default();
    send.send_data(framed(&file), true).expect("sent");
    soon(answer).await.expect("the answer begins").into_body()
}

#[tokio::test]
async fn who_stands_still_in_a_file_loses_the_connection() {
    let still = |limits: &mut Limits, _: &mut _| {
        limits.calls.fetched_within = Span::millis(50);
    };
    let fixture = Fixture::with(still).await;
    let mut http = reluctant(&fixture).await;
    let mut body = ask_for_a_file(&mut http).await;
    let mut fetched = 0;
    while let Some(Ok(bytes)) = soon(body.data()).await {
        fetched += bytes.len();
    }
    assert_eq!(fetched, 1_000);
    let _ = soon(http.ended).await.expect("it ended");
    fixture
        .until(|m| m.connections_not_fetching == 1 && m.connections_open == 0)
        .await;
}

/// The request is one message, and whoever does not end it would hold a place on the node for ever.
#[tokio::test]
async fn who_never_ends_asking_for_a_file_is_answered_and_gives_the_place_back() {
    let fixture = Fixture::with(|limits, _| {
        limits.calls.unary_within = Span::millis(100);
        limits.calls.handlers_max = 1;
    })
    .await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    for (number, is_asked) in [(1, false), (2, true)] {
        http.ready().await.expect("room");
        let request = call("/rookery.v1.Files/DownloadFile", Some("alice"));
        let (answer, mut send) = http.requests.send_request(request, false).expect("sent");
        if is_asked {
            let file = DownloadFileRequest::default();
            send.send_data(framed(&file), false).expect("sent");
        }
        let answer = soon(answer).await.expect("an answer");
        assert_eq!(answer.headers()["grpc-status"], "4");
        fixture
            .until(|m| m.handlers_running == 0 && m.calls_late == number)
            .await;
    }
    let (other, until) = (fixture.client().await, Duration::from_secs(30));
    let served = async {
        // As late as any other call on a slow day, but there is a place for it.
        while other.account("bob", "accounts/me").await.is_err() {}
    };
    tokio::time::timeout(until, served)
        .await
        .expect("is served");
}

#[tokio::test]
async fn who_takes_a_file_slowly_or_waits_for_the_server_keeps_the_connection() {
    let still = |limits: &mut Limits, _: &mut _| {
        limits.calls.unary_within = Span::seconds(2);
        limits.calls.fetched_within = Span::millis(200);
    };
    let fixture = Fixture::with(still).await;
    let mut http = reluctant(&fixture).await;
    let mut body = ask_for_a_file(&mut http).await;
    let mut fetched = 0;
    while fetched < 16 * (64 << 10) {
        let bytes = soon(body.data()).await.expect("more").expect("goes on");
        fetched += bytes.len();
        body.flow_control()
            .release_capacity(bytes.len())
            .expect("is ours");
    }
    // All that there is was taken: now the server is the one that is waited for, longer than a call may take.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(fixture.metrics().connections_not_fetching, 0);
    fixture.services.gate.send_replace(true);
    while let Some(more) = soon(body.data()).await {
        more.expect("goes on");
    }
    let end = soon(body.trailers()).await.expect("trailers");
    assert_eq!(end.expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn answers_that_are_not_fetched_are_counted_against_their_account() {
    let fixture = Fixture::with(|limits, _| limits.calls.account_calls_max = 3).await;
    let (mut one, mut two) = (reluctant(&fixture).await, reluctant(&fixture).await);
    let first = ask_for_much(&mut one).await;
    let second = [ask_for_much(&mut one).await, ask_for_much(&mut two).await];
    assert_eq!(fixture.metrics().handlers_running, 0);
    let client = fixture.client().await;
    let refused = client
        .account("alice", "accounts/me")
        .await
        .expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(
        reason(&refused),
        ("TOO_MANY_CALLS".to_owned(), Some(Duration::from_secs(1)))
    );
    client
        .account("bob", "accounts/me")
        .await
        .expect("another account is not affected");
    drop(first);
    let fetched = async { while client.account("alice", "accounts/me").await.is_err() {} };
    soon(fetched).await;
    drop(second);
}

#[tokio::test]
async fn a_stranger_is_given_no_queue() {
    let fixture = Fixture::with(|limits, _| limits.calls.handlers_per_connection_max = 1).await;
    let mut http = Http2::connect(fixture.address(), &fixture.trust(), &fixture.tasks).await;
    let mut begin = async || {
        http.ready().await.expect("room");
        let request = call("/rookery.v1.Accounts/SignIn", None);
        http.requests.send_request(request, false).expect("sent")
    };
    // The first waits for its message, so it is under way.
    let (first, mut send) = begin().await;
    fixture.until(|m| m.handlers_running == 1).await;
    let (second, _) = begin().await;
    assert_eq!(
        soon(second).await.expect("an answer").headers()["grpc-status"],
        "8"
    );
    send.send_data(framed(&SignInRequest::default()), true)
        .expect("sent");
    assert_eq!(soon(first).await.expect("an answer").status(), 200);
}
