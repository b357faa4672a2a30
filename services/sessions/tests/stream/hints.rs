//! What is said in passing: typing, presence, read markers.

use cluster_rpc::name;
use proto::v1::presence::State;
use proto::v1::{MarkReadRequest, SetPresence, SetTypingRequest, WatchPresence};
use services_sessions::limits::{OFFLINE_AFTER, PRESENCE_EVERY, TYPING_EVERY};
use tokio::time::{Instant, advance};

use crate::wire::{Client, Command, Item};
use crate::world::{World, text};

fn typing(room: cluster_types::RoomId) -> Command {
    let room = name::of_room(room);
    Command::SetTyping(SetTypingRequest { room })
}

fn presence(state: State) -> Command {
    let state = state.into();
    Command::SetPresence(SetPresence { state })
}

fn watch(people: &[cluster_types::Caller]) -> Command {
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
