//! Stored values to domain and back. A value that makes no sense is [`StoreError::Corrupt`].

use std::sync::Arc;

use bytes::Bytes;
use cluster_store::schema::Table;
use cluster_types::FileId;
use services_vault::KeyBytes;

use super::{
    AccountId, Day, Digest, Event, EventKind, Head, Info, Kind, LinkHash, LogId, Member,
    MembershipChange, MembershipKind, Message, ReadMark, Role, RoomChange, RoomId, Salt, Salted,
    Seq, State, StoreError, UnixMillis, Used, v1,
};
use crate::{Attachment, ClientMessageId, Format, Mute, Priority};

type Read<T> = Result<T, StoreError>;

fn corrupt(table: Table) -> StoreError {
    StoreError::Corrupt { table }
}

fn optional_seq(seq: u64) -> Option<Seq> {
    (seq != 0).then_some(Seq(seq))
}

/// A direct conversation that was taken for a group would get roles and more members, so an unknown kind
/// is taken for nothing.
pub(crate) fn kind(value: i32) -> Read<Kind> {
    match v1::RoomKind::try_from(value) {
        Ok(v1::RoomKind::Group) => Ok(Kind::Group),
        Ok(v1::RoomKind::Direct) => Ok(Kind::Direct),
        Ok(v1::RoomKind::Unspecified) | Err(_) => Err(corrupt(Table::Room)),
    }
}

fn stored_kind(kind: Kind) -> i32 {
    match kind {
        Kind::Group => v1::RoomKind::Group as i32,
        Kind::Direct => v1::RoomKind::Direct as i32,
    }
}

/// What a room is, but for what it is about.
pub(super) fn info(row: &v1::Room) -> Read<Info> {
    let link = if row.link_hash.is_empty() {
        None
    } else {
        Some(LinkHash::try_from(&row.link_hash[..]).map_err(|_| corrupt(Table::Room))?)
    };
    Ok(Info {
        kind: kind(row.kind)?,
        archived: row.archived,
        changed: optional_seq(row.changed_seq),
        created: Day(row.created_day),
        log_id: LogId::try_from(&row.log_id[..]).map_err(|_| corrupt(Table::Room))?,
        link,
    })
}

/// What a room is about, of an opened row.
pub(super) fn about(row: v1::Room) -> RoomChange {
    RoomChange {
        display_name: row.display_name,
        topic: row.topic,
        archived: row.archived,
    }
}

pub(super) fn stored_room(
    state: &State,
    about: &RoomChange,
    changed: Option<Seq>,
    link: Option<LinkHash>,
) -> v1::Room {
    v1::Room {
        kind: stored_kind(state.kind),
        display_name: about.display_name.clone(),
        topic: about.topic.clone(),
        archived: about.archived,
        created_day: state.created.0,
        log_id: Bytes::copy_from_slice(state.log_id.as_bytes()),
        link_hash: link
            .map(|hash| Bytes::copy_from_slice(&hash))
            .unwrap_or_default(),
        deleted: false,
        changed_seq: changed.map_or(0, |seq| seq.0),
        sealed: Bytes::new(),
    }
}

/// A head whose newest event has the time `at`.
pub(super) fn head(row: &v1::RoomHead, at: UnixMillis) -> Head {
    Head {
        seq: Seq(row.seq),
        message_count: row.message_count,
        at,
        member_count: row.member_count,
    }
}

pub(super) fn stored_head(head: Head) -> v1::RoomHead {
    v1::RoomHead {
        seq: head.seq.0,
        message_count: head.message_count,
        time_ms: 0,
        member_count: head.member_count,
    }
}

fn role(value: i32) -> Option<Role> {
    match v1::RoomRole::try_from(value) {
        Ok(v1::RoomRole::Member) => Some(Role::Member),
        Ok(v1::RoomRole::Moderator) => Some(Role::Moderator),
        Ok(v1::RoomRole::Owner) => Some(Role::Owner),
        Ok(v1::RoomRole::Unspecified) | Err(_) => None,
    }
}

fn stored_role(role: Role) -> i32 {
    match role {
        Role::Member => v1::RoomRole::Member as i32,
        Role::Moderator => v1::RoomRole::Moderator as i32,
        Role::Owner => v1::RoomRole::Owner as i32,
    }
}

fn mute(muted: bool, until_ms: u64) -> Option<Mute> {
    muted.then(|| Mute {
        until: (until_ms != 0).then_some(UnixMillis(until_ms)),
    })
}

fn until_ms(mute: Option<Mute>) -> u64 {
    mute.and_then(|mute| mute.until).map_or(0, |until| until.0)
}

/// A member, of an opened row.
pub(super) fn member(row: &v1::RoomMember) -> Read<Member> {
    let role = role(row.role).ok_or_else(|| corrupt(Table::RoomMember))?;
    Ok(Member {
        role,
        mute: mute(row.muted, row.muted_until_ms),
    })
}

