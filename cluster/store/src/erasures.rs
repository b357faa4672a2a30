//! The ledger of erasures: what was erased for good, so that restoring a backup does not bring it back.
//!
//! A backup that is older than an erasure cannot know of it. So whoever erases an account or a room calls
//! [`record`] in the transaction that does it, the ledger stays when all other rows are gone, each backup
//! holds it, and a restore leaves out what the newest ledger names.
//!
//! An entry is a SHA-256 of a random id. It cannot be turned around, and no likely values can be tried; who
//! has the row that must not come back, which is what a restore has, recognises it. No key is needed, since a
//! restore has none: the one that opens the vault is not in a backup.
//!
//! **Invariant: an entry is written once and never taken back.**
//!
//! Leaves out: the erasing itself (accounts, rooms).

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use cluster_types::{AccountId, RoomId};
use proto::storage::v1::{self, ErasureKind};

use crate::schema::Erasure;
use crate::{StoreError, Transaction};

/// What the digest of an entry begins with, so that it is the digest of nothing else.
const DOMAIN: &[u8] = b"rookery erasure\0";

/// Something that is erased.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Erased {
    /// An account, with all that is of it alone.
    Account(AccountId),
    /// A room, with all that was said in it.
    Room(RoomId),
}

impl Erased {
    const fn kind(&self) -> ErasureKind {
        match self {
            Self::Account(_) => ErasureKind::Account,
            Self::Room(_) => ErasureKind::Room,
        }
    }

    /// Its place in the ledger. What is hashed never changes: ledgers are as old as the oldest backup.
    fn entry(&self) -> Erasure {
        let (kind, id) = match self {
            Self::Account(account) => (&b"account\0"[..], account.as_bytes()),
            Self::Room(room) => (&b"room\0"[..], room.as_bytes()),
        };
        let hash = digest(&SHA256, &[DOMAIN, kind, id].concat());
        let mut entry = [0; 32];
        entry.copy_from_slice(hash.as_ref());
        Erasure { digest: entry }
    }
}

/// Says for good that something is erased, in the transaction that erases it.
///
/// # Errors
/// If the transaction takes no more writes.
pub fn record(tx: &Transaction, erased: Erased) -> Result<(), StoreError> {
    let kind = erased.kind().into();
    tx.set_row(&erased.entry(), &v1::Erasure { kind })
}

/// Whether it was said that something is erased.
///
/// # Errors
/// If the store fails.
pub async fn is_recorded(tx: &Transaction, erased: Erased) -> Result<bool, StoreError> {
    Ok(tx.row(&erased.entry()).await?.is_some())
}

/// What a ledger names, in memory: 32 bytes for each erasure there ever was.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger(BTreeMap<Erasure, v1::Erasure>);

impl Ledger {
    /// Takes an entry in.
    pub fn add(&mut self, entry: Erasure, about: v1::Erasure) {
        self.0.insert(entry, about);
    }

    /// Whether this is erased.
    pub fn names(&self, erased: Erased) -> bool {
        self.0.contains_key(&erased.entry())
    }

    /// All entries, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (&Erasure, &v1::Erasure)> {
        self.0.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was ever erased.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RowRange, Scan, Simulated, Store};

    #[tokio::test(start_paused = true)]
    async fn what_was_recorded_is_named_and_nothing_else() {
        let store = Store::new(Simulated::reliable());
        let (account, room) = (AccountId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
        let erase = |tx: Transaction, _| async move {
            record(&tx, Erased::Account(account))?;
            record(&tx, Erased::Room(room))
        };
        store.run(erase).await.expect("writes");
        store.run(erase).await.expect("twice is once");
        let tx = store.begin().await.expect("begins");
        let page = tx.scan(RowRange::all(), Scan::default()).await;
        let mut ledger = Ledger::default();
        for (entry, about) in page.expect("reads").rows {
            ledger.add(entry, about);
        }
        assert_eq!(ledger.len(), 2);
        assert!(ledger.names(Erased::Account(account)) && ledger.names(Erased::Room(room)));
        let other = AccountId::from_bytes(*room.as_bytes());
        assert!(
            !ledger.names(Erased::Account(other)),
            "a room is no account"
        );
    }

    #[test]
    fn entries_stay_as_they_are() {
        let account = Erased::Account(AccountId::from_bytes([0xb2; 16]));
        let hex: String = account.entry().digest[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "01ea6166");
    }
}
