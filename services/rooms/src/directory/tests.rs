//! What cannot be seen through the handle: actors that fall asleep in the middle of everything, and earlier owners.

use super::*;
use crate::limits::IDLE_AFTER;
use crate::testing::{OWNER, STRANGER, Told, World, send};
use crate::{Action, Command, Role};
use cluster_membership::{Owner, Tenant as _};
use cluster_types::{Epoch, Life, NodeId};

/// A sender and a sweeper that finds every actor idle, on two threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_falls_asleep_while_it_is_asked_answers_all_the_same() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let commands: Vec<_> = (0..2_000)
        .map(|_| Command {
            account: OWNER,
            action: send(world.id(), "hello"),
        })
        .collect();
    let rooms = world.rooms.clone();
    let mut sending = tokio::task::JoinSet::new();
    sending.spawn(async move {
        for command in commands {
            rooms.command(room, command).await.expect("is done");
        }
    });
    let mut slept = 0;
    while sending.try_join_next().is_none() {
        let before = world.rooms.active();
        let none = world
            .rooms
            .local
            .active
            .lock()
            .sleep_idle(Instant::now() + IDLE_AFTER);
        assert_eq!(none, []);
        slept += before.saturating_sub(world.rooms.active());
        tokio::task::yield_now().await;
    }
    assert!(slept > 10, "the actor slept {slept} times");
    assert_eq!(world.bodies(room, OWNER).await.len(), 2_000);
}

/// Has the node believe that a room's shard has another owner.
fn hand_over(world: &World, room: RoomId, life: Life, epoch: Epoch) {
    let owner = Owner {
        life: Some(life),
        epoch,
        pin: None,
    };
    let membership = &world.rooms.with.membership;
    membership.hear(&[(Shard::of_room(room), owner)]);
}

#[tokio::test(start_paused = true)]
async fn an_actor_gives_way_to_none_of_an_earlier_ownership() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let Place::Here(first) = world.rooms.place(room) else {
        panic!("all rooms are here");
    };
    world.rooms.find_or_start(room, first).expect("starts");
    hand_over(&world, room, first.life, first.epoch.next());
    let Place::Here(later) = world.rooms.place(room) else {
        panic!("it is here again");
    };
    let (inbox, _) = world.rooms.find_or_start(room, later).expect("starts");
    let refused = world.rooms.find_or_start(room, first).map(drop);
    assert_eq!(refused, Err(CommandError::Moving));
    assert!(!inbox.is_closed());
}

#[tokio::test(start_paused = true)]
async fn no_actor_starts_behind_a_shard_that_was_let_go_of() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let Place::Here(before) = world.rooms.place(room) else {
        panic!("all rooms are here");
    };
    let heir = Life {
        node: NodeId::from_bytes([9; 16]),
        ..before.life
    };
    // Of two messages the first is in the inbox, and the second not yet.
    world.rooms.find_or_start(room, before).expect("starts");
    hand_over(&world, room, heir, before.epoch.next());
    world.rooms.release(&[before.shard]).await;
    let second = world.rooms.find_or_start(room, before).map(drop);
    assert_eq!(second, Err(CommandError::Moving));
    assert_eq!(world.rooms.active(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_may_have_come_is_told_so_by_whoever_has_the_room_then() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let add = Command {
        account: OWNER,
        action: Action::Add {
            account: STRANGER,
            role: Role::Member,
        },
    };
    let is_told = |world: &World| world.heard.told().contains(&Told::Gained(room, STRANGER));
    world.rooms.tell_if_it_happened(room, &add);
    world.says(room, OWNER, "it has not happened").await;
    assert!(!is_told(&world));
    world.does(room, OWNER, add.action.clone()).await;
    // The next owner has gone on before anybody knew.
    world.says(room, OWNER, "newer than that").await;
    assert!(!is_told(&world), "by its event alone");
    world.rooms.tell_if_it_happened(room, &add);
    world.until(is_told).await;
}
