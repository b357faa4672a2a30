//! The same ids once more, and answers: what is compared with the log, many of them in one transaction.

use cluster_types::{RoomId, Seq};

use crate::limits::EARLIER_AT_ONCE;
use crate::testing::{MEMBER, OWNER, World, draft, edit, send};
use crate::{Action, ClientMessageId, Command, CommandError, Draft, Outcome};

/// What comes of these sends of [`OWNER`], asked for at once.
async fn all_at_once(
    world: &World,
    room: RoomId,
    drafts: Vec<Draft>,
) -> Vec<Result<Outcome, CommandError>> {
    let mut waiting = tokio::task::JoinSet::new();
    for (place, draft) in drafts.into_iter().enumerate() {
        let rooms = world.rooms.clone();
        let (account, action) = (OWNER, Action::Send(draft));
        waiting.spawn(async move {
            let outcome = rooms.command(room, Command { account, action }).await;
            (place, outcome)
        });
    }
    let mut outcomes = waiting.join_all().await;
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn each_repeat_is_compared_with_its_own_message() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let count = 3 * EARLIER_AT_ONCE;
    let ids: Vec<_> = (0..count).map(|_| world.id()).collect();
    let draft = |place: usize, word: &str| draft(ids[place], &format!("{word} {place}"));
    let first = (0..count).map(|place| draft(place, "tea")).collect();
    let first = all_at_once(&world, room, first).await;
    // Every third asks for something else under the old id.
    let again = (0..count).map(|place| draft(place, if place % 3 == 0 { "cake" } else { "tea" }));
    let again = all_at_once(&world, room, again.collect()).await;
    for (place, (first, again)) in first.iter().zip(&again).enumerate() {
        assert!(first.is_ok());
        let reused = Err(CommandError::IdReused);
        let expected = if place % 3 == 0 { &reused } else { first };
        assert_eq!(again, expected, "{place}");
    }
    assert_eq!(world.bodies(room, OWNER).await.len(), count);
}

/// Across the sleep of the room: what is compared is what is stored.
#[tokio::test(start_paused = true)]
async fn an_edited_message_is_known_by_what_was_first_said() {
    let (world, disk) = World::simulated().await;
    let room = world.room().await;
    let (id, first_edit) = (world.id(), world.id());
    let said = world.does(room, MEMBER, send(id, "tea")).await;
    let target = said.seq;
    let edited = edit(target, first_edit, "cake");
    let edited_at = world.does(room, MEMBER, edited.clone()).await;
    let next = edit(target, world.id(), "both");
    world.does(room, MEMBER, next).await;
    world.stop().await;

    let world = World::on_disk(&disk, 1).await;
    assert_eq!(world.does(room, MEMBER, send(id, "tea")).await, said);
    assert_eq!(world.does(room, MEMBER, edited).await, edited_at);
    let reused = Err(CommandError::IdReused);
    for other in [
        send(id, "cake"),
        send(id, "both"),
        edit(target, first_edit, "both"),
    ] {
        assert_eq!(world.act(room, MEMBER, other).await, reused);
    }
    world.does(room, MEMBER, Action::Delete { target }).await;
    for words in ["tea", "anything"] {
        assert_eq!(world.does(room, MEMBER, send(id, words)).await, said);
        let again = edit(target, first_edit, words);
        assert_eq!(world.does(room, MEMBER, again).await, edited_at);
    }
    assert_eq!(world.bodies(room, MEMBER).await, [""]);
}

#[tokio::test(start_paused = true)]
async fn one_id_in_one_transaction_is_one_message() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.says(room, OWNER, "the room is loaded").await;
    let id = world.id();
    let drafts = ["tea", "tea", "cake"].map(|body| draft(id, body));
    let outcomes = all_at_once(&world, room, drafts.into()).await;
    assert!(outcomes[0].is_ok());
    assert_eq!(outcomes[1], outcomes[0]);
    assert_eq!(outcomes[2], Err(CommandError::IdReused));
}

#[tokio::test(start_paused = true)]
async fn an_id_of_another_room_is_not_looked_up_in_this_one() {
    let (world, _disk) = World::simulated().await;
    let (room, other) = (world.room().await, world.room().await);
    let id = world.id();
    world.does(room, MEMBER, send(id, "tea")).await;
    let elsewhere = world.act(other, MEMBER, send(id, "tea")).await;
    assert_eq!(elsewhere, Err(CommandError::IdReused));
    let target = world.says(other, MEMBER, "tea").await;
    let elsewhere = world.act(other, MEMBER, edit(target, id, "tea")).await;
    assert_eq!(elsewhere, Err(CommandError::IdReused));
}

#[tokio::test(start_paused = true)]
async fn answers_are_to_messages_alone() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let target = world.says(room, MEMBER, "tea?").await;
    world.does(room, MEMBER, Action::Delete { target }).await;
    let answer = |id: ClientMessageId, reply_to: Option<Seq>| Draft {
        reply_to,
        ..draft(id, "yes")
    };
    let seqs = [Some(target), Some(Seq(1)), None, Some(target.next())];
    let drafts = seqs.map(|seq| answer(world.id(), seq));
    let outcomes = all_at_once(&world, room, drafts.into()).await;
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true, false]
    );
    assert_eq!(outcomes[1], Err(CommandError::NoSuchMessage));
}
