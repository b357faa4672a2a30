//! A room on one node and its readers on another: what they see is what they would see there.

use std::collections::BTreeMap;

use cluster_rpc::name;
use cluster_types::RoomId;
use proto::v1::{MarkReadRequest, SetTypingRequest, WatchPresence};
use services_sessions::limits::{OFFLINE_AFTER, PRESENCE_EVERY, SUBSCRIBE_RETRY};
use tokio::time::{sleep, timeout};

use crate::neighbours::Neighbours;
use crate::wire::{Client, Command, Item};
use crate::world::{after, from_head, text};

/// What comes next for a client that follows a room, but for what is said in passing.
async fn next(client: &mut Client) -> String {
    text(&client.item().await)
}

/// Nothing comes for a while.
async fn is_quiet(client: &mut Client) {
    let quiet = timeout(PRESENCE_EVERY * 2, client.item()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// Until a subscription, if one is due, stands.
async fn settle() {
    sleep(SUBSCRIBE_RETRY * 4).await;
}

/// What becomes of so many rooms for a client, by their names.
async fn changes(client: &mut Client, rooms: usize) -> BTreeMap<String, &'static str> {
    let mut changes = BTreeMap::new();
    while changes.len() < rooms {
        match client.item().await {
            Item::RoomGained(room) => _ = changes.insert(room.room, "gained"),
            Item::RoomLost(room) => _ = changes.insert(room.room, "lost"),
            Item::RoomCounter(_) => {}
            other => panic!("{other:?}"),
        }
    }
    changes
}

/// One of them.
fn change(room: RoomId, what: &'static str) -> (String, &'static str) {
    (name::of_room(room), what)
}

#[tokio::test(start_paused = true)]
async fn what_is_said_on_one_node_is_heard_on_the_other_and_told_once() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(nodes.away.follower(bob, room).await);
    }
    settle().await;
    nodes.told();
    for n in 3..6 {
        nodes.home.say(ann, room, &format!("message {n}")).await;
    }
    for reader in &mut readers {
        for n in 3..6 {
            assert_eq!(next(reader).await, format!("{n} message {n}"));
        }
    }
    assert_eq!(nodes.told(), 3, "each once, for five readers");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_subscription_stood_is_not_missing() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    nodes.cut();
    let mut reader = nodes.away.follower(bob, room).await;
    nodes.home.say(ann, room, "while there was no link").await;
    settle().await;
    nodes.link();
    assert_eq!(next(&mut reader).await, "3 while there was no link");
    assert_eq!(next(&mut reader).await, "live 3");
    nodes.home.say(ann, room, "with one").await;
    assert_eq!(next(&mut reader).await, "4 with one");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_costs_no_event_and_tells_none_twice() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut reader = nodes.away.follower(bob, room).await;
    settle().await;
    let mut expected = 3;
    for round in 0..5 {
        nodes.cut();
        for _ in 0..round {
            nodes.home.say(ann, room, "unheard").await;
        }
        nodes.link();
        nodes.home.say(ann, room, "heard").await;
        for body in std::iter::repeat_n("unheard", round).chain(["heard"]) {
            let mut item = next(&mut reader).await;
            if item.starts_with("live") {
                item = next(&mut reader).await;
            }
            assert_eq!(item, format!("{expected} {body}"));
            expected += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_link_had_no_place_for_is_read_from_the_log() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut reader = nodes.away.follower(bob, room).await;
    settle().await;
    nodes.fill(true);
    for n in 3..6 {
        nodes.home.say(ann, room, &format!("message {n}")).await;
    }
    nodes.fill(false);
    // Nothing more is said: the readers have to hear of the gap all the same.
    for n in 3..6 {
        assert_eq!(next(&mut reader).await, format!("{n} message {n}"));
    }
    assert_eq!(next(&mut reader).await, "live 5");
}

#[tokio::test(start_paused = true)]
async fn who_is_added_or_removed_while_the_link_is_full_hears_of_it() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let lost = nodes.home.room(&[ann, bob]).await;
    let mut bobs = nodes.away.client(bob, vec![]).await;
    settle().await;
    nodes.fill(true);
    nodes.home.remove(ann, lost, bob).await;
    let gained = nodes.home.room(&[ann, bob]).await;
    nodes.fill(false);
    let expected = [change(lost, "lost"), change(gained, "gained")];
    assert_eq!(changes(&mut bobs, 2).await, expected.into());
}

