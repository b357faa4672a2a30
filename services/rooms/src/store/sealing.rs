//! What is sealed of a row, and how the row is put together again.
//!
//! A value has fields that stay readable, because rows are found, counted or ordered by them, and others.
//! The others are sealed as bytes of the same message and lie in its field `sealed`: to open a row is to
//! merge the two. So a row of schema version 1, of which nothing is sealed, reads as any other does.
//!
//! Invariants: a message is sealed under its author's month and its room's week; everything else under the
//! key of the room, so that it outlives whoever did it. A row that was sealed under a key that is not there
//! belongs to what was destroyed: a message reads as deleted then, and anything else is of a snapshot from
//! before its room was deleted.
//!
//! Leaves out: which fields are whose secret. That is [`Sealable`], in `secrets`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cluster_store::schema::{Row, Table};
use prost::Message as _;
use services_vault::limits::PLAINTEXT_BYTES_MAX;
use services_vault::{
    Broken, FieldAad, MessageAad, Nonces, Pair, PairName, Sealer, TooLong, Vault, VaultError,
};

use super::secrets::Sealable;
use super::{AccountId, Day, RoomEvent, RoomId, Salted, Seq, StoreError, UnixMillis, v1, values};
use crate::ClientMessageId;
use crate::limits::{ATTACHMENT_SEALED_BYTES, ATTACHMENTS_MAX, BODY_BYTES_MAX};

/// The name under which the sealed part of a row is bound to it. It is part of what is stored.
const FIELD: &str = "sealed";

/// Which layout the sealed part of a message has. It is part of what is stored.
const LAYOUT: u32 = 1;

// All that is sealed besides a body and files, names and topics among it, is far shorter than the rest.
const FILES_BYTES_MAX: usize = ATTACHMENTS_MAX * ATTACHMENT_SEALED_BYTES;
const _: () = assert!(BODY_BYTES_MAX + FILES_BYTES_MAX + 8 * 1024 <= PLAINTEXT_BYTES_MAX);

/// Opens rows of one room.
#[derive(Debug)]
pub(crate) struct Opener<'a> {
    vault: &'a Vault,
    room: RoomId,
    /// `None` if the room has no key: it was deleted, or nothing of it was sealed yet.
    fields: Option<Sealer>,
    /// A message was read whose key is not there.
    forgot: AtomicBool,
}

/// Why a row does not open.
enum Closed {
    /// The key that it was sealed under is not there.
    NoKey,
    /// It was changed, or moved to another place.
    Broken,
}

impl From<Broken> for Closed {
    fn from(Broken: Broken) -> Self {
        Self::Broken
    }
}

impl<'a> Opener<'a> {
    /// For what is read in a snapshot that has begun already: then whatever was sealed at its time has a
    /// key that is found here, unless it was destroyed since.
    pub(crate) async fn of(vault: &'a Vault, room: RoomId) -> Result<Self, StoreError> {
        let fields = vault
            .room_openers(&[room])
            .await
            .map_err(VaultError::into_store_error)?;
        let fields = fields.into_iter().next().flatten();
        Ok(Self {
            vault,
            room,
            fields,
            forgot: AtomicBool::new(false),
        })
    }

    /// As [`Opener::of`], for several rooms in their order.
    pub(crate) async fn of_each(
        vault: &'a Vault,
        rooms: &[RoomId],
    ) -> Result<Vec<Self>, StoreError> {
        let fields = vault
            .room_openers(rooms)
            .await
            .map_err(VaultError::into_store_error)?;
        let openers = rooms.iter().zip(fields).map(|(room, fields)| Self {
            vault,
            room: *room,
            fields,
            forgot: AtomicBool::new(false),
        });
        Ok(openers.collect())
    }

    /// Whose rows it opens.
    pub(crate) const fn room(&self) -> RoomId {
        self.room
    }

