//! Files of an archive: which messages carry them, whether they came whole, and the rows that are made of both.
//!
//! No row about a file is in an archive. That a file is there, whose it is and what it takes of a quota follows from
//! the messages that are restored, and its size from the archive. **Invariant: a file is restored if it came whole
//! and a message that is restored carries it**; a file that went while the backup was made, or that was
//! left out, has no row, and whoever asks for it hears that it is gone.
//!
//! 52 bytes for a file that is carried, and 24 for one that came.

use std::collections::{BTreeMap, BTreeSet};

use cluster_store::schema::{File, FileQuota};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use proto::storage::v1;
use services_files::SealedFiles;

use super::known::Event;
use crate::RawRow;
use crate::wire;

/// What an archive says of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Files {
    /// Of the room that is read: what each message carries. Of rows with the same key the last one counts.
    of_room: BTreeMap<Seq, (AccountId, Vec<FileId>)>,
    carried: BTreeMap<FileId, Carried>,
    coming: Option<Coming>,
    whole: BTreeMap<FileId, u64>,
}

/// What carries a file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Carried {
    account: AccountId,
    room: RoomId,
    uses: u32,
}

/// A file of which not all bytes have come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Coming {
    file: FileId,
    size: u64,
    /// Bytes that it lies in.
    left: u64,
}

/// Bytes of a file that do not belong here, or that are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotWhole;

impl Files {
    /// An event of the room that is read.
    pub(super) fn event(&mut self, event: &Event) {
        let seq = event.key.seq;
        match event.actor {
            Some(actor) if !event.files.is_empty() => {
                self.of_room.insert(seq, (actor, event.files.clone()));
            }
            Some(_) | None => drop(self.of_room.remove(&seq)),
        }
    }

    /// All rows of a room have come.
    pub(super) fn room_end(&mut self, room: RoomId) {
        for (account, files) in std::mem::take(&mut self.of_room).into_values() {
            for file in files {
                let first = Carried {
                    account,
                    room,
                    uses: 0,
                };
                self.carried.entry(file).or_insert(first).uses += 1;
            }
        }
    }

    /// The rows of the room that have come do not count.
    pub(super) fn room_gone(&mut self) {
        self.of_room.clear();
    }

    /// The bytes of a file follow.
    pub(super) fn begin(&mut self, file: FileId, size: u64) -> Result<(), NotWhole> {
        self.end()?;
        let left = SealedFiles::bytes(size).ok_or(NotWhole)?;
        self.coming = Some(Coming { file, size, left });
        Ok(())
    }

    /// So many bytes of it have come.
    pub(super) fn bytes(&mut self, count: u64) -> Result<(), NotWhole> {
        let coming = self.coming.as_mut().ok_or(NotWhole)?;
        coming.left = coming.left.checked_sub(count).ok_or(NotWhole)?;
        if coming.left == 0 {
            self.whole.insert(coming.file, coming.size);
            self.coming = None;
        }
        Ok(())
    }

    /// The bytes of a file that have come do not count.
    pub(super) fn gone(&mut self, file: FileId) -> Result<(), NotWhole> {
        let coming = self.coming.take().ok_or(NotWhole)?;
        (coming.file == file).then_some(()).ok_or(NotWhole)
    }

    /// No file is to lack bytes.
    pub(super) const fn end(&self) -> Result<(), NotWhole> {
        match self.coming {
            None => Ok(()),
            Some(_) => Err(NotWhole),
        }
    }

    /// Leaves out what hangs on other accounts and rooms.
    pub(super) fn retain(&mut self, accounts: &BTreeSet<AccountId>, rooms: &BTreeMap<RoomId, Seq>) {
        self.carried
            .retain(|_, by| accounts.contains(&by.account) && rooms.contains_key(&by.room));
    }

    /// Whether a file is restored.
    pub(super) fn is_restored(&self, file: FileId) -> bool {
        self.carried.contains_key(&file) && self.whole.contains_key(&file)
    }

    /// Files that came whole.
    pub(super) fn whole(&self) -> usize {
        self.whole.len()
    }

    /// Files that some message carries, and that did not come.
    pub(super) fn missing(&self) -> usize {
        let files = self.carried.keys();
        files.filter(|file| !self.whole.contains_key(file)).count()
    }

    /// Files that are restored, and their bytes.
    pub(super) fn restored(&self) -> (usize, u64) {
        let sizes = self.sizes();
        sizes.fold((0, 0), |(count, bytes), (_, _, size)| {
            (count + 1, bytes + size)
        })
    }

    /// The rows of the files that are restored, and what they take of quotas.
    pub(super) fn rows(&self) -> Vec<RawRow> {
        let mut used: BTreeMap<AccountId, u64> = BTreeMap::new();
        let mut rows = Vec::new();
        for (file, by, size) in self.sizes() {
            *used.entry(by.account).or_default() += size;
            let row = v1::File {
                account_id: by.account.as_bytes().to_vec().into(),
                room_id: by.room.as_bytes().to_vec().into(),
                size,
                uses: by.uses,
            };
            rows.push(wire::row(&File { file }, &row));
        }
        rows.extend(used.into_iter().map(|(account, bytes)| {
            let used = v1::FileQuota { bytes, uploads: 0 };
            wire::row(&FileQuota { account }, &used)
        }));
        rows
    }

    fn sizes(&self) -> impl Iterator<Item = (FileId, Carried, u64)> {
        self.carried
            .iter()
            .filter_map(|(file, by)| Some((*file, *by, *self.whole.get(file)?)))
    }
}
