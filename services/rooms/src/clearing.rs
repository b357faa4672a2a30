//! [`Clearing`]: takes the keys of deleted rooms away, and then their rows, in the background and in small
//! transactions.
//!
//! A room is gone with the transaction that deletes it: from then on nobody can read it. Without its keys
//! what is left of it cannot be read with the store either. The room is on a list there, so a clearing that
//! was cut short, by the end of the process or by a store that takes no writes, goes on later. One task
//! works through the list, one room at a time. A message's files are released in the transaction that clears
//! its row.

use std::sync::Arc;

use cluster_membership::{Membership, Place};
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{Store, StoreError, Transaction};
use cluster_types::{RoomId, Shard};
use services_vault::{Vault, VaultError};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::directory::Dependencies;
use crate::limits::{CLEAR_BATCH, CLEAR_RETRY};
use crate::{Attachments, store};

/// Wakes the task that clears. Clones wake the same one.
#[derive(Clone, Debug)]
pub(crate) struct Clearing {
    wake: Arc<Notify>,
}

struct Clearer {
    store: Store,
    vault: Vault,
    attachments: Arc<dyn Attachments>,
    membership: Membership,
    tasks: Tasks,
    wake: Arc<Notify>,
}

impl Clearing {
    /// Starts the task, which first looks what an earlier process has left.
    pub(crate) fn start(with: &Dependencies) -> Self {
        let wake = Arc::new(Notify::new());
        let clearer = Clearer {
            store: with.store.clone(),
            vault: with.vault.clone(),
            attachments: Arc::clone(&with.attachments),
            membership: with.membership.clone(),
            tasks: with.tasks.clone(),
            wake: Arc::clone(&wake),
        };
        let tasks = &with.tasks;
        tasks.spawn(TaskKind::Clearing, "rooms: clear", clearer.run());
        Self { wake }
    }

    /// Has the task look at the list: a room has been deleted, or may have been.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
    }
}

impl Clearer {
    async fn run(self) {
        while !self.tasks.stopping().is_cancelled() {
            let woken = self.wake.notified();
            let next = if self.clear_all().await {
                self.tasks.stopping().run_until_cancelled(woken).await
            } else {
                let retry = timeout(CLEAR_RETRY, woken);
                let retry = self.tasks.stopping().run_until_cancelled(retry).await;
                retry.map(|_woken_or_time_to_retry| ())
            };
            if next.is_none() {
                return;
            }
        }
    }

    /// Goes through the list once. Returns whether nothing is left on it. A room that cannot be
    /// cleared does not keep the others.
    async fn clear_all(&self) -> bool {
        let mut cleared = true;
        let mut after = None;
        loop {
            let read = |tx| async move { store::next_deletion(&tx, after).await };
            match self.store.read(read).await {
                Ok(None) => return cleared,
                Ok(Some(room)) => {
                    after = Some(room);
                    if !self.is_here(room) {
                        continue;
                    }
                    if let Err(error) = self.clear(room).await {
                        tracing::warn!(%room, %error, "a deleted room is not cleared yet");
                        cleared = false;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the list of deleted rooms cannot be read");
                    return false;
                }
            }
        }
    }

    /// Rooms of other nodes are cleared there.
    fn is_here(&self, room: RoomId) -> bool {
        matches!(self.membership.place(Shard::of_room(room)), Place::Here(_))
    }

    /// Clears a room, or as much of it as fits in before the node stops.
    async fn clear(&self, room: RoomId) -> Result<(), StoreError> {
        let destroyed = self.vault.destroy_room(room).await;
        destroyed.map_err(VaultError::into_store_error)?;
        while !self.tasks.stopping().is_cancelled() {
            let files = &*self.attachments;
            let some = |tx: Transaction, _| async move {
                store::clear_some(&tx, files, room, CLEAR_BATCH).await
            };
            if !self.store.run(some).await? {
                break;
            }
        }
        Ok(())
    }
}
