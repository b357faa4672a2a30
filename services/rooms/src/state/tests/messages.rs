//! Saying, changing and taking back; and asking for the same thing twice.

use cluster_types::FileId;

use super::*;

#[test]
fn an_equal_send_gets_the_first_outcome() {
    let mut model = Model::peopled();
    let first = model.does(MEMBER, send(1, "hello")).outcome;
    model.now = UnixMillis(NOW.0 + 5_000);
    model.says(OWNER, 1, "the ids of others do not matter");
    let again = model.does(MEMBER, send(1, "hello"));
    assert_eq!(again.outcome, first);
    assert_eq!(again.change, None);
}

#[test]
fn an_id_is_good_for_one_thing_only() {
    let mut model = Model::peopled();
    let seq = model.says(MEMBER, 1, "hello");
    let loud = Draft {
        priority: Priority::High,
        ..draft(1, "hello")
    };
    let code = Draft {
        format: Format::Code,
        ..draft(1, "hello")
    };
    let answer = Draft {
        reply_to: Some(seq),
        ..draft(1, "hello")
    };
    let others = [send(1, "hello!"), edit(seq, 1, "hello")];
    let drafts = [loud, code, answer].map(Action::Send);
    for other in others.into_iter().chain(drafts) {
        assert_eq!(
            model.refuses(MEMBER, other.clone()),
            CommandError::IdReused,
            "{other:?}"
        );
    }
    model.state.room = RoomId::from_bytes([70; 16]);
    assert_eq!(
        model.refuses(MEMBER, send(1, "hello")),
        CommandError::IdReused
    );
}

#[test]
fn what_was_done_is_answered_even_where_it_may_not_be_done_any_more() {
    let mut model = Model::peopled();
    let sent = model.does(MEMBER, send(1, "hello")).outcome;
    let edited = model.does(MEMBER, edit(sent.seq, 2, "hello!")).outcome;
    model.does(OWNER, mute(MEMBER));
    model.does(OWNER, Action::SetArchived(true));
    assert_eq!(model.does(MEMBER, send(1, "hello")).outcome, sent);
    assert_eq!(
        model.does(MEMBER, edit(sent.seq, 2, "hello!")).outcome,
        edited
    );
    model.does(OWNER, Action::Remove(MEMBER));
    assert_eq!(
        model.refuses(MEMBER, send(1, "hello")),
        CommandError::NoSuchRoom
    );
}

/// Edits change what a message says, and not what its ids were used for.
#[test]
fn an_id_stays_good_for_one_thing_when_the_message_is_edited() {
    let mut model = Model::peopled();
    let sent = model.does(MEMBER, send(1, "hello")).outcome;
    let target = sent.seq;
    let first = model.does(MEMBER, edit(target, 2, "hello!")).outcome;
    let second = model.does(MEMBER, edit(target, 3, "hello?")).outcome;
    let before = model.state.clone();
    assert_eq!(model.does(MEMBER, send(1, "hello")).outcome, sent);
    assert_eq!(model.does(MEMBER, edit(target, 2, "hello!")).outcome, first);
    assert_eq!(
        model.does(MEMBER, edit(target, 3, "hello?")).outcome,
        second
    );
    let code = Draft {
        format: Format::Code,
        ..draft(2, "hello!")
    };
    for other in [
        send(1, "something else"),
        // What the message says by now is not what was asked for either.
        send(1, "hello?"),
        edit(target, 2, "hello?"),
        edit(target, 3, "hello!"),
        Action::Edit {
            target,
            draft: code,
        },
    ] {
        let refused = model.refuses(MEMBER, other.clone());
        assert_eq!(refused, CommandError::IdReused, "{other:?}");
    }
    assert_eq!(model.state, before, "nothing is done a second time");
}

#[test]
fn a_known_id_of_what_was_taken_back_counts_as_done() {
    let mut model = Model::peopled();
    let sent = model.does(MEMBER, send(1, "hello")).outcome;
    let target = sent.seq;
    let edited = model.does(MEMBER, edit(target, 2, "hello!")).outcome;
    model.does(MEMBER, Action::Delete { target });
    assert_eq!(model.salts, BTreeMap::new(), "nothing to compare with");
    let before = model.state.clone();
    for body in ["hello", "hello!", "something else"] {
        assert_eq!(model.does(MEMBER, send(1, body)).outcome, sent);
        assert_eq!(model.does(MEMBER, edit(target, 2, body)).outcome, edited);
    }
    assert_eq!(model.state, before, "nothing is done a second time");
    let other = model.says(MEMBER, 4, "something else");
    for action in [
        edit(target, 1, "hello"),
        send(2, "hello!"),
        edit(other, 2, "hello!"),
    ] {
        let refused = model.refuses(MEMBER, action.clone());
        assert_eq!(refused, CommandError::IdReused, "{action:?}");
    }
}

