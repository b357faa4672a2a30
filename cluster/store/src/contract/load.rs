//! Many at once: nothing is lost, doubled or torn.

use cluster_types::Rng;
use tokio::task::JoinSet;

use super::Keys;
use crate::{MaybeCommitted, StoreError, Transaction};

const TASKS: usize = 16;
const ROUNDS: usize = 12;
const ACCOUNTS: u64 = 8;
const MONEY_EACH: u64 = 100;

fn number(value: Option<bytes::Bytes>) -> u64 {
    value.map_or(0, |bytes| {
        u64::from_be_bytes(bytes[..].try_into().expect("eight bytes"))
    })
}

pub(super) async fn concurrent_increments_are_all_counted(keys: Keys) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let keys = keys.clone();
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                increment(&keys).await;
            }
        });
    }
    tasks.join_all().await;
    let count = number(keys.get("count").await);
    assert_eq!(
        count,
        (TASKS * ROUNDS) as u64,
        "every increment counts once"
    );
}

async fn increment(keys: &Keys) {
    let key = &keys.key("count");
    let body = |tx: Transaction, _| async move {
        let count = number(tx.get(key).await?);
        tx.set(key, &(count + 1).to_be_bytes())
    };
    loop {
        match keys.store.run_certain(body).await {
            Ok(()) => return,
            Err(StoreError::Contended) => {}
            Err(error) => panic!("an increment failed: {error}"),
        }
    }
}

pub(super) async fn concurrent_transfers_keep_the_sum(keys: Keys) {
    let open = keys.begin().await;
    for account in 0..ACCOUNTS {
        let key = keys.key(account.to_be_bytes());
        open.set(&key, &MONEY_EACH.to_be_bytes()).expect("sets");
    }
    open.commit().await.expect("commits");

    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let keys = keys.clone();
        tasks.spawn(async move {
            let rng = Rng::seeded(task as u64);
            for _ in 0..ROUNDS {
                transfer(
                    &keys,
                    rng.below(ACCOUNTS),
                    rng.below(ACCOUNTS),
                    rng.below(50),
                )
                .await;
                assert_eq!(
                    sum(&keys).await,
                    ACCOUNTS * MONEY_EACH,
                    "no snapshot is torn"
                );
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(sum(&keys).await, ACCOUNTS * MONEY_EACH);
}

async fn transfer(keys: &Keys, from: u64, to: u64, amount: u64) {
    let (from, to) = (&keys.key(from.to_be_bytes()), &keys.key(to.to_be_bytes()));
    let body = |tx: Transaction, _| async move {
        let held = number(tx.get(from).await?);
        if held < amount || from == to {
            return Ok::<_, StoreError>(());
        }
        let target = number(tx.get(to).await?);
        tx.set(from, &(held - amount).to_be_bytes())?;
        tx.set(to, &(target + amount).to_be_bytes())
    };
    match keys.store.run(body).await {
        Ok(()) | Err(StoreError::Contended) => {}
        Err(error) => panic!("a transfer failed: {error}"),
    }
}

async fn sum(keys: &Keys) -> u64 {
    let range = crate::RangeQuery::new(keys.key([0]), keys.key([0xff]));
    let tx = keys.begin().await;
    let page = tx.get_range(range).await.expect("reads");
    page.rows
        .into_iter()
        .map(|(_, value)| number(Some(value)))
        .sum()
}

pub(super) async fn a_thousand_rows_commit_together(keys: Keys) {
    let tx = keys.begin().await;
    for row in 0..1_000_u64 {
        tx.set(&keys.key(row.to_be_bytes()), &[7; 500])
            .expect("sets");
    }
    let reader = keys.begin().await;
    let range = crate::RangeQuery::new(keys.key([0]), keys.key([0xff]));
    let before = reader.get_range(range.clone()).await.expect("reads");
    tx.commit().await.expect("commits");
    let after = keys.begin().await.get_range(range).await.expect("reads");
    assert_eq!(
        (before.rows.len(), after.rows.len()),
        (0, 1_000),
        "all or nothing"
    );
}

pub(super) async fn a_body_that_leaves_a_trace_runs_once(keys: Keys) {
    let (trace, count) = (&keys.key("trace"), &keys.key("count"));
    let body = |tx: Transaction, maybe: MaybeCommitted| async move {
        if tx.get(trace).await?.is_some() {
            return Ok::<_, StoreError>(maybe);
        }
        let done = number(tx.get(count).await?);
        tx.set(count, &(done + 1).to_be_bytes())?;
        tx.set(trace, b"")?;
        Ok(maybe)
    };
    for _ in 0..5 {
        keys.store.run(body).await.expect("runs");
    }
    assert_eq!(number(keys.get("count").await), 1);
}
