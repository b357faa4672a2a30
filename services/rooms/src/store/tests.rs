//! Rows and back: what is written is what is read, and what makes no sense is refused.

use bytes::Bytes;
use cluster_store::schema::Table;
use cluster_store::{Simulated, Store};
use cluster_types::Rng;
use proptest::prelude::*;
use proptest::{collection, option};

use super::*;
use crate::testing::{attachment, file};
use crate::{Format, Mute, Priority};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);

fn accounts() -> impl Strategy<Value = AccountId> {
    any::<[u8; 16]>().prop_map(AccountId::from_bytes)
}

fn members() -> impl Strategy<Value = Member> {
    let role = prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)];
    // A mute that ends in 1970 is refused where it comes in: 0 stands for no end.
    let until = option::of((1..u64::MAX).prop_map(UnixMillis));
    let mute = option::of(until.prop_map(|until| Mute { until }));
    (role, mute).prop_map(|(role, mute)| Member { role, mute })
}

fn messages() -> impl Strategy<Value = Message> {
    let format = prop_oneof![
        Just(Format::Plain),
        Just(Format::Markdown),
        Just(Format::Code)
    ];
    let priority = prop_oneof![
        Just(Priority::Normal),
        Just(Priority::High),
        Just(Priority::Urgent)
    ];
    let seq = || option::of((1..u64::MAX).prop_map(Seq));
    let flags = (seq(), seq(), any::<bool>(), any::<[u8; 16]>());
    let files = collection::vec(
        any::<u8>().prop_map(|number| attachment(file(number))),
        0..3,
    );
    (any::<String>(), format, priority, flags, files).prop_map(
        |(body, format, priority, (reply_to, edited, deleted, id), attachments)| Message {
            body,
            format,
            priority,
            reply_to,
            client_message_id: ClientMessageId(id),
            edited,
            deleted,
            attachments,
        },
    )
}

fn changes() -> impl Strategy<Value = MembershipChange> {
    let kind = (1_u32..10).prop_map(|n| MembershipKind::from_number(n).expect("is one"));
    (accounts(), kind, option::of(members())).prop_map(|(account, kind, member)| MembershipChange {
        account,
        kind,
        member,
    })
}

fn kinds() -> impl Strategy<Value = EventKind> {
    let seq = || any::<u64>().prop_map(Seq);
    let about = (any::<String>(), any::<String>(), any::<bool>());
    prop_oneof![
        messages().prop_map(EventKind::Message),
        seq().prop_map(|target| EventKind::Edit {
            target,
            message: None
        }),
        seq().prop_map(|target| EventKind::Deletion { target }),
        changes().prop_map(EventKind::Membership),
        about.prop_map(
            |(display_name, topic, archived)| EventKind::Room(RoomChange {
                display_name,
                topic,
                archived,
            })
        ),
    ]
}

proptest! {
    #[test]
    fn events_read_back(
        seq: u64, at: u64, actor in accounts(), message_count: u64, kind in kinds(),
        salt in option::of(any::<[u8; 16]>().prop_map(Salt)),
    ) {
        let (seq, at) = (Seq(seq), UnixMillis(at));
        let written = Event { seq, at, actor, message_count, kind };
        let row = values::stored_event(written.clone(), salt);
        prop_assert_eq!(values::event(seq, row.clone()), Ok(written.clone()));
        let salt = salt.filter(|_| matches!(written.kind, EventKind::Message(_)));
        prop_assert_eq!(values::salted_event(seq, row), Ok(Salted { event: written, salt, forgotten: Vec::new() }));
    }

    #[test]
    fn uses_read_back(
        room: [u8; 16], seq: u64, digest in option::of(any::<[u8; 16]>().prop_map(Digest)),
    ) {
        let (room, seq) = (RoomId::from_bytes(room), Seq(seq));
        let written = Used { room, seq, digest };
        prop_assert_eq!(used(&values::stored_used(written)), Ok(written));
    }

    #[test]
    fn members_and_marks_read_back(one in members(), seq: u64, message_count: u64) {
        prop_assert_eq!(values::member(&values::stored_member(one)), Ok(one));
        let mark = ReadMark { seq: Seq(seq), message_count };
        prop_assert_eq!(read_mark(&values::stored_mark(mark)), mark);
    }
}

#[test]
fn a_message_of_a_later_release_can_be_read() {
    let later = v1::Message {
        body: "hello".to_owned(),
        format: 9,
        priority: 9,
        client_message_id: Bytes::from_static(&[5; 16]),
        ..Default::default()
    };
    let row = v1::RoomEvent {
        actor_id: Bytes::from_static(&[2; 16]),
        kind: Some(v1::room_event::Kind::Message(later)),
        ..Default::default()
    };
    let Ok(EventKind::Message(read)) = values::event(Seq(1), row).map(|event| event.kind) else {
        panic!("is a message");
    };
    let shown = (&read.body[..], read.format, read.priority);
    assert_eq!(shown, ("hello", Format::Plain, Priority::Normal));
}

