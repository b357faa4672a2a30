//! [`Survey`]: what a whole archive says, before anything of it is written.
//!
//! It knows which rooms and accounts there are, so that nothing is restored that hangs on what is not: 24
//! bytes a room and 16 an account.

use std::collections::{BTreeMap, BTreeSet};

use cluster_store::erasures::{Erased, Ledger};
use cluster_store::schema::{Account, Deployment, Erasure, Vault};
use cluster_store::{StoreError, Table};
use cluster_types::{AccountId, RoomId, Seq};
use proto::storage::v1;

use crate::RawRow;
use crate::collect::Record;
use crate::plan::Plan;
use crate::wire;

/// What an archive says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Survey {
    /// What the store was. Of several the first one counts.
    pub(crate) deployment: Option<(RawRow, v1::Deployment)>,
    /// Rooms that were copied to their end, which is there.
    pub(crate) rooms: BTreeMap<RoomId, Seq>,
    /// Accounts.
    pub(crate) accounts: BTreeSet<AccountId>,
    /// What was erased.
    pub(crate) ledger: Ledger,
    /// The generations that wrap keys, if the store had a vault. Of several vaults the last one counts.
    pub(crate) generations: Option<Vec<u32>>,
    /// Whether there are rows of which this program knows nothing: a newer release's, or nobody's.
    pub(crate) has_unknown: bool,
}

impl Survey {
    /// Takes a record in.
    pub(crate) fn add(&mut self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Row(row) => self.row(row)?,
            Record::RoomEnd(room, head) => _ = self.rooms.insert(*room, *head),
            Record::RoomGone(room) => _ = self.rooms.remove(room),
        }
        Ok(())
    }

    fn row(&mut self, row: &RawRow) -> Result<(), StoreError> {
        let table = Table::of_key(&row.key);
        if table.is_none_or(|table| Plan::of(table) == Plan::Never) {
            self.has_unknown = true;
        }
        if table == Some(Table::Deployment) && self.deployment.is_none() {
            let about = wire::decoded::<Deployment>(&row.value)?;
            self.deployment = Some((row.clone(), about));
        } else if table == Some(Table::Account) {
            self.accounts
                .insert(wire::key::<Account>(&row.key)?.account);
        } else if table == Some(Table::Vault) {
            let generations = wire::decoded::<Vault>(&row.value)?.generations;
            let numbers = generations.into_iter().map(|one| one.number);
            self.generations = Some(numbers.collect());
        } else if table == Some(Table::Erasure) {
            let about = wire::decoded::<Erasure>(&row.value)?;
            self.ledger.add(wire::key(&row.key)?, about);
        }
        Ok(())
    }

    /// Takes out what was erased, and says how much that was: accounts, and rooms.
    pub(crate) fn erase(&mut self) -> (usize, usize) {
        let (accounts, rooms) = (self.accounts.len(), self.rooms.len());
        let ledger = &self.ledger;
        self.accounts
            .retain(|account| !ledger.names(Erased::Account(*account)));
        self.rooms
            .retain(|room, _| !ledger.names(Erased::Room(*room)));
        (accounts - self.accounts.len(), rooms - self.rooms.len())
    }
}
