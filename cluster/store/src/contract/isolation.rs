//! Isolation: transactions behave as if they ran one after the other.

use super::{Keys, commit_conflicts, text};
use crate::{StoreError, Transaction};

pub(super) async fn a_snapshot_does_not_move(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "1")]).await;
    let tx = keys.begin().await;
    assert_eq!(
        tx.get(&keys.key("a")).await,
        Ok(text("1")),
        "this fixes the snapshot"
    );
    keys.put(&[("a", "2"), ("b", "2"), ("c", "2")]).await;
    assert_eq!(tx.get(&keys.key("b")).await, Ok(text("1")));
    let page = tx.get_range(keys.range("a", "z")).await.expect("reads");
    assert_eq!(keys.names(&page), "a b");
    tx.commit()
        .await
        .expect("a transaction that wrote nothing commits");
    assert_eq!(keys.get("b").await, text("2"), "a later one sees it");
}

pub(super) async fn a_changed_read_fails_the_commit(keys: Keys) {
    keys.put(&[("a", "1"), ("gone", "1")]).await;
    for name in ["a", "gone", "not there yet"] {
        let tx = keys.begin().await;
        tx.get(&keys.key(name)).await.expect("reads");
        tx.set(&keys.key("result"), name.as_bytes()).expect("sets");
        let other = keys.begin().await;
        if name == "gone" {
            other.clear(&keys.key(name)).expect("clears");
        } else {
            other.set(&keys.key(name), b"2").expect("sets");
        }
        other.commit().await.expect("the first to commit wins");
        commit_conflicts(tx).await;
    }
    assert_eq!(
        keys.get("result").await,
        None,
        "a failed commit writes nothing"
    );
}

pub(super) async fn a_blind_write_never_conflicts(keys: Keys) {
    keys.put(&[("a", "1")]).await;
    let tx = keys.begin().await;
    tx.set(&keys.key("a"), b"blind").expect("sets");
    assert_eq!(
        tx.get(&keys.key("a")).await,
        Ok(text("blind")),
        "own value: no conflict"
    );
    keys.put(&[("a", "2")]).await;
    tx.commit()
        .await
        .expect("it read nothing that others wrote");
    assert_eq!(
        keys.get("a").await,
        text("blind"),
        "the last to commit stays"
    );
}

pub(super) async fn a_snapshot_read_does_not_conflict(keys: Keys) {
    keys.put(&[("a", "1")]).await;
    let tx = keys.begin().await;
    tx.get_snapshot(&keys.key("a")).await.expect("reads");
    tx.get_range(keys.range("a", "z").snapshot())
        .await
        .expect("reads");
    tx.set(&keys.key("result"), b"1").expect("sets");
    keys.put(&[("a", "2"), ("b", "2")]).await;
    tx.commit().await.expect("it does not care");
}

pub(super) async fn an_explicit_conflict_counts_as_a_read(keys: Keys) {
    keys.put(&[("a", "1"), ("m", "1")]).await;
    for ranged in [false, true] {
        let tx = keys.begin().await;
        tx.get_snapshot(&keys.key("a")).await.expect("reads");
        if ranged {
            tx.add_read_conflict_range(&keys.key("l"), &keys.key("n"))
                .expect("adds");
        } else {
            tx.add_read_conflict_key(&keys.key("m")).expect("adds");
        }
        tx.set(&keys.key("result"), b"1").expect("sets");
        keys.put(&[("m", "2")]).await;
        commit_conflicts(tx).await;
    }
}

pub(super) async fn write_skew_is_prevented(keys: Keys) {
    // Two doctors on call; each may go if the other stays.
    keys.put(&[("anna", "on"), ("bert", "on")]).await;
    let (one, two) = (keys.begin().await, keys.begin().await);
    for tx in [&one, &two] {
        let both = tx
            .get_many(&[keys.key("anna"), keys.key("bert")])
            .await
            .expect("reads");
        assert_eq!(both, [text("on"), text("on")]);
    }
    one.set(&keys.key("anna"), b"off").expect("sets");
    two.set(&keys.key("bert"), b"off").expect("sets");
    one.commit().await.expect("the first may go");
    commit_conflicts(two).await;
}

