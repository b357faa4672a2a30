//! [`Collector`]: all of a store, record by record, while it serves.
//!
//! First the rooms, each as it stood at one moment ([`rooms`](crate::rooms)), then the tables that rooms
//! and people need. **Invariant: whatever was acknowledged before the first step is in the records.** A room
//! that is made later may be there or not. A row of a table that is copied after the rooms may speak of an
//! event that came after its room was copied: who restores leaves such rows out.
//!
//! After any step [`Collector::progress`] says where it stands, and another collector goes on from there, as
//! much later as it likes.

use std::collections::BTreeMap;

use bytes::Bytes;
use cluster_store::schema::Room;
use cluster_store::{RangeQuery, Row as _, Store, StoreError, Table, Transaction};
use cluster_types::{RoomId, Seq};

use crate::RawRow;
use crate::plan::Plan;
use crate::rooms::{RoomCopy, Step};
use crate::wire;
pub use crate::wire::InvalidRecord;

#[cfg(test)]
mod tests;

/// One thing that a backup holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// A row. Of rows with the same key the last one counts.
    Row(RawRow),
    /// All rows of this room have come; it stands at this event.
    RoomEnd(RoomId, Seq),
    /// This room was deleted on the way: its rows do not count.
    RoomGone(RoomId),
}

impl Record {
    /// The record, as it lies in an archive.
    pub fn encode(&self) -> Bytes {
        wire::record(self)
    }

    /// Reads a record of an archive.
    ///
    /// # Errors
    /// If it is of a kind that this program does not know.
    pub fn decode(bytes: Bytes) -> Result<Self, InvalidRecord> {
        wire::read_record(bytes)
    }
}

/// How far a backup has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// What stands next.
    pub(crate) place: Place,
    /// Records so far.
    pub records: u64,
    /// Rooms and events that were copied whole, and rows of the other tables, by their names.
    pub counts: BTreeMap<String, u64>,
}

impl Progress {
    /// The progress, as it lies beside a chunk of an archive.
    pub fn encode(&self) -> Vec<u8> {
        wire::progress(self)
    }

    /// Reads the progress of an archive.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        wire::read_progress(bytes)
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The room after this one.
    RoomAfter(Option<RoomId>),
    /// This event of this room.
    Room(RoomId, Seq),
    /// The rows after this key, of the tables that come after the rooms.
    RowAfter(Bytes),
}

impl Default for Place {
    fn default() -> Self {
        Self::RoomAfter(None)
    }
}

/// Reads a store from one end to the other.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    progress: Progress,
}

impl Collector {
    /// Begins, or goes on where another one was.
    pub const fn new(store: Store, progress: Progress) -> Self {
        Self { store, progress }
    }

    /// Where it stands.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The next records; `None` when there are no more. A step reads one page of the store, so some have no
    /// records.
    ///
    /// # Errors
    /// If the store fails; the step can be repeated.
    pub async fn step(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let records = match self.progress.place.clone() {
            Place::RoomAfter(room) => match next_room(&self.store, room).await? {
                Some(room) => self.room(RoomCopy::new(room)).await?,
                None => {
                    self.progress.place = Place::RowAfter(Bytes::new());
                    Vec::new()
                }
            },
            Place::Room(room, next) => self.room(RoomCopy::from(room, next)).await?,
            Place::RowAfter(key) => match self.rows(key).await? {
                Some(records) => records,
                None => return Ok(None),
            },
        };
        self.progress.records += records.len() as u64;
        Ok(Some(records))
    }

    async fn room(&mut self, mut copy: RoomCopy) -> Result<Vec<Record>, StoreError> {
        let step = copy.step(&self.store).await?;
        let (room, next) = copy.place();
        let (rows, end) = match step {
            Step::Rows(rows) => {
                self.progress.place = Place::Room(room, next);
                (rows, None)
            }
            Step::Last(rows, head) => {
                self.count("rooms", 1);
                self.count("events", head.0);
                (rows, Some(Record::RoomEnd(room, head)))
            }
            Step::Gone => (Vec::new(), Some(Record::RoomGone(room))),
        };
        if end.is_some() {
            self.progress.place = Place::RoomAfter(Some(room));
        }
        Ok(rows.into_iter().map(Record::Row).chain(end).collect())
    }

    async fn rows(&mut self, after: Bytes) -> Result<Option<Vec<Record>>, StoreError> {
        for table in Plan::after_rooms() {
            let (begin, end) = bounds(table, &after);
            if begin >= end {
                continue;
            }
            let query = RangeQuery::new(begin, end).snapshot();
            let read = |tx: Transaction| {
                let query = query.clone();
                async move { tx.get_range(query).await }
            };
            let page = self.store.read::<_, StoreError, _, _>(read).await?;
            if let Some((last, _)) = page.rows.last() {
                self.progress.place = Place::RowAfter(last.clone());
                self.count(&format!("{table:?}"), page.rows.len() as u64);
                let rows = page.rows.into_iter().map(RawRow::from);
                return Ok(Some(rows.map(Record::Row).collect()));
            }
        }
        Ok(None)
    }

    fn count(&mut self, what: &str, more: u64) {
        *self.progress.counts.entry(what.to_owned()).or_default() += more;
    }
}

/// The part of a table that lies after a key.
fn bounds(table: Table, after: &[u8]) -> (Bytes, Bytes) {
    let prefix = table as u16;
    let begin = Bytes::copy_from_slice(&prefix.to_be_bytes());
    let end = Bytes::copy_from_slice(&(prefix + 1).to_be_bytes());
    let successor = Bytes::from([after, &[0]].concat());
    (begin.max(successor), end)
}

/// The first room after this one that is not deleted.
async fn next_room(store: &Store, after: Option<RoomId>) -> Result<Option<RoomId>, StoreError> {
    let after = after.map_or_else(Bytes::new, |room| Room { room }.encode());
    let (mut begin, end) = bounds(Table::Room, &after);
    loop {
        let query = RangeQuery::new(begin, end.clone());
        let query = query.limit_rows(1).snapshot();
        let read = |tx: Transaction| {
            let query = query.clone();
            async move { tx.get_range(query).await }
        };
        let page = store.read::<_, StoreError, _, _>(read).await?;
        let Some((key, value)) = page.rows.first() else {
            return Ok(None);
        };
        if !wire::room(value)?.deleted {
            return Ok(Some(wire::room_key(key)?.room));
        }
        begin = Bytes::from([&key[..], &[0]].concat());
    }
}
