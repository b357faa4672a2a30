//! Who comes, goes, and is kept out; and what of it is told.

use cluster_store::schema::AccountRoom;
use cluster_store::{StoreError, Table, Transaction};
use cluster_types::{RoomId, Seq};

use crate::limits::{MEMBERS_PAGE_MAX, ROOMS_PER_ACCOUNT_MAX};
use crate::testing::{MEMBER, MODERATOR, NOBODY, OWNER, STRANGER, Told, World, account, send};
use crate::{
    Action, CommandError, Event, EventKind, Kind, Member, MembershipKind, Mute, NewRoom, ReadError,
    Role, RoomStanding, ServerRoomView, Standing,
};

fn add(account: cluster_types::AccountId) -> Action {
    let role = Role::Member;
    Action::Add { account, role }
}

#[tokio::test(start_paused = true)]
async fn a_room_is_made_once_for_each_request() {
    let (world, _disk) = World::simulated().await;
    let new = NewRoom {
        display_name: "tea".to_owned(),
        topic: String::new(),
        request_id: world.id(),
    };
    let (one, other) = tokio::join!(
        world.rooms.create(OWNER, &new),
        world.rooms.create(OWNER, &new)
    );
    let view = one.expect("is made");
    assert_eq!(other, Ok(view.clone()));
    assert_eq!(view.role, Role::Owner);
    assert_eq!(
        (view.head, view.member_count, view.kind),
        (Seq(1), 1, Kind::Group)
    );
    let gained = Told::Gained(view.room, OWNER);
    assert_eq!(world.heard.told(), [gained; 2], "once by each call");

    let renamed = NewRoom {
        display_name: "coffee".to_owned(),
        ..new.clone()
    };
    let reused = world.rooms.create(OWNER, &renamed).await;
    assert_eq!(reused, Err(CommandError::IdReused));
    let rename = Action::Update {
        display_name: Some("cake".to_owned()),
        topic: None,
    };
    world.does(view.room, OWNER, rename).await;
    let again = world.rooms.create(OWNER, &new).await.expect("was made");
    assert_eq!(
        (again.room, &again.about.display_name[..]),
        (view.room, "cake")
    );
    let said = NewRoom {
        request_id: world.id(),
        ..new.clone()
    };
    let send_it = send(said.request_id, "tea");
    world.does(view.room, OWNER, send_it).await;
    let reused = world.rooms.create(OWNER, &said).await;
    assert_eq!(reused, Err(CommandError::IdReused));
    let message = world
        .act(view.room, OWNER, send(new.request_id, "tea"))
        .await;
    assert_eq!(
        message,
        Err(CommandError::IdReused),
        "ids of rooms and messages are the same kind"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_room_is_told_even_if_its_maker_gives_up() {
    let (world, disk) = World::simulated().await;
    disk.set_faults(cluster_store::Faults {
        stall: 1_000_000,
        stall_span: std::time::Duration::from_millis(100),
        ..cluster_store::Faults::NONE
    });
    let open = world.rooms.open_direct(OWNER, STRANGER);
    let given_up = tokio::time::timeout(std::time::Duration::from_millis(1), open).await;
    assert!(given_up.is_err());
    world.until(|world| world.heard.told().len() == 2).await;
    disk.set_faults(cluster_store::Faults::NONE);
    let room = world
        .rooms
        .open_direct(STRANGER, OWNER)
        .await
        .expect("opens")
        .room;
    let gained = [OWNER, STRANGER].map(|account| Told::Gained(room, account));
    assert_eq!(world.heard.told(), [gained, gained].concat());
}

/// The node that made the rooms has died before it told anybody.
#[tokio::test(start_paused = true)]
async fn a_room_made_by_a_call_that_ended_unknown_is_told_by_the_next() {
    let (world, disk) = World::simulated().await;
    let new = NewRoom {
        display_name: "tea".to_owned(),
        topic: String::new(),
        request_id: world.id(),
    };
    let group = world.rooms.create(OWNER, &new).await;
    let direct = world.rooms.open_direct(OWNER, STRANGER).await;
    let (group, direct) = (group.expect("is made").room, direct.expect("opens").room);
    world.stop().await;

    let world = World::on_disk(&disk, 1).await;
    let again = world.rooms.create(OWNER, &new).await;
    assert_eq!(again.expect("is there").room, group);
    let again = world.rooms.open_direct(OWNER, STRANGER).await;
    assert_eq!(again.expect("is there").room, direct);
    let told = [(group, OWNER), (direct, OWNER), (direct, STRANGER)];
    let told = told.map(|(room, account)| Told::Gained(room, account));
    assert_eq!(world.heard.told(), told);
}

/// Whoever has lost the room meanwhile must not be taken for a member by those who deliver.
#[tokio::test(start_paused = true)]
async fn who_has_lost_a_room_is_not_told_of_it_again() {
    let (world, _disk) = World::simulated().await;
    let new = NewRoom {
        display_name: "tea".to_owned(),
        topic: String::new(),
        request_id: world.id(),
    };
    let room = world.rooms.create(OWNER, &new).await.expect("is made").room;
    let role = Role::Owner;
    let heir = Action::Add {
        account: MODERATOR,
        role,
    };
    world.does(room, OWNER, heir).await;
    world.does(room, OWNER, Action::Leave).await;
    let again = world.rooms.create(OWNER, &new).await;
    assert_eq!(again, Err(CommandError::NoSuchRoom));
    assert_eq!(
        world.heard.told(),
        [Told::Gained(room, OWNER)],
        "by the first call"
    );
}

#[tokio::test(start_paused = true)]
async fn comings_and_goings_are_told_with_their_event() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.does(room, MODERATOR, add(STRANGER)).await;
    world.does(room, STRANGER, Action::Leave).await;
    world.does(room, MODERATOR, Action::Ban(STRANGER)).await;
    world.does(room, MODERATOR, Action::Remove(MEMBER)).await;
    let events = world.heard.events.lock().clone();
    let standings: Vec<_> = events.iter().map(|event| event.standing).collect();
    assert_eq!(
        standings,
        [
            Some(Standing::Gained(MODERATOR)),
            Some(Standing::Gained(MEMBER)),
            Some(Standing::Gained(STRANGER)),
            Some(Standing::Lost(STRANGER)),
            None,
            Some(Standing::Lost(MEMBER)),
        ]
    );
    assert!(events.is_sorted_by_key(|event| event.seq));
}

#[tokio::test(start_paused = true)]
async fn who_has_the_link_may_come_as_long_as_it_is_in_force() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let first = world
        .rooms
        .make_link(MODERATOR, room)
        .await
        .expect("is made");
    assert!(first.starts_with("rk_l_"), "{first}");
    assert_eq!(first.len(), 48);
    let view = world.rooms.join(STRANGER, &first).await.expect("joins");
    assert_eq!((view.room, view.role), (room, Role::Member));
    let again = world
        .rooms
        .join(STRANGER, &first)
        .await
        .expect("is in it already");
    assert_eq!(again.head, view.head, "nothing happened");

    let second = world
        .rooms
        .make_link(MODERATOR, room)
        .await
        .expect("is made");
    let void = Err(CommandError::NoSuchLink);
    assert_eq!(world.rooms.join(account(20), &first).await, void);
    world.rooms.join(account(20), &second).await.expect("joins");
    world.does(room, MODERATOR, Action::SetLink(None)).await;
    assert_eq!(world.rooms.join(account(21), &second).await, void);
    for nonsense in ["", "rk_l_", "rk_l_x", &second[5..], &second[..47]] {
        assert_eq!(
            world.rooms.join(account(21), nonsense).await,
            void,
            "{nonsense}"
        );
    }
    let secret = data_encoding::BASE64URL_NOPAD.decode(&second.as_bytes()[5..]);
    let secret = secret.expect("is base 64");
    assert!(
        world.mentions(&secret).await.is_empty(),
        "only its hash is stored"
    );
}

