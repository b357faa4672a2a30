//! Reading: points, many points, pages, and own writes in all of them.

use super::{Keys, text};
use crate::StoreError;

pub(super) async fn a_value_set_is_read_back(keys: Keys) {
    assert_eq!(keys.get("a").await, None);
    keys.put(&[("a", "1"), ("b", "")]).await;
    assert_eq!(keys.get("a").await, text("1"));
    assert_eq!(keys.get("b").await, text(""), "an empty value is a value");
    keys.put(&[("a", "2")]).await;
    assert_eq!(keys.get("a").await, text("2"));

    let tx = keys.begin().await;
    tx.clear(&keys.key("a")).expect("clears");
    tx.clear(&keys.key("never there")).expect("clears");
    tx.commit().await.expect("commits");
    assert_eq!(keys.get("a").await, None);
}

pub(super) async fn many_keys_are_read_in_the_order_asked_for(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "2"), ("c", "3")]).await;
    let tx = keys.begin().await;
    tx.set(&keys.key("b"), b"own").expect("sets");
    let asked = ["c", "missing", "b", "a", "c"].map(|name| keys.key(name));
    let read = tx.get_many(&asked).await.expect("reads");
    assert_eq!(read, [text("3"), None, text("own"), text("1"), text("3")]);
    assert_eq!(tx.get_many(&[] as &[&[u8]]).await, Ok(Vec::new()));
}

pub(super) async fn pages_follow_each_other_in_both_directions(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")])
        .await;
    let tx = keys.begin().await;

    let query = keys.range("b", "e").limit_rows(2);
    let page = tx.get_range(query.clone()).await.expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("b c", true));
    let query = query.after(&page).expect("there is more");
    let page = tx.get_range(query.clone()).await.expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("d", false));
    assert_eq!(query.after(&page), None);

    let query = keys.range("b", "e").limit_rows(2).reverse();
    let page = tx.get_range(query.clone()).await.expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("d c", true));
    let query = query.after(&page).expect("there is more");
    let page = tx.get_range(query.clone()).await.expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("b", false));

    let backwards = tx.get_range(keys.range("e", "b")).await.expect("reads");
    assert!(
        backwards.rows.is_empty() && !backwards.more,
        "nothing lies in an empty range"
    );
}

pub(super) async fn limits_in_bytes_cut_pages_but_never_the_first_row(keys: Keys) {
    let long = "x".repeat(1_000);
    keys.put(&[("a", &long), ("b", &long), ("c", &long)]).await;
    let tx = keys.begin().await;
    let page = tx
        .get_range(keys.range("a", "z").limit_bytes(1))
        .await
        .expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("a", true));
    let page = tx
        .get_range(keys.range("a", "z").limit_bytes(2_500))
        .await
        .expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("a b", true));
    let page = tx
        .get_range(keys.range("a", "z").limit_rows(0))
        .await
        .expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("a", true));
}

pub(super) async fn own_writes_are_read_before_the_commit(keys: Keys) {
    keys.put(&[("a", "1"), ("c", "3"), ("e", "5"), ("g", "7")])
        .await;
    let tx = keys.begin().await;
    tx.set(&keys.key("b"), b"own").expect("sets");
    tx.set(&keys.key("c"), b"own").expect("sets");
    tx.clear(&keys.key("e")).expect("clears");
    assert_eq!(tx.get(&keys.key("c")).await, Ok(text("own")));
    assert_eq!(tx.get_snapshot(&keys.key("b")).await, Ok(text("own")));
    assert_eq!(tx.get(&keys.key("e")).await, Ok(None));

    let page = tx.get_range(keys.range("a", "z")).await.expect("reads");
    assert_eq!(keys.names(&page), "a b c g");
    let page = tx
        .get_range(keys.range("a", "z").reverse().limit_rows(3))
        .await
        .expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("g c b", true));

    tx.clear_range(&keys.key("b"), &keys.key("f"))
        .expect("clears");
    tx.set(&keys.key("d"), b"after the clear").expect("sets");
    assert_eq!(tx.get(&keys.key("c")).await, Ok(None));
    let page = tx.get_range(keys.range("a", "z")).await.expect("reads");
    assert_eq!(keys.names(&page), "a d g");
    tx.commit().await.expect("commits");

    let tx = keys.begin().await;
    let page = tx.get_range(keys.range("a", "z")).await.expect("reads");
    assert_eq!(
        keys.names(&page),
        "a d g",
        "what was seen is what was written"
    );
}

pub(super) async fn own_clears_do_not_end_a_page_early(keys: Keys) {
    let names: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    let rows: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    keys.put(&rows).await;
    let tx = keys.begin().await;
    tx.clear_range(&keys.key("02"), &keys.key("45"))
        .expect("clears");
    let page = tx
        .get_range(keys.range("0", "9").limit_rows(4))
        .await
        .expect("reads");
    assert_eq!(
        (keys.names(&page).as_str(), page.more),
        ("00 01 45 46", true)
    );
    let page = tx
        .get_range(keys.range("0", "46").limit_rows(4))
        .await
        .expect("reads");
    assert_eq!((keys.names(&page).as_str(), page.more), ("00 01 45", false));
    let query = keys.range("0", "9").limit_rows(6).reverse();
    let page = tx.get_range(query).await.expect("reads");
    assert_eq!(
        (keys.names(&page).as_str(), page.more),
        ("49 48 47 46 45 01", true)
    );
}

pub(super) async fn a_cleared_range_is_gone_and_its_neighbours_are_not(keys: Keys) {
    keys.put(&[("a", "1"), ("b", "2"), ("b\0", "2"), ("c", "3"), ("d", "4")])
        .await;
    let clear = |tx: crate::Transaction, _| {
        let (begin, end) = (keys.key("b"), keys.key("d"));
        async move { tx.clear_range(&begin, &end) }
    };
    keys.store
        .run::<_, StoreError, _, _>(clear)
        .await
        .expect("clears");
    let tx = keys.begin().await;
    let page = tx.get_range(keys.range("a", "z")).await.expect("reads");
    assert_eq!(keys.names(&page), "a d");
}
