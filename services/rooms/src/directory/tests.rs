//! What cannot be seen through the handle: actors that fall asleep in the middle of everything, and earlier owners.

use super::*;
use crate::Command;
use crate::limits::IDLE_AFTER;
use crate::testing::{OWNER, World, send};
use cluster_membership::Place;

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

#[tokio::test(start_paused = true)]
async fn an_actor_gives_way_to_none_of_an_earlier_ownership() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let Place::Here(first) = world.rooms.place(room) else {
        panic!("all rooms are here");
    };
    let later = Ownership {
        epoch: first.epoch.next(),
        ..first
    };
    let (inbox, _) = world.rooms.find_or_start(room, later).expect("starts");
    let refused = world.rooms.find_or_start(room, first).map(drop);
    assert_eq!(refused, Err(CommandError::Moving));
    assert!(!inbox.is_closed());
}