#[tokio::test(start_paused = true)]
async fn a_banned_account_stays_out_until_the_ban_is_lifted() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let link = world.rooms.make_link(OWNER, room).await.expect("is made");
    world.does(room, MODERATOR, Action::Ban(MEMBER)).await;
    assert_eq!(
        world.rooms.view(MEMBER, room).await,
        Err(ReadError::NoSuchRoom)
    );
    assert_eq!(
        world.rooms.join(MEMBER, &link).await,
        Err(CommandError::NoSuchLink)
    );
    assert_eq!(
        world.act(room, OWNER, add(MEMBER)).await,
        Err(CommandError::Banned)
    );
    let bans = world
        .rooms
        .bans(MODERATOR, room, None, MEMBERS_PAGE_MAX)
        .await;
    assert_eq!(bans, Ok((vec![MEMBER], false)));

    world.does(room, MODERATOR, Action::Unban(MEMBER)).await;
    world.rooms.join(MEMBER, &link).await.expect("joins");
    let log = world.log(room, MEMBER).await;
    let changes = log.iter().filter_map(|event| {
        if let EventKind::Membership(change) = event.kind {
            (change.account == MEMBER).then_some(change.kind)
        } else {
            None
        }
    });
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [
            MembershipKind::Added,
            MembershipKind::Banned,
            MembershipKind::Unbanned,
            MembershipKind::Joined,
        ]
    );
    let needs = Role::Moderator;
    let refused = world.rooms.bans(MEMBER, room, None, 1).await;
    assert_eq!(refused, Err(ReadError::RoleTooLow { needs }));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_exist_cannot_come() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let missing = Err(CommandError::NoSuchAccount);
    assert_eq!(world.act(room, OWNER, add(NOBODY)).await, missing);
    assert_eq!(world.act(room, OWNER, Action::Ban(NOBODY)).await, missing);
    let direct = world.rooms.open_direct(OWNER, NOBODY).await;
    assert_eq!(direct, Err(CommandError::NoSuchAccount));
    let hidden = world.act(room, STRANGER, add(NOBODY)).await;
    assert_eq!(
        hidden,
        Err(CommandError::NoSuchRoom),
        "a stranger learns nothing of either"
    );
}

