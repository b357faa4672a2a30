//! How far members have read, what they have not, and who else has.

use cluster_store::Faults;
use cluster_types::Seq;

use crate::testing::{MEMBER, MODERATOR, OWNER, Told, World};
use crate::{Action, ReadError, ReadMark};

#[tokio::test(start_paused = true)]
async fn a_mark_moves_forward_only_and_is_told_where_it_is_asked_for() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    for text in ["one", "two", "three"] {
        world.says(room, OWNER, text).await;
    }
    let mark = |seq, message_count| ReadMark {
        seq: Seq(seq),
        message_count,
    };
    let rooms = &world.rooms;
    assert_eq!(
        rooms.mark_read(MEMBER, room, Seq(5)).await,
        Ok((mark(5, 2), 1))
    );
    assert_eq!(
        rooms.mark_read(MEMBER, room, Seq(4)).await,
        Ok((mark(5, 2), 1))
    );
    assert_eq!(
        rooms.mark_read(MEMBER, room, Seq(5)).await,
        Ok((mark(5, 2), 1))
    );
    assert_eq!(
        rooms.mark_read(MEMBER, room, Seq(6)).await,
        Ok((mark(6, 3), 0))
    );
    let (field, seq, head) = ("seq", Seq(7), Seq(6));
    let future = Err(ReadError::FutureSeq(crate::FutureSeq { field, seq, head }));
    assert_eq!(rooms.mark_read(MEMBER, room, Seq(7)).await, future);
    let told = world.heard.told();
    let read = told.iter().filter(|told| matches!(told, Told::Read(..)));
    assert_eq!(
        read.collect::<Vec<_>>(),
        [
            &Told::Read(room, MEMBER, mark(5, 2)),
            &Told::Read(room, MEMBER, mark(5, 2)),
            &Told::Read(room, MEMBER, mark(6, 3)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn unread_are_the_messages_that_others_said_since() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let unread = async |account| {
        let view = world.rooms.view(account, room).await.expect("a member");
        view.message_count - view.mark.message_count
    };
    assert_eq!(unread(MEMBER).await, 0);
    world.says(room, OWNER, "one").await;
    let two = world.says(room, OWNER, "two").await;
    world.does(room, OWNER, Action::SetArchived(true)).await;
    world.does(room, OWNER, Action::SetArchived(false)).await;
    assert_eq!(unread(MEMBER).await, 2, "only messages count");
    assert_eq!(unread(OWNER).await, 0, "one's own do not");
    world
        .does(room, OWNER, Action::Delete { target: two })
        .await;
    assert_eq!(unread(MEMBER).await, 2, "a place is still a place");
    world.says(room, MEMBER, "an answer").await;
    assert_eq!(unread(MEMBER).await, 0, "who answers has read");
    assert_eq!(unread(OWNER).await, 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_has_nothing_to_catch_up_on() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.says(room, OWNER, "one").await;
    world.does(room, OWNER, Action::Remove(MEMBER)).await;
    world.says(room, OWNER, "two").await;
    let (account, role) = (MEMBER, crate::Role::Member);
    world.does(room, OWNER, Action::Add { account, role }).await;
    let view = world.rooms.view(MEMBER, room).await.expect("a member");
    assert_eq!(
        (view.mark.seq, view.mark.message_count),
        (view.head, view.message_count)
    );
}

#[tokio::test(start_paused = true)]
async fn readers_are_listed_in_pages() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let first = world.says(room, OWNER, "one").await;
    let second = world.says(room, OWNER, "two").await;
    let rooms = &world.rooms;
    rooms.mark_read(MEMBER, room, first).await.expect("moves");
    rooms
        .mark_read(MODERATOR, room, second)
        .await
        .expect("moves");
    let readers = |seq, after, limit| rooms.readers(MEMBER, room, seq, after, limit);
    let all = readers(first, None, 9).await;
    assert_eq!(all, Ok((vec![OWNER, MODERATOR, MEMBER], None)));
    let all = readers(second, None, 9).await;
    assert_eq!(all, Ok((vec![OWNER, MODERATOR], None)));
    // A page without a reader is not the end.
    let page = readers(second, None, 2).await;
    assert_eq!(page, Ok((vec![OWNER, MODERATOR], Some(MODERATOR))));
    assert_eq!(
        readers(second, Some(MODERATOR), 2).await,
        Ok((vec![], None))
    );
    let (field, seq, head) = ("seq", Seq(6), Seq(5));
    assert_eq!(
        readers(seq, None, 9).await,
        Err(ReadError::FutureSeq(crate::FutureSeq { field, seq, head }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_told_even_if_its_commit_was_unknown() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    let seq = world.says(room, OWNER, "one").await;
    disk.set_faults(Faults {
        unknown_committed: 1_000_000,
        ..Faults::NONE
    });
    let (mark, unread) = world
        .rooms
        .mark_read(MEMBER, room, seq)
        .await
        .expect("moves");
    assert_eq!((mark.seq, unread), (seq, 0));
    assert!(world.heard.told().contains(&Told::Read(room, MEMBER, mark)));
}
