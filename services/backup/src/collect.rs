//! [`Collector`]: all of a store, record by record, while it serves.
//!
//! First what the store is, then the rooms, each as it stood at one moment ([`rooms`](crate::rooms)), then the
//! tables that rooms and people need. **Invariant: whatever was acknowledged before the first step is in the
//! records.** A room that is made later may be there or not. A row of a table that is copied after the rooms
//! may speak of an event that came after its room was copied: who restores leaves such rows out. What the
//! store is comes first, since an upgrade may end on the way: rows of an earlier release that were copied
//! before are upgraded after the restore.
//!
//! **Invariant: all wrapped keys are copied as one generation wraps them**, the one that the copied vault names, for
//! the operator's copy of the key may have no other. During a rotation none are copied. What was copied before
//! one is copied anew after it; a key that was destroyed in between is left behind in the records, under a
//! generation that the vault does not name, and who restores leaves it out.
//!
//! Files come last, so that none of a message that was copied is missed: those that are in some message by
//! then, in the order of their ids. One that went meanwhile is not in the backup.
//!
//! After any step [`Collector::progress`] says where it stands, and another collector goes on from there, as
//! much later as it likes.

mod files;
mod progress;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use cluster_store::schema::{Deployment, FileQuota, Room, RoomHead, Vault};
use cluster_store::{RangeQuery, Row, Store, StoreError, Table, Transaction};
use cluster_types::{FileId, RoomId, Seq};
use proto::storage::v1;
use services_files::{ReadError, SealedFiles};

use crate::RawRow;
use crate::limits::ROWS_AT_ONCE;
use crate::plan::{self, Plan};
use crate::rooms::{RoomCopy, Step};
use crate::wire;

use progress::{EVENTS, ROOMS};
pub(crate) use progress::{Expected, Place};
pub use progress::{InvalidRecord, Progress, Scope};

/// One thing that a backup holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// A row. Of rows with the same key the last one counts.
    Row(RawRow),
    /// All rows of this room have come; it stands at this event.
    RoomEnd(RoomId, Seq),
    /// This room was deleted on the way: its rows do not count.
    RoomGone(RoomId),
    /// The bytes of this file follow. It has so many when it is opened.
    File(FileId, u64),
    /// Those that come next of the file, as they lie.
    FileBytes(Bytes),
    /// This file went on the way: its bytes do not count.
    FileGone(FileId),
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

/// Why a store is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The backup was begun with the store of another deployment.
    #[error("what was begun is a backup of another deployment")]
    OtherDeployment,
    /// Its keys are wrapped under two generations.
    #[error("its keys are being rotated: run the backup again when that is over")]
    Rotating,
    /// A file is there and does not read.
    #[error("the file {file} cannot be read")]
    File {
        /// Which.
        file: FileId,
        /// What went wrong.
        #[source]
        source: ReadError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CollectError {
    /// Whether it passes by itself, so that the same may be tried later.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Rotating => true,
            Self::OtherDeployment | Self::File { .. } => false,
            Self::Store(error) => matches!(
                error,
                StoreError::Unavailable
                    | StoreError::Contended
                    | StoreError::TooOld
                    | StoreError::Closed
            ),
        }
    }
}

/// Reads a store from one end to the other.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    files: SealedFiles,
    progress: Progress,
}

impl Collector {
    /// Begins, or goes on where another one was.
    pub(crate) const fn new(store: Store, files: SealedFiles, progress: Progress) -> Self {
        Self {
            store,
            files,
            progress,
        }
    }

    /// The same, after a look whether it goes on with the store with which it began.
    ///
    /// # Errors
    /// If it is the store of another deployment, or fails.
    pub async fn open(
        store: Store,
        files: SealedFiles,
        progress: Progress,
    ) -> Result<Self, CollectError> {
        let row = store.read::<_, StoreError, _, _>(|tx: Transaction| async move {
            tx.row(&Deployment {}).await
        });
        let row = row.await?.unwrap_or_default();
        if progress.place != Place::Start && progress.deployment != row.deployment_id {
            return Err(CollectError::OtherDeployment);
        }
        Ok(Self::new(store, files, progress))
    }

