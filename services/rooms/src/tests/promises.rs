//! The promises that people rely on most, over every store.

use cluster_store::{Embedded, EmbeddedOptions, Simulated, SimulatedDisk, Store, Table};
use cluster_types::{AccountId, Rng, Seq};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::limits::CLEAR_BATCH;
use crate::testing::{
    MEMBER, MODERATOR, OWNER, STRANGER, World, account, attachment, body, edit, edit_without, file,
    send, send_files,
};
use crate::{Action, CommandError, Event, EventKind, Message, NewRoom, ReadError, Role};

/// What outlives a node.
enum Ground {
    Memory(SimulatedDisk),
    Folder(TempDir),
}

impl Ground {
    fn memory() -> Self {
        Self::Memory(SimulatedDisk::new())
    }

    fn folder() -> Self {
        Self::Folder(tempfile::tempdir().expect("a folder can be made"))
    }

    async fn start(&self) -> World {
        let (store, rng) = self.store();
        World::on(store, rng).await
    }

    fn store(&self) -> (Store, Rng) {
        match self {
            Self::Memory(disk) => {
                let rng = Rng::seeded(0);
                (Store::new(Simulated::new(disk.clone(), rng.fork())), rng)
            }
            Self::Folder(folder) => {
                let options = EmbeddedOptions {
                    cache_bytes: 16 * 1024 * 1024,
                    free_space_min: 0,
                    ..Default::default()
                };
                let store = Embedded::open(folder.path(), options).expect("opens");
                // Ids must differ from those of the last start.
                (Store::new(store), Rng::from_os())
            }
        }
    }

    /// Ends the node, and starts another on what it left.
    async fn restart(&self, world: World) -> World {
        let store = world.store.clone();
        world.stop().await;
        store.close().await;
        drop(store);
        self.start().await
    }
}

/// One test for each kind of store.
macro_rules! over_every_store {
    ($($promise:ident)*) => {$(
        mod $promise {
            use super::Ground;

            #[tokio::test(start_paused = true)]
            async fn in_memory() {
                super::$promise(&Ground::memory()).await;
            }

            #[tokio::test]
            async fn in_a_file() {
                super::$promise(&Ground::folder()).await;
            }
        }
    )*};
}

over_every_store! {
    what_is_acknowledged_is_there_once_and_in_order
    a_node_goes_on_where_the_last_one_ended
    a_body_lies_in_one_row
    a_removed_member_has_lost_the_room
    two_have_one_conversation
    a_file_is_with_its_messages_as_long_as_they_carry_it
    a_deleted_room_leaves_nothing
}

/// Eight people send each of their messages twice at once, all of them together.
async fn what_is_acknowledged_is_there_once_and_in_order(ground: &Ground) {
    let world = ground.start().await;
    let room = world.lonely_room().await;
    let senders: Vec<_> = (10..18).map(account).collect();
    for account in &senders {
        let (account, role) = (*account, Role::Member);
        world.does(room, OWNER, Action::Add { account, role }).await;
    }
    let mut at_work = JoinSet::new();
    for sender in senders {
        let (rooms, ids) = (world.rooms.clone(), [0; 20].map(|_| world.id()));
        at_work.spawn(async move {
            let mut acknowledged = Vec::new();
            for (number, id) in ids.into_iter().enumerate() {
                let text = format!("{number} of {sender}");
                let command = || crate::Command {
                    account: sender,
                    action: send(id, &text),
                };
                let (first, second) = tokio::join!(
                    rooms.command(room, command()),
                    rooms.command(room, command())
                );
                let first = first.expect("is done");
                assert_eq!(second, Ok(first));
                acknowledged.push((first.seq, text));
            }
            assert!(acknowledged.is_sorted_by_key(|(seq, _)| *seq));
            acknowledged
        });
    }
    let mut acknowledged: Vec<_> = at_work.join_all().await.concat();
    acknowledged.sort();
    let log = world.log(room, OWNER).await;
    assert!(log.iter().map(|event| event.seq).eq((1..=169).map(Seq)));
    let messages = log
        .into_iter()
        .filter_map(|event| Some((event.seq, body(event)?)));
    assert_eq!(messages.collect::<Vec<_>>(), acknowledged);
}

