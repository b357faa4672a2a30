//! How streams end: by the client, by the server, by a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_rpc::name;
use cluster_types::{Clock, UnixMillis};
use proto::v1::SetTypingRequest;
use services_sessions::limits::{OUTBOX_FORCED_ITEMS_MAX, OUTBOX_ITEMS_MAX};
use tokio_util::sync::CancellationToken;

use crate::wire::{Code, Command, Item, reason};
use crate::world::{World, text, texts};

#[tokio::test(start_paused = true)]
async fn the_end_of_a_sign_in_ends_its_streams_at_once() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut phone = [
        world.follower(bob, room).await,
        world.follower(bob, room).await,
    ];
    let mut desk = world.follower(world.device(bob.account), room).await;
    world.say(ann, room, "unsent").await;
    desk.until(|item| text(item) == "3 unsent").await;
    world.end_sign_in(bob);
    world.say(ann, room, "later").await;
    for client in &mut phone {
        let (items, status) = client.rest().await;
        assert_eq!(texts(&items), ["REASON_SIGNED_OUT"], "nothing that waited");
        assert_eq!(status.code(), Code::Ok);
    }
    assert_eq!(text(&desk.item().await), "4 later");
    drop(phone);
    assert_eq!(world.hub.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_draining_node_sends_what_waits_and_says_goodbye() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut first = world.follower(bob, room).await;
    let mut last = world.follower(bob, room).await;
    world.say(ann, room, "one").await;
    last.until(|item| text(item) == "3 one").await;
    world.hub.drain();
    let (items, status) = first.rest().await;
    assert_eq!(texts(&items), ["3 one", "REASON_DRAINING"]);
    assert_eq!(status.code(), Code::Ok);
    match last.item().await {
        Item::Farewell(farewell) => assert!(farewell.retry_after_ms > 0),
        other => panic!("{other:?}"),
    }
    let refused = world.stream(ann).await.expect_err("draining");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(reason(&refused), ("NODE_UNAVAILABLE".to_owned(), true));
    assert_eq!(world.hub.count(), 2, "until their connections are gone");
    drop((first, last));
    assert_eq!(world.hub.count(), 0);
    world.sessions.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_goodbye_to_a_connection_that_has_to_go() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let leaving = CancellationToken::new();
    let mut client = world.stream_until(bob, &leaving).await;
    let follows = vec![crate::world::from_head(room)];
    client.hello(crate::world::hello(follows)).await;
    assert_eq!(text(&client.item().await), "live 2");
    let mut other = world.follower(bob, room).await;
    world.say(ann, room, "one").await;
    assert_eq!(text(&other.item().await), "3 one");
    leaving.cancel();
    let (items, status) = client.rest().await;
    assert_eq!(texts(&items), ["3 one", "REASON_AGED"]);
    assert_eq!(status.code(), Code::Ok);
    world.say(ann, room, "two").await;
    assert_eq!(text(&other.item().await), "4 two", "others stay");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_hears_that_its_connection_has_to_go() {
    let world = World::new().await;
    let leaving = CancellationToken::new();
    let mut client = world.stream_until(world.person(), &leaving).await;
    client.hello(crate::world::hello(vec![])).await;
    let waiting = client.rest();
    tokio::pin!(waiting);
    assert!(futures::poll!(&mut waiting).is_pending());
    leaving.cancel();
    assert_eq!(texts(&waiting.await.0), ["REASON_AGED"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_signed_out_while_the_node_drains_gets_nothing_that_waited() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.follower(bob, room).await;
    let mut last = world.follower(bob, room).await;
    world.say(ann, room, "unsent").await;
    last.until(|item| text(item) == "3 unsent").await;
    world.hub.drain();
    world.end_sign_in(bob);
    assert_eq!(texts(&client.rest().await.0), ["REASON_SIGNED_OUT"]);
    world.hub.drain();
    assert!(last.rest().await.0.len() == 1, "one farewell");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_while_it_is_put_in_and_out_is_sent_away() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.client(bob, vec![]).await;
    for _ in 0..=(OUTBOX_ITEMS_MAX + OUTBOX_FORCED_ITEMS_MAX) / 2 {
        world.remove(ann, room, bob).await;
        world.add(ann, room, bob).await;
    }
    let (items, status) = client.rest().await;
    assert!(items.is_empty(), "{} items", items.len());
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), ("FELL_BEHIND".to_owned(), true));
    let mut client = world.client(bob, vec![crate::world::from_head(room)]).await;
    assert!(matches!(client.item().await, Item::Live(_)));
}

#[tokio::test(start_paused = true)]
async fn what_follows_the_end_is_not_heard() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.follower(ann, room).await;
    world.hub.drain();
    client.send(crate::world::send(room, 1, "too late"));
    assert_eq!(texts(&client.rest().await.0), ["REASON_DRAINING"]);
    let view = world.rooms.view(ann.account, room).await.expect("a view");
    assert_eq!(view.message_count, 0);
}

/// A clock that breaks when it is told to.
#[derive(Clone, Debug, Default)]
struct Fragile(Arc<AtomicBool>);

impl Clock for Fragile {
    fn now(&self) -> UnixMillis {
        assert!(!self.0.load(Ordering::SeqCst), "broken on purpose");
        UnixMillis(1_000_000_000)
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_fails_ends_its_own_stream_and_no_other() {
    let clock = Fragile::default();
    let world = World::with_clock(0, clock.clone()).await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut anns = world.follower(ann, room).await;
    let mut bobs = world.follower(bob, room).await;
    clock.0.store(true, Ordering::SeqCst);
    let typing = SetTypingRequest {
        room: name::of_room(room),
    };
    bobs.send(Command::SetTyping(typing));
    let (items, status) = bobs.rest().await;
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(texts(&items), ["REASON_FAULT"]);
    assert_eq!(status.code(), Code::Ok);
    drop(bobs);
    let mut bobs = world.follower(bob, room).await;
    world.say(ann, room, "again").await;
    assert_eq!(text(&anns.item().await), "3 again");
    assert_eq!(text(&bobs.item().await), "3 again");
    assert_eq!(world.hub.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_gone() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    for _ in 0..100 {
        let mut client = world.stream(bob).await.expect("a stream");
        client.send(Command::Hello(crate::world::hello(vec![
            crate::world::after(room, 0),
        ])));
        assert_eq!(text(&client.item().await), "ready");
    }
    assert_eq!(world.hub.count(), 0);
    world.say(ann, room, "to nobody").await;
}
