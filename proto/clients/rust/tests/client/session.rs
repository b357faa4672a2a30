//! The session: resume, exactly-once commands, gaps, slow programs, and its end.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each test waits for a few kinds of items and passes the others over"
)]

use std::time::Duration;

use proto::v1::client_frame::Command;
use proto::v1::farewell::Reason;
use proto::v1::{Farewell, presence};
use rookery_client::{
    Backoff, Client, Code, Error, Follow, Incoming, Item, Outgoing, SessionOptions,
};
use tokio::task::JoinSet;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::{Fake, body, is_refused};

const ROOM: &str = "rooms/a";

fn options() -> SessionOptions {
    SessionOptions::new().backoff(Backoff {
        first: Duration::from_millis(2),
        max: Duration::from_millis(20),
    })
}

async fn with_room(messages: u64) -> (Fake, Client) {
    let fake = Fake::start().await;
    fake.state.make_room(ROOM, messages);
    let client = fake.client().await;
    (fake, client)
}

async fn next(incoming: &mut Incoming) -> Item {
    incoming.next().await.expect("the session goes on")
}

/// Reads until so many events came; any gap fails.
async fn events(incoming: &mut Incoming, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        match next(incoming).await {
            Item::Event(event) => bodies.push(body(&event)),
            Item::Gap { .. } | Item::Ended(_) | Item::SignedOut => panic!("after {bodies:?}"),
            _ => {}
        }
    }
    bodies
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Reads until an item is this, and gives what the closure made of it.
async fn until<T>(incoming: &mut Incoming, wanted: impl Fn(&Item) -> Option<T>) -> T {
    loop {
        let item = next(incoming).await;
        if let Some(found) = wanted(&item) {
            return found;
        }
    }
}

async fn until_live(incoming: &mut Incoming) -> (u64, String) {
    until(incoming, |item| match item {
        Item::Live { seq, log_id, .. } => Some((*seq, log_id.clone())),
        _ => None,
    })
    .await
}

