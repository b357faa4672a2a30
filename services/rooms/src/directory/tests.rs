//! What cannot be seen through the handle: actors that fall asleep in the middle of everything.

use super::*;
use crate::limits::IDLE_AFTER;
use crate::testing::{OWNER, World, send};

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