#[test]
fn deleting_again_answers_with_the_first_deletion() {
    let mut model = Model::peopled();
    let target = model.says(MEMBER, 1, "hello");
    let deletion = model.does(MEMBER, Action::Delete { target }).outcome.seq;
    model.says(OWNER, 1, "something else");
    let again = model.does(MODERATOR, Action::Delete { target });
    assert_eq!((again.outcome.seq, again.change), (deletion, None));
}

#[test]
fn a_tombstone_keeps_its_place_and_nothing_else() {
    let mut model = Model::peopled();
    let first = model.says(MEMBER, 1, "first");
    let draft = Draft {
        reply_to: Some(first),
        priority: Priority::Urgent,
        format: Format::Code,
        ..draft(2, "second")
    };
    let target = model.does(MEMBER, Action::Send(draft)).outcome.seq;
    let deletion = model.does(MEMBER, Action::Delete { target }).outcome.seq;
    assert_eq!(*model.message(target), Message::tombstone(deletion));
    assert_eq!(model.log[&target].actor, MEMBER);
    assert_eq!(model.state.head.message_count, 2, "it still counts");
    assert_eq!(
        model.refuses(MEMBER, edit(target, 3, "x")),
        CommandError::NoSuchMessage
    );
}

#[test]
fn an_edit_changes_text_and_format_alone() {
    let mut model = Model::peopled();
    let first = model.says(OWNER, 1, "first");
    let said = Draft {
        reply_to: Some(first),
        priority: Priority::Urgent,
        ..draft(2, "secnd")
    };
    let target = model.does(MEMBER, Action::Send(said.clone())).outcome.seq;
    let better = Draft {
        format: Format::Markdown,
        ..draft(3, "*second*")
    };
    let edit = model.does(
        MEMBER,
        Action::Edit {
            target,
            draft: better,
        },
    );
    let expected = Message {
        body: "*second*".to_owned(),
        format: Format::Markdown,
        priority: Priority::Urgent,
        reply_to: Some(first),
        client_message_id: said.client_message_id,
        edited: Some(edit.outcome.seq),
        deleted: false,
        attachments: Vec::new(),
    };
    assert_eq!(*model.message(target), expected);
    let event = edit.into_event().expect("an event");
    let message = Some(expected);
    assert_eq!(event.kind, EventKind::Edit { target, message });
}

#[test]
fn only_messages_can_be_edited_and_deleted() {
    let mut model = Model::peopled();
    let said = model.says(OWNER, 1, "hello");
    let edited = model.does(OWNER, edit(said, 2, "hello!")).outcome.seq;
    for seq in [Seq(1), edited] {
        assert_eq!(
            model.refuses(OWNER, edit(seq, 3, "x")),
            CommandError::NoSuchMessage
        );
        let delete = Action::Delete { target: seq };
        assert_eq!(model.refuses(OWNER, delete), CommandError::NoSuchMessage);
    }
}

#[test]
fn what_is_not_there_yet_is_named_by_field() {
    let model = Model::peopled();
    let head = model.state.head.seq;
    let seq = head.next();
    let answer = Draft {
        reply_to: Some(seq),
        ..draft(1, "x")
    };
    let future = |field| CommandError::FutureSeq(crate::FutureSeq { field, seq, head });
    assert_eq!(
        model.refuses(OWNER, Action::Send(answer)),
        future("reply_to_seq")
    );
    assert_eq!(model.refuses(OWNER, edit(seq, 1, "x")), future("seq"));
    let delete = Action::Delete { target: seq };
    assert_eq!(model.refuses(OWNER, delete), future("seq"));
}

#[test]
fn only_messages_are_answered() {
    let mut model = Model::peopled();
    let target = model.says(OWNER, 1, "hello");
    let edited = model.does(OWNER, edit(target, 2, "hello!")).outcome.seq;
    let answer = |id, seq| {
        let reply_to = Some(seq);
        Action::Send(Draft {
            reply_to,
            ..draft(id, "x")
        })
    };
    for seq in [Seq(1), edited] {
        let refused = model.refuses(OWNER, answer(3, seq));
        assert_eq!(refused, CommandError::NoSuchMessage);
    }
    model.does(MEMBER, answer(3, target));
    model.does(OWNER, Action::Delete { target });
    model.does(MEMBER, answer(4, target));
}