async fn until_reconnected(incoming: &mut Incoming) {
    until(incoming, |item| {
        matches!(item, Item::Reconnected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_catches_up_goes_live_and_goes_on() {
    let (fake, client) = with_room(40).await;
    let opened = client.session(options().follow(Follow::from_start(ROOM)));
    let (_session, mut incoming) = opened.await.expect("a session");
    assert!(
        matches!(next(&mut incoming).await, Item::Ready { account, .. } if account == "accounts/ada")
    );
    assert_eq!(events(&mut incoming, 40).await, numbers(1..=40));
    assert_eq!(until_live(&mut incoming).await, (40, "log one".to_owned()));
    fake.state.say(ROOM, "41");
    assert_eq!(events(&mut incoming, 1).await, ["41"]);
}

#[tokio::test]
async fn every_event_comes_once_and_in_order_over_twenty_cuts() {
    let (fake, client) = with_room(0).await;
    let opened = client.session(options().follow(Follow::from_start(ROOM)));
    let (_session, mut incoming) = opened.await.expect("a session");
    for round in 0..20 {
        for number in 1..=50 {
            fake.state.say(ROOM, &(round * 50 + number).to_string());
            if number == 25 {
                fake.cut();
            }
        }
        let from = round * 50;
        assert_eq!(
            events(&mut incoming, 50).await,
            numbers(from + 1..=from + 50)
        );
    }
    assert!(fake.state.seen.lock().hellos.len() > 10, "it was cut often");
}

#[tokio::test]
async fn a_message_is_in_its_room_once_when_every_answer_is_lost_once() {
    let (fake, client) = with_room(0).await;
    let opened = client.session(options().follow(Follow::from_start(ROOM)));
    let (session, mut incoming) = opened.await.expect("a session");
    for number in 1..=15 {
        fake.state.faults.lock().lose_replies = 1;
        let message = Outgoing::new(ROOM, number.to_string());
        let sent = session.send_message(&message).await.expect("sent at last");
        assert_eq!(sent.seq, number);
    }
    assert_eq!(fake.state.bodies(ROOM), numbers(1..=15));
    assert_eq!(fake.state.seen.lock().sends.len(), 30);
    assert_eq!(events(&mut incoming, 15).await, numbers(1..=15));
}

#[tokio::test]
async fn messages_given_together_keep_their_order_over_a_cut() {
    let (fake, client) = with_room(0).await;
    let (session, _incoming) = client.session(options()).await.expect("a session");
    fake.state.faults.lock().mute = true;
    let mut tasks = JoinSet::new();
    for number in 1..=20_usize {
        let session = session.clone();
        let message = Outgoing::new(ROOM, number.to_string());
        tasks.spawn(async move { session.send_message(&message).await });
        while fake.state.seen.lock().sends.len() < number {
            tokio::task::yield_now().await;
        }
    }
    fake.state.faults.lock().mute = false;
    fake.cut();
    while let Some(sent) = tasks.join_next().await {
        sent.expect("no panic").expect("sent on the second stream");
    }
    assert_eq!(fake.state.bodies(ROOM), numbers(1..=20));
}

#[tokio::test]
async fn a_refusal_that_may_pass_is_tried_again_under_the_same_id() {
    let (fake, client) = with_room(0).await;
    let (session, _incoming) = client.session(options()).await.expect("a session");
    let refuse = (0..3).map(|_| Status::aborted("lost a race"));
    fake.state.faults.lock().refuse.extend(refuse);
    let message = Outgoing::new(ROOM, "hello");
    session.send_message(&message).await.expect("the fourth");
    let sends = fake.state.seen.lock().sends.clone();
    assert_eq!(sends, vec![message.id(); 4]);
}

#[tokio::test]
async fn a_command_without_an_answer_ends_at_its_deadline() {
    let (fake, client) = with_room(0).await;
    let deadline = Duration::from_millis(50);
    let opened = client.session(options().command_deadline(deadline));
    let (session, _incoming) = opened.await.expect("a session");
    fake.state.faults.lock().mute = true;
    let message = Outgoing::new(ROOM, "hello");
    let error = session.send_message(&message).await.expect_err("no answer");
    assert!(matches!(error, Error::TimedOut) && error.may_have_happened());
    fake.state.faults.lock().mute = false;
    session
        .send_message(&message)
        .await
        .expect("the same again");
    assert_eq!(fake.state.bodies(ROOM), ["hello"]);
}

#[tokio::test]
async fn a_gap_is_told_and_filled() {
    let (fake, client) = with_room(0).await;
    let opened = client.session(options().follow(Follow::from_start(ROOM)));
    let (_session, mut incoming) = opened.await.expect("a session");
    until_live(&mut incoming).await;
    fake.state.faults.lock().skip.push(2);
    for number in 1..=4 {
        fake.state.say(ROOM, &number.to_string());
    }
    let mut bodies = Vec::new();
    let mut gaps = Vec::new();
    while bodies.len() < 4 {
        match next(&mut incoming).await {
            Item::Event(event) => bodies.push(body(&event)),
            Item::Gap {
                expected, found, ..
            } => gaps.push((expected, found)),
            _ => {}
        }
    }
    assert_eq!(gaps, [(2, 3)]);
    assert_eq!(bodies, numbers(1..=4));
    assert_eq!(fake.state.seen.lock().hellos.len(), 1, "on the same stream");
}

#[tokio::test]
async fn what_comes_twice_is_given_once() {
    let (fake, client) = with_room(30).await;
    fake.state.faults.lock().twice = true;
    let opened = client.session(options().follow(Follow::from_start(ROOM)));
    let (_session, mut incoming) = opened.await.expect("a session");
    assert_eq!(events(&mut incoming, 30).await, numbers(1..=30));
}

#[tokio::test]
async fn a_slow_program_loses_nothing_and_may_send_meanwhile() {
    let (fake, client) = with_room(500).await;
    let opened = client.session(options().items_max(8).follow(Follow::from_start(ROOM)));
    let (session, mut incoming) = opened.await.expect("a session");
    let mut bodies = Vec::new();
    while bodies.len() < 550 {
        if let Item::Event(event) = next(&mut incoming).await {
            bodies.push(body(&event));
            if bodies.len().is_multiple_of(10) && bodies.len() <= 500 {
                let number = (500 + bodies.len() / 10).to_string();
                let message = Outgoing::new(ROOM, number);
                session.send_message(&message).await.expect("answered");
            }
        }
    }
    assert_eq!(bodies, numbers(1..=550));
    assert_eq!(fake.state.seen.lock().hellos.len(), 1, "on the same stream");
}

#[tokio::test]
async fn a_rebuilt_log_is_told_before_it_is_sent() {
    let (fake, client) = with_room(9).await;
    let opened = client.session(options().follow(Follow::after(ROOM, 7, "log one")));
    let (_session, mut incoming) = opened.await.expect("a session");
    assert_eq!(events(&mut incoming, 2).await, numbers(8..=9));
    until_live(&mut incoming).await;
    fake.state.rebuild(ROOM, 3);
    fake.cut();
    until(&mut incoming, |item| match item {
        Item::Rebuilt { .. } => Some(()),
        Item::Event(event) => panic!("{event:?}"),
        _ => None,
    })
    .await;
    assert_eq!(events(&mut incoming, 3).await, numbers(1..=3));
    assert_eq!(until_live(&mut incoming).await, (3, "log two".to_owned()));
}

#[tokio::test]
async fn rooms_are_followed_and_left_while_the_session_stands() {
    let (fake, client) = with_room(5).await;
    let (session, mut incoming) = client.session(options()).await.expect("a session");
    session.follow(Follow::from_head(ROOM)).await.expect("ours");
    until_live(&mut incoming).await;
    fake.state.say(ROOM, "6");
    assert_eq!(events(&mut incoming, 1).await, ["6"]);
    session.unfollow(ROOM).await.expect("done");
    fake.state.say(ROOM, "7");
    fake.cut();
    until_reconnected(&mut incoming).await;
    session.follow(Follow::from_head(ROOM)).await.expect("ours");
    until_live(&mut incoming).await;
    fake.state.say(ROOM, "8");
    assert_eq!(events(&mut incoming, 1).await, ["8"]);
    let error = session.follow(Follow::from_start("rooms/none")).await;
    assert!(is_refused(&error.expect_err("no room"), Code::NotFound));
}

#[tokio::test]
async fn presence_is_set_again_on_each_stream() {
    let (fake, client) = with_room(0).await;
    let opened = client.session(options().watch_presence(vec!["accounts/bo".to_owned()]));
    let (session, mut incoming) = opened.await.expect("a session");
    session
        .set_presence(presence::State::Away)
        .await
        .expect("done");
    fake.cut();
    until_reconnected(&mut incoming).await;
    session.set_typing(ROOM).await.expect("done");
    let frames = fake.state.seen.lock().frames.clone();
    let count = |wanted: fn(&Command) -> bool| {
        let commands = frames.iter().filter_map(|frame| frame.command.as_ref());
        commands.filter(|command| wanted(command)).count()
    };
    assert_eq!(count(|c| matches!(c, Command::SetPresence(_))), 2);
    assert_eq!(count(|c| matches!(c, Command::WatchPresence(_))), 2);
}

#[tokio::test]
async fn a_sign_out_is_the_end() {
    let (fake, client) = with_room(0).await;
    let (session, mut incoming) = client.session(options()).await.expect("a session");
    fake.say_farewell(Farewell {
        reason: Reason::SignedOut.into(),
        retry_after_ms: 0,
    });
    until(&mut incoming, |item| {
        matches!(item, Item::SignedOut).then_some(())
    })
    .await;
    assert!(incoming.next().await.is_none());
    let message = Outgoing::new(ROOM, "hello");
    let error = session.send_message(&message).await.expect_err("over");
    assert!(
        matches!(error, Error::Ended | Error::SignedOut),
        "{error:?}"
    );
    assert_eq!(
        fake.state.seen.lock().hellos.len(),
        1,
        "it did not come back"
    );
}

#[tokio::test]
async fn a_draining_server_is_left_for_as_long_as_it_asks() {
    let (fake, client) = with_room(0).await;
    let (_session, mut incoming) = client.session(options()).await.expect("a session");
    fake.say_farewell(Farewell {
        reason: Reason::Draining.into(),
        retry_after_ms: 15,
    });
    let wait = until(&mut incoming, |item| match item {
        Item::Reconnecting { wait, attempt, .. } => Some((*wait, *attempt)),
        _ => None,
    });
    let (wait, attempt) = wait.await;
    assert!(wait >= Duration::from_millis(15), "{wait:?}");
    assert_eq!(attempt, 1);
    fake.unsay_farewell();
    until_reconnected(&mut incoming).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_with_growing_numbers_until_it_is_back() {
    let (fake, client) = with_room(0).await;
    let (_session, mut incoming) = client.session(options()).await.expect("a session");
    fake.say_farewell(Farewell::default());
    for expected in 1..=5 {
        let attempt = until(&mut incoming, |item| match item {
            Item::Reconnecting { attempt, wait, .. } => Some((*attempt, *wait)),
            _ => None,
        });
        let (attempt, wait) = attempt.await;
        assert_eq!(attempt, expected);
        assert!(wait <= Duration::from_millis(20), "{wait:?}");
    }
    fake.unsay_farewell();
    until_reconnected(&mut incoming).await;
}

#[tokio::test]
async fn a_server_that_turns_clients_away_is_asked_ever_more_rarely() {
    let (fake, client) = with_room(0).await;
    let backoff = Backoff {
        first: Duration::from_millis(2),
        max: Duration::from_millis(200),
    };
    let opened = client.session(SessionOptions::new().backoff(backoff));
    let (_session, mut incoming) = opened.await.expect("a session");
    let asked = Duration::from_millis(1);
    let details = ErrorDetails::with_retry_info(Some(asked));
    let busy = Status::with_error_details(Code::ResourceExhausted, "too many", details);
    fake.state.faults.lock().turn_away = Some(busy);
    fake.cut();
    // With the ceiling of the first attempt every time, no wait is longer than three milliseconds.
    let longest = asked + backoff.first;
    loop {
        let reconnecting = until(&mut incoming, |item| match item {
            Item::Reconnecting { wait, attempt, .. } => Some((*wait, *attempt)),
            _ => None,
        });
        let (wait, attempt) = reconnecting.await;
        assert!(attempt == 1 || wait >= asked, "{wait:?}");
        if wait > longest * 4 {
            break;
        }
        assert!(attempt < 30, "it asks as often as at first");
    }
    fake.state.faults.lock().turn_away = None;
    until_reconnected(&mut incoming).await;
}

#[tokio::test]
async fn a_session_ends_at_the_server_when_nobody_reads_it_any_more() {
    let (fake, client) = with_room(0).await;
    let (session, incoming) = client.session(options()).await.expect("a session");
    fake.until_streams(1).await;
    drop(incoming);
    fake.until_streams(0).await;
    let error = session.set_typing(ROOM).await.expect_err("over");
    assert!(matches!(error, Error::Ended), "{error:?}");
}

#[tokio::test]
async fn a_session_without_a_token_does_not_begin() {
    let (fake, _) = with_room(0).await;
    let client = fake.builder().connect().await.expect("it listens");
    let error = client.session(options()).await.expect_err("no token");
    assert!(is_refused(&error, Code::Unauthenticated));
}