#[tokio::test(start_paused = true)]
async fn strangers_start_no_actors() {
    let (world, _disk) = World::simulated().await;
    let room = world.lonely_room().await;
    let refused = world.act(room, STRANGER, send(world.id(), "x")).await;
    assert_eq!(refused, Err(CommandError::NoSuchRoom));
    assert_eq!(world.rooms.active(), 0);
    world.says(room, OWNER, "x").await;
    assert_eq!(world.rooms.active(), 1);
    let refused = world.act(room, STRANGER, send(world.id(), "x")).await;
    assert_eq!(
        refused,
        Err(CommandError::NoSuchRoom),
        "also when there is one"
    );
}

#[tokio::test(start_paused = true)]
async fn members_are_listed_in_pages_as_they_stand() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let until = Some(cluster_types::UnixMillis(5));
    let mute = Action::Mute {
        account: MEMBER,
        until,
    };
    let muted = Member {
        role: Role::Member,
        mute: Some(Mute { until }),
    };
    assert_eq!(world.does(room, OWNER, mute).await.member, Some(muted));
    let expected = [
        (OWNER, Member::new(Role::Owner)),
        (MODERATOR, Member::new(Role::Moderator)),
        (MEMBER, muted),
    ];
    let all = world
        .rooms
        .members(MEMBER, room, None, MEMBERS_PAGE_MAX)
        .await;
    assert_eq!(all, Ok((expected.to_vec(), false)));
    let first = world.rooms.members(MEMBER, room, None, 2).await;
    assert_eq!(first, Ok((expected[..2].to_vec(), true)));
    let rest = world.rooms.members(MEMBER, room, Some(MODERATOR), 2).await;
    assert_eq!(rest, Ok((expected[2..].to_vec(), false)));
}

#[tokio::test(start_paused = true)]
async fn rooms_are_listed_in_pages_without_a_hole() {
    let (world, _disk) = World::simulated().await;
    let mut own = Vec::new();
    for _ in 0..7 {
        own.push(world.lonely_room().await);
    }
    let by_administrator = true;
    let delete = Action::DeleteRoom { by_administrator };
    world.does(own.swap_remove(3), STRANGER, delete).await;
    own.sort();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = world.rooms.list(OWNER, after, 2).await.expect("lists");
        assert!(page.len() <= 2);
        listed.extend(page.into_iter().map(|view| view.room));
        after = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(listed, own);
    let memberships = world.rooms.memberships(OWNER).await.expect("lists");
    assert!(
        memberships
            .iter()
            .map(|view| view.room)
            .eq(own.iter().copied())
    );
    let (first, next) = world.rooms.standings(OWNER, None, 3).await.expect("lists");
    let (rest, end) = world.rooms.standings(OWNER, next, 10).await.expect("lists");
    assert_eq!((next, end), (Some(own[2]), None));
    let standings = memberships.iter().map(|view| RoomStanding {
        room: view.room,
        log_id: view.log_id,
        head: view.head,
        message_count: view.message_count,
        mark: view.mark,
    });
    assert!(standings.eq(first.into_iter().chain(rest)));
    let view = world.rooms.view(OWNER, own[0]).await;
    assert_eq!(view.as_ref(), Ok(&memberships[0]));

    let (server, _) = world.rooms.list_server(None, 200).await.expect("lists");
    let expected = own.iter().map(|room| ServerRoomView {
        room: *room,
        kind: Kind::Group,
        archived: false,
        head: Seq(1),
    });
    assert_eq!(server, expected.collect::<Vec<_>>());
    let ids = world.rooms.room_ids(OWNER).await.expect("lists");
    assert!(ids.iter().eq(&own));
}

