//! The file, opened with redb: reading from a snapshot, writing a group, and opening it afresh after
//! the disk was full.
//!
//! Invariant: a group is written whole and synced, or not at all, or the process ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parking_lot::RwLock;
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition};

use super::disk::{Disk, Failure, Failures, Watched};
use super::{EmbeddedOptions, open};
use crate::backend::{Mutation, Page, PageFill, RangeQuery};
use crate::{OpenError, StoreError};

/// One table holds everything: the schema's prefixes tell tables apart.
const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

#[derive(Debug)]
pub(super) struct Engine {
    disk: Box<dyn Disk>,
    failures: Failures,
    cache_bytes: usize,
    /// `None` once closed.
    database: RwLock<Option<Database>>,
}

/// What became of a group.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// It is on the disk.
    Synced,
    /// There was no space, and nothing of it is committed.
    NoSpace,
    /// Nobody knows, and nothing can be trusted any more.
    Fatal(String),
}

impl Engine {
    pub(super) fn open(disk: impl Disk, options: &EmbeddedOptions) -> Result<Self, OpenError> {
        let engine = Self {
            disk: Box::new(disk),
            failures: Failures::default(),
            cache_bytes: options.cache_bytes,
            database: RwLock::new(None),
        };
        *engine.database.write() = Some(engine.open_database()?);
        Ok(engine)
    }

    /// Fixes a snapshot.
    pub(super) fn snapshot(&self) -> Result<Rows, StoreError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        let rows = database
            .begin_read()
            .map_err(redb::Error::from)
            .and_then(|transaction| transaction.open_table(ROWS).map_err(redb::Error::from));
        rows.map(Rows).map_err(|error| self.read_failed(&error))
    }

    /// Writes a group and waits until it is on the disk.
    pub(super) fn write<'a>(&self, mutations: impl Iterator<Item = &'a Mutation>) -> Written {
        match self.try_write(mutations) {
            Ok(()) => Written::Synced,
            Err(error) => match self.failures.worst() {
                Failure::NoSpace => Written::NoSpace,
                Failure::None | Failure::Fatal => Written::Fatal(error.to_string()),
            },
        }
    }

    /// Whether the file system has less than `min` bytes left.
    pub(super) fn is_nearly_full(&self, min: u64) -> bool {
        self.disk.free_bytes().is_some_and(|free| free < min)
    }

    /// Opens the file again after it was full: the engine refuses to go on with a file that failed.
    /// Snapshots taken before are lost.
    pub(super) fn reopen(&self) -> Result<(), OpenError> {
        let mut database = self.database.write();
        // Lets go of the lock on the file.
        *database = None;
        self.failures.clear();
        *database = Some(self.open_database()?);
        Ok(())
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        *self.database.write() = None;
    }

    /// Whether the disk failed so that the process has to end.
    pub(super) fn failed_for_good(&self) -> bool {
        self.failures.worst() == Failure::Fatal
    }

    /// What a failed read means. Snapshots that were lost to a reopening can be taken again.
    pub(super) fn read_failed(&self, error: &redb::Error) -> StoreError {
        let path = self.disk.path().display();
        if matches!(error, redb::Error::DatabaseClosed | redb::Error::PreviousIo) {
            return StoreError::TooOld;
        }
        tracing::error!(%error, %path, "a read failed");
        if matches!(error, redb::Error::Corrupted(_)) {
            StoreError::Damaged
        } else {
            StoreError::Unavailable
        }
    }

    fn open_database(&self) -> Result<Database, OpenError> {
        let path = self.disk.path();
        let backend = self
            .disk
            .open()
            .map_err(|error| open::refused(path, error))?;
        let backend = Watched::new(backend, self.failures.clone());
        // A file damaged by others can make the engine panic, which says no more than an error does.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Builder::new()
                .set_cache_size(self.cache_bytes)
                .create_with_backend(backend)?;
            make_table(&database)?;
            Ok(database)
        }));
        match opened {
            Ok(opened) => opened.map_err(|error| open::unusable(path, error)),
            Err(_) => Err(OpenError::Damaged {
                path: path.to_owned(),
                source: "the file's structure is broken".into(),
            }),
        }
    }

    fn try_write<'a>(
        &self,
        mutations: impl Iterator<Item = &'a Mutation>,
    ) -> Result<(), redb::Error> {
        let database = self.database.read();
        let database = database.as_ref().ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        // Implies two-phase commit; said all the same, since safety hangs on it.
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(ROWS)?;
            for mutation in mutations {
                match mutation {
                    Mutation::Set { key, value } => drop(table.insert(&key[..], &value[..])?),
                    Mutation::Clear { key } => drop(table.remove(&key[..])?),
                    Mutation::ClearRange { begin, end } => {
                        table.retain_in::<&[u8], _>(&begin[..]..&end[..], |_, _| false)?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// A new file has no table yet, and a snapshot cannot read what is not there.
fn make_table(database: &Database) -> Result<(), redb::DatabaseError> {
    let exists = database
        .begin_read()
        .map_err(storage)?
        .open_table(ROWS)
        .is_ok();
    if exists {
        return Ok(());
    }
    let mut transaction = database.begin_write().map_err(storage)?;
    transaction.set_quick_repair(true);
    transaction.open_table(ROWS).map_err(storage)?;
    transaction.commit().map_err(storage)?;
    Ok(())
}

/// The storage's own error inside one of the engine's.
fn storage(error: impl Into<redb::Error>) -> redb::DatabaseError {
    let error = error.into();
    let error = if let redb::Error::Io(error) = error {
        StorageError::Io(error)
    } else {
        StorageError::Corrupted(error.to_string())
    };
    redb::DatabaseError::Storage(error)
}

/// One snapshot of the file.
pub(super) struct Rows(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl Rows {
    pub(super) fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, redb::Error> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.0.get(&key[..])?;
            values.push(value.map(|value| Bytes::copy_from_slice(value.value())));
        }
        Ok(values)
    }

    pub(super) fn page(&self, query: &RangeQuery) -> Result<Page, redb::Error> {
        let mut fill = PageFill::new(query);
        if query.is_empty() {
            return Ok(fill.finish());
        }
        let mut range = self.0.range::<&[u8]>(&query.begin[..]..&query.end[..])?;
        let next = || {
            if query.reverse {
                range.next_back()
            } else {
                range.next()
            }
        };
        for row in std::iter::from_fn(next) {
            let (key, value) = row?;
            let (key, value) = (key.value(), value.value());
            if !fill.admits(key.len(), value.len()) {
                break;
            }
            fill.push(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        }
        Ok(fill.finish())
    }
}
