//! P4 and P11: what streams are sent.

use std::collections::BTreeSet;

use cluster_types::Seq;
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;
use tonic::Code;

use super::story::{A, B, C, ROOM, Story, device, member, membership, message, send, why};
use super::{breaks, broken, holds};
use crate::check::Rule;
use crate::history::{Answer, Ask, Cursor, Done, Item, Moment, OnNode, OnStream, What, World};
use crate::names::Stream;

pub(super) fn stories() -> Vec<Story> {
    vec![
        with_a_gap(),
        twice(),
        unfollowed(),
        marked_too_early(),
        never_caught_up(),
        shown_after_removal(),
        not_told(),
        sent_after_signing_out(),
    ]
}

fn talk() -> (Story, Stream) {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 0)]);
    story.says(A, "one");
    story.says(A, "two");
    (story, stream)
}

fn with_a_gap() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=3);
    story.delivers(stream, 5..=5);
    story
}

#[test]
fn a_gap_on_a_stream_is_found() {
    breaks(with_a_gap(), Rule::Gap);
}

#[test]
fn a_stream_that_begins_after_its_cursor_is_found() {
    let mut story = Story::new();
    let stream = story.opens(B, &[(ROOM, 1)]);
    story.delivers(stream, 3..=3);
    breaks(story, Rule::Gap);
}

fn twice() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    story.delivers(stream, 4..=5);
    story
}

#[test]
fn an_event_that_is_sent_twice_is_found() {
    breaks(twice(), Rule::Repeated);
}

#[test]
fn whoever_wants_nothing_of_before_gets_nothing_of_before() {
    let (mut story, _) = talk();
    let stream = story.opens(C, &[]);
    let cursor = Cursor {
        room: ROOM,
        after: None,
    };
    story.on(stream, OnStream::Follows(cursor));
    story.on(stream, OnStream::Followed(ROOM, Ok(())));
    let mut late = story.clone();
    late.says(A, "three");
    late.delivers(stream, 6..=6);
    holds(late);
    story.delivers(stream, 5..=5);
    breaks(story, Rule::Repeated);
}

#[test]
fn a_room_that_is_asked_for_twice_is_sent_twice_each_from_its_own_answer_on() {
    let (mut story, _) = talk();
    let stream = story.opens(C, &[]);
    let cursor = Cursor {
        room: ROOM,
        after: Some(Seq(1)),
    };
    story.on(stream, OnStream::Follows(cursor.clone()));
    story.on(stream, OnStream::Follows(cursor));
    story.on(stream, OnStream::Followed(ROOM, Ok(())));
    story.delivers(stream, 2..=4);
    let mut unanswered = story.clone();
    unanswered.delivers(stream, 2..=5);
    breaks(unanswered, Rule::Repeated);
    story.on(stream, OnStream::Followed(ROOM, Ok(())));
    story.delivers(stream, 2..=5);
    holds(story);
}

fn unfollowed() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    story.on(stream, OnStream::Unfollows(ROOM));
    story.on(stream, OnStream::Unfollowed(ROOM, Ok(())));
    story.delivers(stream, 5..=5);
    story
}

#[test]
fn an_event_of_a_room_that_is_not_followed_any_more_is_found() {
    breaks(unfollowed(), Rule::NotFollowed);
}

#[test]
fn an_end_of_following_does_not_end_what_was_asked_for_after_it() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    story.on(stream, OnStream::Unfollows(ROOM));
    story.on(stream, OnStream::Unfollows(ROOM));
    story.on(stream, OnStream::Unfollowed(ROOM, Ok(())));
    let cursor = Cursor {
        room: ROOM,
        after: Some(Seq(4)),
    };
    story.on(stream, OnStream::Follows(cursor));
    story.on(stream, OnStream::Unfollowed(ROOM, Ok(())));
    story.on(stream, OnStream::Followed(ROOM, Ok(())));
    story.delivers(stream, 5..=5);
    holds(story);
}

#[test]
fn until_the_end_of_following_is_answered_events_may_come() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    story.on(stream, OnStream::Unfollows(ROOM));
    story.delivers(stream, 5..=5);
    story.on(stream, OnStream::Unfollowed(ROOM, Ok(())));
    holds(story);
}

fn marked_too_early() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=3);
    story.marks(stream, 5);
    story
}

