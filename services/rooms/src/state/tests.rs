//! Decisions over a model of the log: what the store would hold is kept beside the state.

mod matrix;
mod properties;

use super::*;
use crate::limits::{BANS_MAX, MEMBERS_MAX};
use crate::{Draft, Format, Priority, Role};

const OWNER: AccountId = account(1);
const MODERATOR: AccountId = account(2);
const MEMBER: AccountId = account(3);
const MUTED: AccountId = account(4);
const BANNED: AccountId = account(5);
const STRANGER: AccountId = account(6);

const ROOM: RoomId = RoomId::from_bytes([7; 16]);
const LINK: LinkHash = [8; 32];
const NOW: UnixMillis = UnixMillis(1_000_000);

const fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

/// A room with what the store would know of it.
#[derive(Clone, Debug)]
struct Model {
    state: State,
    log: BTreeMap<Seq, Event>,
    used: BTreeMap<(AccountId, ClientMessageId), Earlier>,
    now: UnixMillis,
    deleted: bool,
}

impl Model {
    /// A room of one owner.
    fn of_owner() -> Self {
        let state = State {
            room: ROOM,
            kind: Kind::Group,
            log_id: LogId::from_bytes([9; 16]),
            created: NOW.day(),
            about: RoomChange::default(),
            link: None,
            head: Head {
                seq: Seq(1),
                message_count: 0,
                at: NOW,
                member_count: 1,
            },
            members: BTreeMap::from([(OWNER, Member::new(Role::Owner))]),
            bans: BTreeSet::new(),
        };
        let created = Event {
            seq: Seq(1),
            at: NOW,
            actor: OWNER,
            message_count: 0,
            kind: EventKind::Membership(MembershipChange {
                account: OWNER,
                kind: MembershipKind::Added,
                member: Some(Member::new(Role::Owner)),
            }),
        };
        Self {
            state,
            log: BTreeMap::from([(Seq(1), created)]),
            used: BTreeMap::new(),
            now: NOW,
            deleted: false,
        }
    }

    /// A room with somebody in every role, and a link.
    fn peopled() -> Self {
        let mut model = Self::of_owner();
        for (account, role) in [
            (MODERATOR, Role::Moderator),
            (MEMBER, Role::Member),
            (MUTED, Role::Member),
        ] {
            model.does(OWNER, Action::Add { account, role });
        }
        model.does(OWNER, mute(MUTED));
        model.does(OWNER, Action::Ban(BANNED));
        model.does(OWNER, Action::SetLink(Some(LINK)));
        model
    }

    /// The conversation of two members.
    fn direct() -> Self {
        let mut model = Self::peopled();
        model.state.kind = Kind::Direct;
        model.state.members = [MEMBER, MODERATOR]
            .map(|account| (account, Member::new(Role::Member)))
            .into();
        model.state.bans.clear();
        model.state.link = None;
        model
    }

    fn prepare(&self, account: AccountId, action: Action) -> Result<Prepared, CommandError> {
        let command = Command { account, action };
        let id = command.draft().map(|draft| draft.client_message_id);
        let facts = Facts {
            earlier: id.and_then(|id| self.used.get(&(account, id)).copied()),
            target: command.target().and_then(|seq| self.log.get(&seq).cloned()),
        };
        self.state
            .prepare(self.state.head, &command, &facts, self.now)
    }

    fn act(&mut self, account: AccountId, action: Action) -> Result<Prepared, CommandError> {
        let prepared = self.prepare(account, action)?;
        self.state.commit(&prepared);
        if let Some((id, earlier)) = prepared.used {
            self.used.insert((account, id), earlier);
        }
        match &prepared.change {
            Some(Change::Edit(message) | Change::Deletion(message)) => {
                self.log.insert(message.target, message.event());
            }
            Some(Change::Delete) => self.deleted = true,
            _ => {}
        }
        if let Some(event) = prepared.clone().into_event() {
            self.log.insert(event.seq, event);
        }
        Ok(prepared)
    }

    fn does(&mut self, account: AccountId, action: Action) -> Prepared {
        self.act(account, action).expect("is allowed")
    }

    fn refuses(&self, account: AccountId, action: Action) -> CommandError {
        self.prepare(account, action).expect_err("is not allowed")
    }

    /// Says something; returns where.
    fn says(&mut self, account: AccountId, id: u8, body: &str) -> Seq {
        self.does(account, send(id, body)).outcome.seq
    }

    fn message(&self, seq: Seq) -> &Message {
        let EventKind::Message(message) = &self.log[&seq].kind else {
            panic!("{seq} is not a message");
        };
        message
    }
}

fn draft(id: u8, body: &str) -> Draft {
    Draft {
        client_message_id: ClientMessageId([id; 16]),
        body: body.to_owned(),
        format: Format::Plain,
        priority: Priority::Normal,
        reply_to: None,
    }
}

fn send(id: u8, body: &str) -> Action {
    Action::Send(draft(id, body))
}

fn edit(target: Seq, id: u8, body: &str) -> Action {
    let draft = draft(id, body);
    Action::Edit { target, draft }
}

const fn mute(account: AccountId) -> Action {
    let until = None;
    Action::Mute { account, until }
}

const fn set_role(account: AccountId, role: Role) -> Action {
    Action::SetRole { account, role }
}

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
    let future = |field| CommandError::FutureSeq { field, seq, head };
    assert_eq!(
        model.refuses(OWNER, Action::Send(answer)),
        future("reply_to_seq")
    );
    assert_eq!(model.refuses(OWNER, edit(seq, 1, "x")), future("seq"));
    let delete = Action::Delete { target: seq };
    assert_eq!(model.refuses(OWNER, delete), future("seq"));
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
        .prepare(first.head, &command, &Facts::default(), NOW)
        .expect("is allowed");
    assert_eq!(second.head.seq, first.head.seq.next());
}

