//! Unary calls: what is tried again, how often, and under which id.

use std::time::Duration;

use rookery_client::{Code, Error, Outgoing, Retry};
use tokio::time::Instant;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::{Fake, is_refused, quick};

const ROOM: &str = "rooms/a";

async fn with_room() -> Fake {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, 0);
    fake
}

#[tokio::test]
async fn a_message_is_sent_again_under_the_same_id() {
    let fake = with_room().await;
    let refusals = [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted];
    let refuse = refusals.map(|code| Status::new(code, "not now"));
    fake.state.faults.lock().refuse.extend(refuse);
    let message = Outgoing::new(ROOM, "hello");
    let sent = fake.client().await.send_message(&message).await;
    assert_eq!(sent.expect("the fourth attempt").seq, 1);
    let sends = fake.state.seen.lock().sends.clone();
    assert_eq!(sends, vec![message.id(); 4]);
    assert_eq!(fake.state.bodies(ROOM), ["hello"]);
}

#[tokio::test]
async fn a_lost_answer_does_not_double_the_message() {
    let fake = with_room().await;
    fake.state.faults.lock().lose_replies = 2;
    let client = fake.client().await;
    let sent = client.send_message(&Outgoing::new(ROOM, "hello")).await;
    assert_eq!(sent.expect("the third attempt").seq, 1);
    assert_eq!(fake.state.seen.lock().sends.len(), 3);
    assert_eq!(fake.state.bodies(ROOM), ["hello"]);
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept() {
    let fake = with_room().await;
    let asked = Duration::from_millis(40);
    let details = || {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(asked));
        details
    };
    let busy = || Status::with_error_details(Code::ResourceExhausted, "too fast", details());
    fake.state.faults.lock().refuse.extend([busy(), busy()]);
    let client = fake.client().await;
    let began = Instant::now();
    client
        .send_message(&Outgoing::new(ROOM, "hello"))
        .await
        .expect("the third attempt");
    assert!(began.elapsed() >= asked * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn attempts_have_a_bound() {
    let fake = with_room().await;
    let refuse = (0..10).map(|_| Status::unavailable("not now"));
    fake.state.faults.lock().refuse.extend(refuse);
    let retry = Retry {
        attempts_max: 3,
        ..quick()
    };
    let client = fake.builder().retry(retry).connect().await;
    let client = client
        .expect("it listens")
        .with_token(rookery_client::Token::new(crate::fake::TOKEN))
        .expect("a good token");
    let refused = client.send_message(&Outgoing::new(ROOM, "hello")).await;
    assert!(is_refused(&refused.expect_err("down"), Code::Unavailable));
    assert_eq!(fake.state.seen.lock().sends.len(), 3);
}

#[tokio::test]
async fn what_is_refused_for_good_is_tried_once() {
    let fake = with_room().await;
    let client = fake.client().await;
    let refused = client
        .send_message(&Outgoing::new("rooms/none", "hello"))
        .await;
    assert!(is_refused(&refused.expect_err("no room"), Code::NotFound));
    assert_eq!(fake.state.seen.lock().sends.len(), 1);
}

#[tokio::test]
async fn what_might_happen_twice_is_tried_once() {
    let fake = with_room().await;
    let client = fake.client().await;
    let refused = client.set_typing(ROOM).await.expect_err("not now");
    assert!(is_refused(&refused, Code::Unavailable));
    assert_eq!(fake.state.seen.lock().typing, 1);
}

#[tokio::test]
async fn a_client_without_a_token_is_told_to_sign_in() {
    let fake = with_room().await;
    let client = fake.builder().connect().await.expect("it listens");
    let refused = client.send_message(&Outgoing::new(ROOM, "hello")).await;
    let error = refused.expect_err("no token");
    assert!(is_refused(&error, Code::Unauthenticated));
    assert!(matches!(error, Error::Refused(_)) && !error.may_have_happened());
}
