//! The upgrade of a store that an earlier release wrote: a task beside the server that serves.
//!
//! In a cluster every node walks the steps, which is as right as one that does (`cluster_store::Upgrade`), once none of the
//! earlier release is left.
//!
//! Owns: which steps there are, and in which order. Leaves out: what a step does to a row (each service), how
//! a step goes on after a stop (`cluster_store::Upgrade`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};
use cluster_store::schema::SCHEMA_VERSION;
use cluster_store::{Store, StoreError, Upgrade};
use services_accounts::Accounts;
use services_node::Node;
use services_rooms::Rooms;
use tokio::time::sleep;

/// How long after a step that failed it is tried again: what fails is the store, and it is busy or being
/// mended. Nobody waits for the upgrade.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Whether rows of an earlier release are left. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Upgrading(Arc<State>);

#[derive(Debug)]
struct State {
    from: AtomicU32,
    unreadable: AtomicU64,
}

impl Upgrading {
    /// Goes on with the upgrade of `store`, if one is due, in a task of its own.
    pub(crate) async fn start(
        store: &Store,
        node: &Node,
        tasks: &Tasks,
    ) -> Result<Self, StoreError> {
        let upgrade = Upgrade::pending(store).await?;
        let from = upgrade.as_ref().map_or(0, Upgrade::from);
        let unreadable = Upgrade::unreadable(store).await?;
        let upgrading = Self(Arc::new(State {
            from: from.into(),
            unreadable: unreadable.into(),
        }));
        if let Some(upgrade) = upgrade {
            let (told, stopping) = (upgrading.clone(), tasks.stopping().clone());
            let (store, node) = (store.clone(), node.clone());
            let upgrade = async move {
                // What is rewritten before cannot be read by whoever still runs the earlier release.
                node.membership.until_all_write(SCHEMA_VERSION).await;
                told.until_done(upgrade, store, node.accounts, node.rooms)
                    .await;
            };
            tasks.spawn(TaskKind::Upgrade, "upgrade", async move {
                let _stopped = stopping.run_until_cancelled(upgrade).await;
            });
        }
        Ok(upgrading)
    }

    /// The schema version from which rows are still being rewritten; 0 if there is none.
    pub(crate) fn from(&self) -> u32 {
        self.0.from.load(Ordering::Relaxed)
    }

    /// Rows that the last upgrade could not read.
    pub(crate) fn unreadable(&self) -> u64 {
        self.0.unreadable.load(Ordering::Relaxed)
    }

    async fn until_done(&self, upgrade: Upgrade, store: Store, accounts: Accounts, rooms: Rooms) {
        let unreadable = loop {
            match steps(&upgrade, &store, &accounts, &rooms).await {
                Ok(unreadable) => break unreadable,
                Err(error) => {
                    tracing::warn!(%error, "the upgrade of the store stopped, and goes on in a while");
                    sleep(RETRY_AFTER).await;
                }
            }
        };
        self.0.unreadable.store(unreadable, Ordering::Relaxed);
        self.0.from.store(0, Ordering::Relaxed);
    }
}

/// Every step there is: one that has nothing to do for this store ends after a look. Returns how many rows do
/// not read.
async fn steps(
    upgrade: &Upgrade,
    store: &Store,
    accounts: &Accounts,
    rooms: &Rooms,
) -> Result<u64, StoreError> {
    let from = upgrade.from();
    tracing::info!(from, "the store is being upgraded, and serves meanwhile");
    accounts.upgrade(upgrade).await?;
    rooms.upgrade(upgrade).await?;
    upgrade.clone().finish().await?;
    tracing::info!(from, "the store is upgraded");
    Upgrade::unreadable(store).await
}