#[test]
fn time_does_not_run_backwards_in_a_log() {
    let mut model = Model::peopled();
    model.now = UnixMillis(NOW.0 + 1_000);
    model.says(OWNER, 1, "later");
    model.now = UnixMillis(5);
    let early = model.does(OWNER, send(2, "the clock was set back"));
    assert_eq!(early.outcome.at, UnixMillis(NOW.0 + 1_000));
}

#[test]
fn a_mute_ends_by_itself() {
    let mut model = Model::peopled();
    let until = Some(UnixMillis(NOW.0 + 1_000));
    model.does(
        MODERATOR,
        Action::Mute {
            account: MEMBER,
            until,
        },
    );
    model.now = UnixMillis(NOW.0 + 999);
    assert_eq!(model.refuses(MEMBER, send(1, "x")), CommandError::Muted);
    model.now = UnixMillis(NOW.0 + 1_000);
    model.says(MEMBER, 1, "x");
}

#[test]
fn who_becomes_an_owner_is_not_muted() {
    let mut model = Model::peopled();
    model.does(OWNER, set_role(MUTED, Role::Moderator));
    assert_eq!(model.refuses(MUTED, send(1, "x")), CommandError::Muted);
    let promoted = model.does(OWNER, set_role(MUTED, Role::Owner));
    assert_eq!(promoted.outcome.member, Some(Member::new(Role::Owner)));
    model.says(MUTED, 1, "x");
}

#[test]
fn a_room_keeps_an_owner() {
    let mut model = Model::peopled();
    assert_eq!(model.refuses(OWNER, Action::Leave), CommandError::LastOwner);
    let step_down = set_role(OWNER, Role::Member);
    assert_eq!(
        model.refuses(OWNER, step_down.clone()),
        CommandError::LastOwner
    );
    model.does(OWNER, set_role(MEMBER, Role::Owner));
    model.does(OWNER, step_down);
    assert_eq!(
        model.refuses(MEMBER, Action::Leave),
        CommandError::LastOwner
    );
    model.does(OWNER, Action::Leave);
}

#[test]
fn the_last_to_leave_takes_the_room_along() {
    let mut model = Model::of_owner();
    assert_eq!(
        model.does(OWNER, Action::Leave).change,
        Some(Change::Delete)
    );
}

#[test]
fn a_ban_tells_only_who_was_there() {
    let mut model = Model::peopled();
    let gone = model.does(MODERATOR, Action::Ban(MEMBER));
    assert_eq!(gone.standing, Some(Standing::Lost(MEMBER)));
    let never_there = model.does(MODERATOR, Action::Ban(STRANGER));
    assert_eq!(never_there.standing, None);
    assert_eq!(model.state.head.member_count, 3);
    let lifted = model.does(MODERATOR, Action::Unban(MEMBER));
    assert_eq!(lifted.standing, None);
}

#[test]
fn comings_and_goings_are_told_and_counted() {
    let mut model = Model::peopled();
    let added = model.does(
        MODERATOR,
        Action::Add {
            account: STRANGER,
            role: Role::Member,
        },
    );
    assert_eq!(added.standing, Some(Standing::Gained(STRANGER)));
    assert_eq!(model.state.head.member_count, 5);
    assert_eq!(
        model.does(STRANGER, Action::Leave).standing,
        Some(Standing::Lost(STRANGER))
    );
    assert_eq!(
        model.does(STRANGER, Action::Join(LINK)).standing,
        Some(Standing::Gained(STRANGER))
    );
    let removed = model.does(MODERATOR, Action::Remove(STRANGER));
    assert_eq!(removed.standing, Some(Standing::Lost(STRANGER)));
    assert_eq!(model.state.head.member_count, 4);
}

#[test]
fn a_room_takes_in_only_so_many() {
    let mut model = Model::peopled();
    let id = |n: usize| AccountId::from_bytes((n as u128 + 1_000_000).to_be_bytes());
    let crowd =
        (model.state.members.len()..MEMBERS_MAX).map(|n| (id(n), Member::new(Role::Member)));
    model.state.members.extend(crowd);
    assert_eq!(
        model.refuses(STRANGER, Action::Join(LINK)),
        CommandError::RoomFull
    );
    model.state.bans.extend((0..BANS_MAX).map(id));
    assert_eq!(
        model.refuses(OWNER, Action::Ban(STRANGER)),
        CommandError::TooManyBans
    );
}

#[test]
fn nothing_to_do_appends_nothing() {
    let mut model = Model::peopled();
    let nothing = [
        Action::SetArchived(false),
        Action::SetLink(Some(LINK)),
        Action::Update {
            display_name: None,
            topic: Some(String::new()),
        },
        Action::Add {
            account: MEMBER,
            role: Role::Moderator,
        },
        Action::Join(LINK),
        set_role(MEMBER, Role::Member),
        mute(MUTED),
        Action::Unmute(MEMBER),
        Action::Ban(BANNED),
        Action::Unban(STRANGER),
    ];
    let before = model.state.clone();
    for action in nothing {
        assert_eq!(model.does(OWNER, action.clone()).change, None, "{action:?}");
    }
    assert_eq!(model.state, before);
}

#[test]
fn another_link_takes_no_place_in_the_log() {
    let mut model = Model::peopled();
    let head = model.state.head;
    model.does(MODERATOR, Action::SetLink(None));
    assert_eq!(model.state.head, head);
    assert_eq!(
        model.refuses(STRANGER, Action::Join(LINK)),
        CommandError::NoSuchLink
    );
}
