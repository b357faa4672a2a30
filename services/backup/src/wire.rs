//! What a backup has to know of stored rows, and how its records and its progress are encoded.

use bytes::Bytes;
use cluster_store::schema::{AccountName, ClientMessage};
use cluster_store::{Row, StoreError};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use prost::Message as _;
use proto::storage::v1;

use crate::RawRow;
use crate::collect::{Expected, Place, Progress, Record, Scope};

/// Reads whose a name is.
pub(crate) fn name_owner(value: &Bytes) -> Result<AccountId, StoreError> {
    let table = AccountName::TABLE;
    let id = decoded::<AccountName>(value)?.account_id;
    AccountId::try_from(&id[..]).map_err(|_| StoreError::Corrupt { table })
}

/// Reads which event a client message id was used for.
pub(crate) fn used_for(value: &Bytes) -> Result<(RoomId, Seq), StoreError> {
    let table = ClientMessage::TABLE;
    let row = decoded::<ClientMessage>(value)?;
    let room = RoomId::try_from(&row.room_id[..]).map_err(|_| StoreError::Corrupt { table })?;
    Ok((room, Seq(row.seq)))
}

/// Reads a value of the table of `K`.
pub(crate) fn decoded<K: Row>(value: &Bytes) -> Result<K::Value, StoreError> {
    let table = K::TABLE;
    K::Value::decode(value.clone()).map_err(|_| StoreError::Corrupt { table })
}

/// Reads a key of the table of `K`.
pub(crate) fn key<K: Row>(key: &[u8]) -> Result<K, StoreError> {
    let table = K::TABLE;
    K::decode(key).map_err(|_| StoreError::Corrupt { table })
}

/// A row, as it lies in the store.
pub(crate) fn row<K: Row>(key: &K, value: &K::Value) -> RawRow {
    RawRow {
        key: key.encode(),
        value: value.encode_to_vec().into(),
    }
}

/// A record or a progress that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the backup holds something that this program does not know")]
pub struct InvalidRecord;

/// A record, as it lies in an archive.
pub(crate) fn record(record: &Record) -> Bytes {
    use v1::backup_record::Kind;
    let room_id = |room: &RoomId| Bytes::copy_from_slice(room.as_bytes().as_slice());
    let file_id = |file: &FileId| Bytes::copy_from_slice(file.as_bytes().as_slice());
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
        Record::File(file, size) => Kind::File(v1::BackupFile {
            file_id: file_id(file),
            size: *size,
        }),
        Record::FileBytes(bytes) => Kind::FileBytes(bytes.clone()),
        Record::FileGone(file) => Kind::FileGone(v1::BackupFileGone {
            file_id: file_id(file),
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
        Kind::File(file) => Record::File(file_id(&file.file_id)?, file.size),
        Kind::FileBytes(bytes) => Record::FileBytes(bytes),
        Kind::FileGone(gone) => Record::FileGone(file_id(&gone.file_id)?),
    })
}

/// How far a backup has come, as it lies beside a chunk.
pub(crate) fn progress(progress: &Progress) -> Vec<u8> {
    let id = |id: &[u8; 16]| Bytes::copy_from_slice(id);
    let mut to = v1::BackupProgress {
        records: progress.records,
        counts: progress.counts.clone().into_iter().collect(),
        scope: stored_scope(progress.scope),
        is_begun: progress.place != Place::Start,
        deployment_id: progress.deployment.clone(),
        generation: progress.generation,
        expected_events: progress.expected.events,
        expected_file_bytes: progress.expected.file_bytes,
        ..Default::default()
    };
    match &progress.place {
        Place::Start => {}
        Place::RoomAfter(room) => {
            to.room_id = room.map_or_else(Bytes::new, |room| id(room.as_bytes()));
        }
        Place::Room(room, next) => {
            to.room_id = id(room.as_bytes());
            to.next_seq = next.0;
        }
        Place::RowAfter(key) => {
            to.rooms_done = true;
            to.after_key = key.clone();
        }
        Place::FileAfter(file) => {
            to.rows_done = true;
            to.file_id = file.map_or_else(Bytes::new, |file| id(file.as_bytes()));
        }
        Place::File { file, size, at } => {
            to.rows_done = true;
            to.file_id = id(file.as_bytes());
            (to.file_size, to.file_at) = (*size, *at);
        }
    }
    to.encode_to_vec()
}

