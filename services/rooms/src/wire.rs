//! The edge to the wire: requests become commands that cannot be invalid, and answers become messages.
//!
//! Everything that can be wrong with a request by itself is found here, and named by field. Nothing
//! is checked on the way out.

use bytes::Bytes;
use cluster_rpc::{InvalidRequest, name, required, time};
use cluster_types::{AccountId, Coded, RoomId, Seq, UnixMillis, is_one_line, is_visible};
use prost::Message as _;
use prost_types::Timestamp;
use proto::v1;
use proto::v1::server_item::Item;

use crate::limits::{BODY_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, TOPIC_CHARS_MAX};
use crate::{
    Action, ClientMessageId, Draft, Event, EventKind, Format, Kind, Member, MembershipChange,
    Message, Priority, Role, RoomChange, RoomView, ServerRoomView,
};

#[cfg(test)]
mod tests;

type Read<T> = Result<T, InvalidRequest>;

// --- From the wire ---

/// Reads what a SendMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn send(request: v1::SendMessageRequest) -> Read<(RoomId, Action)> {
    let parts = (
        name::room(&request.room, "room"),
        client_message_id(&request.client_message_id, "client_message_id"),
        body(request.body),
        format(request.format),
        priority(request.priority),
    );
    match parts {
        (Ok(room), Ok(client_message_id), Ok(body), Ok(format), Ok(priority)) => {
            let draft = Draft {
                client_message_id,
                body,
                format,
                priority,
                reply_to: (request.reply_to_seq != 0).then_some(Seq(request.reply_to_seq)),
            };
            Ok((room, Action::Send(draft)))
        }
        (room, id, body, format, priority) => refuse(&[
            room.err(),
            id.err(),
            body.err(),
            format.err(),
            priority.err(),
        ]),
    }
}

/// Reads what an EditMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn edit(request: v1::EditMessageRequest) -> Read<(RoomId, Action)> {
    let parts = (
        name::room(&request.room, "room"),
        seq(request.seq, "seq"),
        client_message_id(&request.client_message_id, "client_message_id"),
        body(request.body),
        format(request.format),
    );
    match parts {
        (Ok(room), Ok(target), Ok(client_message_id), Ok(body), Ok(format)) => {
            let draft = Draft {
                client_message_id,
                body,
                format,
                priority: Priority::Normal,
                reply_to: None,
            };
            Ok((room, Action::Edit { target, draft }))
        }
        (room, seq, id, body, format) => {
            refuse(&[room.err(), seq.err(), id.err(), body.err(), format.err()])
        }
    }
}

/// Reads what a DeleteMessage asks for.
///
/// # Errors
/// Names every field that is wrong.
pub fn delete(request: &v1::DeleteMessageRequest) -> Read<(RoomId, Action)> {
    match (name::room(&request.room, "room"), seq(request.seq, "seq")) {
        (Ok(room), Ok(target)) => Ok((room, Action::Delete { target })),
        (room, seq) => refuse(&[room.err(), seq.err()]),
    }
}

/// Reads a place in a log.
///
/// # Errors
/// Names `field` if it is 0.
pub fn seq(seq: u64, field: &str) -> Read<Seq> {
    if seq == 0 {
        Err(InvalidRequest::field(field, "must be at least 1"))
    } else {
        Ok(Seq(seq))
    }
}

/// Reads a UUID in its 36 character form.
///
/// # Errors
/// Names `field` if it is anything else.
pub fn client_message_id(text: &str, field: &str) -> Read<ClientMessageId> {
    let wrong = || {
        let text = "must be a UUID in its form of 36 characters, not all zero";
        InvalidRequest::field(field, text)
    };
    // The library also reads other forms.
    let uuid = uuid::Uuid::try_parse(text).ok();
    let id = uuid.map(|uuid| ClientMessageId(uuid.into_bytes()));
    id.filter(|id| text.len() == 36 && *id != ClientMessageId::NONE)
        .ok_or_else(wrong)
}

