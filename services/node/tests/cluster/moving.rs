//! Rooms that are asked on any node, and that outlive theirs.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_types::Seq;
use tokio::time::Instant;

use crate::world::World;

/// From the death of a node until its rooms take messages again.
const FAILOVER_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn any_node_takes_a_message_and_all_have_the_same_log() {
    let world = World::new(3).await;
    let room = world.room_at(1).await;
    for id in 0..30 {
        let said = world.say(usize::from(id) % 3, room, id).await;
        assert_eq!(said.expect("is said").seq, Seq(2 + u64::from(id)));
    }
    let expected: Vec<_> = (0..30).map(|id| format!("message {id}")).collect();
    for place in 0..3 {
        assert_eq!(world.said(place, room).await, expected);
    }
    let actors: Vec<_> = world
        .nodes
        .iter()
        .map(|of| of.node.rooms.active())
        .collect();
    assert_eq!(actors, [0, 1, 0], "one node has the room");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_sent_again_by_another_node_is_there_once() {
    let world = World::new(2).await;
    let room = world.room_at(0).await;
    let first = world.say(0, room, 7).await.expect("is said");
    let again = world.say(1, room, 7).await.expect("is said");
    assert_eq!(first, again);
    assert_eq!(world.said(1, room).await, ["message 7"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_outlives_its_node_and_loses_nothing() {
    let mut world = World::new(3).await;
    let room = world.room_at(0).await;
    for id in 0..5 {
        world.say(1, room, id).await.expect("is said");
    }
    let died = Instant::now();
    world.kill(0);
    // Whoever asks waits, and is not told of it.
    world.say(0, room, 5).await.expect("is said");
    let after = died.elapsed();
    assert!(after <= FAILOVER_WITHIN, "{after:?}");
    world.say(1, room, 6).await.expect("is said");
    let expected: Vec<_> = (0..7).map(|id| format!("message {id}")).collect();
    assert_eq!(world.said(0, room).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_in_order_is_noticed_by_nobody() {
    let mut world = World::new(3).await;
    let rooms = [
        world.room_at(0).await,
        world.room_at(1).await,
        world.room_at(2).await,
    ];
    let mut expected = Vec::new();
    let mut id = 0;
    for _ in 0..3 {
        let left = world.leave(0).await;
        for room in rooms {
            for place in 0..2 {
                let before = Instant::now();
                world.say(place, room, id).await.expect("is said");
                assert!(before.elapsed() < Duration::from_millis(100));
                id += 1;
            }
        }
        expected.extend(id - 6..id);
        world.add(left).await;
        world.settle().await;
    }
    let said: BTreeSet<_> = [
        world.said(0, rooms[0]).await,
        world.said(1, rooms[1]).await,
        world.said(2, rooms[2]).await,
    ]
    .concat()
    .into_iter()
    .collect();
    let expected: BTreeSet<_> = expected.iter().map(|id| format!("message {id}")).collect();
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_cannot_reach_each_other_still_take_every_message_once_they_can() {
    let world = World::new(2).await;
    let room = world.room_at(0).await;
    let (one, other) = (world.nodes[0].id, world.nodes[1].id);
    world.network.part(one, other);
    let heal = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        world.network.heal(one, other);
    };
    let (said, ()) = tokio::join!(world.say(1, room, 1), heal);
    // It was on its way when the link broke, or waited for one: it is there once in any case.
    said.expect("is said");
    world.say(0, room, 1).await.expect("is said");
    assert_eq!(world.said(0, room).await, ["message 1"]);
}
