//! What is left of nodes that are dropped, as the simulation drops them: with their runtime, and without a word.

use tokio::runtime::Builder;

use crate::world::World;

#[test]
fn of_nodes_that_are_dropped_nothing_is_left() {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let objects = runtime.block_on(async {
        let world = World::new(2).await;
        let room = world.room_at(0).await;
        world.say(1, room, 1).await.expect("is said");
        let of_nodes = world.nodes.iter().map(|member| member.objects.clone());
        of_nodes.collect::<Vec<_>>()
    });
    drop(runtime);
    // Files, which hold it, are held by all that holds anything.
    let left = objects.iter().filter(|objects| objects.strong_count() > 0);
    assert_eq!((objects.len(), left.count()), (2, 0));
}
