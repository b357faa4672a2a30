//! What is said in passing: typing, presence, read markers.

use std::collections::BTreeSet;

use cluster_rpc::name;
use cluster_store::Faults;
use cluster_types::Caller;
use proto::v1::presence::State;
use proto::v1::{MarkReadRequest, SetPresence, SetTypingRequest, WatchPresence};
use services_sessions::limits::{
    NEIGHBOURS_AT_ONCE, OFFLINE_AFTER, PRESENCE_EVERY, READ_RETRY, TYPING_EVERY,
};
use tokio::time::{Instant, advance};

use crate::wire::{Client, Command, Item};
use crate::world::{World, text, texts};

fn typing(room: cluster_types::RoomId) -> Command {
    let room = name::of_room(room);
    Command::SetTyping(SetTypingRequest { room })
}

fn presence(state: State) -> Command {
    let state = state.into();
    Command::SetPresence(SetPresence { state })
}

fn watch(people: &[Caller]) -> Command {
    let accounts = people.iter().map(|caller| name::of_account(caller.account));
    Command::WatchPresence(WatchPresence {
        accounts: accounts.collect(),
    })
}

async fn presence_of(client: &mut Client) -> (String, State) {
    match client.item().await {
        Item::Presence(presence) => (presence.account.clone(), presence.state()),
        other => panic!("{other:?}"),
    }
}

/// What has been pushed to a client by now.
async fn waiting(client: &mut Client) -> Vec<String> {
    let request = client.send(None);
    let mut items = client.reply(request).await.0;
    // A reply goes before what is said in passing: the next one comes after it.
    let request = client.send(None);
    items.extend(client.reply(request).await.0);
    texts(&items)
}

#[tokio::test(start_paused = true)]
async fn who_writes_is_shown_to_those_who_look() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut anns = world.follower(ann, room).await;
    let mut aside = world.client(bob, vec![]).await;
    let mut bobs = world.follower(bob, room).await;
    anns.done(typing(room)).await;
    match bobs.item().await {
        Item::Typing(typing) => assert_eq!(typing.accounts, [name::of_account(ann.account)]),
        other => panic!("{other:?}"),
    }
    // Again within a moment is no news.
    anns.done(typing(room)).await;
    world.say(ann, room, "one").await;
    assert_eq!(text(&bobs.item().await), "3 one");
    assert_eq!(
        text(&anns.item().await),
        "3 one",
        "and not that one writes oneself"
    );
    assert_eq!(waiting(&mut anns).await, Vec::<String>::new());
    assert_eq!(text(&aside.item().await), "1 of 1 unread");
    advance(TYPING_EVERY).await;
    anns.done(typing(room)).await;
    assert_eq!(text(&bobs.item().await), "typing");
}

#[tokio::test(start_paused = true)]
async fn how_far_others_have_read_is_shown_to_those_who_look() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let mut anns = world.follower(ann, room).await;
    world.say(ann, room, "one").await;
    assert_eq!(text(&anns.item().await), "3 one");
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 3,
    };
    let mut bobs = world.client(bob, vec![]).await;
    bobs.done(Command::MarkRead(mark)).await;
    match anns.item().await {
        Item::ReadMarker(marker) => {
            assert_eq!(
                (marker.account, marker.seq),
                (name::of_account(bob.account), 3)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn presence_is_told_to_who_watches() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    world.room(&[ann, bob]).await;
    let mut anns = world.client(ann, vec![]).await;
    anns.send_numbered(0, watch(&[bob]));
    let of_bob = |state| (name::of_account(bob.account), state);
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Offline));
    let mut bobs = world.client(bob, vec![]).await;
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Online));
    bobs.done(presence(State::Away)).await;
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Away));
    bobs.done(presence(State::Offline)).await;
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Offline));
    bobs.done(presence(State::Online)).await;
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Online));

    let gone = Instant::now();
    drop(bobs);
    assert_eq!(presence_of(&mut anns).await, of_bob(State::Offline));
    assert!(gone.elapsed() >= OFFLINE_AFTER);
    assert!(gone.elapsed() <= OFFLINE_AFTER + PRESENCE_EVERY * 2);
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_is_not_shown() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    let room = world.room(&[ann, bob]).await;
    let bobs = world.client(bob, vec![]).await;
    let mut anns = world.client(ann, vec![]).await;
    advance(PRESENCE_EVERY * 2).await;
    anns.send_numbered(0, watch(&[bob]));
    assert_eq!(presence_of(&mut anns).await.1, State::Online);
    drop(bobs);
    advance(OFFLINE_AFTER / 2).await;
    let _bobs = world.client(bob, vec![]).await;
    advance(OFFLINE_AFTER * 2).await;
    world.say(bob, room, "here I am").await;
    assert_eq!(text(&anns.item().await), "1 of 1 unread");
}

