//! P1, P2 and P3: what is in a log, and in which order.

use cluster_types::{Seq, UnixMillis};
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;
use tonic::Code;

use super::story::{A, B, C, ROOM, Story, edit, id, membership, message, said, send, why, words};
use super::{breaks, holds};
use crate::check::Rule;
use crate::history::{Answer, Ask, Done, Item, Kind, What, Why, World};
use crate::names::{Op, Room};

pub(super) fn stories() -> Vec<Story> {
    vec![
        lost(),
        elsewhere(),
        with_a_hole(),
        told_differently(),
        backwards_differs(),
        back_in_time(),
        miscounted(),
        said_twice(),
        never_asked(),
        in_other_words(),
        answered_differently(),
        refused_and_said(),
        one_id_for_two(),
        written_by_a_stranger(),
        written_without_a_fence(),
    ]
}

fn written_by_a_stranger() -> Story {
    let mut story = Story::new();
    let stray = World::Stray("node 1 wrote where node 2 was".to_owned());
    story.entries.push(What::World(stray));
    story
}

/// B joins and is removed before it is shown the room, and is told this reason.
fn joined_and_removed(reason: &str) -> Story {
    let mut story = Story::new();
    story.removes(A, B);
    let op = story.asks(B, Ask::Join { room: ROOM });
    story.append(B, membership(B, Change::Joined, Role::Member));
    story.removes(A, B);
    let why = Why {
        code: Code::NotFound,
        reason: reason.to_owned(),
    };
    story.answers(op, 1, Answer::Refused(why));
    story.readers = vec![A, C];
    story
}

#[test]
fn who_joins_and_is_removed_at_once_may_be_told_that_there_is_no_room() {
    holds(joined_and_removed("ROOM_NOT_FOUND"));
    breaks(joined_and_removed("LINK_NOT_FOUND"), Rule::Unasked);
}

#[test]
fn a_write_by_another_than_the_owner_is_found() {
    breaks(written_by_a_stranger(), Rule::Owner);
}

fn written_without_a_fence() -> Story {
    let mut story = Story::new();
    let unfenced = World::Unfenced("node 1 did not look whose it is".to_owned());
    story.entries.push(What::World(unfenced));
    story
}

#[test]
fn a_write_that_a_new_owner_would_not_stop_is_found() {
    breaks(written_without_a_fence(), Rule::Fence);
}

fn lost() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    story.log.pop();
    story
}

#[test]
fn an_acknowledged_message_that_is_gone_is_found() {
    breaks(lost(), Rule::Lost);
}

/// Acknowledged at the place of another.
fn elsewhere() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    let op = story.asks(B, send("two"));
    story.append(B, message("two"));
    story.done(op, said(Seq(4)));
    story
}

#[test]
fn an_answer_that_names_the_place_of_another_message_is_found() {
    breaks(elsewhere(), Rule::Lost);
}

#[test]
fn a_message_under_another_time_than_acknowledged_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.at(4).at = UnixMillis(5_000);
    breaks(story, Rule::Lost);
}

fn with_a_hole() -> Story {
    let mut story = Story::new();
    for text in ["one", "two", "three"] {
        let _unanswered = story.asks(A, send(text));
        story.append(A, message(text));
    }
    story.log.remove(4);
    story
}

#[test]
fn a_hole_in_a_log_is_found() {
    breaks(with_a_hole(), Rule::Dense);
}

#[test]
fn a_page_with_a_hole_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.says(A, "two");
    let mut events = story.log.clone();
    events.remove(3);
    story.reads(B, true, None, events, false);
    breaks(story, Rule::Dense);
}

#[test]
fn a_page_that_begins_elsewhere_than_asked_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    let events = story.log[2..].to_vec();
    story.reads(B, true, Some(2), events, false);
    breaks(story, Rule::Dense);
}

#[test]
fn a_log_that_ends_before_its_first_event_backwards_is_found() {
    let mut story = Story::new();
    let mut events = story.log[1..].to_vec();
    events.reverse();
    story.reads(B, false, None, events, false);
    breaks(story, Rule::Dense);
}

/// A stream has an event that is another one in the log.
fn told_differently() -> Story {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 3)]);
    story.says(A, "one");
    let mut event = story.at(4).clone();
    event.actor = C;
    story.gets(stream, Item::Event(event));
    story
}

