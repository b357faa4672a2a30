//! What nodes tell each other of rooms, encoded and read.
//!
//! Invariant: what does not read is forgotten: it is of a later release, or of nobody who means well.

use bytes::Bytes;
use cluster_types::{AccountId, RoomId, Seq};
use prost::Message as _;
use proto::cluster::v1;
use proto::cluster::v1::told::{self, Told};
use services_rooms::{Priority, Published, ReadMark, Standing, wire};

use crate::outbox::Missed;
use crate::presence::State as Present;

/// Something that another node tells.
#[derive(Debug)]
pub(crate) enum Heard {
    Event(Published),
    Missed(RoomId, Missed),
    Unsubscribe(Vec<RoomId>),
    Gained(RoomId, AccountId, Seq),
    Deleted(RoomId),
    Read(RoomId, AccountId, ReadMark),
    Typing(RoomId, AccountId),
    Presence(Vec<(AccountId, Present)>, IsAll),
    Doubt,
}

/// Whether what was known of a node's people before is to be forgotten.
pub(crate) type IsAll = bool;

fn tell(told: Told) -> Bytes {
    let told = v1::Told { told: Some(told) };
    told.encode_to_vec().into()
}

fn room_id(room: RoomId) -> Vec<u8> {
    room.as_bytes().to_vec()
}

fn account_id(account: AccountId) -> Vec<u8> {
    account.as_bytes().to_vec()
}

fn wire_priority(priority: Option<Priority>) -> i32 {
    let priority = priority.map(wire::wire_priority);
    priority.unwrap_or(proto::v1::Priority::Unspecified).into()
}

pub(super) fn event(published: &Published) -> Bytes {
    let (gained, lost) = match published.standing {
        Some(Standing::Gained(account)) => (account_id(account), Vec::new()),
        Some(Standing::Lost(account)) => (Vec::new(), account_id(account)),
        None => (Vec::new(), Vec::new()),
    };
    tell(Told::Event(told::RoomEvent {
        room_id: room_id(published.room),
        seq: published.seq.0,
        message_count: published.message_count,
        actor_id: account_id(published.actor),
        priority: wire_priority(published.priority),
        gained_account_id: gained,
        lost_account_id: lost,
        frame: published.frame.clone(),
    }))
}

pub(super) fn missed(room: RoomId, missed: Missed) -> Bytes {
    tell(Told::Missed(told::Missed {
        room_id: room_id(room),
        seq: missed.head.0,
        message_count: missed.message_count,
        priority: wire_priority(missed.priority),
    }))
}

pub(super) fn unsubscribe(rooms: impl IntoIterator<Item = RoomId>) -> Bytes {
    let room_ids = rooms.into_iter().map(room_id).collect();
    tell(Told::Unsubscribe(told::Unsubscribe { room_ids }))
}

pub(super) fn gained(room: RoomId, account: AccountId, seq: Seq) -> Bytes {
    tell(Told::Gained(told::Gained {
        room_id: room_id(room),
        account_id: account_id(account),
        seq: seq.0,
    }))
}

pub(super) fn deleted(room: RoomId) -> Bytes {
    let room_id = room_id(room);
    tell(Told::Deleted(told::Deleted { room_id }))
}

pub(super) fn doubt() -> Bytes {
    tell(Told::Doubt(told::Doubt {}))
}

pub(super) fn read(room: RoomId, account: AccountId, mark: ReadMark) -> Bytes {
    tell(Told::Read(told::Read {
        room_id: room_id(room),
        account_id: account_id(account),
        seq: mark.seq.0,
        message_count: mark.message_count,
    }))
}

pub(super) fn typing(room: RoomId, account: AccountId) -> Bytes {
    tell(Told::Typing(told::Typing {
        room_id: room_id(room),
        account_id: account_id(account),
    }))
}

pub(super) fn presence(people: &[(AccountId, Present)], is_all: IsAll) -> Bytes {
    let person = |(account, state): &(AccountId, Present)| {
        let state = match state {
            Present::Offline => told::presence::State::Unspecified,
            Present::Away => told::presence::State::Away,
            Present::Online => told::presence::State::Online,
        };
        told::presence::Person {
            account_id: account_id(*account),
            state: state.into(),
        }
    };
    tell(Told::Presence(told::Presence {
        people: people.iter().map(person).collect(),
        is_all,
    }))
}

