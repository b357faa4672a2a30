//! The rights matrix: every action by everybody, in every kind of room, on one screen.
//!
//! `yes`: it is done. Otherwise, why it is not: `-` no such room, `role` or `rank` too low, `author`:
//! not the author's, `muted`, `closed`: archived, `direct`: not in a direct room, `link`: no such
//! link, `banned`, `last`: the last owner, `gone`: no such member, `said`: no such message.

use super::*;

/// Who asks is in the head of a column, what is asked at the beginning of a line.
const MATRIX: &str = "\
                     in an open group                          | in an archived one          | direct
                     strngr banned muted  member modrtr owner  | strngr member modrtr owner  | member
send                 -      -      muted  yes    yes    yes    | -      closed closed closed | yes
edit one's own       -      -      muted  yes    yes    yes    | -      closed closed closed | yes
edit a member's      -      -      muted  author author author | -      closed closed closed | author
delete one's own     -      -      yes    yes    yes    yes    | -      yes    yes    yes    | yes
delete a member's    -      -      role   role   yes    yes    | -      role   yes    yes    | role
delete a moderator's -      -      role   role   rank   yes    | -      role   rank   yes    | role
delete an owner's    -      -      role   role   rank   rank   | -      role   rank   rank   | role
set the name         -      -      role   role   yes    yes    | -      role   closed closed | direct
archive or open      -      -      role   role   role   yes    | -      role   role   yes    | direct
delete the room      -      -      role   role   role   yes    | -      role   role   yes    | direct
add a member         -      -      role   role   yes    yes    | -      role   closed closed | direct
add a moderator      -      -      role   role   yes    yes    | -      role   closed closed | direct
add an owner         -      -      role   role   rank   yes    | -      role   rank   closed | direct
add a banned one     -      -      role   role   banned banned | -      role   closed closed | direct
join by link         yes    link   yes    yes    yes    yes    | closed yes    yes    yes    | link
join by a void link  link   link   link   link   link   link   | link   link   link   link   | link
leave                -      -      yes    yes    yes    yes    | -      yes    yes    yes    | direct
remove a member      -      -      role   role   yes    yes    | -      role   yes    yes    | direct
remove a moderator   -      -      role   role   rank   yes    | -      role   rank   yes    | direct
remove an owner      -      -      role   role   rank   rank   | -      role   rank   rank   | direct
remove a stranger    -      -      role   role   gone   gone   | -      role   gone   gone   | direct
mute a member        -      -      role   role   yes    yes    | -      role   yes    yes    | direct
mute a moderator     -      -      role   role   rank   yes    | -      role   rank   yes    | direct
mute an owner        -      -      role   role   rank   rank   | -      role   rank   rank   | direct
unmute a member      -      -      role   role   yes    yes    | -      role   yes    yes    | direct
ban a member         -      -      role   role   yes    yes    | -      role   yes    yes    | direct
ban a moderator      -      -      role   role   rank   yes    | -      role   rank   yes    | direct
ban an owner         -      -      role   role   rank   rank   | -      role   rank   rank   | direct
ban a stranger       -      -      role   role   yes    yes    | -      role   yes    yes    | direct
lift a ban           -      -      role   role   yes    yes    | -      role   yes    yes    | direct
make an owner        -      -      role   role   role   yes    | -      role   role   yes    | direct
unmake an owner      -      -      role   role   role   yes    | -      role   role   yes    | direct
set the link         -      -      role   role   yes    yes    | -      role   yes    yes    | direct
void the link        -      -      role   role   yes    yes    | -      role   yes    yes    | direct
";

/// Who asks in an open group.
const IN_GROUP: [AccountId; 6] = [STRANGER, BANNED, MUTED, MEMBER, MODERATOR, OWNER];

/// Who asks in an archived one.
const IN_ARCHIVED: [AccountId; 4] = [STRANGER, MEMBER, MODERATOR, OWNER];

/// The others, whom it is about. Each has said something.
const A_MEMBER: AccountId = account(101);
const A_MODERATOR: AccountId = account(102);
const AN_OWNER: AccountId = account(103);
const NOBODY_YET: AccountId = account(104);

