//! What nodes have to do, as an operator sees it from one of them.

use services_rooms::HotRoom;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn any_node_knows_what_each_has_to_do() {
    let mut world = World::new(3).await;
    let (busy, calm) = (world.room_at(1).await, world.room_at(1).await);
    for id in 0..6 {
        world.say(0, busy, id).await.expect("is said");
    }
    world.say(2, calm, 6).await.expect("is said");

    let loads = world.nodes[2].node.loads().await;
    let of = |place: usize| &loads[&world.nodes[place].id];
    let hot = |room, events| HotRoom { room, events };
    assert_eq!(of(1).hottest, [hot(busy, 6), hot(calm, 1)]);
    assert_eq!((of(0).hottest.len(), of(2).hottest.len()), (0, 0));
    let active = [0, 1, 2].map(|place| of(place).active_rooms);
    assert_eq!(active, [0, 2, 0]);

    let dead = world.nodes[0].id;
    world.kill(0);
    let loads = world.nodes[1].node.loads().await;
    assert_eq!((loads.len(), loads.get(&dead)), (2, None));
}
