//! [`Sealable`]: which fields of a row may be read where it lies, and which may not.
//!
//! Invariant: each field is named, so that a new one does not compile before somebody has decided.

use std::mem::take;

use bytes::Bytes;
use v1::room_event::Kind;

use super::v1;

/// A value of which only some fields may be read where it lies.
pub(crate) trait Sealable: prost::Message + Default {
    /// Takes out what may not be read.
    fn take_private(&mut self) -> Self;

    /// Where that lies, sealed.
    fn sealed(&mut self) -> &mut Bytes;
}

impl Sealable for v1::Room {
    fn take_private(&mut self) -> Self {
        let Self {
            kind: _,
            display_name,
            topic,
            archived: _,
            created_day: _,
            log_id: _,
            link_hash: _,
            deleted: _,
            changed_seq: _,
            sealed: _,
        } = self;
        Self {
            display_name: take(display_name),
            topic: take(topic),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

impl Sealable for v1::RoomMember {
    fn take_private(&mut self) -> Self {
        let Self {
            role: _,
            muted: _,
            muted_until_ms,
            sealed: _,
        } = self;
        Self {
            muted_until_ms: take(muted_until_ms),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

impl Sealable for v1::RoomEvent {
    fn take_private(&mut self) -> Self {
        let Self {
            time_ms,
            actor_id: _,
            message_count: _,
            day: _,
            sealed: _,
            kind,
        } = self;
        Self {
            time_ms: take(time_ms),
            kind: kind.as_mut().and_then(take_private),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

/// `None` if there is nothing to take.
fn take_private(kind: &mut Kind) -> Option<Kind> {
    match kind {
        Kind::Message(message) => some(private_of_message(message)).map(Kind::Message),
        Kind::Membership(change) => some(private_of_membership(change)).map(Kind::Membership),
        Kind::Room(change) => some(private_of_change(change)).map(Kind::Room),
        Kind::Edit(v1::MessageEdit { target_seq: _ })
        | Kind::Deletion(v1::MessageDeletion { target_seq: _ }) => None,
    }
}

fn some<V: Default + PartialEq>(private: V) -> Option<V> {
    (private != V::default()).then_some(private)
}

fn private_of_membership(change: &mut v1::MembershipChange) -> v1::MembershipChange {
    let v1::MembershipChange {
        account_id: _,
        change: _,
        role: _,
        until_ms,
        muted: _,
    } = change;
    v1::MembershipChange {
        until_ms: take(until_ms),
        ..Default::default()
    }
}

fn private_of_change(change: &mut v1::RoomChange) -> v1::RoomChange {
    let v1::RoomChange {
        display_name,
        topic,
        archived: _,
    } = change;
    v1::RoomChange {
        display_name: take(display_name),
        topic: take(topic),
        ..Default::default()
    }
}

fn private_of_message(message: &mut v1::Message) -> v1::Message {
    let v1::Message {
        body,
        format,
        priority,
        reply_to_seq,
        client_message_id,
        edited_seq: _,
        deleted: _,
        salt,
        attachments,
        file_ids: _,
    } = message;
    v1::Message {
        body: take(body),
        format: take(format),
        priority: take(priority),
        reply_to_seq: take(reply_to_seq),
        client_message_id: take(client_message_id),
        salt: take(salt),
        attachments: take(attachments),
        ..Default::default()
    }
}
