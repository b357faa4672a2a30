//! What a backup has to know of stored rows, and how its records and its progress are encoded.

use bytes::Bytes;
use cluster_store::schema::{Room, RoomEvent, RoomMember};
use cluster_store::{Row as _, StoreError};
use cluster_types::{RoomId, Seq};
use prost::Message as _;
use proto::storage::v1;

use crate::RawRow;
use crate::collect::{Place, Progress, Record};

/// Reads an event.
pub(crate) fn event(value: &Bytes) -> Result<v1::RoomEvent, StoreError> {
    let table = RoomEvent::TABLE;
    v1::RoomEvent::decode(value.clone()).map_err(|_| StoreError::Corrupt { table })
}

/// Reads where an event stands.
pub(crate) fn event_key(key: &[u8]) -> Result<RoomEvent, StoreError> {
    let table = RoomEvent::TABLE;
    RoomEvent::decode(key).map_err(|_| StoreError::Corrupt { table })
}

/// Reads who is a member.
pub(crate) fn member_key(key: &[u8]) -> Result<RoomMember, StoreError> {
    let table = RoomMember::TABLE;
    RoomMember::decode(key).map_err(|_| StoreError::Corrupt { table })
}

/// Reads what a room is.
pub(crate) fn room(value: &Bytes) -> Result<v1::Room, StoreError> {
    let table = Room::TABLE;
    v1::Room::decode(value.clone()).map_err(|_| StoreError::Corrupt { table })
}

/// Reads which room it is.
pub(crate) fn room_key(key: &[u8]) -> Result<Room, StoreError> {
    let table = Room::TABLE;
    Room::decode(key).map_err(|_| StoreError::Corrupt { table })
}

/// A record or a progress that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the backup holds something that this program does not know")]
pub struct InvalidRecord;

/// A record, as it lies in an archive.
pub(crate) fn record(record: &Record) -> Bytes {
    use v1::backup_record::Kind;
    let room_id = |room: &RoomId| Bytes::copy_from_slice(room.as_bytes().as_slice());
    let kind = match record {
        Record::Row(RawRow { key, value }) => Kind::Row(v1::BackupRow {
            key: key.clone(),
            value: value.clone(),
        }),
        Record::RoomEnd(room, head) => Kind::RoomEnd(v1::BackupRoomEnd {
            room_id: room_id(room),
            head_seq: head.0,
        }),
        Record::RoomGone(room) => Kind::RoomGone(v1::BackupRoomGone {
            room_id: room_id(room),
        }),
    };
    let kind = Some(kind);
    v1::BackupRecord { kind }.encode_to_vec().into()
}

/// Reads a record.
pub(crate) fn read_record(bytes: Bytes) -> Result<Record, InvalidRecord> {
    use v1::backup_record::Kind;
    let record = v1::BackupRecord::decode(bytes).map_err(|_| InvalidRecord)?;
    Ok(match record.kind.ok_or(InvalidRecord)? {
        Kind::Row(v1::BackupRow { key, value }) => Record::Row(RawRow { key, value }),
        Kind::RoomEnd(end) => Record::RoomEnd(room_id(&end.room_id)?, Seq(end.head_seq)),
        Kind::RoomGone(gone) => Record::RoomGone(room_id(&gone.room_id)?),
    })
}

/// How far a backup has come, as it lies beside a chunk.
pub(crate) fn progress(progress: &Progress) -> Vec<u8> {
    let id = |room: RoomId| Bytes::copy_from_slice(room.as_bytes().as_slice());
    let mut to = v1::BackupProgress {
        records: progress.records,
        counts: progress.counts.clone().into_iter().collect(),
        ..Default::default()
    };
    match &progress.place {
        Place::RoomAfter(room) => to.room_id = room.map(id).unwrap_or_default(),
        Place::Room(room, next) => {
            to.room_id = id(*room);
            to.next_seq = next.0;
        }
        Place::RowAfter(key) => {
            to.rooms_done = true;
            to.after_key = key.clone();
        }
    }
    to.encode_to_vec()
}

/// Reads how far a backup has come.
pub(crate) fn read_progress(bytes: &[u8]) -> Result<Progress, InvalidRecord> {
    let from = v1::BackupProgress::decode(bytes).map_err(|_| InvalidRecord)?;
    let place = if from.rooms_done {
        Place::RowAfter(from.after_key)
    } else if from.room_id.is_empty() {
        Place::RoomAfter(None)
    } else {
        match (room_id(&from.room_id)?, from.next_seq) {
            (room, 0) => Place::RoomAfter(Some(room)),
            (room, next) => Place::Room(room, Seq(next)),
        }
    };
    Ok(Progress {
        place,
        records: from.records,
        counts: from.counts.into_iter().collect(),
    })
}

fn room_id(bytes: &[u8]) -> Result<RoomId, InvalidRecord> {
    let bytes = bytes.try_into().map_err(|_| InvalidRecord)?;
    Ok(RoomId::from_bytes(bytes))
}