#[tokio::test(start_paused = true)]
async fn readers_stay_where_they_are_when_the_room_moves() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut near = nodes.home.follower(bob, room).await;
    let mut far = nodes.away.follower(bob, room).await;
    settle().await;
    nodes.home.say(ann, room, "here").await;
    nodes.moves_away(room);
    // Before anybody could subscribe at the new home.
    nodes.away.say(ann, room, "there").await;
    settle().await;
    nodes.away.say(ann, room, "still there").await;
    for reader in [&mut near, &mut far] {
        let mut heard = Vec::new();
        while heard.len() < 3 {
            let item = next(reader).await;
            if !item.starts_with("live") {
                heard.push(item);
            }
        }
        assert_eq!(heard, ["3 here", "4 there", "5 still there"]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_added_on_one_node_hears_of_it_on_the_other_and_who_is_removed_too() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann]).await;
    let mut bobs = nodes.away.client(bob, vec![]).await;
    nodes.home.add(ann, room, bob).await;
    assert_eq!(next(&mut bobs).await, "gained");
    let room_name = name::of_room(room);
    bobs.done(Command::FollowRoom(after(room, 0))).await;
    settle().await;
    nodes.home.remove(ann, room, bob).await;
    nodes.home.say(ann, room, "behind his back").await;
    let mut items = bobs.until(|item| matches!(item, Item::RoomLost(_))).await;
    let Some(Item::RoomLost(lost)) = items.pop() else {
        panic!("{items:?}");
    };
    assert_eq!(lost.room, room_name);
    let is_secret = |item: &Item| text(item).contains("behind his back");
    assert!(!items.iter().any(is_secret), "{items:?}");
    is_quiet(&mut bobs).await;
}

#[tokio::test(start_paused = true)]
async fn memberships_that_changed_while_there_was_no_link_are_found() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let [kept, lost, deleted] = [
        nodes.home.room(&[ann, bob]).await,
        nodes.home.room(&[ann, bob]).await,
        nodes.home.room(&[ann, bob]).await,
    ];
    let mut bobs = nodes.away.client(bob, vec![]).await;
    settle().await;
    nodes.cut();
    nodes.home.remove(ann, lost, bob).await;
    let gained = nodes.home.room(&[ann, bob]).await;
    let by_administrator = false;
    let delete = services_rooms::Action::DeleteRoom { by_administrator };
    nodes.home.act(ann, deleted, delete).await;
    nodes.link();
    let expected = [
        change(lost, "lost"),
        change(gained, "gained"),
        change(deleted, "lost"),
    ];
    let changes = changes(&mut bobs, 3).await;
    assert_eq!(changes, expected.into(), "and {kept} stays");
}