#[test]
fn a_message_may_answer_one_that_is_prepared_before_it() {
    let model = Model::peopled();
    let first = model.prepare(OWNER, send(1, "first")).expect("is allowed");
    let action = Action::Send(Draft {
        reply_to: Some(first.head.seq),
        ..draft(2, "second")
    });
    let command = Command {
        account: OWNER,
        action,
    };
    let second = model
        .state
        .prepare(first.head, &command, &Facts::default(), NOW, Salt([7; 16]))
        .expect("is allowed");
    assert_eq!(second.head.seq, first.head.seq.next());
}

fn files_of(model: &Model, seq: Seq) -> Vec<FileId> {
    let carried = model.message(seq).attachments.iter();
    carried.map(|attachment| attachment.file).collect()
}

/// The files that a decision releases.
fn released(prepared: &Prepared) -> Vec<FileId> {
    match &prepared.change {
        Some(Change::Edit(message) | Change::Deletion(message)) => message.released.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn a_message_keeps_its_files_until_it_loses_them_by_name_or_goes() {
    let mut model = Model::peopled();
    let target = model
        .does(MEMBER, send_files(1, "", &[1, 2, 3]))
        .outcome
        .seq;
    assert_eq!(
        model.message(target).attachments,
        [1, 2, 3].map(|n| attachment(file(n)))
    );
    let kept = model.does(MEMBER, edit(target, 2, "these"));
    assert_eq!(
        (released(&kept), files_of(&model, target)),
        (vec![], [1, 2, 3].map(file).into())
    );
    let lost = model.does(MEMBER, edit_without(target, 3, "this", &[3, 1]));
    assert_eq!(
        (released(&lost), files_of(&model, target)),
        ([3, 1].map(file).into(), vec![file(2)])
    );
    let deleted = model.does(MODERATOR, Action::Delete { target });
    assert_eq!(
        (released(&deleted), files_of(&model, target)),
        (vec![file(2)], vec![])
    );
    let again = model.does(MEMBER, Action::Delete { target });
    assert_eq!(again.change, None, "nothing is released twice");
}

#[test]
fn what_an_edit_loses_was_there_and_it_leaves_something() {
    let mut model = Model::peopled();
    let target = model
        .does(MEMBER, send_files(1, "look", &[1, 2]))
        .outcome
        .seq;
    let refused = model.refuses(MEMBER, edit_without(target, 2, "x", &[1, 3]));
    assert_eq!(refused, CommandError::NoSuchAttachment { place: 1 });
    let refused = model.refuses(MEMBER, edit_without(target, 2, "", &[1, 2]));
    assert_eq!(refused, CommandError::NothingLeft);
    model.does(MEMBER, edit_without(target, 2, "", &[1]));
    let refused = model.refuses(MEMBER, edit_without(target, 3, "x", &[1]));
    assert_eq!(refused, CommandError::NoSuchAttachment { place: 0 });
    model.does(MEMBER, edit_without(target, 3, "x", &[2]));
    assert_eq!(
        model.refuses(MEMBER, edit(target, 4, "")),
        CommandError::NothingLeft
    );
}

/// Once a message has taken its uploads they are not to be found any more.
#[test]
fn what_was_done_before_is_answered_before_uploads_are_looked_at() {
    let mut model = Model::peopled();
    let sent = model.does(MEMBER, send_files(1, "look", &[1, 2])).outcome;
    let (place, why) = (0, WhyNot::Taken);
    model.unattachable = Some(Unattachable { place, why });
    assert_eq!(
        model.does(MEMBER, send_files(1, "look", &[1, 2])).outcome,
        sent
    );
    for other in [&[1][..], &[2, 1], &[1, 2, 3], &[]] {
        let refused = model.refuses(MEMBER, send_files(1, "look", other));
        assert_eq!(refused, CommandError::IdReused, "{other:?}");
    }
    let refused = model.refuses(MEMBER, send_files(2, "look", &[1]));
    assert_eq!(
        refused,
        CommandError::Unattachable(Unattachable { place, why })
    );
    let refused = model.refuses(MUTED, send_files(2, "look", &[1]));
    assert_eq!(
        refused,
        CommandError::Muted,
        "who may not write learns nothing of files"
    );
}
