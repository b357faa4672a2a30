//! With whom somebody shares a room.

use std::time::Duration;

use cluster_store::Table;

use crate::Action;
use crate::testing::{MEMBER, MODERATOR, OWNER, STRANGER, World};

#[tokio::test(start_paused = true)]
async fn neighbours_share_a_room() {
    let (world, _disk) = World::simulated().await;
    world.room().await;
    let others = [MEMBER, STRANGER, OWNER, MODERATOR];
    let neighbours = world.rooms.neighbours(OWNER, &others).await;
    assert_eq!(neighbours, Ok(vec![MEMBER, OWNER, MODERATOR]));
    let alone = world.rooms.neighbours(STRANGER, &others).await;
    assert_eq!(alone, Ok(vec![STRANGER]));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_room_that_is_not_cleared_yet_makes_no_neighbours() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let direct = world.rooms.open_direct(OWNER, MODERATOR).await;
    direct.expect("opens");
    // Without the task that clears.
    world.tasks.stop();
    world.tasks.ended(Duration::from_secs(1)).await;
    let by_administrator = false;
    let delete = Action::DeleteRoom { by_administrator };
    world.does(room, OWNER, delete).await;
    assert!(world.rows_by_table().await.contains_key(&Table::RoomMember));
    let others = [MEMBER, OWNER, MODERATOR];
    let neighbours = world.rooms.neighbours(OWNER, &others).await;
    assert_eq!(neighbours, Ok(vec![OWNER, MODERATOR]));
    let neighbours = world.rooms.neighbours(MEMBER, &others).await;
    assert_eq!(neighbours, Ok(vec![MEMBER]));
}