/// Somebody is in all the rooms but one that it can be in: of the ways into one more, the first to be
/// taken is the last.
#[tokio::test(start_paused = true)]
async fn an_account_is_in_so_many_rooms_and_no_more() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let link = world.rooms.make_link(OWNER, room).await.expect("is made");
    let in_many = |tx: Transaction, _| async move {
        for number in 1..ROOMS_PER_ACCOUNT_MAX as u128 {
            let room = RoomId::from_bytes(number.to_be_bytes());
            let key = AccountRoom {
                account: STRANGER,
                room,
            };
            tx.set_row(&key, &Default::default())?;
        }
        Ok::<_, StoreError>(())
    };
    world.store.run(in_many).await.expect("is written");
    let new = |request_id| NewRoom {
        display_name: "tea".to_owned(),
        topic: String::new(),
        request_id,
    };
    let (one, other) = (new(world.id()), new(world.id()));
    let (one, other) = tokio::join!(
        world.rooms.create(STRANGER, &one),
        world.rooms.create(STRANGER, &other)
    );
    let full = CommandError::TooManyRooms;
    let (made, refused) = if one.is_ok() {
        (one, other)
    } else {
        (other, one)
    };
    let made = made.expect("there was one place").room;
    assert_eq!(refused, Err(full.clone()), "also of two at the same time");
    assert_eq!(world.rooms.join(STRANGER, &link).await, Err(full.clone()));
    assert_eq!(
        world.act(room, OWNER, add(STRANGER)).await,
        Err(full.clone())
    );
    for (account, peer) in [(STRANGER, OWNER), (OWNER, STRANGER)] {
        let direct = world.rooms.open_direct(account, peer).await;
        assert_eq!(direct, Err(full.clone()));
    }
    let ids = world.rooms.room_ids(STRANGER).await.expect("lists");
    assert_eq!(ids.len(), ROOMS_PER_ACCOUNT_MAX);

    world.does(made, STRANGER, Action::Leave).await;
    while world
        .rows_by_table()
        .await
        .contains_key(&Table::RoomDeletion)
    {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.does(room, OWNER, add(STRANGER)).await;
    world
        .rooms
        .join(STRANGER, &link)
        .await
        .expect("is there already");
}

#[tokio::test(start_paused = true)]
async fn what_a_room_is_called_is_an_event() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let update = Action::Update {
        display_name: None,
        topic: Some("and cake".to_owned()),
    };
    world.does(room, MODERATOR, update).await;
    world.does(room, OWNER, Action::SetArchived(true)).await;
    let view = world.rooms.view(MEMBER, room).await.expect("a member");
    assert_eq!(
        (&view.about.display_name[..], &view.about.topic[..]),
        ("tea", "and cake")
    );
    assert!(view.about.archived);
    let newest = world.log(room, MEMBER).await.pop();
    let newest: Event = newest.expect("has events");
    assert_eq!(newest.kind, EventKind::Room(view.about));
    let closed = world.act(room, MEMBER, send(world.id(), "x")).await;
    assert_eq!(closed, Err(CommandError::Archived));
    world.does(room, OWNER, Action::SetArchived(false)).await;
    world.says(room, MEMBER, "x").await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_write_is_not_shown_to_write() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    world.rooms.typing(MEMBER, room).await.expect("is told");
    let until = None;
    world
        .does(
            room,
            OWNER,
            Action::Mute {
                account: MEMBER,
                until,
            },
        )
        .await;
    world.rooms.typing(MEMBER, room).await.expect("is not told");
    world.does(room, OWNER, Action::SetArchived(true)).await;
    world.rooms.typing(OWNER, room).await.expect("is not told");
    let told = world.heard.told();
    let typing = told.iter().filter(|told| matches!(told, Told::Typing(..)));
    assert_eq!(typing.collect::<Vec<_>>(), [&Told::Typing(room, MEMBER)]);
}