#[test]
fn a_marker_that_skips_events_is_found() {
    breaks(marked_too_early(), Rule::Marker);
}

#[test]
fn a_marker_of_another_log_is_found() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.marks(stream, 5);
    let live = Item::Live {
        room: ROOM,
        seq: Seq(5),
        log_id: "another".to_owned(),
        rebuilt: false,
    };
    story.gets(stream, live);
    breaks(story, Rule::Marker);
}

fn never_caught_up() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    story.marks(stream, 4);
    story.settles();
    story
}

#[test]
fn a_stream_that_never_gets_the_last_event_is_found() {
    breaks(never_caught_up(), Rule::Incomplete);
}

#[test]
fn a_stream_that_never_becomes_live_is_found() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.settles();
    breaks(story, Rule::Incomplete);
}

#[test]
fn whoever_does_not_read_has_not_got_everything() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=2);
    story.on(stream, OnStream::Pauses);
    story.settles();
    holds(story);
}

#[test]
fn a_crash_ends_every_stream() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=2);
    story.entries.push(What::World(World::Crashed));
    story.settles();
    holds(story);
}

/// B is removed, and gets what is said then.
fn shown_after_removal() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.removes(A, B);
    story.says(A, "about B");
    story.delivers(stream, 6..=7);
    story.readers = vec![A, C];
    story
}

#[test]
fn what_is_sent_to_somebody_removed_is_found() {
    breaks(shown_after_removal(), Rule::Removed);
}

#[test]
fn the_removal_itself_is_not_for_whom_it_removes() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.removes(A, B);
    story.delivers(stream, 6..=6);
    story.readers = vec![A, C];
    breaks(story, Rule::Removed);
}

#[test]
fn a_counter_of_a_room_that_is_lost_is_found() {
    let mut story = Story::new();
    let stream = story.opens(B, &[]);
    story.removes(A, B);
    story.says(A, "about B");
    let counter = Item::Counter {
        room: ROOM,
        head: Seq(5),
        messages: 1,
        unread: 1,
    };
    story.gets(stream, counter);
    story.readers = vec![A, C];
    breaks(story, Rule::Removed);
}

#[test]
fn whoever_is_added_again_may_see_what_was_said_in_between_and_not_before_that() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.removes(A, B);
    story.gets(stream, Item::Lost(ROOM));
    story.says(A, "about B");
    let mut too_early = story.clone();
    story.adds(A, B);
    story.gets(stream, Item::Gained(ROOM));
    let cursor = Cursor {
        room: ROOM,
        after: Some(Seq(5)),
    };
    story.on(stream, OnStream::Follows(cursor.clone()));
    story.on(stream, OnStream::Followed(ROOM, Ok(())));
    story.delivers(stream, 6..=8);
    holds(story);

    too_early.on(stream, OnStream::Follows(cursor));
    too_early.delivers(stream, 6..=7);
    too_early.adds(A, B);
    breaks(too_early, Rule::Removed);
}

#[test]
fn where_nobody_reads_the_end_of_a_log_somebody_may_have_been_added_there() {
    let mut story = shown_after_removal();
    story.readers.clear();
    breaks(story, Rule::Removed);

    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.removes(A, B);
    story.says(A, "about B");
    story.adds(A, B);
    story.delivers(stream, 6..=7);
    story.readers.clear();
    holds(story);
}

#[test]
fn a_page_that_is_read_by_somebody_removed_is_found() {
    let (mut story, _) = talk();
    story.removes(A, B);
    story.says(A, "about B");
    let events = story.log.clone();
    story.reads(B, true, None, events, false);
    story.readers = vec![A, C];
    breaks(story, Rule::Removed);
}

#[test]
fn a_stranger_who_is_shown_something_is_found() {
    let mut story = Story::new();
    let stranger = crate::names::Person(9);
    let stream = story.opens(stranger, &[(ROOM, 0)]);
    story.delivers(stream, 1..=1);
    breaks(story, Rule::Removed);
}

fn not_told() -> Story {
    let mut story = Story::new();
    story.opens(B, &[]);
    story.removes(A, B);
    story.readers = vec![A, C];
    story.settles();
    story
}

#[test]
fn whoever_loses_a_room_is_told() {
    breaks(not_told(), Rule::Untold);
}