    /// Whether a message was read whose key is not there: its author was erased, or the room has been deleted since the
    /// snapshot.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.forgot.load(Ordering::Relaxed)
    }

    /// Opens a row that is no message.
    pub(crate) fn open<K>(&self, key: &K, row: K::Value) -> Result<K::Value, StoreError>
    where
        K: Row<Value: Sealable>,
    {
        let opened = opened::<K>(row, |sealed| {
            let fields = self.fields.as_ref().ok_or(Closed::NoKey)?;
            Ok(fields.open(&FieldAad::of(key, FIELD), sealed)?)
        });
        opened.map_err(|closed| match closed {
            // Whoever reads again finds that the room is gone; if the room is still there, its key is lost.
            Closed::NoKey => {
                let (room, table) = (self.room, K::TABLE);
                tracing::warn!(%room, ?table, "a row is sealed under a key that is not there");
                StoreError::TooOld
            }
            Closed::Broken => self.broken(K::TABLE, None),
        })
    }

    /// Opens events, with the keys of all of them found in one go.
    pub(crate) async fn events(
        &self,
        rows: impl IntoIterator<Item = (Seq, v1::RoomEvent)>,
    ) -> Result<Vec<Salted>, StoreError> {
        let (mut names, mut pairs, mut named) = (Vec::new(), HashMap::new(), Vec::new());
        for (seq, row) in rows {
            let name = self.pair_name(&row)?;
            if let Some(name) = name
                && pairs.insert(name, None).is_none()
            {
                names.push(name);
            }
            named.push((seq, row, name));
        }
        if !names.is_empty() {
            let found = self.vault.opening_pairs(&names).await;
            pairs.extend(
                names
                    .into_iter()
                    .zip(found.map_err(VaultError::into_store_error)?),
            );
        }
        let open = |(seq, row, name): (Seq, v1::RoomEvent, Option<PairName>)| {
            let row = match name {
                None => {
                    let room = self.room;
                    self.open(&RoomEvent { room, seq }, row)?
                }
                Some(name) => match pairs.get(&name).and_then(Option::as_ref) {
                    Some(pair) => self.open_message(name.author, seq, row, pair)?,
                    None => {
                        self.forgot.store(true, Ordering::Relaxed);
                        return forgotten(seq, row);
                    }
                },
            };
            values::salted_event(seq, row)
        };
        named.into_iter().map(open).collect()
    }

    fn open_message(
        &self,
        author: AccountId,
        seq: Seq,
        row: v1::RoomEvent,
        pair: &Pair,
    ) -> Result<v1::RoomEvent, StoreError> {
        let aad = place(self.room, seq, author);
        let opened = opened::<RoomEvent>(row, |sealed| Ok(pair.open(&aad, sealed)?));
        opened.map_err(|_| self.broken(Table::RoomEvent, Some(seq)))
    }

    /// The keys of a message; `None` if it is none, or not sealed.
    fn pair_name(&self, row: &v1::RoomEvent) -> Result<Option<PairName>, StoreError> {
        if row.sealed.is_empty() || !is_message(row) {
            return Ok(None);
        }
        message_keys(self.room, row).map(Some)
    }

    fn broken(&self, table: Table, seq: Option<Seq>) -> StoreError {
        let room = self.room;
        tracing::error!(%room, ?seq, ?table, "what is sealed in a row does not open");
        StoreError::Corrupt { table }
    }
}

/// Seals a row that is no message. One with nothing to seal stays as it is.
pub(crate) fn seal<K>(fields: &Sealer, key: &K, row: K::Value) -> K::Value
where
    K: Row<Value: Sealable>,
{
    sealed::<K>(row, |private| {
        fields.seal(&FieldAad::of(key, FIELD), private)
    })
}

/// Seals an event that is a message, in its place.
pub(crate) fn seal_message(
    pair: &Pair,
    nonces: &mut Nonces,
    RoomEvent { room, seq }: &RoomEvent,
    author: AccountId,
    row: v1::RoomEvent,
) -> v1::RoomEvent {
    sealed::<RoomEvent>(row, |private| {
        pair.seal(nonces, &place(*room, *seq, author), private)
    })
}

/// Whether an event is a message, and so under the keys of its author.
pub(crate) const fn is_message(row: &v1::RoomEvent) -> bool {
    matches!(row.kind, Some(v1::room_event::Kind::Message(_)))
}

/// The keys that a message in this row is under, or belongs under if nothing of it is sealed yet.
pub(crate) fn message_keys(room: RoomId, row: &v1::RoomEvent) -> Result<PairName, StoreError> {
    let day = if row.sealed.is_empty() {
        UnixMillis(row.time_ms).day()
    } else {
        Day(row.day)
    };
    Ok(PairName {
        author: values::actor(row)?,
        month: day.into(),
        room,
        week: day.into(),
    })
}

const fn place(room: RoomId, seq: Seq, author: AccountId) -> MessageAad {
    MessageAad {
        room,
        seq,
        author,
        schema: LAYOUT,
    }
}

fn sealed<K: Row<Value: Sealable>>(
    mut row: K::Value,
    seal: impl FnOnce(&[u8]) -> Result<Bytes, TooLong>,
) -> K::Value {
    let private = row.take_private().encode_to_vec();
    if !private.is_empty() {
        let sealed = seal(&private);
        *row.sealed() =
            sealed.expect("what people write is checked to be shorter where it comes in");
    }
    row
}

fn opened<K: Row<Value: Sealable>>(
    mut row: K::Value,
    open: impl FnOnce(&[u8]) -> Result<Vec<u8>, Closed>,
) -> Result<K::Value, Closed> {
    let sealed = std::mem::take(row.sealed());
    if sealed.is_empty() {
        return Ok(row);
    }
    let private = open(&sealed)?;
    // What lies readable in its place is not what was sealed.
    row.take_private();
    let merged = row.merge(Bytes::from(private));
    merged.map_err(|_| Closed::Broken)?;
    Ok(row)
}

/// What is left of a message whose key was destroyed: what is left of a deleted one, and of its time the
/// day.
fn forgotten(seq: Seq, mut row: v1::RoomEvent) -> Result<Salted, StoreError> {
    let forgotten = values::file_ids(&row)?;
    row.take_private();
    row.time_ms = Day(row.day).begin().0;
    if let Some(v1::room_event::Kind::Message(message)) = &mut row.kind {
        message.deleted = true;
        message.client_message_id = Bytes::copy_from_slice(&ClientMessageId::NONE.0);
    }
    let read = values::salted_event(seq, row)?;
    Ok(Salted { forgotten, ..read })
}

#[cfg(test)]
mod tests;