async fn a_node_goes_on_where_the_last_one_ended(ground: &Ground) {
    let world = ground.start().await;
    let room = world.room().await;
    let id = world.id();
    let sent = world.does(room, MEMBER, send(id, "before")).await;
    let before = (
        world.log(room, OWNER).await,
        world.rooms.view(OWNER, room).await,
    );

    let world = ground.restart(world).await;
    let after = (
        world.log(room, OWNER).await,
        world.rooms.view(OWNER, room).await,
    );
    assert_eq!(after, before);
    assert_eq!(world.does(room, MEMBER, send(id, "before")).await, sent);
    assert_eq!(world.says(room, MEMBER, "after").await, sent.seq.next());
}

/// On a node that seals nothing, where it can be seen.
async fn a_body_lies_in_one_row(ground: &Ground) {
    let (store, rng) = ground.store();
    let world = World::unsealed(store, rng).await;
    let room = world.room().await;
    let target = world.says(room, MEMBER, "a first canary").await;
    assert_eq!(world.mentions(b"a first canary").await, [Table::RoomEvent]);

    let edited = edit(target, world.id(), "a second canary");
    let edit = world.does(room, MEMBER, edited).await.seq;
    assert!(world.mentions(b"a first canary").await.is_empty());
    assert_eq!(world.mentions(b"a second canary").await, [Table::RoomEvent]);
    let shown = world
        .rooms
        .event(OWNER, room, edit)
        .await
        .expect("is there");
    let EventKind::Edit {
        message: Some(message),
        ..
    } = shown.kind
    else {
        panic!("{shown:?}");
    };
    assert_eq!(message.body, "a second canary");

    let deletion = world
        .does(room, MODERATOR, Action::Delete { target })
        .await
        .seq;
    assert!(world.mentions(b"a second canary").await.is_empty());
    let shown = world
        .rooms
        .event(OWNER, room, edit)
        .await
        .expect("is there");
    let message = Some(Message::tombstone(deletion));
    assert_eq!(shown.kind, EventKind::Edit { target, message });
}

async fn a_removed_member_has_lost_the_room(ground: &Ground) {
    let world = ground.start().await;
    let room = world.room().await;
    world.says(room, OWNER, "said before").await;
    world.does(room, MODERATOR, Action::Remove(MEMBER)).await;
    reads_nothing(&world, room, MEMBER).await;
    let refused = world.act(room, MEMBER, send(world.id(), "x")).await;
    assert_eq!(refused, Err(CommandError::NoSuchRoom));

    world.says(room, OWNER, "said meanwhile").await;
    let (account, role) = (MEMBER, Role::Member);
    world.does(room, OWNER, Action::Add { account, role }).await;
    assert_eq!(
        world.bodies(room, MEMBER).await,
        ["said before", "said meanwhile"]
    );
    assert_eq!(world.log(room, MEMBER).await, world.log(room, OWNER).await);
}

/// A room does not exist for who is not in it, however it asks.
async fn reads_nothing(world: &World, room: cluster_types::RoomId, account: AccountId) {
    let (rooms, first) = (&world.rooms, Seq(1));
    let gone = ReadError::NoSuchRoom;
    assert_eq!(rooms.view(account, room).await, Err(gone.clone()));
    assert_eq!(rooms.event(account, room, first).await, Err(gone.clone()));
    assert_eq!(
        rooms.mark_read(account, room, first).await,
        Err(gone.clone())
    );
    assert_eq!(rooms.typing(account, room).await, Err(gone.clone()));
    assert_eq!(
        rooms.members(account, room, None, 1).await,
        Err(gone.clone())
    );
    assert_eq!(rooms.bans(account, room, None, 1).await, Err(gone.clone()));
    assert_eq!(
        rooms.readers(account, room, first, None, 1).await,
        Err(gone.clone())
    );
    let (start, direction) = (crate::Start::End, crate::Direction::Backward);
    let page = rooms.events(account, room, start, direction, 1).await;
    assert_eq!(page, Err(gone));
    assert_eq!(rooms.memberships(account).await, Ok(Vec::new()));
}

