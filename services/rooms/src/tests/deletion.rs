//! The end of a room, when things get in its way.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cluster_store::schema::{ClientMessage, RoomEvent};
use cluster_store::{Faults, RowRange, Scan, Simulated, Store, StoreError, Table, Transaction};
use cluster_types::{Rng, RoomId};
use proto::storage::v1;

use crate::state::Salt;
use crate::store::Opener;
use crate::testing::{MEMBER, OWNER, STRANGER, Told, World, edit, send};
use crate::{Action, CommandError, NewRoom, ReadError};

const DELETE: Action = Action::DeleteRoom {
    by_administrator: false,
};

async fn is_cleared(world: &World) {
    while world
        .rows_by_table()
        .await
        .contains_key(&Table::RoomDeletion)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = world.rows_by_table().await;
    assert!(
        left.keys()
            .all(|table| [Table::ClientMessage, Table::Erasure].contains(table)),
        "{left:?}"
    );
}

async fn is_gone(world: &World, room: RoomId) {
    for account in [OWNER, MEMBER] {
        let log = world
            .rooms
            .event(account, room, cluster_types::Seq(1))
            .await;
        assert_eq!(log, Err(ReadError::NoSuchRoom));
        assert_eq!(world.rooms.memberships(account).await, Ok(Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_a_deleted_room_that_is_not_cleared_yet() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let canary = world.says(room, MEMBER, "a canary").await;
    // Without the task that clears.
    world.tasks.stop();
    world.tasks.ended(Duration::from_secs(1)).await;
    world.does(room, OWNER, DELETE).await;
    assert!(world.rows_by_table().await.contains_key(&Table::RoomEvent));
    is_gone(&world, room).await;
    assert!(world.heard.told().contains(&Told::Deleted(room)));
    let readers = world.rooms.readers(MEMBER, room, canary, None, 1).await;
    assert_eq!(readers, Err(ReadError::NoSuchRoom));
    let send = world.act(room, MEMBER, send(world.id(), "x")).await;
    assert_eq!(send, Err(CommandError::NoSuchRoom));
}

#[tokio::test(start_paused = true)]
async fn clearing_goes_on_after_a_restart() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    world.tasks.stop();
    world.tasks.ended(Duration::from_secs(1)).await;
    world.does(room, OWNER, DELETE).await;
    world.stop().await;
    let world = World::on_disk(&disk, 1).await;
    is_cleared(&world).await;
}

#[tokio::test(start_paused = true)]
async fn clearing_goes_on_when_there_is_space_again() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    // The answer and the next pass of the task that clears are a moment apart.
    disk.set_faults(Faults {
        stall: 1_000_000,
        stall_span: Duration::from_millis(100),
        ..Faults::NONE
    });
    world.does(room, OWNER, DELETE).await;
    disk.set_full(true);
    disk.set_faults(Faults::NONE);
    world.until(|_| disk.faults_injected().full > 0).await;
    disk.set_full(false);
    is_cleared(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_cleared_even_if_the_owner_does_not_wait() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(Faults {
        stall: 1_000_000,
        stall_span: Duration::from_millis(100),
        ..Faults::NONE
    });
    let given_up = tokio::time::timeout(Duration::from_millis(350), world.act(room, OWNER, DELETE));
    assert!(given_up.await.is_err());
    disk.set_faults(Faults::NONE);
    world
        .until(|world| world.heard.told().contains(&Told::Deleted(room)))
        .await;
    is_cleared(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_with_an_unknown_outcome_is_told_and_cleared_if_it_happened() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    disk.set_faults(Faults {
        unknown_committed: 1_000_000,
        ..Faults::NONE
    });
    let outcome = world.act(room, OWNER, DELETE).await;
    assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
    disk.set_faults(Faults::NONE);
    world
        .until(|world| world.heard.told().contains(&Told::Deleted(room)))
        .await;
    is_gone(&world, room).await;
    is_cleared(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_did_not_happen_takes_nothing() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    let before = world.rows().await;
    disk.set_faults(Faults {
        unknown_lost: 1_000_000,
        ..Faults::NONE
    });
    let outcome = world.act(room, OWNER, DELETE).await;
    assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
    disk.set_faults(Faults::NONE);
    assert_eq!(world.rows().await, before);
    world.says(room, MEMBER, "still here").await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_deletion_is_told_that_the_room_is_gone() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    world.says(room, OWNER, "loaded").await;
    disk.set_faults(Faults {
        stall: 1_000_000,
        stall_span: Duration::from_millis(100),
        ..Faults::NONE
    });
    let (deleted, late) = tokio::join!(
        world.act(room, OWNER, DELETE),
        world.act(room, MEMBER, Action::Leave)
    );
    deleted.expect("is done");
    assert_eq!(late, Err(CommandError::NoSuchRoom));
}

/// What is in the store: its rows, but for the uses of client message ids, and these without their digests.
type Left = (Vec<(Bytes, Bytes)>, Vec<(ClientMessage, v1::ClientMessage)>);

/// What is left after a message and a room of these words are gone, with nothing of any salt.
async fn left_of(words: &str) -> Left {
    // What is sealed on other nodes is readable on this one.
    let world = World::unsealed(Store::new(Simulated::reliable()), Rng::seeded(0)).await;
    let room = world.room().await;
    let target = world.says(room, MEMBER, words).await;
    world
        .does(room, MEMBER, edit(target, world.id(), words))
        .await;
    let mut salts = salts(&world).await;
    assert_eq!(salts.len(), 1, "an edit has none of its own");
    world.does(room, MEMBER, Action::Delete { target }).await;
    let new = NewRoom {
        display_name: words.to_owned(),
        topic: words.to_owned(),
        request_id: world.id(),
    };
    let other = world.rooms.create(OWNER, &new).await.expect("is made").room;
    world.says(other, OWNER, words).await;
    salts.extend(self::salts(&world).await);
    assert_eq!(salts.len(), 2, "each message has another");
    world.does(other, OWNER, DELETE).await;
    while world
        .rows_by_table()
        .await
        .contains_key(&Table::RoomDeletion)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for salt in salts {
        assert_eq!(world.mentions(&salt).await, []);
    }
    let mut rows = world.rows().await;
    rows.retain(|(key, _)| Table::of_key(key) != Some(Table::ClientMessage));
    (rows, uses_without_digests(&world).await)
}

/// The salts of all messages.
async fn salts(world: &World) -> BTreeSet<[u8; 16]> {
    let read = |tx: Transaction| async move {
        let all = RowRange::<RoomEvent>::all();
        let mut salts = Vec::new();
        for (key, row) in tx.scan(all, Scan::default()).await?.rows {
            let opener = Opener::of(&world.vault, key.room).await?;
            let opened = opener.events([(key.seq, row)]).await?;
            salts.extend(opened.into_iter().filter_map(|event| event.salt));
        }
        Ok::<_, StoreError>(salts.into_iter().map(|Salt(bytes)| bytes).collect())
    };
    world.store.read(read).await.expect("can be read")
}

async fn uses_without_digests(world: &World) -> Vec<(ClientMessage, v1::ClientMessage)> {
    let read = |tx: Transaction| async move {
        let uses = tx
            .scan(RowRange::<ClientMessage>::all(), Scan::default())
            .await?;
        Ok::<_, StoreError>(uses.rows)
    };
    let mut uses = world.store.read(read).await.expect("can be read");
    for (_, row) in &mut uses {
        row.keyed_digest.clear();
    }
    uses
}

/// Whoever has the store cannot even try likely words: digests are there, and their keys are not.
#[tokio::test(start_paused = true)]
async fn what_is_left_does_not_depend_on_what_was_said() {
    let left = left_of("yes").await;
    let (rows, uses) = &left;
    assert!(rows.len() > 5, "tombstones, members: {}", rows.len());
    assert_eq!(uses.len(), 5, "two rooms, two messages, an edit");
    assert_eq!(left, left_of("certainly not").await);
}

#[tokio::test(start_paused = true)]
async fn administrators_delete_any_room_and_the_last_to_leave_deletes_its_own() {
    let (world, _disk) = World::simulated().await;
    let by_administrator = true;
    let direct = world
        .rooms
        .open_direct(OWNER, MEMBER)
        .await
        .expect("opens")
        .room;
    let delete = Action::DeleteRoom { by_administrator };
    world.does(direct, STRANGER, delete).await;
    let again = world
        .rooms
        .open_direct(MEMBER, OWNER)
        .await
        .expect("opens")
        .room;
    assert_ne!(again, direct, "the two may begin anew");
    let delete = Action::DeleteRoom { by_administrator };
    world.does(again, STRANGER, delete).await;

    let lonely = world.lonely_room().await;
    world.does(lonely, OWNER, Action::Leave).await;
    is_gone(&world, lonely).await;
    is_cleared(&world).await;
}
