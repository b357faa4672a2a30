//! Messages that carry files: each file is in exactly the messages that say so, whatever happens.

use std::time::Duration;

use cluster_store::{Faults, SimulatedDisk, Table};
use cluster_types::{Coded as _, ErrorCode, FileId, RoomId, Seq};
use tokio::task::JoinSet;

use crate::limits::{
    ATTACHMENTS_MAX, CLEAR_BATCH, CLEAR_FILES, EVENTS_PAGE_BYTES_MAX, EVENTS_PAGE_MAX,
};
use crate::testing::{
    MEMBER, MODERATOR, OWNER, STRANGER, World, attachment, edit, edit_without, file, send,
    send_files,
};
use crate::{
    Action, Command, CommandError, Direction, EventKind, ReadError, Start, Unattachable, WhyNot,
    store, wire,
};

const DELETE: Action = Action::DeleteRoom {
    by_administrator: false,
};

async fn uploads(
    world: &World,
    room: RoomId,
    numbers: impl IntoIterator<Item = u8>,
) -> Vec<FileId> {
    let mut files = Vec::new();
    for number in numbers {
        world.uploads(room, MEMBER, file(number)).await;
        files.push(file(number));
    }
    files
}

/// The files of the message at `seq`, as a member reads them.
async fn files_of(world: &World, room: RoomId, seq: Seq) -> Vec<FileId> {
    let event = world.rooms.event(OWNER, room, seq).await.expect("reads");
    let EventKind::Message(message) = event.kind else {
        panic!("{seq} is not a message");
    };
    message
        .attachments
        .iter()
        .map(|carried| carried.file)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_carried_is_named_and_nothing_is_taken() {
    let (world, _disk) = World::simulated().await;
    let (room, other) = (world.room().await, world.lonely_room().await);
    let good = uploads(&world, room, [1]).await[0];
    world.uploads(other, MEMBER, file(2)).await;
    world.begins_upload(room, MEMBER, file(3), false).await;
    world.uploads(room, OWNER, file(4)).await;
    let [taken] = uploads(&world, room, [5]).await[..] else {
        unreachable!()
    };
    world
        .does(room, MEMBER, send_files(world.id(), "", &[taken]))
        .await;
    let before = world.rows().await;
    for (bad, why, code, reason) in [
        (
            file(2),
            WhyNot::OtherRoom,
            ErrorCode::Conflict,
            "UPLOAD_FOR_ANOTHER_ROOM",
        ),
        (
            file(3),
            WhyNot::NotFinished,
            ErrorCode::Conflict,
            "UPLOAD_NOT_FINISHED",
        ),
        (
            file(4),
            WhyNot::NoSuchUpload,
            ErrorCode::NotFound,
            "UPLOAD_NOT_FOUND",
        ),
        (taken, WhyNot::Taken, ErrorCode::Conflict, "UPLOAD_TAKEN"),
    ] {
        let refused = world
            .act(room, MEMBER, send_files(world.id(), "x", &[good, bad]))
            .await;
        let refused = refused.expect_err("is refused");
        assert_eq!(
            refused,
            CommandError::Unattachable(Unattachable { place: 1, why })
        );
        assert_eq!((refused.code(), refused.reason()), (code, reason));
        assert_eq!(refused.violations()[0].field, "attachments[1]");
    }
    let strange = world
        .act(room, STRANGER, send_files(world.id(), "x", &[good]))
        .await;
    assert_eq!(strange, Err(CommandError::NoSuchRoom));
    assert_eq!(world.rows().await, before);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_cannot_be_says_which_field_is_wrong() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1, 2]).await;
    let said = world
        .does(room, MEMBER, send_files(world.id(), "", &files))
        .await
        .seq;
    let missing = edit_without(said, world.id(), "x", &[files[0], file(9)]);
    let missing = world
        .act(room, MEMBER, missing)
        .await
        .expect_err("is refused");
    assert_eq!(
        (missing.code(), missing.reason()),
        (ErrorCode::NotFound, "ATTACHMENT_NOT_FOUND")
    );
    assert_eq!(missing.violations()[0].field, "remove_attachments[1]");
    let nothing = world
        .act(room, MEMBER, edit_without(said, world.id(), "", &files))
        .await;
    let nothing = nothing.expect_err("is refused");
    assert_eq!(
        (nothing.code(), nothing.reason()),
        (ErrorCode::Invalid, "MESSAGE_EMPTY")
    );
    assert_eq!(nothing.violations()[0].field, "body");
    assert_eq!(files_of(&world, room, said).await, files);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_as_the_first_time_once_its_uploads_are_taken() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1, 2]).await;
    let again = send_files(world.id(), "look", &files);
    let first = world.does(room, MEMBER, again.clone()).await;
    assert_eq!(world.does(room, MEMBER, again.clone()).await, first);
    let changed = edit_without(first.seq, world.id(), "this", &files[..1]);
    let edited = world.does(room, MEMBER, changed.clone()).await;
    assert_eq!(world.does(room, MEMBER, again.clone()).await, first);
    assert_eq!(world.does(room, MEMBER, changed.clone()).await, edited);
    assert_eq!(world.carried().await, [(files[1], 1)]);
    let target = first.seq;
    world.does(room, MODERATOR, Action::Delete { target }).await;
    assert_eq!(world.does(room, MEMBER, again).await, first);
    assert_eq!(world.does(room, MEMBER, changed).await, edited);
    assert_eq!(world.carried().await, []);
}

