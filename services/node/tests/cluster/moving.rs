//! Rooms that are asked on any node, and that outlive theirs.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use cluster_membership::Member;
use cluster_types::{RoomId, Seq};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::world::World;

/// From the death of a node until its rooms take messages again.
const FAILOVER_WITHIN: Duration = Duration::from_secs(2);

/// From a cut until rooms on the smaller side are on the larger one: the time that it takes to be believed, some rounds,
/// and batches of shards.
const CUT_OFF_WITHIN: Duration = Duration::from_millis(3_500);

/// How long a message takes at most while the node leaves that has its room: a hand-over, a room that is loaded, and
/// its own commit, with a store that takes up to 2 ms for each call.
const PAUSE_WITHIN: Duration = Duration::from_millis(60);

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
    world.slow_down();
    let (ids, mut longest) = (Cell::new(0), Duration::ZERO);
    for _ in 0..3 {
        let leaving = world.nodes.remove(0);
        let left = Cell::new(false);
        // Somebody at each of the others says one thing after the other, in each of the rooms.
        let say = async |place: usize, room: RoomId| {
            let mut longest = Duration::ZERO;
            while !left.get() {
                let (before, id) = (Instant::now(), ids.replace(ids.get() + 1));
                world.say(place, room, id).await.expect("is said");
                longest = longest.max(before.elapsed());
            }
            longest
        };
        let leave = async {
            let id = leaving.leave().await;
            left.set(true);
            id
        };
        let sayings = rooms.iter().flat_map(|room| [say(0, *room), say(1, *room)]);
        let (id, pauses) = tokio::join!(leave, join_all(sayings));
        longest = pauses.into_iter().fold(longest, Duration::max);
        world.add(id).await;
        world.settle().await;
    }
    assert!(longest < PAUSE_WITHIN, "{longest:?}");
    let mut said = Vec::new();
    for room in rooms {
        said.extend(world.said(0, room).await);
    }
    said.sort_unstable();
    let mut expected: Vec<_> = (0..ids.get()).map(|id| format!("message {id}")).collect();
    expected.sort_unstable();
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_says_stays_in_its_order_while_the_room_moves() {
    let mut world = World::new(3).await;
    let room = world.room_at(0).await;
    world.slow_down();
    let leaving = world.nodes.remove(0);
    let (left, ended) = (Cell::new(false), Cell::new(0));
    let say = async {
        while !left.get() {
            let next = ended.get();
            world.say_all(1, room, next..next + 20).await;
            ended.set(next + 20);
        }
    };
    let leave = async {
        leaving.leave().await;
        left.set(true);
    };
    tokio::join!(say, leave);
    let expected: Vec<_> = (0..ended.get()).map(|id| format!("message {id}")).collect();
    assert_eq!(world.said(0, room).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_cannot_reach_each_other_still_take_every_message_once_they_can() {
    let world = World::new(2).await;
    let room = world.room_at(0).await;
    let (one, other) = (world.nodes[0].id, world.nodes[1].id);
    world.network.part(one, other);
    let heal = async {
        sleep(Duration::from_secs(4)).await;
        world.network.heal(one, other);
    };
    let (said, ()) = tokio::join!(world.say(1, room, 1), heal);
    // It was on its way when the link broke, or waited for one: it is there once in any case.
    said.expect("is said");
    world.say(0, room, 1).await.expect("is said");
    assert_eq!(world.said(0, room).await, ["message 1"]);
}

#[tokio::test(start_paused = true)]
async fn rooms_of_a_node_that_no_other_reaches_move_to_where_clients_reach_them_and_come_back() {
    let world = World::new(3).await;
    let room = world.room_at(0).await;
    let (cut, others) = (world.nodes[0].id, [world.nodes[1].id, world.nodes[2].id]);
    for other in others {
        world.network.part(cut, other);
    }
    let began = Instant::now();
    world.say(1, room, 0).await.expect("is said");
    let after = began.elapsed();
    assert!(after <= CUT_OFF_WITHIN, "{after:?}");
    assert!(
        world
            .owner(room)
            .is_some_and(|owner| others.contains(&owner))
    );
    world.say(2, room, 1).await.expect("is said");

    for other in others {
        world.network.heal(cut, other);
    }
    world.settle().await;
    world.say(0, room, 2).await.expect("is said");
    assert_eq!(
        world.said(1, room).await,
        ["message 0", "message 1", "message 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_without_links_is_given_nothing_before_it_has_some() {
    let mut world = World::new(3).await;
    let id = world.nodes[0].id;
    // Its links stay cut.
    world.kill(0);
    sleep(FAILOVER_WITHIN).await;
    world.add(id).await;
    let owns = |world: &World| {
        let view = world.nodes[0].node.membership.view();
        let shards = |member: &Arc<Member>| view.shards_of(member.life).count();
        view.member(id).map_or(0, shards)
    };
    let began = Instant::now();
    while began.elapsed() < 2 * CUT_OFF_WITHIN {
        assert_eq!(owns(&world), 0, "after {:?}", began.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    for place in 0..2 {
        world.network.heal(id, world.nodes[place].id);
    }
    world.settle().await;
    assert!(owns(&world) > 0);
}