/// Reads how far a backup has come.
pub(crate) fn read_progress(bytes: &[u8]) -> Result<Progress, InvalidRecord> {
    let from = v1::BackupProgress::decode(bytes).map_err(|_| InvalidRecord)?;
    let place = if !from.is_begun {
        Place::Start
    } else if from.rows_done {
        match (&from.file_id[..], from.file_size) {
            ([], _) => Place::FileAfter(None),
            (file, 0) => Place::FileAfter(Some(file_id(file)?)),
            (file, size) => Place::File {
                file: file_id(file)?,
                size,
                at: from.file_at,
            },
        }
    } else if from.rooms_done {
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
        scope: scope(from.scope)?,
        deployment: from.deployment_id,
        generation: from.generation,
        expected: Expected {
            events: from.expected_events,
            file_bytes: from.expected_file_bytes,
        },
        place,
        records: from.records,
        counts: from.counts.into_iter().collect(),
    })
}

/// What a server hands out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Records, as they lie in an archive, and how far it has come with them.
    Records {
        records: Vec<Bytes>,
        progress: Progress,
    },
    /// There are no more.
    End,
    /// There are no more, for this reason.
    Trouble(Trouble),
}

/// Why a server hands out no rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    /// Whether the same may be asked for later.
    pub(crate) passes: bool,
}

impl Part {
    /// The part, as it goes over the socket.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let part = match self {
            Self::Records {
                records,
                progress: at,
            } => v1::BackupPart {
                records: records.clone(),
                progress: progress(at).into(),
                ..Default::default()
            },
            Self::End => v1::BackupPart {
                end: true,
                ..Default::default()
            },
            Self::Trouble(trouble) => v1::BackupPart {
                trouble: trouble.text.clone(),
                passes: trouble.passes,
                ..Default::default()
            },
        };
        part.encode_to_vec()
    }
}

/// Reads what a server hands out.
pub(crate) fn read_part(bytes: Bytes) -> Result<Part, InvalidRecord> {
    let part = v1::BackupPart::decode(bytes).map_err(|_| InvalidRecord)?;
    Ok(if !part.trouble.is_empty() {
        Part::Trouble(Trouble {
            text: part.trouble,
            passes: part.passes,
        })
    } else if part.end {
        Part::End
    } else {
        Part::Records {
            records: part.records,
            progress: read_progress(&part.progress)?,
        }
    })
}

/// How much of a store an archive is of, as stored.
pub(crate) const fn stored_scope(scope: Scope) -> i32 {
    match scope {
        Scope::All => v1::BackupScope::Unspecified as i32,
        Scope::Rows => v1::BackupScope::Rows as i32,
        Scope::Erasures => v1::BackupScope::Erasures as i32,
    }
}

/// Reads how much of a store an archive is of.
pub(crate) fn scope(stored: i32) -> Result<Scope, InvalidRecord> {
    match v1::BackupScope::try_from(stored).map_err(|_| InvalidRecord)? {
        v1::BackupScope::Unspecified => Ok(Scope::All),
        v1::BackupScope::Rows => Ok(Scope::Rows),
        v1::BackupScope::Erasures => Ok(Scope::Erasures),
    }
}

fn file_id(bytes: &[u8]) -> Result<FileId, InvalidRecord> {
    FileId::try_from(bytes).map_err(|_| InvalidRecord)
}

fn room_id(bytes: &[u8]) -> Result<RoomId, InvalidRecord> {
    let bytes = bytes.try_into().map_err(|_| InvalidRecord)?;
    Ok(RoomId::from_bytes(bytes))
}
