//! [`Upgrade`]: rows that an earlier release wrote are rewritten while the store serves.
//!
//! [`open_deployment`](crate::open_deployment) marks the store with this program's version at once, so that
//! the earlier program refuses it from then on, and notes where it came from. As long as that note stands,
//! whoever reads rows takes both forms; the steps of the upgrade rewrite one table each; then the note goes.
//!
//! Invariants: a batch of rewritten rows and the place at which the step stands are one transaction. So a step
//! goes on where it was, whoever dies, and no row is forgotten or rewritten twice by the same step. Places are
//! of one upgrade: none is written once it is finished, and the next one begins without any.
//!
//! Leaves out: what becomes of a row (the services that own the tables), and which steps there are (the server).

use std::future::Future;

use proto::storage::v1;
use tokio::time::sleep;

use crate::error::AsStoreError;
use crate::limits::{UPGRADE_BYTES, UPGRADE_PAUSE, UPGRADE_ROWS, UPGRADE_TELL_EVERY};
use crate::schema::{Deployment, Row, SCHEMA_VERSION, SchemaUpgrade, Table};
use crate::{RowPage, RowRange, Scan, Store, StoreError, Transaction};

/// An upgrade that is not finished. A cheap handle.
#[derive(Clone, Debug)]
pub struct Upgrade {
    store: Store,
    from: u32,
}

/// What came of one transaction of a step.
enum Batch {
    /// The rows are rewritten.
    Written,
    /// Somebody else has moved the step meanwhile, or finished the upgrade.
    Moved,
}

impl Upgrade {
    /// The upgrade of `store` that is under way; `None` if all its rows have the newest form.
    pub async fn pending(store: &Store) -> Result<Option<Self>, StoreError> {
        let read = |tx: Transaction| async move { tx.row(&Deployment {}).await };
        let from = store
            .read(read)
            .await?
            .map_or(0, |deployment| deployment.upgrading_from);
        let store = store.clone();
        Ok((from != 0).then_some(Self { store, from }))
    }

    /// The oldest schema version that rows can still have.
    pub const fn from(&self) -> u32 {
        self.from
    }

    /// One step: hands each row of `R`'s table to `rewrite`, which writes into the transaction what has to
    /// become of it, and nothing if it has the newest form. It may be called again for the same row if a
    /// commit fails. Goes on where an earlier walk of the same name has stopped, and returns the number of
    /// rows that it has looked at altogether.
    ///
    /// Rows that appear behind it are the business of whoever writes them: they have the newest form.
    ///
    /// # Errors
    /// Those of `rewrite`, and of the store. What was committed stays, and the next walk goes on there.
    pub async fn walk<R, E, F, Fut>(&self, step: &'static str, rewrite: F) -> Result<u64, E>
    where
        R: Row + Clone,
        R::Value: Send,
        E: From<StoreError> + AsStoreError + Send,
        F: Fn(Transaction, R, R::Value) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), E>> + Send,
    {
        let mut told = 0;
        loop {
            let (at, page) = self.look::<R>(step).await?;
            if at.done {
                return Ok(at.rows);
            }
            if at.rows >= told + UPGRADE_TELL_EVERY {
                told = at.rows;
                tracing::info!(step, rows = at.rows, "the upgrade goes on");
            }
            let batch = self.write(step, &at, &page, &rewrite).await?;
            if matches!(batch, Batch::Written) && page.more {
                sleep(UPGRADE_PAUSE).await;
            }
        }
    }

    /// Notes that all rows have the newest form, once every step has been walked to its end. Nothing happens if
    /// another node has noted it, or if a newer release has begun its own upgrade meanwhile.
    pub async fn finish(self) -> Result<(), StoreError> {
        let done = |tx: Transaction, _| async move {
            if let Some(mut deployment) = under_way(&tx).await? {
                forget_places(&tx)?;
                deployment.upgrading_from = 0;
                tx.set_row(&Deployment {}, &deployment)?;
            }
            Ok::<_, StoreError>(())
        };
        self.store.run(done).await
    }

    /// Where the step stands, and the rows that come next.
    async fn look<R: Row>(
        &self,
        step: &'static str,
    ) -> Result<(v1::SchemaUpgrade, RowPage<R>), StoreError>
    where
        R::Value: Send,
    {
        let look = |tx: Transaction| async move {
            let mut at = tx.row(&place(step)).await?.unwrap_or_default();
            at.done |= under_way(&tx).await?.is_none();
            let mut range = RowRange::<R>::all();
            if !at.after.is_empty() {
                let last = decoded::<R>(&at.after)?;
                range = range.after(&last);
            }
            let options = Scan {
                limit_rows: UPGRADE_ROWS,
                limit_bytes: UPGRADE_BYTES,
                ..Scan::default()
            };
            let page = tx.scan(range, options).await?;
            Ok::<_, StoreError>((at, page))
        };
        self.store.read(look).await
    }

    /// Rewrites the rows of a page as they are now, and moves the step past them.
    async fn write<R, E, F, Fut>(
        &self,
        step: &'static str,
        at: &v1::SchemaUpgrade,
        page: &RowPage<R>,
        rewrite: &F,
    ) -> Result<Batch, E>
    where
        R: Row + Clone,
        R::Value: Send,
        E: From<StoreError> + AsStoreError + Send,
        F: Fn(Transaction, R, R::Value) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), E>> + Send,
    {
        let keys: &Vec<R> = &page.rows.iter().map(|(key, _)| key.clone()).collect();
        let next = &v1::SchemaUpgrade {
            after: keys
                .last()
                .map_or_else(|| at.after.clone(), |last| last.encode()),
            rows: at.rows + page.rows.len() as u64,
            done: !page.more,
        };
        let write = |tx: Transaction, _| async move {
            let now = tx.row(&place(step)).await?.unwrap_or_default();
            if now != *at || under_way(&tx).await?.is_none() {
                // Another node, or an earlier run of this transaction.
                return Ok(Batch::Moved);
            }
            // Each by itself and not as a range, so that an append beside them is no conflict.
            let found = tx.rows(keys).await?;
            for (key, value) in keys.iter().zip(found) {
                if let Some(value) = value {
                    rewrite(tx.clone(), key.clone(), value).await?;
                }
            }
            tx.set_row(&place(step), next)?;
            Ok(Batch::Written)
        };
        self.store.run(write).await
    }
}

/// The store's row while this release's upgrade of it is not finished.
async fn under_way(tx: &Transaction) -> Result<Option<v1::Deployment>, StoreError> {
    let row = tx.row(&Deployment {}).await?;
    Ok(row.filter(|row| row.upgrading_from != 0 && row.schema_version == SCHEMA_VERSION))
}

/// Has every step begin at its first row.
pub(crate) fn forget_places(tx: &Transaction) -> Result<(), StoreError> {
    tx.clear_rows(RowRange::<SchemaUpgrade>::all())
}

fn place(step: &'static str) -> SchemaUpgrade {
    let step = step.to_owned();
    SchemaUpgrade { step }
}

fn decoded<R: Row>(key: &[u8]) -> Result<R, StoreError> {
    let table = Table::SchemaUpgrade;
    R::decode(key).map_err(|_| StoreError::Corrupt { table })
}

#[cfg(test)]
mod tests;