pub(super) fn stored_member(member: Member) -> v1::RoomMember {
    v1::RoomMember {
        role: stored_role(member.role),
        muted: member.mute.is_some(),
        muted_until_ms: until_ms(member.mute),
        sealed: Bytes::new(),
    }
}

pub(super) fn stored_account_room(account: AccountId, state: &State) -> v1::AccountRoom {
    let peer = match state.kind {
        Kind::Group => None,
        // One's own conversation has oneself on the other side.
        Kind::Direct => state
            .members
            .keys()
            .find(|peer| **peer != account)
            .or(Some(&account)),
    };
    v1::AccountRoom {
        kind: stored_kind(state.kind),
        peer_id: peer
            .map(|peer| Bytes::copy_from_slice(peer.as_bytes()))
            .unwrap_or_default(),
    }
}

/// The other side of a direct conversation.
pub(crate) fn peer(row: &v1::AccountRoom) -> Read<AccountId> {
    AccountId::try_from(&row.peer_id[..]).map_err(|_| corrupt(Table::AccountRoom))
}

pub(crate) fn read_mark(row: &v1::ReadMark) -> ReadMark {
    ReadMark {
        seq: Seq(row.seq),
        message_count: row.message_count,
    }
}

pub(super) fn stored_mark(mark: ReadMark) -> v1::ReadMark {
    v1::ReadMark {
        seq: mark.seq.0,
        message_count: mark.message_count,
    }
}

pub(crate) fn used(row: &v1::ClientMessage) -> Read<Used> {
    Ok(Used {
        room: room_id(&row.room_id, Table::ClientMessage)?,
        seq: Seq(row.seq),
        digest: optional_bytes(&row.keyed_digest, Table::ClientMessage)?.map(Digest),
    })
}

pub(super) fn stored_used(used: Used) -> v1::ClientMessage {
    v1::ClientMessage {
        room_id: Bytes::copy_from_slice(used.room.as_bytes()),
        seq: used.seq.0,
        time_ms: 0,
        keyed_digest: stored_bytes(used.digest.map(|Digest(bytes)| bytes)),
    }
}

/// A message in a format or of a priority that is not known, of a later release, is plain and normal:
/// what it says can be read all the same.
fn message(row: v1::Message) -> Read<Message> {
    let id = row.client_message_id[..]
        .try_into()
        .map_err(|_| corrupt(Table::RoomEvent))?;
    Ok(Message {
        body: row.body,
        format: match row.format {
            2 => Format::Markdown,
            3 => Format::Code,
            _ => Format::Plain,
        },
        priority: match row.priority {
            2 => Priority::High,
            3 => Priority::Urgent,
            _ => Priority::Normal,
        },
        reply_to: optional_seq(row.reply_to_seq),
        client_message_id: ClientMessageId(id),
        edited: optional_seq(row.edited_seq),
        deleted: row.deleted,
        attachments: row
            .attachments
            .into_iter()
            .map(attachment)
            .collect::<Read<_>>()?,
    })
}

fn attachment(row: v1::Attachment) -> Read<Attachment> {
    let broken = || corrupt(Table::RoomEvent);
    let key = KeyBytes::from_slice(&row.key).ok_or_else(broken)?;
    Ok(Attachment {
        file: FileId::try_from(&row.file_id[..]).map_err(|_| broken())?,
        key: Arc::new(key),
        name: row.name,
        size: row.size,
        media_type: row.media_type,
        sha256: row.sha256[..].try_into().map_err(|_| broken())?,
    })
}

/// The files that an event carries, also if it cannot be opened any more.
pub(super) fn file_ids(row: &v1::RoomEvent) -> Read<Vec<FileId>> {
    let Some(v1::room_event::Kind::Message(message)) = &row.kind else {
        return Ok(Vec::new());
    };
    let ids = message.file_ids.iter().map(|id| FileId::try_from(&id[..]));
    let ids: Result<_, _> = ids.collect();
    ids.map_err(|_| corrupt(Table::RoomEvent))
}

fn stored_attachment(attachment: Attachment) -> v1::Attachment {
    v1::Attachment {
        file_id: Bytes::copy_from_slice(attachment.file.as_bytes()),
        key: Bytes::copy_from_slice(attachment.key.expose()),
        name: attachment.name,
        size: attachment.size,
        media_type: attachment.media_type,
        sha256: Bytes::copy_from_slice(&attachment.sha256),
    }
}

fn stored_message(message: Message, salt: Option<Salt>) -> v1::Message {
    v1::Message {
        body: message.body,
        format: message.format.number().into(),
        priority: message.priority.number().into(),
        reply_to_seq: message.reply_to.map_or(0, |seq| seq.0),
        client_message_id: Bytes::copy_from_slice(&message.client_message_id.0),
        edited_seq: message.edited.map_or(0, |seq| seq.0),
        deleted: message.deleted,
        salt: stored_bytes(salt.map(|Salt(bytes)| bytes)),
        file_ids: message
            .attachments
            .iter()
            .map(|attachment| Bytes::copy_from_slice(attachment.file.as_bytes()))
            .collect(),
        attachments: message
            .attachments
            .into_iter()
            .map(stored_attachment)
            .collect(),
    }
}