#[test]
fn whoever_gains_a_room_is_told() {
    let mut story = Story::new();
    story.removes(A, B);
    let stream = story.opens(B, &[]);
    story.adds(A, B);
    let mut told = story.clone();
    story.settles();
    breaks(story, Rule::Untold);
    told.gets(stream, Item::Gained(ROOM));
    told.settles();
    holds(told);
}

#[test]
fn whoever_loses_a_room_again_before_it_was_known_to_be_gained_need_not_be_told() {
    let (mut story, newcomer) = (Story::new(), crate::names::Person(9));
    let stream = story.opens(newcomer, &[]);
    story.adds(A, newcomer);
    story.removes(A, newcomer);
    let mut told = story.clone();
    story.settles();
    holds(story);
    // What was told has to be taken back.
    told.gets(stream, Item::Gained(ROOM));
    told.settles();
    breaks(told, Rule::Untold);
}

#[test]
fn whoever_has_a_room_again_before_it_was_known_to_be_lost_need_not_be_told() {
    let mut story = Story::new();
    story.opens(B, &[]);
    story.removes(A, B);
    story.adds(A, B);
    story.settles();
    holds(story);
}

#[test]
fn whoever_follows_a_room_that_is_lost_is_told() {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=5);
    story.marks(stream, 5);
    // Asked for before the stream was there, so that only following counts.
    let remove = Ask::Remove {
        room: ROOM,
        whom: B,
    };
    story.entries.insert(
        1,
        What::Asked {
            op: crate::names::Op(900),
            attempt: 1,
            by: A,
            device: device(A),
            via: crate::history::Via::Call,
            ask: remove,
        },
    );
    story.append(A, membership(B, Change::Removed, Role::Unspecified));
    story.readers = vec![A, C];
    story.settles();
    breaks(story, Rule::Untold);
}

fn sent_after_signing_out() -> Story {
    let (mut story, stream) = talk();
    story.delivers(stream, 1..=4);
    let op = story.asks(B, Ask::SignOut);
    story.done(op, Done::Nothing);
    story.delivers(stream, 5..=5);
    story
}

#[test]
fn what_is_sent_to_a_device_that_has_signed_out_is_found() {
    breaks(sent_after_signing_out(), Rule::SignedOut);
}

/// The rules that are broken if one of several nodes does not reach its store for so many microseconds after a
/// sign-out, and sends something so many microseconds later.
fn broken_late(away: u64, later: u64) -> BTreeSet<Rule> {
    let mut story = sent_after_signing_out();
    let node = |on| What::World(World::Node(1, on));
    let sent = story.entries.pop().expect("something was sent");
    story.entries.insert(0, node(OnNode::CutOff(true)));
    story.entries.push(node(OnNode::CutOff(false)));
    let back = story.entries.len() - 1;
    story.entries.push(sent);
    let mut history = story.tell();
    for (place, entry) in history.entries.iter_mut().enumerate() {
        let since = if place >= back { away } else { 0 };
        entry.at = Moment(if place > back { since + later } else { since });
    }
    broken(&history)
}

#[test]
fn a_sign_out_has_a_second_to_reach_every_node_and_its_store() {
    let found = BTreeSet::from([Rule::SignedOut]);
    for away in [0, 2_000_000] {
        assert_eq!(broken_late(away, 1_000_000), BTreeSet::new());
        assert_eq!(broken_late(away, 1_000_001), found);
    }
}

#[test]
fn what_a_device_does_after_it_has_signed_out_is_found() {
    let mut story = Story::new();
    let op = story.asks(B, Ask::SignOut);
    story.done(op, Done::Nothing);
    story.says(B, "still here");
    breaks(story, Rule::SignedOut);
}

#[test]
fn a_request_that_is_lost_and_asked_again_finds_its_effect_once() {
    let mut story = Story::new();
    let ask = Ask::Add {
        room: ROOM,
        whom: B,
        role: Role::Member,
    };
    story.removes(A, B);
    let op = story.asks(A, ask.clone());
    story.append(A, membership(B, Change::Added, Role::Member));
    story.answers(op, 1, Answer::Doubtful(why(Code::Unavailable)));
    story.asks_again(op, 2, A, ask);
    story.answers(
        op,
        2,
        Answer::Done(Done::Members(vec![member(B, Role::Member)])),
    );
    let _never_answered = story.asks(B, send("back"));
    story.append(B, message("back"));
    holds(story);
}