#[tokio::test(start_paused = true)]
async fn strangers_are_not_shown() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person(), world.person(), world.person());
    world.room(&[ann, bob]).await;
    let mut eves = world.client(eve, vec![]).await;
    eves.send_numbered(0, watch(&[ann, eve]));
    assert_eq!(
        presence_of(&mut eves).await.0,
        name::of_account(eve.account)
    );
    let request = eves.send(watch(&[]));
    assert!(eves.reply(request).await.0.is_empty());
}

/// Ann watches Bob in the room that they share, and one of them is put out of it.
async fn parted(who_goes: fn(Caller, Caller) -> Caller) {
    let world = World::new().await;
    let (ann, bob, owner) = (world.person(), world.person(), world.person());
    let shared = world.room(&[owner, ann, bob]).await;
    let second = world.room(&[owner, ann, bob]).await;
    let mut anns = world.client(ann, vec![]).await;
    let mut bobs = world.client(bob, vec![]).await;
    advance(PRESENCE_EVERY * 2).await;
    anns.send_numbered(0, watch(&[bob]));
    assert_eq!(presence_of(&mut anns).await.1, State::Online);

    world.remove(owner, shared, who_goes(ann, bob)).await;
    let items = anns.until(|item| matches!(item, Item::Presence(_))).await;
    let is_news = |item: &Item| !matches!(item, Item::RoomCounter(_));
    let news = items.into_iter().filter(is_news).collect::<Vec<_>>();
    assert_eq!(
        text(&news[news.len() - 1]),
        "STATE_ONLINE",
        "they share another"
    );
    bobs.done(presence(State::Away)).await;
    let items = anns.until(|item| matches!(item, Item::Presence(_))).await;
    assert_eq!(text(&items[items.len() - 1]), "STATE_AWAY");

    world.remove(owner, second, who_goes(ann, bob)).await;
    advance(PRESENCE_EVERY * 2).await;
    waiting(&mut anns).await;
    bobs.done(presence(State::Online)).await;
    advance(PRESENCE_EVERY * 2).await;
    assert_eq!(waiting(&mut anns).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_has_gone_from_the_last_shared_room_is_not_shown() {
    parted(|_, bob| bob).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_been_put_out_of_the_last_shared_room_sees_nobody() {
    parted(|ann, _| ann).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_shown_while_the_store_cannot_say_who_shares_a_room() {
    let world = World::new().await;
    let (ann, bob) = (world.person(), world.person());
    world.room(&[ann, bob]).await;
    let mut anns = world.client(ann, vec![]).await;
    world.disk.set_faults(Faults {
        unavailable: 1_000_000,
        ..Faults::NONE
    });
    anns.done(watch(&[bob])).await;
    advance(READ_RETRY * 4).await;
    assert_eq!(waiting(&mut anns).await, Vec::<String>::new());
    world.disk.set_faults(Faults::NONE);
    assert_eq!(presence_of(&mut anns).await.1, State::Offline);
}

#[tokio::test(start_paused = true)]
async fn many_are_watched_and_looked_up_in_portions() {
    let world = World::new().await;
    let ann = world.person();
    let others: Vec<_> = (0..NEIGHBOURS_AT_ONCE * 2)
        .map(|_| world.person())
        .collect();
    world.room(&[&[ann], &others[..]].concat()).await;
    let strangers: Vec<_> = (0..NEIGHBOURS_AT_ONCE).map(|_| world.person()).collect();
    let mut anns = world.client(ann, vec![]).await;
    anns.send_numbered(0, watch(&[&strangers[..], &others[..]].concat()));
    let mut shown = BTreeSet::new();
    while shown.len() < others.len() {
        shown.insert(presence_of(&mut anns).await.0);
    }
    let expected = others.iter().map(|other| name::of_account(other.account));
    assert_eq!(shown, expected.collect());
    assert_eq!(waiting(&mut anns).await, Vec::<String>::new());
}