    /// Where it stands.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The next records; `None` when there are no more. A step reads one page of the store, so some have no
    /// records.
    ///
    /// # Errors
    /// If the store fails, or keys are to be copied during a rotation; the step can be repeated.
    pub async fn step(&mut self) -> Result<Option<Vec<Record>>, CollectError> {
        let records = match self.progress.place.clone() {
            Place::Start => self.start().await?,
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
                None if self.progress.scope == Scope::All => {
                    self.progress.place = Place::FileAfter(None);
                    Vec::new()
                }
                None => return Ok(None),
            },
            Place::FileAfter(file) => match self.next_file(file).await? {
                Some(records) => records,
                None => return Ok(None),
            },
            Place::File { file, size, at } => self.file_bytes(file, size, at).await?,
        };
        self.progress.records += records.len() as u64;
        Ok(Some(records))
    }

    async fn start(&mut self) -> Result<Vec<Record>, StoreError> {
        let key = &Deployment {}.encode();
        let read = |tx: Transaction| async move { tx.get(key).await };
        let row = self.store.read::<_, StoreError, _, _>(read).await?;
        if let Some(row) = &row {
            self.progress.deployment = wire::decoded::<Deployment>(row)?.deployment_id;
        }
        self.progress.place = match self.progress.scope {
            Scope::All | Scope::Rows => {
                self.progress.expected.events = sum::<RoomHead>(&self.store, |row| row.seq).await?;
                Place::RoomAfter(None)
            }
            Scope::Erasures => Place::RowAfter(Bytes::new()),
        };
        if self.progress.scope == Scope::All {
            let bytes = sum::<FileQuota>(&self.store, |row| row.bytes);
            self.progress.expected.file_bytes = bytes.await?;
        }
        let key = key.clone();
        let row = row.map(|value| Record::Row(RawRow { key, value }));
        Ok(row.into_iter().collect())
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
                self.progress.add(ROOMS, 1);
                self.progress.add(EVENTS, head.0);
                (rows, Some(Record::RoomEnd(room, head)))
            }
            Step::Gone => (Vec::new(), Some(Record::RoomGone(room))),
        };
        if end.is_some() {
            self.progress.place = Place::RoomAfter(Some(room));
        }
        Ok(rows.into_iter().map(Record::Row).chain(end).collect())
    }

    async fn rows(&mut self, after: Bytes) -> Result<Option<Vec<Record>>, CollectError> {
        for table in Plan::after_rooms(self.progress.scope) {
            let (begin, end) = bounds(table, &after);
            if begin >= end {
                continue;
            }
            let query = RangeQuery::new(begin, end);
            let query = query.limit_rows(ROWS_AT_ONCE).snapshot();
            let read = |tx: Transaction| {
                let query = query.clone();
                async move { Ok((tx.get_range(query).await?, tx.row(&Vault {}).await?)) }
            };
            let (page, vault) = self.store.read::<_, StoreError, _, _>(read).await?;
            let is_key = plan::KEYS.contains(&table);
            if is_key && !self.goes_with(table, &vault.unwrap_or_default())? {
                return Ok(Some(Vec::new()));
            }
            if let Some((last, _)) = page.rows.last() {
                self.progress.place = Place::RowAfter(last.clone());
                let count = page.rows.len() as u64;
                self.progress.add(&format!("{table:?}"), count);
                let rows = page.rows.into_iter().map(RawRow::from);
                return Ok(Some(rows.map(Record::Row).collect()));
            }
        }
        Ok(None)
    }

    /// Whether keys of this table go with those before, while the vault is this. If not, all are copied anew.
    fn goes_with(&mut self, table: Table, vault: &v1::Vault) -> Result<bool, CollectError> {
        let generation = match &vault.generations[..] {
            [] => 0,
            [one] => one.number,
            _ => return Err(CollectError::Rotating),
        };
        if table == Table::Vault {
            self.progress.generation = generation;
        }
        if self.progress.generation == generation {
            return Ok(true);
        }
        let before = Table::Vault as u16 - 1;
        self.progress.place = Place::RowAfter(Bytes::copy_from_slice(&before.to_be_bytes()));
        for table in plan::KEYS {
            self.progress.counts.remove(&format!("{table:?}"));
        }
        Ok(false)
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
        if !wire::decoded::<Room>(value)?.deleted {
            return Ok(Some(wire::key::<Room>(key)?.room));
        }
        begin = Bytes::from([&key[..], &[0]].concat());
    }
}

/// The sum of a number in all rows of a table. A row that does not read does not count.
async fn sum<K: Row>(store: &Store, of: fn(&K::Value) -> u64) -> Result<u64, StoreError> {
    let (begin, end) = bounds(K::TABLE, &[]);
    let (mut rest, mut sum) = (Some(RangeQuery::new(begin, end).snapshot()), 0);
    while let Some(query) = rest {
        let read = |tx: Transaction| {
            let query = query.clone();
            async move { tx.get_range(query).await }
        };
        let page = store.read::<_, StoreError, _, _>(read).await?;
        rest = query.after(&page);
        let rows = page.rows.iter();
        let numbers = rows.filter_map(|(_, value)| wire::decoded::<K>(value).ok());
        sum += numbers.map(|row| of(&row)).sum::<u64>();
    }
    Ok(sum)
}
