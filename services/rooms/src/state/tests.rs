//! Decisions over a model of the log: what the store would hold is kept beside the state.

mod matrix;
mod messages;
mod properties;

use super::*;
use crate::limits::{BANS_MAX, MEMBERS_MAX, ROOMS_PER_ACCOUNT_MAX};
use crate::testing::{attachment, file};
use crate::{Draft, Format, Priority, Role, WhyNot};

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
    salts: BTreeMap<Seq, Salt>,
    used: BTreeMap<(AccountId, ClientMessageId), Used>,
    now: UnixMillis,
    /// The first file that a message wants to carry and cannot.
    unattachable: Option<Unattachable>,
    /// In how many other rooms whoever comes is.
    elsewhere: usize,
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
            changed: None,
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
            salts: BTreeMap::new(),
            used: BTreeMap::new(),
            now: NOW,
            unattachable: None,
            elsewhere: 0,
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
        let target = command.target().and_then(|seq| self.stored(seq));
        let earlier = id.and_then(|id| self.used.get(&(account, id)));
        let answered = command.answers().and_then(|seq| self.log.get(&seq));
        let facts = Facts {
            earlier: earlier.map(|used| Earlier {
                used: *used,
                at: self
                    .log
                    .get(&used.seq)
                    .map(|event| event.at)
                    .unwrap_or_default(),
                is_same: self
                    .stored(used.seq)
                    .is_some_and(|event| command.made(*used, &event, target.as_ref())),
            }),
            answers_no_message: answered
                .is_some_and(|event| !matches!(event.kind, EventKind::Message(_))),
            target,
            attachments: command
                .uploads()
                .iter()
                .map(|file| attachment(*file))
                .collect(),
            unattachable: self.unattachable,
            has_no_place: self.elsewhere >= ROOMS_PER_ACCOUNT_MAX,
        };
        let head = self.state.head;
        self.state
            .prepare(head, &command, &facts, self.now, self.salt())
    }

    /// Another one for each message.
    fn salt(&self) -> Salt {
        Salt(u128::from(self.state.head.seq.0).to_be_bytes())
    }

    fn stored(&self, seq: Seq) -> Option<Salted> {
        let (event, salt) = (self.log.get(&seq)?.clone(), self.salts.get(&seq).copied());
        Some(Salted {
            event,
            salt,
            forgotten: Vec::new(),
        })
    }

    fn act(&mut self, account: AccountId, action: Action) -> Result<Prepared, CommandError> {
        let prepared = self.prepare(account, action)?;
        self.state.commit(&prepared);
        if let Some((id, used)) = prepared.used {
            self.used.insert((account, id), used);
        }
        match &prepared.change {
            Some(Change::Edit(message) | Change::Deletion(message)) => {
                self.log.insert(message.target, message.event());
                match message.salt {
                    Some(salt) => self.salts.insert(message.target, salt),
                    None => self.salts.remove(&message.target),
                };
            }
            Some(Change::Message(_, salt)) => {
                self.salts.insert(prepared.head.seq, *salt);
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
        files: Vec::new(),
    }
}

fn send(id: u8, body: &str) -> Action {
    Action::Send(draft(id, body))
}

fn send_files(id: u8, body: &str, files: &[u8]) -> Action {
    let files = files.iter().map(|number| file(*number)).collect();
    Action::Send(Draft {
        files,
        ..draft(id, body)
    })
}

fn edit_without(target: Seq, id: u8, body: &str, files: &[u8]) -> Action {
    let files = files.iter().map(|number| file(*number)).collect();
    let draft = Draft {
        files,
        ..draft(id, body)
    };
    Action::Edit { target, draft }
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
fn who_steps_down_is_not_made_to_ask_twice() {
    let mut model = Model::peopled();
    model.does(OWNER, set_role(MEMBER, Role::Owner));
    let step_down = Command {
        account: OWNER,
        action: set_role(OWNER, Role::Member),
    };
    model.does(OWNER, step_down.action.clone());
    let needs = Role::Owner;
    let again = model.refuses(OWNER, step_down.action.clone());
    assert_eq!(again, CommandError::RoleTooLow { needs });
    assert!(!step_down.is_repeatable());
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
fn who_is_in_all_the_rooms_it_can_be_in_does_not_come() {
    let mut model = Model::peopled();
    model.elsewhere = ROOMS_PER_ACCOUNT_MAX;
    let role = Role::Member;
    let add = |account| Action::Add { account, role };
    let full = CommandError::TooManyRooms;
    assert_eq!(model.refuses(OWNER, add(STRANGER)), full);
    assert_eq!(model.refuses(STRANGER, Action::Join(LINK)), full);
    assert_eq!(
        model.does(OWNER, add(MEMBER)).change,
        None,
        "is there already"
    );
    let hidden = model.refuses(STRANGER, Action::Join([0; 32]));
    assert_eq!(hidden, CommandError::NoSuchLink);
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