#[tokio::test(start_paused = true)]
async fn who_is_added_where_no_link_leads_hears_of_it_when_the_room_moves_from_there() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann]).await;
    let mut bobs = nodes.away.client(bob, vec![]).await;
    nodes.believes(1, room, Some((0, 1)));
    nodes.cut();
    // All sessions have looked.
    is_quiet(&mut bobs).await;
    nodes.home.add(ann, room, bob).await;
    is_quiet(&mut bobs).await;
    nodes.believes(1, room, Some((1, 2)));
    assert_eq!(next(&mut bobs).await, "gained");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_a_room_that_nobody_watches() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let reader = nodes.away.follower(bob, room).await;
    settle().await;
    drop(reader);
    settle().await;
    nodes.told();
    nodes.home.say(ann, room, "to nobody").await;
    settle().await;
    assert_eq!(nodes.told(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_passing_goes_through_the_rooms_home() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut anns = nodes.home.follower(ann, room).await;
    let mut bobs = nodes.away.follower(bob, room).await;
    settle().await;
    let in_room = || name::of_room(room);
    bobs.done(Command::SetTyping(SetTypingRequest { room: in_room() }))
        .await;
    assert_eq!(next(&mut anns).await, "typing");
    anns.done(Command::SetTyping(SetTypingRequest { room: in_room() }))
        .await;
    assert_eq!(next(&mut bobs).await, "typing");
    nodes.home.say(ann, room, "read this").await;
    for reader in [&mut anns, &mut bobs] {
        assert_eq!(next(reader).await, "3 read this");
    }
    let mark = MarkReadRequest {
        room: in_room(),
        seq: 3,
    };
    bobs.done(Command::MarkRead(mark)).await;
    assert_eq!(next(&mut anns).await, "read 3");
}

#[tokio::test(start_paused = true)]
async fn a_read_mark_waits_until_its_room_has_a_home() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut near = nodes.home.follower(bob, room).await;
    let mut far = nodes.away.follower(bob, room).await;
    settle().await;
    nodes.home.say(ann, room, "read this").await;
    for reader in [&mut near, &mut far] {
        assert_eq!(next(reader).await, "3 read this");
    }
    nodes.believes(1, room, None);
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 3,
    };
    far.done(Command::MarkRead(mark)).await;
    is_quiet(&mut near).await;
    nodes.believes(1, room, Some((0, 1)));
    assert_eq!(next(&mut near).await, "0 of 1 unread");
}

#[tokio::test(start_paused = true)]
async fn a_read_mark_that_was_made_while_there_was_no_link_is_found() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut near = nodes.home.client(bob, vec![]).await;
    let mut far = nodes.away.client(bob, vec![]).await;
    settle().await;
    nodes.home.say(ann, room, "read this").await;
    for device in [&mut near, &mut far] {
        assert_eq!(next(device).await, "1 of 1 unread");
    }
    nodes.cut();
    // All sessions have looked.
    is_quiet(&mut far).await;
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 3,
    };
    near.done(Command::MarkRead(mark)).await;
    is_quiet(&mut far).await;
    nodes.link();
    assert_eq!(next(&mut far).await, "0 of 1 unread");
}

#[tokio::test(start_paused = true)]
async fn who_is_at_another_node_is_seen_to_come_and_go() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let _room = nodes.home.room(&[ann, bob]).await;
    let mut anns = nodes.home.client(ann, vec![]).await;
    let accounts = vec![name::of_account(bob.account)];
    anns.done(Command::WatchPresence(WatchPresence { accounts }))
        .await;
    assert_eq!(next(&mut anns).await, "STATE_OFFLINE");
    let bobs = nodes.away.client(bob, vec![]).await;
    assert_eq!(next(&mut anns).await, "STATE_ONLINE");
    // A link that breaks and is back soon is no event.
    nodes.cut();
    sleep(PRESENCE_EVERY * 2).await;
    nodes.link();
    sleep(OFFLINE_AFTER * 2).await;
    is_quiet(&mut anns).await;
    drop(bobs);
    assert_eq!(next(&mut anns).await, "STATE_OFFLINE");
}

#[tokio::test(start_paused = true)]
async fn a_client_comes_to_another_node_with_its_cursor() {
    let nodes = Neighbours::new().await;
    let (ann, bob) = (nodes.home.person(), nodes.home.person());
    let room = nodes.home.room(&[ann, bob]).await;
    let mut reader = nodes.home.client(bob, vec![from_head(room)]).await;
    nodes.home.say(ann, room, "one").await;
    reader.until(|item| text(item) == "3 one").await;
    drop(reader);
    nodes.home.say(ann, room, "two").await;
    let mut reader = nodes.away.client(bob, vec![after(room, 3)]).await;
    reader.until(|item| text(item) == "4 two").await;
}
