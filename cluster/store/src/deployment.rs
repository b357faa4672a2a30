//! The one row that says what a store is, made at the first start and checked at every other.

use cluster_types::{DeploymentId, Rng};
use proto::storage::v1;

use crate::schema::{Deployment, SCHEMA_VERSION, Table};
use crate::{OpenError, RangeQuery, Store, StoreError, Transaction, upgrade};

/// Says which deployment `store` belongs to; an empty store becomes a new one, named by `rng`. A
/// store written by a newer release is refused: this program would misread or destroy its rows. One
/// written by an earlier release is marked as this release's, and its [`Upgrade`](crate::Upgrade) is pending.
/// One with rows that belong to no deployment is refused too: a restore writes that row last, so it was not
/// finished.
pub async fn open_deployment(store: &Store, rng: &Rng) -> Result<DeploymentId, OpenError> {
    let fresh = DeploymentId::random(rng);
    let read_or_make = |tx: Transaction, _| async move {
        let found = tx.row(&Deployment {}).await?;
        let row = match &found {
            Some(row) => marked(row),
            None if is_empty(&tx).await? => v1::Deployment {
                deployment_id: fresh.as_bytes().to_vec().into(),
                schema_version: SCHEMA_VERSION,
                ..Default::default()
            },
            None => return Ok(None),
        };
        if found.as_ref() != Some(&row) {
            // Steps of an earlier release may have the names of this one's.
            upgrade::forget_places(&tx)?;
            tx.set_row(&Deployment {}, &row)?;
        }
        Ok::<_, StoreError>(Some(row))
    };
    let unusable = |source| {
        let location = store.location();
        if source == StoreError::Full {
            let path = location.into();
            OpenError::Full { path }
        } else {
            OpenError::Unusable { location, source }
        }
    };
    let row = store.run(read_or_make).await.map_err(unusable)?;
    let row = row.ok_or_else(|| OpenError::Unfinished {
        location: store.location(),
    })?;
    if row.schema_version > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema {
            location: store.location(),
            found: row.schema_version,
            known: SCHEMA_VERSION,
        });
    }
    if row.upgrading_from != 0 {
        let (from, to) = (row.upgrading_from, row.schema_version);
        tracing::info!(from, to, "rows of an earlier release are in this store");
    }
    let id = DeploymentId::try_from(&row.deployment_id[..]);
    id.map_err(|_| {
        unusable(StoreError::Corrupt {
            table: Table::Deployment,
        })
    })
}

/// The row of a store that this program is about to write to.
fn marked(row: &v1::Deployment) -> v1::Deployment {
    let mut row = row.clone();
    if row.schema_version < SCHEMA_VERSION {
        if row.upgrading_from == 0 {
            row.upgrading_from = row.schema_version;
            // Those that are still there are counted anew.
            row.unreadable_rows = 0;
        }
        row.schema_version = SCHEMA_VERSION;
    }
    row
}

/// Whether there are no rows at all.
///
/// # Errors
/// If the store fails.
pub async fn is_empty(tx: &Transaction) -> Result<bool, StoreError> {
    let all = RangeQuery::new(&[][..], &[0xff][..]);
    let first = tx.get_range(all.limit_rows(1)).await?;
    Ok(first.rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Simulated;
    use crate::schema::Erasure;

    #[tokio::test(start_paused = true)]
    async fn the_first_start_names_the_deployment_and_later_ones_find_it() {
        let store = Store::new(Simulated::reliable());
        let rng = Rng::seeded(1);
        let id = open_deployment(&store, &rng).await.expect("opens");
        assert_eq!(
            open_deployment(&store, &rng).await.expect("opens again"),
            id
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_schema_is_refused_with_the_way_out() {
        let store = Store::new(Simulated::reliable());
        let newer = v1::Deployment {
            deployment_id: vec![1; 16].into(),
            schema_version: SCHEMA_VERSION + 1,
            ..Default::default()
        };
        let write = |tx: Transaction, _| {
            let newer = newer.clone();
            async move { tx.set_row(&Deployment {}, &newer) }
        };
        store.run(write).await.expect("writes");
        let error = open_deployment(&store, &Rng::seeded(1))
            .await
            .expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains(&format!("schema version {}", SCHEMA_VERSION + 1))
                && text.contains("run a newer release"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn rows_of_no_deployment_are_refused_and_left_alone() {
        let store = Store::new(Simulated::reliable());
        let key = Erasure { digest: [1; 32] };
        let write = |tx: Transaction, _| {
            let key = key.clone();
            async move { tx.set_row(&key, &Default::default()) }
        };
        store.run(write).await.expect("writes");
        for _ in 0..2 {
            let error = open_deployment(&store, &Rng::seeded(1)).await;
            let text = error.expect_err("refused").to_string();
            assert!(text.contains("restore that was not finished"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_first_start_on_a_full_disk_says_where_and_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let options = crate::EmbeddedOptions {
            free_space_min: u64::MAX,
            ..Default::default()
        };
        let embedded = crate::Embedded::open(folder.path(), options).expect("opens");
        let error = open_deployment(&Store::new(embedded), &Rng::seeded(1))
            .await
            .expect_err("refused");
        assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
        let (text, path) = (error.to_string(), folder.path().display().to_string());
        assert!(text.contains(&path) && text.contains("free some"), "{text}");
    }
}
