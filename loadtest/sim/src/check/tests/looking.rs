//! What is shown and answered: as new as what was answered before, in agreement with the log, with
//! reasons, and readable.

use cluster_types::Seq;
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;
use tonic::Code;

use super::story::{self, A, B, C, ROOM, Story, kept, member, membership, send, why};
use super::{breaks, holds};
use crate::check::Rule;
use crate::history::{Answer, Ask, Done, Item, KeptFile, OnStream};
use crate::names::Room;

pub(super) fn stories() -> Vec<Story> {
    vec![
        outdated_page(),
        without_effect(),
        refused_for_nothing(),
        seen_wrongly(),
        unread_wrongly(),
        kept_for_nobody(),
        nonsense(),
    ]
}

fn outdated_page() -> Story {
    let mut story = Story::new();
    let before = story.log.clone();
    story.says(A, "one");
    story.reads(B, true, None, before, false);
    story
}

#[test]
fn a_page_without_what_was_acknowledged_before_is_found() {
    breaks(outdated_page(), Rule::Stale);
}

#[test]
fn a_newest_page_without_what_was_acknowledged_before_is_found() {
    let mut story = Story::new();
    let mut before = story.log.clone();
    before.reverse();
    story.says(A, "one");
    story.reads(B, false, None, before, false);
    breaks(story, Rule::Stale);
}

#[test]
fn a_message_as_it_was_before_an_acknowledged_change_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    let before = story.at(4).clone();
    story.changes(A, 4, "uno");
    let mut events = story.log.clone();
    events[3] = before;
    story.reads(B, true, None, events, false);
    breaks(story, Rule::Stale);
}

#[test]
fn a_view_that_is_older_than_what_was_known_is_found() {
    let mut story = Story::new();
    let before = story.view(B);
    story.says(A, "one");
    story.looks(B, before);
    breaks(story, Rule::Stale);
}

#[test]
fn what_was_asked_for_before_may_be_outdated_when_it_is_answered() {
    let mut story = Story::new();
    let before = story.view(B);
    let op = story.asks(B, Ask::ViewRoom { room: ROOM });
    story.says(A, "one");
    story.done(op, Done::Room(before));
    holds(story);
}

/// B is reported as removed, and stays.
fn without_effect() -> Story {
    let mut story = Story::new();
    let op = story.asks(
        A,
        Ask::Remove {
            room: ROOM,
            whom: B,
        },
    );
    story.done(op, Done::Nothing);
    story
}

#[test]
fn a_removal_that_was_answered_and_never_was_is_found() {
    breaks(without_effect(), Rule::Effect);
}

#[test]
fn each_answer_that_was_never_true_is_found() {
    let (room, whom) = (ROOM, B);
    let display_name = "renamed".to_owned();
    for ask in [
        Ask::Leave { room },
        Ask::SetRole {
            room,
            whom,
            role: Role::Owner,
        },
        Ask::Mute {
            room,
            whom,
            until: None,
        },
        Ask::Ban { room, whom },
        Ask::Archive {
            room,
            archived: true,
        },
        Ask::Rename { room, display_name },
        Ask::DeleteRoom { room },
        Ask::Add {
            room,
            whom: crate::names::Person(9),
            role: Role::Member,
        },
    ] {
        let mut story = Story::new();
        let op = story.asks(A, ask);
        story.done(op, Done::Nothing);
        breaks(story, Rule::Effect);
    }
}

#[test]
fn what_was_true_for_a_moment_was_true() {
    let mut story = Story::new();
    story.removes(A, B);
    story.adds(A, B);
    holds(story);
}

fn refused_for_nothing() -> Story {
    let mut story = Story::new();
    let op = story.asks(B, send("one"));
    story.answers(op, 1, Answer::Refused(why(Code::NotFound)));
    story
}

#[test]
fn a_member_who_is_told_that_there_is_no_such_room_is_found() {
    breaks(refused_for_nothing(), Rule::Refusal);
}

#[test]
fn who_is_muted_or_removed_is_refused_with_reason() {
    let mut story = Story::new();
    let mute = Ask::Mute {
        room: ROOM,
        whom: B,
        until: None,
    };
    let op = story.asks(A, mute);
    story.append(A, membership(B, Change::Muted, Role::Member));
    story.done(op, Done::Nothing);
    let op = story.asks(B, send("one"));
    story.answers(op, 1, Answer::Refused(why(Code::PermissionDenied)));
    story.removes(A, B);
    let op = story.asks(B, send("two"));
    story.answers(op, 1, Answer::Refused(why(Code::NotFound)));
    story.readers = vec![A, C];
    holds(story);
}