#[test]
fn two_readers_with_different_events_at_one_place_are_found() {
    breaks(told_differently(), Rule::SameForAll);
}

#[test]
fn an_event_beyond_the_end_of_the_log_is_found() {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 3)]);
    let _unanswered = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.delivers(stream, 4..=4);
    story.log.pop();
    breaks(story, Rule::SameForAll);
}

fn backwards_differs() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    story.rests();
    let mut events = story.log.clone();
    events.reverse();
    events.pop();
    story.entries.push(What::Walk {
        room: ROOM,
        by: C,
        forward: false,
        events,
    });
    story
}

#[test]
fn a_log_that_reads_otherwise_from_its_other_end_is_found() {
    breaks(backwards_differs(), Rule::SameForAll);
}

#[test]
fn a_message_seen_before_and_after_a_change_is_one_message() {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 3)]);
    story.says(A, "one");
    story.delivers(stream, 4..=4);
    story.changes(A, 4, "uno");
    story.changes(A, 4, "un");
    story.delivers(stream, 5..=6);
    holds(story);
}

fn back_in_time() -> Story {
    let mut story = Story::new();
    let _unanswered = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.at(4).at = UnixMillis(1);
    story
}

#[test]
fn time_that_runs_backwards_is_found() {
    breaks(back_in_time(), Rule::Time);
}

fn miscounted() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    story.at(4).messages = 2;
    story
}

#[test]
fn a_wrong_count_of_messages_is_found() {
    breaks(miscounted(), Rule::MessageCount);
}

/// Asked again after a doubtful answer, and said again.
fn said_twice() -> Story {
    let mut story = Story::new();
    let op = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.answers(op, 1, Answer::Doubtful(why(Code::Unavailable)));
    story.asks_again(op, 2, A, send("one"));
    let seq = story.append(A, message("one"));
    story.answers(op, 2, Answer::Done(said(seq)));
    story
}

#[test]
fn a_message_that_is_said_twice_is_found() {
    breaks(said_twice(), Rule::Doubled);
}

#[test]
fn an_edit_that_is_done_twice_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.changes(A, 4, "uno");
    story.rewrite(A, 4, "uno");
    breaks(story, Rule::Doubled);
}

#[test]
fn a_message_that_is_deleted_twice_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.takes_back(A, 4);
    story.erase(A, Seq(4));
    breaks(story, Rule::Doubled);
}

#[test]
fn two_rooms_made_by_one_order_are_found() {
    let mut story = Story::new();
    let display_name = "another".to_owned();
    let ask = Ask::CreateRoom { display_name };
    let op = story.asks(A, ask.clone());
    for (attempt, room) in [(1, Room(7)), (2, Room(8))] {
        let mut view = story.view(A);
        view.room = room;
        story.answers(op, attempt, Answer::Done(Done::Room(view)));
        story.asks_again(op, attempt + 1, A, ask.clone());
    }
    breaks(story, Rule::Doubled);
}

#[test]
fn two_conversations_of_one_pair_are_found() {
    let mut story = Story::new();
    for (by, peer, room) in [(A, B, Room(7)), (B, A, Room(8))] {
        let op = story.asks(by, Ask::OpenDirect { peer });
        let mut view = story.view(by);
        view.room = room;
        story.done(op, Done::Room(view));
    }
    breaks(story, Rule::Doubled);
}

fn never_asked() -> Story {
    let mut story = Story::new();
    story.append(B, message("one"));
    story
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    breaks(never_asked(), Rule::Unasked);
}

fn in_other_words() -> Story {
    let mut story = Story::new();
    let _unanswered = story.asks(B, send("one"));
    story.append(B, message("one"));
    let Kind::Message(message) = &mut story.at(4).kind else {
        return story;
    };
    message.said = words("won");
    story
}

#[test]
fn a_message_in_other_words_than_sent_is_found() {
    breaks(in_other_words(), Rule::Unasked);
}

#[test]
fn a_change_deletion_or_removal_that_nobody_asked_for_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.rewrite(A, 4, "uno");
    breaks(story, Rule::Unasked);

    let mut story = Story::new();
    story.says(A, "one");
    story.erase(B, Seq(4));
    breaks(story, Rule::Unasked);

    let mut story = Story::new();
    story.append(A, membership(B, Change::Removed, Role::Unspecified));
    story.readers = vec![A, C];
    breaks(story, Rule::Unasked);
}

