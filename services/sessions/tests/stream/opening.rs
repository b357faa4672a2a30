//! Opening a stream, and being refused.

use std::sync::Arc;

use bytes::Bytes;
use cluster_store::{Faults, StoreError};
use services_sessions::limits::{HELLO_DEADLINE, SESSIONS_PER_ACCOUNT_MAX};
use tokio::time::Instant;

use crate::wire::{Code, Command, Item, connect, message, open, reason, violation};
use crate::world::{World, hello, send, text, texts};

#[tokio::test(start_paused = true)]
async fn a_stream_needs_a_caller_and_the_right_path() {
    let world = World::new().await;
    let refused = connect(&world.sessions, None).await.expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let path = "/rookery.v1.Sessions/Other";
    let refused = open(&world.sessions, Some(world.person()), path).await;
    assert_eq!(
        refused.expect_err("no such call").code(),
        Code::Unimplemented
    );
    assert_eq!(world.hub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_has_to_be_a_hello_and_no_other() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.stream(ann).await.expect("a stream");
    client.send(send(room, 1, "too early"));
    client.send(Command::Hello(hello(vec![])));
    let (items, status) = client.rest().await;
    assert!(items.is_empty(), "{items:?}");
    assert_eq!(status.code(), Code::InvalidArgument);
    let expected = ("hello".to_owned(), "must be the first frame".to_owned());
    assert_eq!(violation(&status), expected);

    let mut client = world.client(ann, vec![]).await;
    client.send(Command::Hello(hello(vec![])));
    let (_, status) = client.rest().await;
    let expected = ("hello".to_owned(), "has been said already".to_owned());
    assert_eq!(violation(&status), expected);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_not_waited_for() {
    let world = World::new().await;
    let mut client = world.stream(world.person()).await.expect("a stream");
    let began = Instant::now();
    let (_, status) = client.rest().await;
    assert_eq!(violation(&status).0, "hello");
    assert!(began.elapsed() >= HELLO_DEADLINE);
    assert!(began.elapsed() < HELLO_DEADLINE * 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_said_hello_may_be_silent() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.client(bob, vec![]).await;
    tokio::time::advance(HELLO_DEADLINE * 10).await;
    world.say(ann, room, "still there?").await;
    assert_eq!(texts(&[client.item().await]), ["1 of 1 unread"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_ends_the_stream() {
    let world = World::new().await;
    let compressed = Bytes::from_static(&[1, 0, 0, 0, 0]);
    let endless = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
    for garbage in [message(b"\xff\xff\xff\xff"), compressed, endless] {
        let mut client = world.stream(world.person()).await.expect("a stream");
        client.send_bytes(garbage);
        let (_, status) = client.rest().await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(violation(&status).0, "client_frame");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_ended_meanwhile_opens_nothing() {
    let world = World::new().await;
    let ann = world.person();
    world.end_sign_in(ann);
    let refused = world.stream(ann).await.expect_err("signed out");
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(reason(&refused), ("SIGNED_OUT".to_owned(), false));
    assert_eq!(world.hub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_ends_while_its_stream_is_opened_ends_it() {
    let world = World::new().await;
    let ann = world.person();
    *world.everybody.silent.lock() = true;
    let (everybody, hub) = (Arc::clone(&world.everybody), world.hub.clone());
    let opening = world.stream(ann);
    tokio::pin!(opening);
    tokio::select! {
        biased;
        _ = &mut opening => unreachable!("nobody answers"),
        () = everybody.asked.notified() => {}
    }
    assert_eq!(hub.count(), 1);
    hub.sign_in_ended(ann.account, ann.sign_in);
    assert_eq!(hub.count(), 1, "until its connection is gone");
    // The store had been read before: it says that the sign-in stands.
    *everybody.silent.lock() = false;
    everybody.speaks.notify_one();
    let mut client = opening.await.expect("a stream");
    client.send(Command::Hello(hello(vec![])));
    let (items, status) = client.rest().await;
    assert_eq!(texts(&items), ["REASON_SIGNED_OUT"]);
    assert_eq!(status.code(), Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_signs_nobody_out() {
    let world = World::new().await;
    let ann = world.person();
    *world.everybody.unreadable.lock() = Some(StoreError::Unavailable);
    let refused = world.stream(ann).await.expect_err("it cannot be read");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(reason(&refused), ("STORE_UNAVAILABLE".to_owned(), true));
    assert_eq!(world.hub.count(), 0);
    *world.everybody.unreadable.lock() = None;
    let mut client = world.stream(ann).await.expect("a stream");
    client.send(Command::Hello(hello(vec![])));
    assert_eq!(text(&client.item().await), "ready");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_while_it_is_opened_leaves_nothing() {
    let world = World::new().await;
    *world.everybody.silent.lock() = true;
    {
        let opening = world.stream(world.person());
        tokio::pin!(opening);
        tokio::select! {
            biased;
            _ = &mut opening => unreachable!("nobody answers"),
            () = world.everybody.asked.notified() => {}
        }
        assert_eq!(world.hub.count(), 1);
    }
    assert_eq!(world.hub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_has_so_many_streams() {
    let world = World::new().await;
    let ann = world.person();
    let mut streams = Vec::new();
    for _ in 0..SESSIONS_PER_ACCOUNT_MAX {
        streams.push(world.stream(ann).await.expect("a stream"));
    }
    let refused = world.stream(ann).await.expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), ("TOO_MANY_STREAMS".to_owned(), true));
    world
        .stream(world.person())
        .await
        .expect("others have theirs");
    streams.pop();
    world.stream(ann).await.expect("one is free again");
    drop(streams);
    assert_eq!(world.hub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_cannot_be_answered_ends_the_stream() {
    let world = World::new().await;
    let ann = world.person();
    world.disk.set_faults(Faults {
        unavailable: 1_000_000,
        ..Faults::NONE
    });
    let mut client = world.stream(ann).await.expect("a stream");
    client.send_numbered(0, Command::Hello(hello(vec![])));
    let (items, status) = client.rest().await;
    assert!(items.is_empty(), "{items:?}");
    assert_ne!(status.code(), Code::Ok);
    world.disk.set_faults(Faults::NONE);
    let mut client = world.stream(ann).await.expect("a stream");
    client.send_numbered(0, Command::Hello(hello(vec![])));
    assert!(matches!(client.item().await, Item::Ready(_)));
}
