//! What goes out, as a client decodes it.

use cluster_rpc::name;
use cluster_types::{AccountId, LogId, RoomId, Seq, UnixMillis};
use prost::Message as _;
use prost_types::Timestamp;
use proto::v1;
use proto::v1::membership_change::Kind as WireKind;
use proto::v1::server_item::Item;

use super::answers::{membership, message};
use super::requests::body;
use super::*;
use crate::limits::{BODY_BYTES_MAX, DISPLAY_NAME_CHARS_MAX};
use crate::testing::{attachment, file};
use crate::{
    ClientMessageId, Event, EventKind, Format, Kind, Member, MembershipChange, MembershipKind,
    Message, Mute, Priority, ReadMark, Role, RoomChange, RoomView,
};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const ACCOUNT: AccountId = AccountId::from_bytes([2; 16]);

fn said() -> Message {
    Message {
        body: "hello".to_owned(),
        format: Format::Markdown,
        priority: Priority::Urgent,
        reply_to: Some(Seq(3)),
        client_message_id: ClientMessageId([4; 16]),
        edited: Some(Seq(9)),
        deleted: false,
        attachments: vec![attachment(file(10))],
    }
}

fn event_of(kind: EventKind) -> v1::Event {
    event(
        ROOM,
        Event {
            seq: Seq(7),
            at: UnixMillis(1_500),
            actor: ACCOUNT,
            message_count: 5,
            kind,
        },
    )
}

fn said_on_the_wire() -> v1::Message {
    v1::Message {
        body: "hello".to_owned(),
        format: v1::Format::Markdown.into(),
        priority: v1::Priority::Urgent.into(),
        reply_to_seq: 3,
        client_message_id: "04040404-0404-0404-0404-040404040404".to_owned(),
        edited_seq: 9,
        attachments: vec![v1::Attachment {
            file: name::of_file(file(10)),
            display_name: "10.png".to_owned(),
            size: 110,
            media_type: "image/png".to_owned(),
            sha256: vec![10; 32],
        }],
        ..Default::default()
    }
}

#[test]
fn frames_laid_end_to_end_are_one_frame() {
    let kinds = [
        EventKind::Deletion { target: Seq(1) },
        EventKind::Message(said()),
    ];
    let events = kinds.map(|kind| Event {
        seq: Seq(7),
        at: UnixMillis(0),
        actor: ACCOUNT,
        message_count: 5,
        kind,
    });
    let frames = events
        .clone()
        .map(|event| event_frame(ROOM, event))
        .concat();
    let merged = v1::ServerFrame::decode(&frames[..]).expect("decodes");
    let items = events.map(|event| v1::ServerItem {
        item: Some(Item::Event(super::event(ROOM, event))),
    });
    assert_eq!(merged.items, items);
}

#[test]
fn every_kind_of_event_has_its_form() {
    use v1::event::Kind as Wire;
    let event = event_of(EventKind::Message(said()));
    assert_eq!(event.room, name::of_room(ROOM));
    assert_eq!(event.actor, name::of_account(ACCOUNT));
    assert_eq!((event.seq, event.message_count), (7, 5));
    assert_eq!(
        event.create_time,
        Some(Timestamp {
            seconds: 1,
            nanos: 500_000_000
        })
    );
    assert_eq!(event.kind, Some(Wire::Message(said_on_the_wire())));

    let (target, message) = (Seq(3), Some(said()));
    let edit = event_of(EventKind::Edit { target, message });
    let message = Some(said_on_the_wire());
    let expected = v1::MessageEdit {
        target_seq: 3,
        message,
    };
    assert_eq!(edit.kind, Some(Wire::MessageEdit(expected)));

    let deletion = event_of(EventKind::Deletion { target });
    let expected = v1::MessageDeletion { target_seq: 3 };
    assert_eq!(deletion.kind, Some(Wire::MessageDeletion(expected)));

    let about = RoomChange {
        display_name: "tea".to_owned(),
        topic: "cake".to_owned(),
        archived: true,
    };
    let expected = v1::RoomChange {
        display_name: "tea".to_owned(),
        topic: "cake".to_owned(),
        archived: true,
    };
    let change = event_of(EventKind::Room(about));
    assert_eq!(change.kind, Some(Wire::RoomChange(expected)));
}

