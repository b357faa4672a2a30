//! Who may send files is who may send messages, and is told the same.

use crate::testing::{MEMBER, OWNER, STRANGER, World};
use crate::{Action, CommandError};

#[tokio::test(start_paused = true)]
async fn who_may_not_write_may_send_no_file() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let may_send = async |account| world.rooms.check_may_send(account, room).await;
    assert_eq!(may_send(MEMBER).await, Ok(()));
    assert_eq!(may_send(STRANGER).await, Err(CommandError::NoSuchRoom));
    let mute = Action::Mute {
        account: MEMBER,
        until: None,
    };
    world.does(room, OWNER, mute).await;
    assert_eq!(may_send(MEMBER).await, Err(CommandError::Muted));
    assert_eq!(may_send(OWNER).await, Ok(()));
    world.does(room, OWNER, Action::SetArchived(true)).await;
    assert_eq!(may_send(OWNER).await, Err(CommandError::Archived));
}