/// Sixteen bytes, or none.
fn optional_bytes(stored: &[u8], table: Table) -> Read<Option<[u8; 16]>> {
    if stored.is_empty() {
        return Ok(None);
    }
    stored.try_into().map(Some).map_err(|_| corrupt(table))
}

fn stored_bytes(bytes: Option<[u8; 16]>) -> Bytes {
    bytes.map_or_else(Bytes::new, |bytes| Bytes::copy_from_slice(&bytes))
}

/// Who did something.
pub(super) fn actor(row: &v1::RoomEvent) -> Read<AccountId> {
    AccountId::try_from(&row.actor_id[..]).map_err(|_| corrupt(Table::RoomEvent))
}

/// Reads an opened event, and the salt of what it says.
pub(super) fn salted_event(seq: Seq, row: v1::RoomEvent) -> Read<Salted> {
    let salt = match &row.kind {
        Some(v1::room_event::Kind::Message(message)) => {
            optional_bytes(&message.salt, Table::RoomEvent)?.map(Salt)
        }
        Some(_) | None => None,
    };
    let event = event(seq, row)?;
    Ok(Salted {
        event,
        salt,
        forgotten: Vec::new(),
    })
}

/// Reads an opened event. An edit comes without its message, which lies in the row of its target.
pub(super) fn event(seq: Seq, row: v1::RoomEvent) -> Read<Event> {
    use v1::room_event::Kind as Stored;
    let broken = || corrupt(Table::RoomEvent);
    let actor = actor(&row)?;
    let kind = match row.kind.ok_or_else(broken)? {
        Stored::Message(row) => EventKind::Message(message(row)?),
        Stored::Edit(edit) => EventKind::Edit {
            target: Seq(edit.target_seq),
            message: None,
        },
        Stored::Deletion(deletion) => EventKind::Deletion {
            target: Seq(deletion.target_seq),
        },
        Stored::Membership(change) => EventKind::Membership(MembershipChange {
            account: AccountId::try_from(&change.account_id[..]).map_err(|_| broken())?,
            kind: MembershipKind::from_number(change.change).ok_or_else(broken)?,
            member: role(change.role).map(|role| Member {
                role,
                mute: mute(change.muted, change.until_ms),
            }),
        }),
        Stored::Room(change) => EventKind::Room(RoomChange {
            display_name: change.display_name,
            topic: change.topic,
            archived: change.archived,
        }),
    };
    Ok(Event {
        seq,
        at: UnixMillis(row.time_ms),
        actor,
        message_count: row.message_count,
        kind,
    })
}

/// `salt` is that of the message, if the event is one.
pub(super) fn stored_event(event: Event, salt: Option<Salt>) -> v1::RoomEvent {
    use v1::room_event::Kind as Stored;
    let kind = match event.kind {
        EventKind::Message(message) => Stored::Message(stored_message(message, salt)),
        EventKind::Edit { target, .. } => Stored::Edit(v1::MessageEdit {
            target_seq: target.0,
        }),
        EventKind::Deletion { target } => Stored::Deletion(v1::MessageDeletion {
            target_seq: target.0,
        }),
        EventKind::Membership(change) => Stored::Membership(v1::MembershipChange {
            account_id: Bytes::copy_from_slice(change.account.as_bytes()),
            change: change.kind as u32,
            role: change.member.map_or(0, |member| stored_role(member.role)),
            until_ms: until_ms(change.member.and_then(|member| member.mute)),
            muted: change.member.is_some_and(|member| member.mute.is_some()),
        }),
        EventKind::Room(change) => Stored::Room(v1::RoomChange {
            display_name: change.display_name,
            topic: change.topic,
            archived: change.archived,
        }),
    };
    v1::RoomEvent {
        time_ms: event.at.0,
        actor_id: Bytes::copy_from_slice(event.actor.as_bytes()),
        message_count: event.message_count,
        day: event.at.day().0,
        sealed: Bytes::new(),
        kind: Some(kind),
    }
}

fn room_id(bytes: &[u8], table: Table) -> Read<RoomId> {
    RoomId::try_from(bytes).map_err(|_| corrupt(table))
}

pub(crate) fn direct_room(row: &v1::DirectRoom) -> Read<RoomId> {
    room_id(&row.room_id, Table::DirectRoom)
}

pub(super) fn stored_direct_room(room: RoomId) -> v1::DirectRoom {
    v1::DirectRoom {
        room_id: Bytes::copy_from_slice(room.as_bytes()),
    }
}

pub(crate) fn link_room(row: &v1::RoomLink) -> Read<RoomId> {
    room_id(&row.room_id, Table::RoomLink)
}

pub(super) fn stored_link(room: RoomId) -> v1::RoomLink {
    v1::RoomLink {
        room_id: Bytes::copy_from_slice(room.as_bytes()),
    }
}