fn seen_wrongly() -> Story {
    let mut story = Story::new();
    let mut view = story.view(B);
    view.members = 7;
    story.looks(B, view);
    story
}

#[test]
fn a_view_that_contradicts_the_log_is_found() {
    breaks(seen_wrongly(), Rule::View);
}

#[test]
fn another_role_name_or_log_than_there_is_is_found() {
    let mut story = Story::new();
    let mut view = story.view(B);
    view.role = Role::Owner;
    story.looks(B, view);
    breaks(story, Rule::View);

    let mut story = Story::new();
    let view = story.view(B);
    story.looks(B, view.clone());
    story.looks(
        B,
        crate::history::RoomView {
            log_id: "other".to_owned(),
            ..view
        },
    );
    breaks(story, Rule::View);
}

#[test]
fn lists_that_differ_from_the_log_at_rest_are_found() {
    let mut story = Story::new();
    story.settles();
    let op = story.asks(A, Ask::Members { room: ROOM });
    let members = vec![member(A, Role::Owner), member(B, Role::Member)];
    story.done(op, Done::Members(members));
    breaks(story, Rule::View);

    let mut story = Story::new();
    story.settles();
    let op = story.asks(A, Ask::Bans { room: ROOM });
    story.done(op, Done::People(vec![C]));
    breaks(story, Rule::View);

    let mut story = Story::new();
    story.settles();
    let op = story.asks(A, Ask::ListRooms);
    story.done(op, Done::Rooms(Vec::new()));
    breaks(story, Rule::View);
}

#[test]
fn a_page_longer_than_asked_for_is_found() {
    let mut story = Story::new();
    let ask = Ask::Page {
        room: ROOM,
        forward: true,
        from: None,
        size: 2,
    };
    let op = story.asks(B, ask);
    let events = story.log.clone();
    story.done(
        op,
        Done::Page {
            events,
            more: false,
        },
    );
    breaks(story, Rule::View);
}

fn unread_wrongly() -> Story {
    let mut story = Story::new();
    story.says(A, "one");
    let mut view = story.view(B);
    view.read = Seq(3);
    view.unread = 2;
    story.looks(B, view);
    story
}

#[test]
fn a_wrong_count_of_unread_messages_is_found() {
    breaks(unread_wrongly(), Rule::Unread);
}

#[test]
fn a_mark_that_moves_back_is_found() {
    let mut story = Story::new();
    story.says(A, "one");
    for (asked, mark) in [(4, 4), (2, 2)] {
        let op = story.asks(
            B,
            Ask::MarkRead {
                room: ROOM,
                seq: Seq(asked),
            },
        );
        let unread = u64::from(mark < 4);
        story.done(
            op,
            Done::Marked {
                seq: Seq(mark),
                unread,
            },
        );
    }
    breaks(story, Rule::Unread);
}

#[test]
fn a_mark_with_more_unread_than_there_is_is_found() {
    let mut story = Story::new();
    let op = story.asks(
        B,
        Ask::MarkRead {
            room: ROOM,
            seq: Seq(3),
        },
    );
    story.done(
        op,
        Done::Marked {
            seq: Seq(3),
            unread: u64::MAX,
        },
    );
    breaks(story, Rule::Unread);
}

#[test]
fn a_counter_that_stays_wrong_is_found() {
    let mut story = Story::new();
    let stream = story.opens(B, &[]);
    story.says(A, "one");
    let counter = |unread| Item::Counter {
        room: ROOM,
        head: Seq(4),
        messages: 1,
        unread,
    };
    let mut view = story.view(B);
    (view.read, view.unread) = (Seq(3), 1);
    let mut right = story.clone();
    story.gets(stream, counter(0));
    story.settles();
    story.looks(B, view.clone());
    breaks(story, Rule::Unread);

    right.gets(stream, counter(0));
    right.gets(stream, counter(1));
    right.settles();
    right.looks(B, view);
    holds(right);
}

