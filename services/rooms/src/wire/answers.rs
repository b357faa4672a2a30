//! What is known becomes messages. Nothing is checked on the way out.

use bytes::Bytes;
use cluster_rpc::{name, time};
use cluster_types::{AccountId, RoomId};
use prost::Message as _;
use proto::v1;
use proto::v1::server_item::Item;

use crate::{
    Attachment, ClientMessageId, Event, EventKind, Format, Kind, Member, MembershipChange, Message,
    Priority, Role, RoomChange, RoomView, ServerRoomView,
};

/// An encoded `ServerFrame` that holds one event: made once, sent to everybody.
pub fn event_frame(room: RoomId, event: Event) -> Bytes {
    frame(Item::Event(self::event(room, event)))
}

/// An encoded `ServerFrame` that holds one item.
pub fn frame(item: Item) -> Bytes {
    let items = vec![v1::ServerItem { item: Some(item) }];
    v1::ServerFrame { items }.encode_to_vec().into()
}

/// An event.
pub fn event(room: RoomId, event: Event) -> v1::Event {
    use v1::event::Kind as Wire;
    let kind = match event.kind {
        EventKind::Message(text) => Wire::Message(message(text)),
        EventKind::Edit {
            target,
            message: text,
        } => Wire::MessageEdit(v1::MessageEdit {
            target_seq: target.0,
            message: text.map(message),
        }),
        EventKind::Deletion { target } => Wire::MessageDeletion(v1::MessageDeletion {
            target_seq: target.0,
        }),
        EventKind::Membership(change) => Wire::MembershipChange(membership(change)),
        EventKind::Room(RoomChange {
            display_name,
            topic,
            archived,
        }) => Wire::RoomChange(v1::RoomChange {
            display_name,
            topic,
            archived,
        }),
    };
    v1::Event {
        room: name::of_room(room),
        seq: event.seq.0,
        actor: name::of_account(event.actor),
        create_time: Some(time::timestamp(event.at)),
        message_count: event.message_count,
        kind: Some(kind),
    }
}

pub(super) fn message(message: Message) -> v1::Message {
    let format = match message.format {
        Format::Plain => v1::Format::Plain,
        Format::Markdown => v1::Format::Markdown,
        Format::Code => v1::Format::Code,
    };
    v1::Message {
        body: message.body,
        format: format.into(),
        priority: wire_priority(message.priority).into(),
        reply_to_seq: message.reply_to.map_or(0, |seq| seq.0),
        client_message_id: match message.client_message_id {
            ClientMessageId::NONE => String::new(),
            id => id.to_string(),
        },
        edited_seq: message.edited.map_or(0, |seq| seq.0),
        deleted: message.deleted,
        attachments: message.attachments.into_iter().map(attachment).collect(),
    }
}

fn attachment(attachment: Attachment) -> v1::Attachment {
    v1::Attachment {
        file: name::of_file(attachment.file),
        display_name: attachment.name,
        size: attachment.size,
        media_type: attachment.media_type,
        sha256: attachment.sha256.to_vec(),
    }
}

/// A priority.
pub const fn wire_priority(priority: Priority) -> v1::Priority {
    match priority {
        Priority::Normal => v1::Priority::Normal,
        Priority::High => v1::Priority::High,
        Priority::Urgent => v1::Priority::Urgent,
    }
}

pub(super) fn membership(change: MembershipChange) -> v1::MembershipChange {
    let until = change.member.and_then(|member| member.mute?.until);
    v1::MembershipChange {
        account: name::of_account(change.account),
        kind: change.kind as i32,
        role: change
            .member
            .map_or(0, |member| wire_role(member.role).into()),
        until: until.map(time::timestamp),
    }
}

const fn wire_role(role: Role) -> v1::member::Role {
    match role {
        Role::Member => v1::member::Role::Member,
        Role::Moderator => v1::member::Role::Moderator,
        Role::Owner => v1::member::Role::Owner,
    }
}

const fn wire_kind(kind: Kind) -> v1::room::Kind {
    match kind {
        Kind::Group => v1::room::Kind::Group,
        Kind::Direct => v1::room::Kind::Direct,
    }
}

/// A member.
pub fn member(room: RoomId, account: AccountId, member: Member) -> v1::Member {
    v1::Member {
        name: name::of_member(room, account),
        account: name::of_account(account),
        role: wire_role(member.role).into(),
        muted: member.mute.is_some(),
        muted_until: member.mute.and_then(|mute| mute.until).map(time::timestamp),
    }
}

/// A room, as one of its members sees it.
pub fn room(view: RoomView) -> v1::Room {
    v1::Room {
        name: name::of_room(view.room),
        kind: wire_kind(view.kind).into(),
        display_name: view.about.display_name,
        topic: view.about.topic,
        archived: view.about.archived,
        log_id: view.log_id.to_string(),
        head_seq: view.head.0,
        role: wire_role(view.role).into(),
        read_seq: view.mark.seq.0,
        unread_count: view.message_count.saturating_sub(view.mark.message_count),
        peer: view.peer.map(name::of_account).unwrap_or_default(),
        member_count: view.member_count,
        message_count: view.message_count,
    }
}

/// A room, as an administrator sees it.
pub fn server_room(view: ServerRoomView) -> v1::ServerRoom {
    v1::ServerRoom {
        name: name::of_room(view.room),
        kind: wire_kind(view.kind).into(),
        archived: view.archived,
        head_seq: view.head.0,
    }
}