#[test]
fn changes_of_membership_have_the_numbers_of_the_protocol() {
    let numbers = MembershipKind::ALL.map(|kind| (format!("{kind:?}"), kind as i32));
    for (name, number) in numbers {
        let wire = WireKind::try_from(number).expect("has a value");
        assert_eq!(wire.as_str_name().replace("KIND_", ""), shouted(&name));
    }
    let mute = Mute {
        until: Some(UnixMillis(2_000)),
    };
    let member = Some(Member {
        role: Role::Moderator,
        mute: Some(mute),
    });
    let muted = MembershipChange {
        account: ACCOUNT,
        kind: MembershipKind::Muted,
        member,
    };
    let expected = v1::MembershipChange {
        account: name::of_account(ACCOUNT),
        kind: WireKind::Muted.into(),
        role: v1::member::Role::Moderator.into(),
        until: Some(Timestamp {
            seconds: 2,
            nanos: 0,
        }),
    };
    assert_eq!(membership(muted), expected);
}

/// `RoleSet` as `ROLE_SET`.
fn shouted(name: &str) -> String {
    let mut shouted = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !shouted.is_empty() {
            shouted.push('_');
        }
        shouted.extend(letter.to_uppercase());
    }
    shouted
}

#[test]
fn a_tombstone_says_nothing() {
    let expected = v1::Message {
        format: v1::Format::Plain.into(),
        priority: v1::Priority::Normal.into(),
        edited_seq: 8,
        deleted: true,
        ..Default::default()
    };
    assert_eq!(message(Message::tombstone(Seq(8))), expected);
}

#[test]
fn a_room_counts_what_its_member_has_not_read() {
    let view = RoomView {
        room: ROOM,
        kind: Kind::Direct,
        about: RoomChange::default(),
        log_id: LogId::from_bytes([5; 16]),
        head: Seq(20),
        message_count: 12,
        role: Role::Owner,
        mark: ReadMark {
            seq: Seq(9),
            message_count: 8,
        },
        peer: Some(ACCOUNT),
        member_count: 2,
    };
    let expected = v1::Room {
        name: name::of_room(ROOM),
        kind: v1::room::Kind::Direct.into(),
        display_name: String::new(),
        topic: String::new(),
        archived: false,
        log_id: LogId::from_bytes([5; 16]).to_string(),
        head_seq: 20,
        role: v1::member::Role::Owner.into(),
        read_seq: 9,
        unread_count: 4,
        peer: name::of_account(ACCOUNT),
        member_count: 2,
        message_count: 12,
    };
    assert_eq!(room(view), expected);
}

#[test]
fn bodies_are_measured_in_bytes_and_names_in_characters() {
    let umlauts = "ü".repeat(BODY_BYTES_MAX / 2);
    assert_eq!(body(umlauts.clone(), false), Ok(umlauts.clone()));
    assert!(body(umlauts + "x", true).is_err());
    let wide = "🦜".repeat(DISPLAY_NAME_CHARS_MAX);
    assert_eq!(display_name(wide.clone(), "name"), Ok(wide.clone()));
    assert!(display_name(wide + "x", "name").is_err());
}

#[test]
fn what_a_room_is_called_stays_in_its_line_and_can_be_seen() {
    for text in ["a\nb", "\u{202e}cba", "a\u{2028}b"] {
        assert!(display_name(text.to_owned(), "name").is_err(), "{text:?}");
        assert!(topic(text.to_owned(), "topic").is_err(), "{text:?}");
    }
    for text in ["", " ", "\u{200b}\u{200b}"] {
        assert!(display_name(text.to_owned(), "name").is_err(), "{text:?}");
        assert!(topic(text.to_owned(), "topic").is_ok(), "{text:?}");
    }
}