/// What is asked, if everybody in `said` has said something there.
fn actions(said: &BTreeMap<AccountId, Seq>, caller: AccountId) -> Vec<(&'static str, Action)> {
    let own = said.get(&caller).copied().unwrap_or(Seq(1));
    let delete = |author| Action::Delete {
        target: said[&author],
    };
    let add = |account, role| Action::Add { account, role };
    let name = Action::Update {
        display_name: Some("name".to_owned()),
        topic: None,
    };
    let by_administrator = false;
    vec![
        ("send", send(200, "x")),
        ("edit one's own", edit(own, 201, "x")),
        ("edit a member's", edit(said[&A_MEMBER], 201, "x")),
        ("delete one's own", Action::Delete { target: own }),
        ("delete a member's", delete(A_MEMBER)),
        ("delete a moderator's", delete(A_MODERATOR)),
        ("delete an owner's", delete(AN_OWNER)),
        ("set the name", name),
        ("archive or open", Action::SetArchived(true)),
        ("delete the room", Action::DeleteRoom { by_administrator }),
        ("add a member", add(NOBODY_YET, Role::Member)),
        ("add a moderator", add(NOBODY_YET, Role::Moderator)),
        ("add an owner", add(NOBODY_YET, Role::Owner)),
        ("add a banned one", add(BANNED, Role::Member)),
        ("join by link", Action::Join(LINK)),
        ("join by a void link", Action::Join([0; 32])),
        ("leave", Action::Leave),
        ("remove a member", Action::Remove(A_MEMBER)),
        ("remove a moderator", Action::Remove(A_MODERATOR)),
        ("remove an owner", Action::Remove(AN_OWNER)),
        ("remove a stranger", Action::Remove(STRANGER)),
        ("mute a member", mute(A_MEMBER)),
        ("mute a moderator", mute(A_MODERATOR)),
        ("mute an owner", mute(AN_OWNER)),
        ("unmute a member", Action::Unmute(A_MEMBER)),
        ("ban a member", Action::Ban(A_MEMBER)),
        ("ban a moderator", Action::Ban(A_MODERATOR)),
        ("ban an owner", Action::Ban(AN_OWNER)),
        ("ban a stranger", Action::Ban(STRANGER)),
        ("lift a ban", Action::Unban(BANNED)),
        ("make an owner", set_role(A_MEMBER, Role::Owner)),
        ("unmake an owner", set_role(AN_OWNER, Role::Member)),
        ("set the link", Action::SetLink(Some([1; 32]))),
        ("void the link", Action::SetLink(None)),
    ]
}

/// A group in which everybody has said something, and the places of that.
fn group() -> (Model, BTreeMap<AccountId, Seq>) {
    let mut group = Model::peopled();
    group.does(OWNER, Action::Unmute(MUTED));
    for (account, role) in [
        (A_MEMBER, Role::Member),
        (A_MODERATOR, Role::Moderator),
        (AN_OWNER, Role::Owner),
    ] {
        group.does(OWNER, Action::Add { account, role });
    }
    let members: Vec<_> = group.state.members.keys().copied().collect();
    let said = members.into_iter().zip(1..);
    let said = said.map(|(account, id)| (account, group.says(account, id, "hello")));
    let said = said.collect();
    group.does(OWNER, mute(MUTED));
    (group, said)
}

fn short(outcome: &Result<Prepared, CommandError>) -> &'static str {
    match outcome {
        Ok(_) => "yes",
        Err(error) => match error {
            CommandError::NoSuchRoom => "-",
            CommandError::NoSuchMessage => "said",
            CommandError::NoSuchMember => "gone",
            CommandError::NoSuchLink => "link",
            CommandError::RoleTooLow { .. } => "role",
            CommandError::RankTooLow => "rank",
            CommandError::NotTheAuthor => "author",
            CommandError::Muted => "muted",
            CommandError::Archived => "closed",
            CommandError::Direct => "direct",
            CommandError::Banned => "banned",
            CommandError::LastOwner => "last",
            CommandError::NoSuchAccount
            | CommandError::RoomFull
            | CommandError::TooManyRooms
            | CommandError::TooManyBans
            | CommandError::NoSuchAttachment { .. }
            | CommandError::NothingLeft
            | CommandError::Unattachable(_)
            | CommandError::IdReused
            | CommandError::FutureSeq { .. }
            | CommandError::Overloaded
            | CommandError::Unavailable
            | CommandError::Moving
            | CommandError::TimedOut
            | CommandError::OutcomeUnknown
            | CommandError::Store(_) => panic!("not a matter of rights: {error:?}"),
        },
    }
}

#[test]
fn rights_are_these() {
    let (open, said) = group();
    let mut archived = open.clone();
    archived.does(OWNER, Action::SetArchived(true));
    let mut direct = Model::direct();
    direct.log = open.log.clone();
    direct.state.head = open.state.head;

    let mut matrix = String::new();
    for row in 0..actions(&said, OWNER).len() {
        let cell = |model: &Model, caller| {
            let (_, action) = actions(&said, caller).swap_remove(row);
            format!("{:<7}", short(&model.prepare(caller, action)))
        };
        let (name, _) = actions(&said, OWNER).swap_remove(row);
        let group = IN_GROUP.map(|caller| cell(&open, caller)).concat();
        let closed = IN_ARCHIVED.map(|caller| cell(&archived, caller)).concat();
        let direct = cell(&direct, MEMBER);
        matrix += format!("{name:<21}{group}| {closed}| {direct}").trim_end();
        matrix.push('\n');
    }
    let expected: String = MATRIX.split_inclusive('\n').skip(2).collect();
    assert!(
        matrix == expected,
        "is\n{matrix}\nand should be\n{expected}"
    );
}
