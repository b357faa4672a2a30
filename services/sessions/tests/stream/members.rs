//! Coming and going: who is removed hears nothing more, who comes back hears everything.

use std::time::Duration;

use cluster_rpc::name;
use proto::v1::UnfollowRoom;
use services_rooms::Action;

use crate::wire::{Client, Code, Command, Item, status_of};
use crate::world::{World, after, text, texts};

/// What has been pushed to a client by now.
async fn waiting(client: &mut Client) -> Vec<Item> {
    let request = client.send(None);
    client.reply(request).await.0
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_hears_nothing_more() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut bobs = [
        world.follower(bob, room).await,
        world.client(bob, vec![]).await,
    ];
    // It comes later, so whatever it has been given, the others have been given before.
    let mut anns = world.follower(ann, room).await;
    world.say(ann, room, "one").await;
    world.remove(ann, room, bob).await;
    world.say(ann, room, "two").await;
    anns.until(|item| text(item) == "5 two").await;
    assert_eq!(texts(&waiting(&mut bobs[0]).await), ["3 one", "lost"]);
    let heard = texts(&waiting(&mut bobs[1]).await);
    assert!(
        heard == ["lost"] || heard == ["1 of 1 unread", "lost"],
        "{heard:?}"
    );

    let refused = bobs[0].done(Command::FollowRoom(after(room, 0))).await;
    assert_eq!(status_of(refused).code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_hears_everything() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut client = world.follower(bob, room).await;
    world.remove(ann, room, bob).await;
    world.say(ann, room, "without bob").await;
    world.add(ann, room, bob).await;
    assert_eq!(text(&client.item().await), "lost");
    assert_eq!(text(&client.item().await), "gained");
    client.send_numbered(0, Command::FollowRoom(after(room, 2)));
    let items = client.until(|item| matches!(item, Item::Live(_))).await;
    assert_eq!(
        texts(&items),
        ["3 event", "4 without bob", "5 event", "live 5"]
    );
    world.say(ann, room, "with bob").await;
    assert_eq!(text(&client.item().await), "6 with bob");
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_while_away_hears_of_it() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    world.remove(ann, room, bob).await;
    world.say(ann, room, "without bob").await;
    let mut client = world.stream(bob).await.expect("a stream");
    let items = client
        .hello(crate::world::hello(vec![after(room, 2)]))
        .await;
    assert_eq!(texts(&items), ["lost"]);
    world.say(ann, room, "still without").await;
    assert!(waiting(&mut client).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_room_is_heard_of_on_every_device() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let mut phone = world.client(ann, vec![]).await;
    let mut desk = world.client(world.device(ann.account), vec![]).await;
    let room = world.room(&[ann]).await;
    for client in [&mut phone, &mut desk] {
        match client.item().await {
            Item::RoomGained(gained) => assert_eq!(gained.room, name::of_room(room)),
            other => panic!("{other:?}"),
        }
    }
    world.add(ann, room, bob).await;
    world.say(bob, room, "hello").await;
    assert_eq!(text(&phone.item().await), "1 of 1 unread");
    let direct = world.rooms.open_direct(bob.account, ann.account).await;
    let direct = name::of_room(direct.expect("a room").room);
    match phone.item().await {
        Item::RoomGained(gained) => assert_eq!(gained.room, direct),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_deleted_is_lost_to_all() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut clients = [
        world.follower(ann, room).await,
        world.client(bob, vec![]).await,
    ];
    let by_administrator = false;
    world
        .act(ann, room, Action::DeleteRoom { by_administrator })
        .await;
    for client in &mut clients {
        let items = client.until(|item| matches!(item, Item::RoomLost(_))).await;
        assert_eq!(items.len(), 1, "{items:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_learns_nothing_of_a_room() {
    let world = World::new().await;
    let (ann, eve) = (world.person(), world.person());
    let room = world.room(&[ann]).await;
    let mut client = world.stream(eve).await.expect("a stream");
    let items = client
        .hello(crate::world::hello(vec![after(room, 0)]))
        .await;
    assert_eq!(texts(&items), ["lost"], "as if it did not exist");
    let unfollow = UnfollowRoom {
        room: name::of_room(room),
    };
    client.done(Command::UnfollowRoom(unfollow)).await;
    world.say(ann, room, "secret").await;
    assert!(waiting(&mut client).await.is_empty());
}

/// Removal races with everything that puts a session into a room: with following, catching up, leaving
/// the foreground, coming back.
#[tokio::test(start_paused = true)]
async fn whatever_a_member_does_while_it_is_removed_it_hears_nothing_afterwards() {
    for seed in 0..60 {
        let world = World::seeded(seed).await;
        world.disk.set_faults(cluster_store::Faults {
            delay: 700_000,
            delay_max: Duration::from_millis(5),
            ..cluster_store::Faults::NONE
        });
        let (ann, bob) = (world.person(), world.person());
        let room = world.room(&[ann, bob]).await;
        let mut client = world.client(bob, vec![after(room, 0)]).await;
        let unfollow = || {
            let room = name::of_room(room);
            Command::UnfollowRoom(UnfollowRoom { room })
        };
        for _ in 0..world.rng.below(4) {
            client.send_numbered(0, unfollow());
            client.send_numbered(0, Command::FollowRoom(after(room, 0)));
        }
        if world.rng.below(2) == 0 {
            client.send_numbered(0, unfollow());
        }
        let talk = async {
            let mut removed = None;
            for number in 0..20 {
                if number == 10 {
                    removed = Some(world.remove(ann, room, bob).await);
                }
                world.say(ann, room, "x").await;
            }
            removed.expect("at ten")
        };
        let mut heard = Vec::new();
        let listen = async {
            loop {
                heard.push(client.item().await);
            }
        };
        let removed = tokio::select! {
            removed = talk => removed,
            () = listen => unreachable!("it listens on"),
        };
        heard.extend(waiting(&mut client).await);
        world.say(ann, room, "after").await;
        heard.extend(waiting(&mut client).await);
        let lost = heard
            .iter()
            .position(|item| matches!(item, Item::RoomLost(_)));
        assert!(lost.is_some(), "seed {seed}: {:?}", texts(&heard));
        for item in &heard {
            let seq = match item {
                Item::Event(event) => event.seq,
                Item::RoomCounter(counter) => counter.head_seq,
                Item::Live(live) => live.seq,
                _ => 0,
            };
            assert!(
                seq < removed.0,
                "seed {seed}: {:?} after {removed}",
                texts(&heard)
            );
        }
    }
}