#[test]
fn unread_messages_without_a_counter_are_found() {
    let mut story = Story::new();
    story.opens(B, &[]);
    story.says(A, "one");
    let mut view = story.view(B);
    (view.read, view.unread) = (Seq(3), 1);
    story.settles();
    story.looks(B, view);
    breaks(story, Rule::Unread);
}

fn nonsense() -> Story {
    let mut story = Story::new();
    let op = story.asks(A, Ask::ViewRoom { room: ROOM });
    story.answers(op, 1, Answer::Fault(why(Code::Internal)));
    story
}

#[test]
fn an_internal_error_is_found() {
    breaks(nonsense(), Rule::Sound);
}

#[test]
fn a_rightful_request_that_is_called_malformed_is_found() {
    let mut story = Story::new();
    let op = story.asks(A, Ask::ViewRoom { room: Room(3) });
    story.answers(op, 1, Answer::Refused(why(Code::InvalidArgument)));
    breaks(story, Rule::Sound);
}

#[test]
fn whoever_has_not_signed_out_is_not_a_stranger() {
    let mut story = Story::new();
    let op = story.asks(A, Ask::ListRooms);
    story.answers(op, 1, Answer::Refused(why(Code::Unauthenticated)));
    breaks(story, Rule::Sound);

    let mut story = Story::new();
    let _under_way = story.asks(A, Ask::SignOut);
    let op = story.asks(A, Ask::ListRooms);
    story.answers(op, 1, Answer::Refused(why(Code::Unauthenticated)));
    holds(story);
}

#[test]
fn a_stream_that_ends_in_an_error_or_sends_what_cannot_be_read_is_found() {
    let mut story = Story::new();
    let stream = story.opens(B, &[]);
    story.on(stream, OnStream::Ended(Code::Internal));
    breaks(story, Rule::Sound);

    let mut story = Story::new();
    let stream = story.opens(B, &[]);
    story.on(stream, OnStream::Broken("half a frame".to_owned()));
    breaks(story, Rule::Sound);

    let mut story = Story::new();
    let stream = story.opens(B, &[]);
    story.on(
        stream,
        OnStream::Followed(ROOM, Err(why(Code::InvalidArgument))),
    );
    breaks(story, Rule::Sound);
}

/// A shows the file, which is kept.
fn a_file_is_shown() -> Story {
    let mut story = Story::new();
    story.shows(A, "look");
    story
}

fn kept_for_nobody() -> Story {
    let mut story = a_file_is_shown();
    story.takes_back(A, 4);
    let carried = Vec::new();
    story.keeps(KeptFile { carried, ..kept(4) }, 10);
    story
}

#[test]
fn a_file_that_no_message_carries_any_more_is_found() {
    breaks(kept_for_nobody(), Rule::Files);
}

#[test]
fn a_file_that_is_kept_and_counted_for_its_message_is_fine() {
    let mut story = a_file_is_shown();
    story.keeps(kept(4), 10);
    holds(story);
}

#[test]
fn whatever_is_wrong_with_what_is_kept_of_a_file_is_found() {
    let (uses, objects, is_upload) = (Some(2), 0, true);
    let twice = vec![(ROOM, Seq(4)), (ROOM, Seq(4))];
    for wrong in [
        KeptFile { uses, ..kept(4) },
        KeptFile {
            uses: None,
            ..kept(4)
        },
        KeptFile { objects, ..kept(4) },
        KeptFile {
            is_upload,
            ..kept(4)
        },
        KeptFile {
            uses,
            carried: twice,
            ..kept(4)
        },
        // A message that does not show it.
        kept(3),
    ] {
        let mut story = a_file_is_shown();
        story.keeps(wrong, 10);
        breaks(story, Rule::Files);
    }
    let mut story = a_file_is_shown();
    story.keeps(kept(4), 20);
    breaks(story, Rule::Files);
}

#[test]
fn a_message_that_was_refused_for_its_files_had_a_reason() {
    let taken = |reason: &str| {
        let mut why = why(Code::FailedPrecondition);
        why.reason = reason.to_owned();
        Answer::Refused(why)
    };
    let mut story = a_file_is_shown();
    let op = story.asks(B, story::with_file("mine"));
    story.answers(op, 1, taken("UPLOAD_TAKEN"));
    holds(story);
    let mut story = Story::new();
    let op = story.asks(B, story::with_file("mine"));
    story.answers(op, 1, taken("UPLOAD_TAKEN"));
    breaks(story, Rule::Refusal);
}