pub(super) async fn a_phantom_in_a_range_read_fails_the_commit(keys: Keys) {
    keys.put(&[("a", "1"), ("c", "3")]).await;
    for reverse in [false, true] {
        let tx = keys.begin().await;
        let mut query = keys.range("a", "z");
        query.reverse = reverse;
        tx.get_range(query).await.expect("reads");
        tx.set(&keys.key("~result"), b"1").expect("sets");
        keys.put(&[("b", "phantom")]).await;
        commit_conflicts(tx).await;
    }
    let tx = keys.begin().await;
    let page = tx.get_range(keys.range("x", "z")).await.expect("reads");
    assert!(page.rows.is_empty());
    tx.set(&keys.key("~result"), b"1").expect("sets");
    keys.put(&[("y", "phantom")]).await;
    commit_conflicts(tx).await;
}

pub(super) async fn only_what_a_page_covered_conflicts(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "2"), ("y", "3"), ("z", "4")])
        .await;
    for (reverse, uncovered, covered) in [(false, "c", "a+"), (true, "x", "y+")] {
        for (changed, conflicts) in [(uncovered, false), (covered, true)] {
            let tx = keys.begin().await;
            let mut query = keys.range("a", "{").limit_rows(2);
            query.reverse = reverse;
            let page = tx.get_range(query).await.expect("reads");
            assert!(page.more);
            tx.set(&keys.key("~result"), b"1").expect("sets");
            keys.put(&[(changed, "new")]).await;
            if conflicts {
                commit_conflicts(tx).await;
            } else {
                tx.commit()
                    .await
                    .expect("the rest of the range was not read");
            }
            let tidy = keys.begin().await;
            tidy.clear(&keys.key(changed)).expect("clears");
            tidy.commit().await.expect("commits");
        }
    }
}

pub(super) async fn a_cleared_range_conflicts_with_readers_inside(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "2")]).await;
    let (point, range, beside) = (keys.begin().await, keys.begin().await, keys.begin().await);
    point.get(&keys.key("b")).await.expect("reads");
    range.get_range(keys.range("b", "bb")).await.expect("reads");
    beside.get(&keys.key("c")).await.expect("reads");
    for tx in [&point, &range, &beside] {
        tx.set(&keys.key("~result"), b"1").expect("sets");
    }
    let clear = keys.begin().await;
    clear
        .clear_range(&keys.key("a"), &keys.key("c"))
        .expect("clears");
    clear.commit().await.expect("commits");
    commit_conflicts(point).await;
    commit_conflicts(range).await;
    beside
        .commit()
        .await
        .expect("the end of a range is not in it");
}

pub(super) async fn a_finished_transaction_is_of_no_use(keys: Keys) {
    let tx = keys.begin().await;
    tx.set(&keys.key("a"), b"1").expect("sets");
    let copy = tx.clone();
    tx.commit().await.expect("commits");
    assert_eq!(copy.get(&keys.key("a")).await, Err(StoreError::Finished));
    assert_eq!(copy.set(&keys.key("a"), b"2"), Err(StoreError::Finished));
    assert_eq!(copy.commit().await, Err(StoreError::Finished));
}

pub(super) async fn a_read_only_transaction_refuses_writes(keys: Keys) {
    keys.put(&[("a", "1")]).await;
    let key = &keys.key("a");
    let body = |tx: Transaction| async move {
        assert_eq!(tx.set(key, b"2"), Err(StoreError::ReadOnly));
        assert_eq!(tx.clear(key), Err(StoreError::ReadOnly));
        assert_eq!(tx.clear_range(key, &[0xff]), Err(StoreError::ReadOnly));
        tx.get(key).await
    };
    assert_eq!(keys.store.read(body).await, Ok(text("1")));
}