/// Two messages want the same file, beside many that want none.
#[tokio::test(start_paused = true)]
async fn of_two_messages_one_carries_a_file_and_neither_harms_others() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1]).await;
    let mut at_work = JoinSet::new();
    for number in 0..40 {
        let action = match number {
            10 | 30 => send_files(world.id(), "mine", &files),
            _ => send(world.id(), "hello"),
        };
        let (rooms, account) = (world.rooms.clone(), MEMBER);
        at_work.spawn(async move { rooms.command(room, Command { account, action }).await });
    }
    let done = at_work.join_all().await;
    let (place, why) = (0, WhyNot::Taken);
    let refused: Vec<_> = done.iter().filter_map(|done| done.as_ref().err()).collect();
    assert_eq!(
        refused,
        [&CommandError::Unattachable(Unattachable { place, why })]
    );
    assert_eq!(world.bodies(room, OWNER).await.len(), 39);
    assert_eq!(world.carried().await, [(files[0], 1)]);
}

/// Every commit has this outcome, until as many were injected.
async fn unknown(world: &World, disk: &SimulatedDisk, committed: bool) {
    let odds = |is_it: bool| if is_it { 1_000_000 } else { 0 };
    let count = || {
        let counts = disk.faults_injected();
        counts.unknown_committed + counts.unknown_lost
    };
    let before = count();
    disk.set_faults(Faults {
        unknown_committed: odds(committed),
        unknown_lost: odds(!committed),
        stall: 1_000_000,
        stall_span: Duration::from_millis(100),
        ..Faults::NONE
    });
    world.until(|_| count() == before + 1).await;
    disk.set_faults(Faults::NONE);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_neither_loses_a_file_nor_counts_it_twice() {
    for committed in [true, false] {
        let (world, disk) = World::simulated().await;
        let room = world.room().await;
        world.make_keys(room, &[MEMBER]).await;
        let files = uploads(&world, room, [1, 2]).await;
        let said = send_files(world.id(), "look", &files);
        let (said, ()) = tokio::join!(
            world.does(room, MEMBER, said),
            unknown(&world, &disk, committed)
        );
        assert_eq!(world.carried().await, [(files[0], 1), (files[1], 1)]);
        assert_eq!(files_of(&world, room, said.seq).await, files);
        let edit = edit_without(said.seq, world.id(), "", &files[..1]);
        let (_, ()) = tokio::join!(
            world.does(room, MEMBER, edit),
            unknown(&world, &disk, committed)
        );
        assert_eq!(world.carried().await, [(files[1], 1)]);
        let target = said.seq;
        let (_, ()) = tokio::join!(
            world.does(room, MEMBER, Action::Delete { target }),
            unknown(&world, &disk, committed)
        );
        assert_eq!(world.carried().await, []);
        assert_eq!(
            world.log(room, OWNER).await.len(),
            6,
            "nothing happened twice"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_message_finds_what_it_carries_and_nobody_else_does() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1, 2]).await;
    let said = world
        .does(room, MEMBER, send_files(world.id(), "", &files))
        .await
        .seq;
    let edited = world
        .does(
            room,
            MEMBER,
            edit_without(said, world.id(), "x", &files[..1]),
        )
        .await;
    let find = async |account, seq, file| world.rooms.attachment(account, room, seq, file).await;
    assert_eq!(find(OWNER, said, files[1]).await, Ok(attachment(files[1])));
    let none = Err(ReadError::NoSuchAttachment);
    assert_eq!(
        find(OWNER, said, files[0]).await,
        none,
        "an edit took it away"
    );
    assert_eq!(
        find(OWNER, edited.seq, files[1]).await,
        none,
        "it is no message"
    );
    assert_eq!(find(OWNER, Seq(1), files[1]).await, none);
    assert_eq!(
        find(OWNER, edited.seq.next(), files[1]).await,
        Err(ReadError::NoSuchEvent)
    );
    assert_eq!(
        find(STRANGER, said, files[1]).await,
        Err(ReadError::NoSuchRoom)
    );
    world.does(room, OWNER, Action::Remove(MODERATOR)).await;
    assert_eq!(
        find(MODERATOR, said, files[1]).await,
        Err(ReadError::NoSuchRoom)
    );
    world
        .does(room, MEMBER, Action::Delete { target: said })
        .await;
    let deleted = find(OWNER, said, files[1]).await.expect_err("is gone");
    assert_eq!(deleted, ReadError::NoSuchAttachment);
    assert_eq!(
        (deleted.code(), deleted.reason()),
        (ErrorCode::NotFound, "ATTACHMENT_NOT_FOUND")
    );
}

/// So many messages of [`MEMBER`], each with as many files as it can have.
async fn says_files(world: &World, room: RoomId, messages: u8) {
    let each = u8::try_from(ATTACHMENTS_MAX).expect("few");
    for message in 0..messages {
        let files = uploads(world, room, message * each..(message + 1) * each).await;
        world
            .does(room, MEMBER, send_files(world.id(), "", &files))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_files_of_a_deleted_room_go_a_few_at_a_time() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    says_files(&world, room, 25).await;
    // Without the task that clears.
    world.tasks.stop();
    world.tasks.ended(Duration::from_secs(1)).await;
    world.does(room, OWNER, DELETE).await;
    let files = &*world.rooms.with.attachments;
    let mut left = world.carried().await.len();
    assert_eq!(left, 250);
    loop {
        let some = |tx, _| async move { store::clear_some(&tx, files, room, CLEAR_BATCH).await };
        let more = world.store.run(some).await.expect("clears");
        let now = world.carried().await.len();
        assert!(
            left - now <= CLEAR_FILES,
            "{left} to {now} in one transaction"
        );
        left = now;
        if !more {
            break;
        }
    }
    assert_eq!(left, 0);
    assert!(!world.rows_by_table().await.contains_key(&Table::RoomEvent));
}

/// What it carries lies readable, though the message itself cannot be opened any more.
#[tokio::test(start_paused = true)]
async fn a_message_whose_key_is_gone_shows_no_file_and_still_releases_it_with_its_room() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1]).await;
    let said = world
        .does(room, MEMBER, send_files(world.id(), "", &files))
        .await
        .seq;
    world
        .vault
        .destroy_account(MEMBER)
        .await
        .expect("is destroyed");
    assert_eq!(files_of(&world, room, said).await, []);
    let found = world.rooms.attachment(OWNER, room, said, files[0]).await;
    assert_eq!(found, Err(ReadError::NoSuchAttachment));
    assert_eq!(world.carried().await.len(), 1);
    world.does(room, OWNER, DELETE).await;
    while !world.carried().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whoever deletes it would have the bytes gone, though nobody can show that they belong to it.