fn body(body: String) -> Read<String> {
    match body.len() {
        0 => Err(InvalidRequest::field("body", "must not be empty")),
        1..=BODY_BYTES_MAX => Ok(body),
        bytes => {
            let text = format!("is {bytes} bytes long, {BODY_BYTES_MAX} are allowed");
            Err(InvalidRequest::field("body", text))
        }
    }
}

fn format(value: i32) -> Read<Format> {
    match v1::Format::try_from(value) {
        Ok(v1::Format::Unspecified | v1::Format::Plain) => Ok(Format::Plain),
        Ok(v1::Format::Markdown) => Ok(Format::Markdown),
        Ok(v1::Format::Code) => Ok(Format::Code),
        Err(_) => Err(unknown("format", value)),
    }
}

fn priority(value: i32) -> Read<Priority> {
    match v1::Priority::try_from(value) {
        Ok(v1::Priority::Unspecified | v1::Priority::Normal) => Ok(Priority::Normal),
        Ok(v1::Priority::High) => Ok(Priority::High),
        Ok(v1::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err(unknown("priority", value)),
    }
}

/// Reads a role; `None` where it is not named.
///
/// # Errors
/// Names the field if the number is not that of a role.
pub fn role(value: i32) -> Read<Option<Role>> {
    match v1::member::Role::try_from(value) {
        Ok(v1::member::Role::Unspecified) => Ok(None),
        Ok(v1::member::Role::Member) => Ok(Some(Role::Member)),
        Ok(v1::member::Role::Moderator) => Ok(Some(Role::Moderator)),
        Ok(v1::member::Role::Owner) => Ok(Some(Role::Owner)),
        Err(_) => Err(unknown("role", value)),
    }
}

/// The error for a number that no value of an enum has.
pub fn unknown(field: &str, value: i32) -> InvalidRequest {
    InvalidRequest::field(field, format!("has no value {value}"))
}

/// Reads a room's name.
///
/// # Errors
/// Names `field` if nothing of it can be seen, if it is too long, or more than one line.
pub fn display_name(text: String, field: &str) -> Read<String> {
    let text = line(text, field, DISPLAY_NAME_CHARS_MAX)?;
    if !is_visible(&text) {
        let what = "must have a visible character";
        return Err(InvalidRequest::field(field, what));
    }
    Ok(text)
}

/// Reads a room's topic.
///
/// # Errors
/// Names `field` if it is too long or more than one line.
pub fn topic(text: String, field: &str) -> Read<String> {
    line(text, field, TOPIC_CHARS_MAX)
}

fn line(text: String, field: &str, chars_max: usize) -> Read<String> {
    let chars = text.chars().count();
    if chars > chars_max {
        let text = format!("is {chars} characters long, {chars_max} are allowed");
        return Err(InvalidRequest::field(field, text));
    }
    if !is_one_line(&text) {
        let what = "must be one line without control characters";
        return Err(InvalidRequest::field(field, what));
    }
    Ok(text)
}

/// Reads when a mute ends.
///
/// # Errors
/// Names `field` if it is not a time after the beginning of 1970.
pub fn mute_until(until: &Timestamp, field: &str) -> Read<UnixMillis> {
    let until = time::unix_millis(until, field)?;
    if until == UnixMillis(0) {
        return Err(InvalidRequest::field(field, "must be a time since 1970"));
    }
    Ok(until)
}

/// Refuses a request of which these parts are invalid, so that one answer names all of them.
fn refuse<T>(parts: &[Option<InvalidRequest>]) -> Read<T> {
    let violations = parts.iter().flatten().flat_map(Coded::violations).collect();
    InvalidRequest::none_of(violations)?;
    // Only parts that are wrong get here, and each has said so.
    required(None, "request")
}

// --- To the wire ---

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

fn message(message: Message) -> v1::Message {
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

fn membership(change: MembershipChange) -> v1::MembershipChange {
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
