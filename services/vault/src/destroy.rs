//! How keys are destroyed: the rows are cleared, then what this process remembers of them.
//!
//! Invariant: when a call returns, nothing in this process opens what those keys sealed, but handles
//! ([`Pair`](crate::Pair), [`Sealer`](crate::Sealer)) that were given out before and are still held. Also
//! when it returns an error: then the rows may be there, and are read again.
//!
//! Who seals while keys are destroyed gets new ones. So an account or room must be refused first and
//! destroyed afterwards; what it said in between would lie under a new key.

use cluster_store::schema::RoomKey;
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, RoomId, Week};

use crate::error::VaultError;
use crate::limits::{DESTRUCTION_BATCH, DESTRUCTION_PAUSE};
use crate::name::KeyName;
use crate::store;
use crate::vault::Vault;

impl Vault {
    /// Destroys all keys of an account: what it ever said, and its fields. One transaction, since an
    /// account has twelve keys a year.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn destroy_account(&self, account: AccountId) -> Result<(), VaultError> {
        let cleared = self.clear(|tx| store::clear_account(tx, account)).await;
        self.forget_account(account);
        cleared
    }

    /// Destroys all keys of a room: what was ever said in it, and its fields. One transaction, since a
    /// room has 52 keys a year.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn destroy_room(&self, room: RoomId) -> Result<(), VaultError> {
        let cleared = self.clear(|tx| store::clear_room(tx, room)).await;
        self.forget_room(room);
        cleared
    }

    /// Destroys the key of one week of a room.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn destroy_room_week(&self, room: RoomId, week: Week) -> Result<(), VaultError> {
        let cleared = self.clear(|tx| store::clear_week(tx, room, week)).await;
        self.keyring()
            .forget(|name| name == KeyName::Room(room, week));
        cleared
    }

    /// Destroys the keys of all weeks of a room before `end`; its fields stay readable.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn destroy_room_weeks_before(
        &self,
        room: RoomId,
        end: Week,
    ) -> Result<(), VaultError> {
        let cleared = self.clear(|tx| store::clear_weeks(tx, room, end)).await;
        self.keyring().forget(|name| match name {
            KeyName::Room(of, week) => of == room && is_before(week, end),
            KeyName::Server(_) | KeyName::Account(..) => false,
        });
        cleared
    }

    /// Destroys the keys of all weeks before `end` in every room, in small transactions with pauses
    /// between them; returns how many there were.
    ///
    /// # Errors
    /// If the store fails. What is destroyed stays so; repeat it then.
    pub async fn destroy_weeks_before(&self, end: Week) -> Result<u64, VaultError> {
        let (mut after, mut count) = (None, 0);
        let done = loop {
            let from = &after;
            let batch = self
                .keyring()
                .store
                .run(|tx, _| async move { clear_batch(&tx, from.as_ref(), end).await });
            match batch.await {
                Err(error) => break Err(VaultError::Store(error)),
                Ok((cleared, last)) => {
                    count += cleared;
                    match last {
                        None => break Ok(count),
                        Some(last) => after = Some(last),
                    }
                }
            }
            tokio::time::sleep(DESTRUCTION_PAUSE).await;
        };
        self.forget_weeks_before(end);
        done
    }

    /// Forgets an account's keys that another node has destroyed.
    pub fn forget_account(&self, account: AccountId) {
        self.keyring()
            .forget(|name| matches!(name, KeyName::Account(of, _) if of == account));
    }

    /// Forgets a room's keys that another node has destroyed.
    pub fn forget_room(&self, room: RoomId) {
        self.keyring()
            .forget(|name| matches!(name, KeyName::Room(of, _) if of == room));
    }

    /// Forgets the keys of all weeks before `end`, which another node has destroyed.
    pub fn forget_weeks_before(&self, end: Week) {
        self.keyring()
            .forget(|name| matches!(name, KeyName::Room(_, week) if is_before(week, end)));
    }

    async fn clear(
        &self,
        clear: impl Fn(&Transaction) -> Result<(), StoreError> + Send + Sync,
    ) -> Result<(), VaultError> {
        let clear = &clear;
        let cleared = self.keyring().store.run(|tx, _| async move { clear(&tx) });
        Ok(cleared.await?)
    }
}

/// Whether it is a week, and one before `end`.
fn is_before(week: Week, end: Week) -> bool {
    (Week::FIRST..end).contains(&week)
}

/// Clears what is before `end` in one batch of rooms' keys. Returns how many that were, and the last key
/// of the batch if there are more.
async fn clear_batch(
    tx: &Transaction,
    after: Option<&RoomKey>,
    end: Week,
) -> Result<(u64, Option<RoomKey>), StoreError> {
    let range = match after {
        Some(key) => RowRange::all().after(key),
        None => RowRange::all(),
    };
    let scan = Scan {
        limit_rows: DESTRUCTION_BATCH,
        snapshot: true,
        ..Scan::default()
    };
    let page = tx.scan::<RoomKey>(range, scan).await?;
    let mut cleared = 0;
    for (key, _) in &page.rows {
        if is_before(key.week, end) {
            tx.clear_row(key)?;
            cleared += 1;
        }
    }
    let last = page.rows.into_iter().next_back().filter(|_| page.more);
    Ok((cleared, last.map(|(key, _)| key)))
}