#[test]
fn an_edit_stores_no_body() {
    let message = Message {
        body: "a canary".to_owned(),
        ..Message::tombstone(Seq(1))
    };
    let kind = EventKind::Edit {
        target: Seq(1),
        message: Some(message),
    };
    let edit = Event {
        seq: Seq(2),
        at: UnixMillis(0),
        actor: AccountId::from_bytes([2; 16]),
        message_count: 1,
        kind,
    };
    let row = values::stored_event(edit, None);
    assert!(!format!("{row:?}").contains("canary"));
}

#[test]
fn rows_that_make_no_sense_are_corrupt() {
    let corrupt = |table| StoreError::Corrupt { table };
    let event_row = |kind| v1::RoomEvent {
        actor_id: Bytes::from_static(&[2; 16]),
        kind,
        ..Default::default()
    };
    let deletion = v1::room_event::Kind::Deletion(v1::MessageDeletion { target_seq: 1 });
    let nobody = v1::RoomEvent {
        actor_id: Bytes::from_static(b"short"),
        ..event_row(Some(deletion))
    };
    let no_id = v1::room_event::Kind::Message(v1::Message::default());
    let no_kind = v1::room_event::Kind::Membership(v1::MembershipChange {
        account_id: Bytes::from_static(&[3; 16]),
        change: 99,
        ..Default::default()
    });
    for row in [
        nobody,
        event_row(None),
        event_row(Some(no_id)),
        event_row(Some(no_kind)),
    ] {
        assert_eq!(
            values::event(Seq(1), row.clone()),
            Err(corrupt(Table::RoomEvent)),
            "{row:?}"
        );
    }
    let no_role = v1::RoomMember::default();
    assert_eq!(values::member(&no_role), Err(corrupt(Table::RoomMember)));
    let no_room = v1::ClientMessage::default();
    assert_eq!(used(&no_room), Err(corrupt(Table::ClientMessage)));
    let half_a_digest = v1::ClientMessage {
        room_id: Bytes::from_static(&[1; 16]),
        keyed_digest: Bytes::from_static(&[5; 8]),
        ..Default::default()
    };
    assert_eq!(used(&half_a_digest), Err(corrupt(Table::ClientMessage)));
    let half_a_salt = v1::room_event::Kind::Message(v1::Message {
        client_message_id: Bytes::from_static(&[5; 16]),
        salt: Bytes::from_static(&[5; 8]),
        ..Default::default()
    });
    let half_a_salt = values::salted_event(Seq(1), event_row(Some(half_a_salt)));
    assert_eq!(half_a_salt, Err(corrupt(Table::RoomEvent)));
    let room = |kind, log_id: &'static [u8]| v1::Room {
        kind,
        log_id: Bytes::from_static(log_id),
        ..Default::default()
    };
    assert!(info(&room(1, &[4; 16])).is_ok());
    for (kind, log_id) in [(1, &[4; 15][..]), (0, &[4; 16]), (3, &[4; 16])] {
        let nonsense = info(&room(kind, log_id)).expect_err("makes no sense");
        assert_eq!(nonsense, corrupt(Table::Room));
    }
}

/// More members and bans than one page of reading holds.
#[tokio::test(start_paused = true)]
async fn a_large_room_is_loaded_as_it_was_written() {
    let account = |number: usize| AccountId::from_bytes((number as u128).to_be_bytes());
    let member = |number| (account(number), Member::new(Role::Member));
    let state = State {
        room: ROOM,
        kind: Kind::Group,
        log_id: LogId::from_bytes([3; 16]),
        created: Day(20_000),
        about: RoomChange {
            display_name: "a crowd".to_owned(),
            topic: String::new(),
            archived: true,
        },
        changed: Some(Seq(7)),
        link: Some([4; 32]),
        head: Head {
            seq: Seq(9),
            message_count: 4,
            at: UnixMillis(5),
            member_count: 2_500,
        },
        members: (0..LOAD_PAGE * 5 / 2).map(member).collect(),
        bans: (10_000..10_000 + LOAD_PAGE * 2).map(account).collect(),
    };
    let store = Store::new(Simulated::reliable());
    let vault = &crate::testing::vault(&store, &Rng::seeded(1)).await;
    let fields = &vault.room_sealer(ROOM).await.expect("a key is made");
    let written = &state;
    let newest = &Event {
        seq: state.head.seq,
        at: state.head.at,
        actor: account(0),
        message_count: state.head.message_count,
        kind: EventKind::Room(state.about.clone()),
    };
    let write = |tx: Transaction, _| async move {
        create(&tx, written, [newest.clone()].into_iter(), fields)?;
        for account in &written.bans {
            let key = RoomBan {
                room: ROOM,
                account: *account,
            };
            tx.set_row(&key, &v1::RoomBan {})?;
        }
        Ok::<_, StoreError>(())
    };
    store.run(write).await.expect("is written");
    let read = |tx| async move { load(&tx, vault, ROOM).await };
    assert_eq!(store.read(read).await, Ok(Some(state)));
    let other = RoomId::from_bytes([2; 16]);
    let read = |tx| async move { load(&tx, vault, other).await };
    assert_eq!(store.read(read).await, Ok(None));
}
