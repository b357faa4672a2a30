//! Rooms in the background: what is unread, and how loud it is.

use cluster_rpc::name;
use proto::v1::MarkReadRequest;
use services_rooms::Priority;

use crate::wire::{Answer, Client, Command, Item};
use crate::world::{World, hello, send, text};

async fn counter(client: &mut Client) -> (u64, u64, proto::v1::Priority) {
    match client.item().await {
        Item::RoomCounter(counter) => (
            counter.unread_count,
            counter.message_count,
            counter.highest_priority(),
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_unread_is_told_at_the_start() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let (read, unread) = (world.room(&[ann, bob]).await, world.room(&[ann, bob]).await);
    world.say(ann, unread, "one").await;
    world.say(ann, unread, "two").await;
    world.say(ann, read, "one").await;
    world
        .say(bob, read, "who says something has read the rest")
        .await;
    let mut client = world.stream(bob).await.expect("a stream");
    client.send_numbered(0, Command::Hello(hello(vec![])));
    assert_eq!(text(&client.item().await), "ready");
    assert_eq!(text(&client.item().await), "2 of 2 unread");
    let request = client.send(None);
    assert!(
        client.reply(request).await.0.is_empty(),
        "of one room alone"
    );
}

#[tokio::test(start_paused = true)]
async fn what_happens_meanwhile_is_one_counter() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.client(bob, vec![]).await;
    world.say(ann, room, "one").await;
    world.say_with(ann, room, "two", Priority::Urgent).await;
    world.say(ann, room, "three").await;
    let mut last = (0, 0, proto::v1::Priority::Unspecified);
    while last.1 < 3 {
        let next = counter(&mut client).await;
        last = (next.0, next.1, next.2.max(last.2));
    }
    assert_eq!(last, (3, 3, proto::v1::Priority::Urgent));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_on_one_device_is_read_on_all() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    for _ in 0..3 {
        world.say(ann, room, "x").await;
    }
    let mut phone = world.client(bob, vec![]).await;
    let mut desk = world.client(world.device(bob.account), vec![]).await;
    assert_eq!(text(&phone.item().await), "3 of 3 unread");
    assert_eq!(text(&desk.item().await), "3 of 3 unread");
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 4,
    };
    match phone.done(Command::MarkRead(mark)).await {
        Answer::MarkRead(marked) => assert_eq!((marked.read_seq, marked.unread_count), (4, 1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(text(&desk.item().await), "1 of 3 unread");
}

#[tokio::test(start_paused = true)]
async fn what_one_says_on_one_device_is_read_on_the_other() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut phone = world.client(bob, vec![]).await;
    let mut desk = world.client(world.device(bob.account), vec![]).await;
    phone.done(send(room, 1, "hello")).await;
    assert_eq!(text(&desk.item().await), "0 of 1 unread");
}

#[tokio::test(start_paused = true)]
async fn who_comes_into_a_room_has_nothing_to_catch_up_on() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann]).await;
    for _ in 0..5 {
        world.say(ann, room, "old").await;
    }
    let mut client = world.client(bob, vec![]).await;
    world.add(ann, room, bob).await;
    assert_eq!(text(&client.item().await), "gained");
    world.say(ann, room, "new").await;
    assert_eq!(text(&client.item().await), "1 of 6 unread");
}
