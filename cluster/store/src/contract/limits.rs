//! FoundationDB's limits, on every backend.

use super::{Keys, text};
use crate::StoreError;
use crate::limits::{KEY_BYTES_MAX, TRANSACTION_AGE_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};

/// Longer than the granularity of timers.
const A_LITTLE: std::time::Duration = std::time::Duration::from_millis(20);

fn is_too_large<T: std::fmt::Debug>(outcome: Result<T, StoreError>, expected: &str) {
    match outcome {
        Err(StoreError::TooLarge { what, .. }) => assert_eq!(what, expected),
        other => panic!("a {expected} over its limit was answered with {other:?}"),
    }
}

pub(super) async fn sizes_over_the_limits_are_refused(keys: Keys) {
    let tx = keys.begin().await;
    let long_key = vec![b'k'; KEY_BYTES_MAX + 1];
    is_too_large(tx.set(&long_key, b""), "key");
    is_too_large(tx.clear(&long_key), "key");
    is_too_large(tx.get(&long_key).await, "key");
    is_too_large(tx.add_read_conflict_key(&long_key), "key");
    is_too_large(
        tx.set(&keys.key("a"), &vec![0; VALUE_BYTES_MAX + 1]),
        "value",
    );

    let value = vec![0; VALUE_BYTES_MAX];
    let mut written = 0;
    let refusal = loop {
        let outcome = tx.set(&keys.key(format!("{written:08}")), &value);
        if outcome.is_err() {
            break outcome;
        }
        written += 1;
    };
    is_too_large(refusal, "transaction");
    let bytes = written * VALUE_BYTES_MAX;
    assert!(bytes <= TRANSACTION_BYTES_MAX && bytes > TRANSACTION_BYTES_MAX * 9 / 10);
}

pub(super) async fn a_value_of_the_largest_size_is_kept(keys: Keys) {
    let value: Vec<u8> = (0..=250).cycle().take(VALUE_BYTES_MAX).collect();
    let mut key = keys.key("long ");
    key.resize(KEY_BYTES_MAX, b'k');
    let tx = keys.begin().await;
    tx.set(&key, &value).expect("the largest sizes are allowed");
    tx.commit().await.expect("commits");
    let read = keys.begin().await.get(&key).await.expect("reads");
    assert_eq!(read.as_deref(), Some(&value[..]));
}

pub(super) async fn an_old_snapshot_is_refused(keys: Keys) {
    keys.put(&[("a", "1")]).await;
    let tx = keys.begin().await;
    assert_eq!(tx.get(&keys.key("a")).await, Ok(text("1")));
    tx.set(&keys.key("b"), b"1").expect("sets");
    tokio::time::sleep(TRANSACTION_AGE_MAX + A_LITTLE).await;
    assert_eq!(tx.get(&keys.key("a")).await, Err(StoreError::TooOld));
    let range = keys.range("a", "z");
    assert_eq!(tx.get_range(range).await, Err(StoreError::TooOld));
    assert_eq!(tx.commit().await, Err(StoreError::TooOld));
    assert_eq!(keys.get("b").await, None, "nothing was written");
}