#[test]
fn a_deleted_message_that_still_says_something_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    story.takes_back(A, 4);
    let Kind::Message(message) = &mut story.at(4).kind else {
        panic!("a message");
    };
    message.said = words("one");
    breaks(story, Rule::Unasked);
}

fn answered_differently() -> Story {
    let mut story = Story::new();
    let op = story.asks(A, edit(4, "uno"));
    let first = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.done(first, said(Seq(4)));
    let seq = story.rewrite(A, 4, "uno");
    story.answers(op, 1, Answer::Done(Done::Changed(seq)));
    story.asks_again(op, 2, A, edit(4, "uno"));
    let again = story.asks(A, edit(4, "un"));
    let later = story.rewrite(A, 4, "un");
    story.answers(again, 1, Answer::Done(Done::Changed(later)));
    story.answers(op, 2, Answer::Done(Done::Changed(later)));
    story
}

#[test]
fn two_answers_to_one_order_that_differ_are_found() {
    breaks(answered_differently(), Rule::Answers);
}

fn refused_and_said() -> Story {
    let mut story = Story::new();
    let op = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.answers(op, 1, Answer::NotNow(why(Code::Unavailable)));
    story.readers = vec![A];
    story
}

#[test]
fn a_message_that_was_said_though_nothing_happened_is_found() {
    let verdict = super::broken(&refused_and_said().tell());
    assert!(verdict.contains(&Rule::DoneThoughRefused), "{verdict:?}");
}

#[test]
fn a_message_that_was_said_though_nobody_could_tell_is_fine() {
    let mut story = Story::new();
    let op = story.asks(A, send("one"));
    story.append(A, message("one"));
    story.answers(op, 1, Answer::Doubtful(why(Code::Unavailable)));
    let _never_answered = story.asks(B, send("two"));
    story.append(B, message("two"));
    holds(story);
}

/// Said under an id, and acknowledged for other words under the same one.
fn one_id_for_two() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    let ask = Ask::Send {
        room: ROOM,
        id: id("one"),
        said: words("two"),
    };
    let op = story.asks(A, ask);
    story.done(op, said(Seq(4)));
    story
}

#[test]
fn an_id_that_is_taken_for_two_things_is_found() {
    let rules = super::broken(&one_id_for_two().tell());
    assert!(rules.contains(&Rule::IdReused), "{rules:?}");
}

/// Two words under the id of one, after what happens between them.
fn said_again_after(between: impl Fn(&mut Story)) -> (Story, Op) {
    let mut story = Story::new();
    story.says(A, "one");
    between(&mut story);
    let ask = Ask::Send {
        room: ROOM,
        id: id("one"),
        said: words("two"),
    };
    let op = story.asks(A, ask);
    (story, op)
}

#[test]
fn an_id_of_what_was_taken_back_may_get_the_first_answer_and_no_other() {
    let (mut story, op) = said_again_after(|story| _ = story.takes_back(A, 4));
    let mut twice = story.clone();
    story.done(op, said(Seq(4)));
    holds(story);
    let seq = twice.append(A, message("one"));
    twice.done(op, said(seq));
    let rules = super::broken(&twice.tell());
    assert!(rules.contains(&Rule::IdReused), "{rules:?}");
}

#[test]
fn an_id_of_what_was_edited_is_good_for_one_thing() {
    let (mut story, op) = said_again_after(|story| _ = story.changes(A, 4, "uno"));
    story.done(op, said(Seq(4)));
    breaks(story, Rule::IdReused);
}

#[test]
fn an_id_is_good_for_one_thing_until_the_message_is_taken_back() {
    let (mut story, op) = said_again_after(|_| {});
    story.done(op, said(Seq(4)));
    story.takes_back(A, 4);
    breaks(story, Rule::IdReused);
}

#[test]
fn a_log_of_a_room_that_is_gone_is_judged_by_what_was_seen_of_it() {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 0)]);
    story.says(A, "one");
    story.says(A, "two");
    story.delivers(stream, 1..=5);
    story.readers.clear();
    holds(story.clone());
    // One of the deliveries says something else.
    let mut event = story.at(5).clone();
    event.messages = 7;
    story.entries.pop();
    story.gets(stream, Item::Event(event));
    breaks(story, Rule::MessageCount);
}
