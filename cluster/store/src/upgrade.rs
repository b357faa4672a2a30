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
//! A row that does not read stays as it is and is counted: it would not read after the upgrade either, and who
//! waits for it would be upgraded never. The count stays in the store ([`Upgrade::unreadable`]).
//!
//! Leaves out: what becomes of a row (the services that own the tables), and which steps there are (the server).

use std::future::Future;

use bytes::Bytes;
use prost::Message as _;
use proto::storage::v1;
use tokio::time::sleep;

use crate::error::AsStoreError;
use crate::limits::{UPGRADE_BYTES, UPGRADE_PAUSE, UPGRADE_ROWS, UPGRADE_TELL_EVERY};
use crate::schema::{Deployment, Row, SCHEMA_VERSION, SchemaUpgrade, Table};
use crate::{RangeQuery, RowRange, Scan, Store, StoreError, Transaction};

/// An upgrade that is not finished. A cheap handle.
#[derive(Clone, Debug)]
pub struct Upgrade {
    store: Store,
    from: u32,
}

/// The keys of rows that come next in a step.
struct Next {
    keys: Vec<Bytes>,
    /// Whether there are others after them.
    more: bool,
}

/// What came of one transaction of a step.
enum Batch {
    /// The rows are rewritten, but for so many that do not read.
    Written(u64),
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

    /// How many rows of `store` this release's upgrade could not read, if it is finished.
    pub async fn unreadable(store: &Store) -> Result<u64, StoreError> {
        let read = |tx: Transaction| async move { tx.row(&Deployment {}).await };
        let deployment = store.read(read).await?;
        Ok(deployment.map_or(0, |deployment| deployment.unreadable_rows))
    }

    /// The oldest schema version that rows can still have.
    pub const fn from(&self) -> u32 {
        self.from
    }

    /// One step: hands each row of `R`'s table to `rewrite`, which writes into the transaction what has to
    /// become of it, and nothing if it has the newest form. A row that does not read, or of which `rewrite` finds so,
    /// is counted and passed by. It may be called again for the same row if a
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
            let (at, next) = self.look::<R>(step).await?;
            if at.done {
                return Ok(at.rows);
            }
            if at.rows >= told + UPGRADE_TELL_EVERY {
                told = at.rows;
                tracing::info!(step, rows = at.rows, "the upgrade goes on");
            }
            let batch = self.write(step, &at, &next, &rewrite).await?;
            let Batch::Written(unreadable) = batch else {
                continue;
            };
            if unreadable > 0 {
                tracing::error!(step, unreadable, "rows do not read, and stay as they are");
            }
            if next.more {
                sleep(UPGRADE_PAUSE).await;
            }
        }
    }

    /// Notes that all rows have the newest form, once every step has been walked to its end. Nothing happens if
    /// another node has noted it, or if a newer release has begun its own upgrade meanwhile.
    pub async fn finish(self) -> Result<(), StoreError> {
        let done = |tx: Transaction, _| async move {
            if let Some(mut deployment) = under_way(&tx).await? {
                let steps = tx.scan(RowRange::<SchemaUpgrade>::all(), Scan::default());
                let steps = steps.await?.rows.into_iter();
                deployment.unreadable_rows = steps.map(|(_, at)| at.unreadable).sum();
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
    ) -> Result<(v1::SchemaUpgrade, Next), StoreError> {
        let look = |tx: Transaction| async move {
            let mut at = tx.row(&place(step)).await?.unwrap_or_default();
            at.done |= under_way(&tx).await?.is_none();
            let page = tx.get_range(rows_after(R::TABLE, &at.after)).await?;
            let next = Next {
                keys: page.rows.into_iter().map(|(key, _)| key).collect(),
                more: page.more,
            };
            Ok::<_, StoreError>((at, next))
        };
        self.store.read(look).await
    }

    /// Rewrites the rows of a page as they are now, and moves the step past them.
    async fn write<R, E, F, Fut>(
        &self,
        step: &'static str,
        at: &v1::SchemaUpgrade,
        next: &Next,
        rewrite: &F,
    ) -> Result<Batch, E>
    where
        R: Row + Clone,
        R::Value: Send,
        E: From<StoreError> + AsStoreError + Send,
        F: Fn(Transaction, R, R::Value) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), E>> + Send,
    {
        let Next { keys, more } = next;
        let moved = &v1::SchemaUpgrade {
            after: keys.last().unwrap_or(&at.after).clone(),
            rows: at.rows + keys.len() as u64,
            done: !more,
            unreadable: at.unreadable,
        };
        let write = |tx: Transaction, _| async move {
            let now = tx.row(&place(step)).await?.unwrap_or_default();
            if now != *at || under_way(&tx).await?.is_none() {
                // Another node, or an earlier run of this transaction.
                return Ok(Batch::Moved);
            }
            // Each by itself and not as a range, so that an append beside them is no conflict.
            let (found, mut unreadable) = (tx.get_many(keys).await?, 0);
            for (key, value) in keys.iter().zip(found) {
                let Some(value) = value else { continue };
                let rewritten = match read::<R>(key, value) {
                    Ok((key, value)) => rewrite(tx.clone(), key, value).await,
                    Err(error) => Err(error.into()),
                };
                if let Err(error) = rewritten {
                    let Some(StoreError::Corrupt { .. }) = error.as_store_error() else {
                        return Err(error);
                    };
                    unreadable += 1;
                }
            }
            let mut moved = moved.clone();
            moved.unreadable += unreadable;
            tx.set_row(&place(step), &moved)?;
            Ok(Batch::Written(unreadable))
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

/// The rows of a table after this key, as many as are rewritten at a time.
fn rows_after(table: Table, key: &[u8]) -> RangeQuery {
    let prefix = table as u16;
    let begin = match key {
        [] => prefix.to_be_bytes().to_vec(),
        key => [key, &[0]].concat(),
    };
    let end = (prefix + 1).to_be_bytes().to_vec();
    let query = RangeQuery::new(begin, end);
    query.limit_rows(UPGRADE_ROWS).limit_bytes(UPGRADE_BYTES)
}

fn read<R: Row>(key: &[u8], value: Bytes) -> Result<(R, R::Value), StoreError> {
    let table = R::TABLE;
    let key = R::decode(key).map_err(|_| StoreError::Corrupt { table })?;
    let value = R::Value::decode(value).map_err(|_| StoreError::Corrupt { table })?;
    Ok((key, value))
}

#[cfg(test)]
mod tests;
