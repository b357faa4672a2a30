//! Following rooms: what was missed, the marker, what happens.

use cluster_types::{LogId, Seq};
use proto::v1::{FollowRoom, UnfollowRoom};
use services_rooms::{Action, Draft, Format, Priority};

use crate::wire::{Client, Code, Command, Item, status_of, violation};
use crate::world::{World, after, from_head, hello, send, text, texts, uuid};

/// The events of one room up to one of them.
async fn events_until(client: &mut Client, seq: u64) -> Vec<u64> {
    let is_last = |item: &Item| matches!(item, Item::Event(event) if event.seq == seq);
    let items = client.until(is_last).await;
    let seq = |item| match item {
        Item::Event(event) => Some(event.seq),
        _ => None,
    };
    items.into_iter().filter_map(seq).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_comes_first_then_the_marker_then_what_happens() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    world.say(ann, room, "one").await;
    world.say(ann, room, "two").await;

    let mut client = world.stream(bob).await.expect("a stream");
    client.send(Command::Hello(hello(vec![after(room, 0)])));
    let items = client.until(|item| matches!(item, Item::Live(_))).await;
    let expected = [
        "ready", "reply 1", "1 event", "2 event", "3 one", "4 two", "live 4",
    ];
    assert_eq!(texts(&items), expected);

    world.say(ann, room, "three").await;
    assert_eq!(text(&client.item().await), "5 three");
}

#[tokio::test(start_paused = true)]
async fn a_client_resumes_where_it_was() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.follower(bob, room).await;
    world.say(ann, room, "one").await;
    assert_eq!(text(&client.item().await), "3 one");
    drop(client);
    world.say(ann, room, "two").await;
    let mut client = world.client(bob, vec![after(room, 3)]).await;
    assert_eq!(text(&client.item().await), "4 two");
    assert_eq!(text(&client.item().await), "live 4");
}

#[tokio::test(start_paused = true)]
async fn a_long_absence_is_made_up_for_page_by_page() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    for number in 0..1_000 {
        world.say(ann, room, &format!("{number}")).await;
    }
    let mut client = world.client(bob, vec![after(room, 2)]).await;
    assert_eq!(
        events_until(&mut client, 1_002).await,
        Vec::from_iter(3..=1_002)
    );
    assert_eq!(text(&client.item().await), "live 1002");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_falls_back_to_the_log_and_misses_nothing() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut slow = world.follower(bob, room).await;
    let mut quick = world.follower(bob, room).await;
    for number in 0..2_000_u64 {
        world.say(ann, room, "hot").await;
        assert_eq!(events_until(&mut quick, number + 3).await, [number + 3]);
    }
    assert_eq!(
        events_until(&mut slow, 2_002).await,
        Vec::from_iter(3..=2_002)
    );
    assert_eq!(text(&slow.item().await), "live 2002");
    world.say(ann, room, "on").await;
    assert_eq!(text(&slow.item().await), "2003 on");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_from_the_future_is_refused_by_name() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    let status = status_of(client.done(Command::FollowRoom(after(room, 2))).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violation(&status).0, "follow_room.after_seq");

    let mut client = world.stream(ann).await.expect("a stream");
    let follows = vec![after(room, 1), after(room, u64::MAX)];
    client.send_numbered(0, Command::Hello(hello(follows)));
    let (_, status) = client.rest().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violation(&status).0, "hello.follow_rooms[1].after_seq");
}

