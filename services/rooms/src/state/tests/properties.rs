//! Whatever is asked, in whatever order: what always holds of a room.

use cluster_types::FileId;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One thing that somebody asks, and how far the clock moves, back or forth.
type Step = (AccountId, Action, i64);

fn accounts() -> impl Strategy<Value = AccountId> {
    (1_u8..=6).prop_map(account)
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)]
}

/// Few ids and few bodies, so that ids are used again for the same and for something else.
fn drafts() -> impl Strategy<Value = Draft> {
    let reply_to = proptest::option::of((1_u64..40).prop_map(Seq));
    let files = vec(1_u8..6, 0..3).prop_map(|numbers| {
        let numbers: BTreeSet<_> = numbers.into_iter().collect();
        numbers.into_iter().map(file).collect()
    });
    (1_u8..20, 0_u8..6, reply_to, files).prop_map(|(id, body, reply_to, files)| Draft {
        reply_to,
        files,
        ..draft(id, &format!("text {body} of {id}"))
    })
}

fn actions() -> impl Strategy<Value = Action> {
    let seq = || (1_u64..40).prop_map(Seq);
    let until = || proptest::option::of((0_u64..2_000_000).prop_map(UnixMillis));
    let by_administrator = false;
    prop_oneof![
        8 => drafts().prop_map(Action::Send),
        4 => (seq(), drafts()).prop_map(|(target, draft)| Action::Edit { target, draft }),
        4 => seq().prop_map(|target| Action::Delete { target }),
        1 => any::<bool>().prop_map(Action::SetArchived),
        3 => (accounts(), roles()).prop_map(|(account, role)| Action::Add { account, role }),
        2 => Just(Action::Join(LINK)),
        1 => accounts().prop_map(Action::Remove),
        1 => Just(Action::Leave),
        2 => (accounts(), roles()).prop_map(|(account, role)| Action::SetRole { account, role }),
        1 => (accounts(), until()).prop_map(|(account, until)| Action::Mute { account, until }),
        1 => accounts().prop_map(Action::Unmute),
        1 => accounts().prop_map(Action::Ban),
        2 => accounts().prop_map(Action::Unban),
        1 => Just(Action::SetLink(Some(LINK))),
        1 => Just(Action::DeleteRoom { by_administrator }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((accounts(), actions(), -5_000_i64..5_000), 1..120)
}

/// What holds between any two commands.
fn check(model: &Model) {
    let state = &model.state;
    let seqs: Vec<_> = model.log.keys().map(|seq| seq.0).collect();
    let dense: Vec<_> = (1..=state.head.seq.0).collect();
    assert_eq!(seqs, dense, "seq is dense from 1");
    let times: Vec<_> = model.log.values().map(|event| event.at).collect();
    assert!(times.is_sorted(), "time runs forward");
    assert_eq!(times.last(), Some(&state.head.at));

    let mut messages = 0;
    for event in model.log.values() {
        messages += u64::from(matches!(event.kind, EventKind::Message(_)));
        assert_eq!(event.message_count, messages, "at {}", event.seq);
    }
    assert_eq!(state.head.message_count, messages);
    if !model.deleted {
        assert_eq!(state.head.member_count, state.members.len() as u64);
        let mut members = state.members.values();
        assert!(members.any(|member| member.role == Role::Owner));
    }
    let mut owners = state
        .members
        .values()
        .filter(|member| member.role == Role::Owner);
    assert!(
        owners.all(|owner| owner.mute.is_none()),
        "no owner is muted"
    );
    assert!(
        state
            .bans
            .iter()
            .all(|banned| !state.members.contains_key(banned))
    );
}

/// Members, told by the log alone.
fn replay(log: &BTreeMap<Seq, Event>) -> BTreeMap<AccountId, Member> {
    let mut members = BTreeMap::new();
    for event in log.values() {
        if let EventKind::Membership(change) = event.kind {
            match change.member {
                Some(member) => _ = members.insert(change.account, member),
                None => _ = members.remove(&change.account),
            }
        }
    }
    members
}

/// What was taken back is nowhere in the log any more, and what was changed is there once.
fn check_bodies(model: &Model) {
    for event in model.log.values() {
        match &event.kind {
            EventKind::Deletion { target } => {
                assert_eq!(*model.message(*target), Message::tombstone(event.seq));
                assert_eq!(model.salts.get(target), None);
            }
            EventKind::Edit { target, .. } => {
                let newest = model.message(*target).edited;
                assert!(newest >= Some(event.seq), "{newest:?}");
            }
            EventKind::Message(_) | EventKind::Membership(_) | EventKind::Room(_) => {}
        }
    }
}

/// What messages carry, counted by file.
fn carried(model: &Model) -> BTreeMap<FileId, i32> {
    let mut carried = BTreeMap::new();
    for event in model.log.values() {
        if let EventKind::Message(message) = &event.kind {
            for attachment in &message.attachments {
                *carried.entry(attachment.file).or_default() += 1;
            }
        }
    }
    carried
}

/// What is released is exactly what no message carries any more.
fn check_files(before: &Model, after: &Model, prepared: &Prepared) {
    let mut expected = carried(before);
    match &prepared.change {
        Some(Change::Message(message, _)) => {
            for attachment in &message.attachments {
                *expected.entry(attachment.file).or_default() += 1;
            }
        }
        Some(Change::Edit(message) | Change::Deletion(message)) => {
            for file in &message.released {
                *expected.entry(*file).or_default() -= 1;
            }
        }
        _ => {}
    }
    expected.retain(|_, uses| *uses != 0);
    assert_eq!(carried(after), expected);
}

proptest! {
    #[test]
    fn any_commands_leave_a_room_whole(steps in steps()) {
        let mut model = Model::peopled();
        for (account, action, millis) in steps {
            model.now = UnixMillis(model.now.0.saturating_add_signed(millis));
            let before = model.clone();
            match model.act(account, action) {
                Ok(prepared) => check_files(&before, &model, &prepared),
                Err(_) => prop_assert_eq!(&model.state, &before.state),
            }
            check(&model);
            if model.deleted {
                break;
            }
            prop_assert_eq!(&replay(&model.log), &model.state.members);
        }
        check_bodies(&model);
    }

    #[test]
    fn any_command_twice_is_the_command_once(steps in steps(), twice in actions()) {
        let mut model = Model::peopled();
        for (account, action, _) in steps {
            // Refused or not: any state will do.
            let _ = model.act(account, action);
        }
        let command = Command { account: OWNER, action: twice.clone() };
        if !model.deleted && command.is_repeatable() && let Ok(first) = model.act(OWNER, twice.clone()) {
            let once = model.clone();
            let second = model.act(OWNER, twice).expect("can be asked again");
            prop_assert_eq!(second.change, None);
            prop_assert_eq!(second.outcome, first.outcome);
            prop_assert_eq!(model.state, once.state);
        }
    }
}