#[tokio::test(start_paused = true)]
async fn a_message_whose_key_is_gone_releases_its_files_when_it_is_deleted() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let files = uploads(&world, room, [1, 2]).await;
    let said = world
        .does(room, MEMBER, send_files(world.id(), "", &files))
        .await
        .seq;
    world.uploads(room, OWNER, file(3)).await;
    let other = send_files(world.id(), "", &[file(3)]);
    let head = world.does(room, OWNER, other).await.seq;
    let destroyed = world.vault.destroy_account(MEMBER).await;
    destroyed.expect("is destroyed");
    assert_eq!(world.carried().await.len(), 3);
    for _ in 0..2 {
        let done = world
            .does(room, OWNER, Action::Delete { target: said })
            .await;
        assert_eq!(done.seq, head, "it read as deleted before");
        assert_eq!(world.carried().await.len(), 1, "what another carries stays");
    }
    world.does(room, OWNER, DELETE).await;
    while !world.carried().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Edits are shown with their message, and so with what that carries.
#[tokio::test(start_paused = true)]
async fn a_page_of_edits_of_a_message_with_many_files_can_be_sent() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    says_files(&world, room, 1).await;
    let target = Seq(4);
    for _ in 0..EVENTS_PAGE_MAX {
        world
            .does(room, MEMBER, edit(target, world.id(), "x"))
            .await;
    }
    let (start, direction) = (Start::Seq(Seq(5)), Direction::Forward);
    let page = world
        .rooms
        .events(OWNER, room, start, direction, EVENTS_PAGE_MAX)
        .await;
    let page = page.expect("reads");
    let frames = page.events.into_iter();
    let frames = frames.map(|event| wire::event_frame(room, event).len());
    let bytes: usize = frames.sum();
    assert!(bytes <= EVENTS_PAGE_BYTES_MAX, "{bytes}");
    assert!(page.next.is_some());
}