#[tokio::test(start_paused = true)]
async fn events_of_another_log_are_sent_from_its_start() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.client(ann, vec![after(room, 2)]).await;
    let log_id = match client.item().await {
        Item::Live(live) => live.log_id,
        other => panic!("{other:?}"),
    };
    let same = FollowRoom {
        log_id,
        ..after(room, 1)
    };
    let mut client = world.client(ann, vec![same]).await;
    let items = client.until(|item| matches!(item, Item::Live(_))).await;
    assert_eq!(texts(&items), ["2 event", "live 2"]);
    let other = FollowRoom {
        log_id: LogId::from_bytes([9; 16]).to_string(),
        // More than this log has: it was another one.
        ..after(room, 77)
    };
    let mut client = world.client(ann, vec![other]).await;
    let items = client.until(|item| matches!(item, Item::Live(_))).await;
    assert_eq!(texts(&items), ["1 event", "2 event", "rebuilt 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_in_the_background_sends_counters_alone() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.follower(bob, room).await;
    world.say(ann, room, "one").await;
    assert_eq!(text(&client.item().await), "3 one");

    let unfollow = UnfollowRoom {
        room: cluster_rpc::name::of_room(room),
    };
    client.done(Command::UnfollowRoom(unfollow)).await;
    assert_eq!(text(&client.item().await), "1 of 1 unread");
    world.say(ann, room, "two").await;
    assert_eq!(text(&client.item().await), "2 of 2 unread");

    client.done(Command::FollowRoom(after(room, 3))).await;
    let items = client.until(|item| matches!(item, Item::Live(_))).await;
    assert_eq!(texts(&items), ["4 two", "live 4"]);
    world.say(ann, room, "three").await;
    assert_eq!(text(&client.item().await), "5 three");
}

#[tokio::test(start_paused = true)]
async fn a_room_can_be_joined_at_its_newest_event() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    for _ in 0..10 {
        world.say(ann, room, "old").await;
    }
    let mut client = world.client(ann, vec![from_head(room)]).await;
    assert_eq!(text(&client.item().await), "live 11");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_followed_again_is_sent_again_from_there() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.follower(ann, room).await;
    client.done(Command::FollowRoom(after(room, 0))).await;
    assert_eq!(text(&client.item().await), "1 event");
    assert_eq!(text(&client.item().await), "live 1");
}

#[tokio::test(start_paused = true)]
async fn edits_and_deletions_are_events_like_others() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut live = world.follower(bob, room).await;
    let target = world.say(ann, room, "tpyo").await;
    let draft = Draft {
        client_message_id: services_rooms::ClientMessageId(world.rng.bytes()),
        body: "typo".to_owned(),
        format: Format::Plain,
        priority: Priority::Normal,
        reply_to: None,
        files: Vec::new(),
    };
    world.act(ann, room, Action::Edit { target, draft }).await;
    world.act(ann, room, Action::Delete { target }).await;
    assert_eq!(events_until(&mut live, 5).await, [3, 4, 5]);
    let mut late = world.client(bob, vec![after(room, 2)]).await;
    let is_last = |item: &Item| matches!(item, Item::Event(event) if event.seq == 5);
    let items = late.until(is_last).await;
    assert_eq!(text(&items[0]), "3 ", "a tombstone keeps its place");
}

#[tokio::test(start_paused = true)]
async fn many_rooms_are_made_up_for_side_by_side() {
    let world = World::new().await;
    let ann = world.person();
    let mut rooms = Vec::new();
    for _ in 0..20 {
        let room = world.room(&[ann]).await;
        for _ in 0..300 {
            world.say(ann, room, "x").await;
        }
        rooms.push(room);
    }
    let follows = rooms.iter().map(|room| after(*room, 0)).collect();
    let mut client = world.client(ann, follows).await;
    let mut next = std::collections::BTreeMap::new();
    let mut live = 0;
    while live < rooms.len() {
        match client.item().await {
            Item::Event(event) => {
                let next = next.entry(event.room).or_insert(1);
                assert_eq!(event.seq, *next);
                *next += 1;
            }
            Item::Live(marker) => {
                assert_eq!((marker.seq, next[&marker.room]), (301, 302));
                live += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_catches_up_while_others_go_on() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    for _ in 0..500 {
        world.say(ann, room, "old").await;
    }
    let mut writer = world.client(ann, vec![]).await;
    let mut reader = world.client(bob, vec![after(room, 2)]).await;
    for number in 0..500 {
        writer.send_numbered(0, send(room, number + 1, &uuid(number)));
    }
    let last = 2 + 500 + 500;
    let drive = async {
        // The writer's stream is driven by its reading.
        let request = writer.send(send(room, 0xffff, "last"));
        writer.reply(request).await
    };
    let (events, _) = tokio::join!(events_until(&mut reader, last), drive);
    assert_eq!(events, Vec::from_iter(3..=last));
    assert_eq!(Seq(last + 1), world.say(ann, room, "x").await.previous());
}
