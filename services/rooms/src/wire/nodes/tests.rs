//! Commands and answers, there and back.

use cluster_store::StoreError;
use cluster_types::{AccountId, FileId, RoomId, Seq, UnixMillis};
use prost::Message as _;
use proto::cluster::v1;

use super::*;
use crate::{
    Action, ClientMessageId, Command, CommandError, Draft, Format, FutureSeq, Member, Mute,
    Outcome, Priority, Unattachable, WhyNot,
};

const ROOM: RoomId = RoomId::from_bytes([7; 16]);
const WHO: AccountId = AccountId::from_bytes([1; 16]);
const OTHER: AccountId = AccountId::from_bytes([2; 16]);

fn draft() -> Draft {
    Draft {
        client_message_id: ClientMessageId([3; 16]),
        body: "good morning".to_owned(),
        format: Format::Plain,
        priority: Priority::Normal,
        reply_to: None,
        files: Vec::new(),
    }
}

fn drafts() -> [Draft; 3] {
    let markdown = Draft {
        format: Format::Markdown,
        priority: Priority::High,
        reply_to: Some(Seq(9)),
        ..draft()
    };
    let code = Draft {
        body: String::new(),
        format: Format::Code,
        priority: Priority::Urgent,
        files: vec![FileId::from_bytes([4; 16]), FileId::from_bytes([5; 16])],
        ..draft()
    };
    [draft(), markdown, code]
}

fn actions() -> Vec<Action> {
    let roles = [Role::Member, Role::Moderator, Role::Owner];
    let (account, target) = (OTHER, Seq(3));
    let name = |text: &str| Some(text.to_owned());
    let mut actions = vec![
        Action::Delete { target },
        Action::Update {
            display_name: name("roof"),
            topic: None,
        },
        Action::Update {
            display_name: None,
            topic: name(""),
        },
        Action::SetArchived(true),
        Action::SetArchived(false),
        Action::Join([8; 32]),
        Action::Remove(OTHER),
        Action::Leave,
        Action::Mute {
            account,
            until: None,
        },
        Action::Mute {
            account,
            until: Some(UnixMillis(5)),
        },
        Action::Unmute(OTHER),
        Action::Ban(OTHER),
        Action::Unban(OTHER),
        Action::SetLink(None),
        Action::SetLink(Some([9; 32])),
        Action::TellAgain,
    ];
    for by_administrator in [true, false] {
        actions.push(Action::DeleteRoom { by_administrator });
    }
    for role in roles {
        actions.push(Action::Add { account, role });
        actions.push(Action::SetRole { account, role });
    }
    for draft in drafts() {
        actions.push(Action::Send(draft.clone()));
        actions.push(Action::Edit { target, draft });
    }
    actions
}

#[test]
fn a_command_reads_back_as_it_was() {
    for action in actions() {
        let account = WHO;
        let sent = Command { account, action };
        let bytes = command(ROOM, &sent).encode_to_vec();
        let read = v1::RoomCommand::decode(&bytes[..]).expect("decodes");
        assert_eq!(read_command(read), Some((ROOM, sent)));
    }
}

#[test]
fn what_is_not_understood_is_no_command() {
    let account = WHO;
    let known = command(
        ROOM,
        &Command {
            account,
            action: Action::Leave,
        },
    );
    let unknown_action = v1::RoomCommand {
        action: None,
        ..known.clone()
    };
    assert_eq!(read_command(unknown_action), None);
    let no_id = v1::RoomCommand {
        room_id: vec![1; 15],
        ..known
    };
    assert_eq!(read_command(no_id), None);
    for draft in drafts() {
        let action = Action::Send(draft);
        let mut later = command(ROOM, &Command { account, action });
        if let Some(v1::room_command::Action::Send(draft)) = &mut later.action {
            draft.format = 99;
        }
        assert_eq!(read_command(later), None, "a format of a later release");
    }
}

#[test]
fn an_outcome_reads_back_as_it_was() {
    let mutes = [
        None,
        Some(Mute { until: None }),
        Some(Mute {
            until: Some(UnixMillis(7)),
        }),
    ];
    let members = mutes.map(|mute| Member {
        role: Role::Moderator,
        mute,
    });
    for member in members.map(Some).into_iter().chain([None]) {
        let outcome = Ok(Outcome {
            seq: Seq(4),
            at: UnixMillis(1_000),
            member,
        });
        assert_eq!(read_answer(answer(&outcome)), outcome);
    }
}

fn errors() -> Vec<CommandError> {
    let (seq, head) = (Seq(9), Seq(4));
    let fields = [FutureSeq::REPLY, FutureSeq::TARGET];
    let future = fields.map(|field| FutureSeq { field, seq, head });
    let why = [
        WhyNot::NoSuchUpload,
        WhyNot::Taken,
        WhyNot::OtherRoom,
        WhyNot::NotFinished,
    ];
    let unattachable = why.map(|why| Unattachable { place: 2, why });
    let mut errors = vec![
        CommandError::NoSuchRoom,
        CommandError::NoSuchMessage,
        CommandError::NoSuchMember,
        CommandError::NoSuchAccount,
        CommandError::NoSuchLink,
        CommandError::RoleTooLow { needs: Role::Owner },
        CommandError::RankTooLow,
        CommandError::NotTheAuthor,
        CommandError::Muted,
        CommandError::Archived,
        CommandError::Direct,
        CommandError::Banned,
        CommandError::LastOwner,
        CommandError::RoomFull,
        CommandError::TooManyRooms,
        CommandError::TooManyBans,
        CommandError::NoSuchAttachment { place: 1 },
        CommandError::NothingLeft,
        CommandError::IdReused,
        CommandError::Overloaded,
        CommandError::Unavailable,
        CommandError::Moving,
        CommandError::TimedOut,
        CommandError::OutcomeUnknown,
        CommandError::Store(StoreError::Contended),
        CommandError::Store(StoreError::Full),
        CommandError::Store(StoreError::Unavailable),
        CommandError::Store(StoreError::Damaged),
    ];
    errors.extend(future.map(CommandError::FutureSeq));
    errors.extend(unattachable.map(CommandError::Unattachable));
    errors
}

#[test]
fn a_client_hears_the_same_refusal_through_another_node() {
    for error in errors() {
        let refused = Err(error);
        assert_eq!(read_answer(answer(&refused)), refused);
    }
}

#[test]
fn an_unknown_commit_stays_unknown() {
    let unknown = Err(CommandError::Store(StoreError::CommitUnknown));
    assert_eq!(
        read_answer(answer(&unknown)),
        Err(CommandError::OutcomeUnknown)
    );
}

#[test]
fn a_reason_of_a_later_release_says_that_nothing_happened() {
    let refusal = v1::room_answer::Refusal {
        reason: 9_999,
        ..Default::default()
    };
    let later = v1::RoomAnswer {
        answer: Some(v1::room_answer::Answer::Refusal(refusal)),
    };
    assert_eq!(read_answer(later), Err(CommandError::Unavailable));
}