/// Reads what another node tells.
pub(crate) fn heard(told: Bytes) -> Option<Heard> {
    let told = v1::Told::decode(told).ok()?;
    Some(match told.told? {
        Told::Event(event) => Heard::Event(read_event(event)?),
        Told::Missed(missed) => {
            let head = Seq(missed.seq);
            let lost = Missed {
                first: head,
                head,
                message_count: missed.message_count,
                priority: read_priority(missed.priority),
            };
            Heard::Missed(read_room(&missed.room_id)?, lost)
        }
        Told::Unsubscribe(told::Unsubscribe { room_ids }) => {
            let rooms = room_ids.iter().filter_map(|room| read_room(room));
            Heard::Unsubscribe(rooms.collect())
        }
        Told::Gained(gained) => {
            let (room, account) = (&gained.room_id, &gained.account_id);
            Heard::Gained(read_room(room)?, read_account(account)?, Seq(gained.seq))
        }
        Told::Deleted(told::Deleted { room_id }) => Heard::Deleted(read_room(&room_id)?),
        Told::Read(read) => {
            let mark = ReadMark {
                seq: Seq(read.seq),
                message_count: read.message_count,
            };
            let (room, account) = (read_room(&read.room_id)?, read_account(&read.account_id)?);
            Heard::Read(room, account, mark)
        }
        Told::Typing(told::Typing {
            room_id,
            account_id,
        }) => Heard::Typing(read_room(&room_id)?, read_account(&account_id)?),
        Told::Doubt(told::Doubt {}) => Heard::Doubt,
        Told::Presence(told::Presence { people, is_all }) => {
            let people = people.iter().filter_map(read_person);
            Heard::Presence(people.collect(), is_all)
        }
    })
}

fn read_event(event: told::RoomEvent) -> Option<Published> {
    let gained = read_account(&event.gained_account_id).map(Standing::Gained);
    let lost = read_account(&event.lost_account_id).map(Standing::Lost);
    Some(Published {
        room: read_room(&event.room_id)?,
        seq: Seq(event.seq),
        message_count: event.message_count,
        actor: read_account(&event.actor_id)?,
        priority: read_priority(event.priority),
        standing: gained.or(lost),
        frame: event.frame,
    })
}

/// A number that is not known is that of a message, and most likely a loud one.
fn read_priority(priority: i32) -> Option<Priority> {
    match proto::v1::Priority::try_from(priority) {
        Ok(proto::v1::Priority::Unspecified) => None,
        Ok(proto::v1::Priority::Normal) => Some(Priority::Normal),
        Ok(proto::v1::Priority::High) => Some(Priority::High),
        Ok(proto::v1::Priority::Urgent) | Err(_) => Some(Priority::Urgent),
    }
}

fn read_person(person: &told::presence::Person) -> Option<(AccountId, Present)> {
    let state = match person.state() {
        told::presence::State::Unspecified => Present::Offline,
        told::presence::State::Away => Present::Away,
        told::presence::State::Online => Present::Online,
    };
    Some((read_account(&person.account_id)?, state))
}

pub(super) fn read_room(bytes: &[u8]) -> Option<RoomId> {
    RoomId::try_from(bytes).ok()
}

fn read_account(bytes: &[u8]) -> Option<AccountId> {
    AccountId::try_from(bytes).ok()
}

/// The rooms that a node subscribes for.
pub(super) fn subscribe(rooms: impl IntoIterator<Item = RoomId>) -> v1::Subscribe {
    let room_ids = rooms.into_iter().map(room_id).collect();
    v1::Subscribe { room_ids }
}

/// Reads what a node subscribes for.
pub(crate) fn subscribed_for(asked: &v1::Subscribe) -> Vec<RoomId> {
    let rooms = asked.room_ids.iter();
    rooms.filter_map(|room| read_room(room)).collect()
}

/// Which of the rooms a node is not told of.
pub(crate) fn elsewhere(rooms: &[RoomId]) -> v1::Subscribed {
    let elsewhere = rooms.iter().map(|room| room_id(*room)).collect();
    v1::Subscribed { elsewhere }
}
