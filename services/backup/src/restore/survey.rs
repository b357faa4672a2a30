//! [`Survey`]: what a whole archive says, before anything of it is written.
//!
//! It knows which rooms and accounts there are, so that nothing is restored that hangs on what is not: 24
//! bytes a room and 16 an account; and which [files](Files).

use std::collections::{BTreeMap, BTreeSet};

use cluster_store::StoreError;
use cluster_store::erasures::{Erased, Ledger};
use cluster_types::{AccountId, RoomId, Seq};
use proto::storage::v1;

use super::files::{Files, NotWhole};
use super::known::Known;
use crate::RawRow;
use crate::collect::Record;

/// What an archive says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Survey {
    /// What the store was. Of several the first one counts.
    pub(super) deployment: Option<(RawRow, v1::Deployment)>,
    /// Rooms that were copied to their end, which is there.
    pub(super) rooms: BTreeMap<RoomId, Seq>,
    /// Accounts.
    pub(super) accounts: BTreeSet<AccountId>,
    /// What was erased.
    pub(super) ledger: Ledger,
    /// The generations that wrap keys, if the store had a vault. Of several vaults the last one counts.
    pub(super) generations: Option<Vec<u32>>,
    /// Files.
    pub(super) files: Files,
}

/// What makes a record unfit for a restore.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unfit {
    /// It is a row of a table of which this program knows nothing, a newer release's or nobody's, or none of its
    /// table.
    Unknown,
    /// Bytes of a file do not belong here, or are missing before it.
    NotWhole,
}

impl From<StoreError> for Unfit {
    fn from(_: StoreError) -> Self {
        Self::Unknown
    }
}

impl From<NotWhole> for Unfit {
    fn from(NotWhole: NotWhole) -> Self {
        Self::NotWhole
    }
}

impl Survey {
    /// Takes a record in.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), Unfit> {
        match record {
            Record::Row(row) => self.row(row)?,
            Record::RoomEnd(room, head) => {
                self.rooms.insert(*room, *head);
                self.files.room_end(*room);
            }
            Record::RoomGone(room) => {
                self.rooms.remove(room);
                self.files.room_gone();
            }
            Record::File(file, size) => self.files.begin(*file, *size)?,
            Record::FileBytes(bytes) => self.files.bytes(bytes.len() as u64)?,
            Record::FileGone(file) => self.files.gone(*file)?,
        }
        Ok(())
    }

    fn row(&mut self, row: &RawRow) -> Result<(), Unfit> {
        match Known::read(row)? {
            Known::Deployment(about) if self.deployment.is_none() => {
                self.deployment = Some((row.clone(), about));
            }
            Known::Account(account) => drop(self.accounts.insert(account)),
            Known::Vault(generations) => self.generations = Some(generations),
            Known::Erasure(entry, about) => self.ledger.add(entry, about),
            Known::Event(event) => self.files.event(&event),
            Known::Foreign => return Err(Unfit::Unknown),
            Known::Deployment(_)
            | Known::AccountIndex(_)
            | Known::ServerKey(_)
            | Known::AccountKey(..)
            | Known::RoomKey(..)
            | Known::Used(..)
            | Known::OfRoom(_) => {}
        }
        Ok(())
    }

    /// Takes out what was erased, and says how much that was: accounts, and rooms.
    pub(super) fn erase(&mut self) -> (usize, usize) {
        let (accounts, rooms) = (self.accounts.len(), self.rooms.len());
        let ledger = &self.ledger;
        self.accounts
            .retain(|account| !ledger.names(Erased::Account(*account)));
        self.rooms
            .retain(|room, _| !ledger.names(Erased::Room(*room)));
        self.files.retain(&self.accounts, &self.rooms);
        (accounts - self.accounts.len(), rooms - self.rooms.len())
    }
}
