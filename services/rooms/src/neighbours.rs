//! Which rooms an account is in, and with whom it shares one: by the index of rooms.

use std::collections::{BTreeMap, BTreeSet};

use cluster_store::schema::AccountRoom;
use cluster_store::{Scan, StoreError, Transaction};
use cluster_types::{AccountId, RoomId};

use crate::{ReadError, Rooms, store};

impl Rooms {
    /// The ids of all rooms that an account is in, at most
    /// [`ROOMS_PER_ACCOUNT_MAX`](crate::limits::ROOMS_PER_ACCOUNT_MAX). Cheaper than [`Rooms::memberships`] by a few reads
    /// for each room.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn room_ids(&self, account: AccountId) -> Result<BTreeSet<RoomId>, ReadError> {
        let read = |tx: Transaction| async move { room_ids(&tx, account).await };
        Ok(self.with.store.read(read).await?)
    }

    /// Those of `others` that share a room with `account`, itself included. A deleted room is shared by
    /// nobody, also while its rows are being cleared.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn neighbours(
        &self,
        account: AccountId,
        others: &[AccountId],
    ) -> Result<Vec<AccountId>, ReadError> {
        let read = |tx: Transaction| async move {
            let own = room_ids(&tx, account).await?;
            let mut neighbours = Vec::new();
            // What is shared is mostly the same few rooms.
            let mut existing = BTreeMap::new();
            for other in others {
                if *other == account || share(&tx, &own, *other, &mut existing).await? {
                    neighbours.push(*other);
                }
            }
            Ok::<_, StoreError>(neighbours)
        };
        Ok(self.with.store.read(read).await?)
    }
}

/// Whether another account is in one of these rooms that exists. `existing` remembers which do.
async fn share(
    tx: &Transaction,
    own: &BTreeSet<RoomId>,
    other: AccountId,
    existing: &mut BTreeMap<RoomId, bool>,
) -> Result<bool, StoreError> {
    for room in own.intersection(&room_ids(tx, other).await?) {
        let exists = match existing.get(room) {
            Some(exists) => *exists,
            None => {
                let exists = store::exists(tx, *room).await?;
                existing.insert(*room, exists);
                exists
            }
        };
        if exists {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An account is in no more than fit in one page.
async fn room_ids(tx: &Transaction, account: AccountId) -> Result<BTreeSet<RoomId>, StoreError> {
    let all = Scan {
        snapshot: true,
        ..store::ALL_ROOMS
    };
    let rooms = tx.scan(AccountRoom::of(account), all).await?.rows;
    Ok(rooms.into_iter().map(|(key, _)| key.room).collect())
}