async fn two_have_one_conversation(ground: &Ground) {
    let world = ground.start().await;
    let (one, other) = tokio::join!(
        world.rooms.open_direct(OWNER, STRANGER),
        world.rooms.open_direct(STRANGER, OWNER)
    );
    let (one, other) = (one.expect("opens"), other.expect("opens"));
    assert_eq!(one.room, other.room);
    assert_eq!((one.peer, other.peer), (Some(STRANGER), Some(OWNER)));
    assert_eq!(one.member_count, 2);
    let rows = world.rows_by_table().await;
    assert_eq!(
        (rows[&Table::Room], rows[&Table::RoomKey]),
        (1, 1),
        "and no key of one that was not made"
    );
    world.says(one.room, STRANGER, "hello").await;
    assert_eq!(world.bodies(one.room, OWNER).await, ["hello"]);

    let notes = world.rooms.open_direct(OWNER, OWNER).await.expect("opens");
    assert_eq!((notes.peer, notes.member_count), (Some(OWNER), 1));
    let again = world.rooms.open_direct(OWNER, OWNER).await.expect("opens");
    assert_eq!(again.room, notes.room);
    assert_ne!(notes.room, one.room);
}

async fn a_file_is_with_its_messages_as_long_as_they_carry_it(ground: &Ground) {
    let world = ground.start().await;
    let room = world.room().await;
    let files: Vec<_> = (1..=4).map(file).collect();
    for file in &files {
        world.uploads(room, MEMBER, *file).await;
    }
    let said = send_files(world.id(), "look", &files[..3]);
    let said = world.does(room, MEMBER, said).await.seq;
    let other = send_files(world.id(), "", &files[3..]);
    let other = world.does(room, MEMBER, other).await.seq;
    let edited = edit_without(said, world.id(), "this one", &files[1..3]);
    world.does(room, MEMBER, edited).await;
    assert_eq!(world.carried().await, [(files[0], 1), (files[3], 1)]);

    let world = ground.restart(world).await;
    let carried = |event: &Event| match &event.kind {
        EventKind::Message(message)
        | EventKind::Edit {
            message: Some(message),
            ..
        } => message.attachments.clone(),
        EventKind::Edit { message: None, .. }
        | EventKind::Deletion { .. }
        | EventKind::Membership(_)
        | EventKind::Room(_) => Vec::new(),
    };
    let log = world.log(room, OWNER).await;
    let carried: Vec<_> = log
        .iter()
        .map(carried)
        .filter(|files| !files.is_empty())
        .collect();
    let [first, fourth] = [files[0], files[3]].map(|file| vec![attachment(file)]);
    assert_eq!(carried, [first.clone(), fourth, first]);
    let names = world.mentions(b"1.png").await;
    assert_eq!(names, [], "names of files lie sealed");

    world
        .does(room, MEMBER, Action::Delete { target: other })
        .await;
    assert_eq!(world.carried().await, [(files[0], 1)]);
    let by_administrator = false;
    world
        .does(room, OWNER, Action::DeleteRoom { by_administrator })
        .await;
    while !world.carried().await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn a_deleted_room_leaves_nothing(ground: &Ground) {
    let world = ground.start().await;
    let request_id = world.id();
    let new = NewRoom {
        display_name: "a canary of a name".to_owned(),
        topic: String::new(),
        request_id,
    };
    let room = world.rooms.create(OWNER, &new).await.expect("is made").room;
    for number in 0..CLEAR_BATCH + 20 {
        let number = number as u128 + 1_000_000;
        let account = AccountId::from_bytes(number.to_be_bytes());
        let role = Role::Member;
        world.does(room, OWNER, Action::Add { account, role }).await;
    }
    world.does(room, OWNER, Action::Ban(STRANGER)).await;
    world.says(room, OWNER, "a canary of a body").await;
    world.rooms.make_link(OWNER, room).await.expect("is made");

    let by_administrator = false;
    let delete = Action::DeleteRoom { by_administrator };
    world.does(room, OWNER, delete).await;
    reads_nothing(&world, room, OWNER).await;
    while world
        .rows_by_table()
        .await
        .contains_key(&Table::RoomDeletion)
    {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // What the ids of the room and of the one message were used for, and that it is erased.
    let left = world.rows_by_table().await;
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        [(Table::ClientMessage, 2), (Table::Erasure, 1)]
    );
    assert!(world.mentions(b"canary").await.is_empty());
    let again = world.rooms.create(OWNER, &new).await;
    assert_eq!(
        again,
        Err(CommandError::NoSuchRoom),
        "it is not made a second time"
    );
}
