//! What every backend must do, as cases that run against any [`Store`].
//!
//! A case needs the keys below its own name to be unused, and nothing else: the cases can share a
//! store, or a cluster. A case that finds a broken promise panics and says which.

mod isolation;
mod limits;
mod load;
mod ranges;

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;

use crate::{Page, RangeQuery, Store, StoreError, Transaction};

type Run = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One promise.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: Run,
}

impl Case {
    /// What is promised, as a name in `snake_case`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks it.
    ///
    /// # Panics
    /// If the promise is broken.
    pub async fn run(&self, store: &Store) {
        (self.run)(store.clone()).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! cases {
    ($($module:ident: $($name:ident),*;)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$($(Case {
            name: stringify!($name),
            run: |store| Box::pin($module::$name(Keys { store, case: stringify!($name) })),
        },)*)*];
    };
}

cases! {
    ranges:
        a_value_set_is_read_back,
        many_keys_are_read_in_the_order_asked_for,
        pages_follow_each_other_in_both_directions,
        limits_in_bytes_cut_pages_but_never_the_first_row,
        own_writes_are_read_before_the_commit,
        own_clears_do_not_end_a_page_early,
        a_cleared_range_is_gone_and_its_neighbours_are_not;
    isolation:
        a_snapshot_does_not_move,
        a_changed_read_fails_the_commit,
        a_blind_write_never_conflicts,
        a_snapshot_read_does_not_conflict,
        an_explicit_conflict_counts_as_a_read,
        write_skew_is_prevented,
        a_phantom_in_a_range_read_fails_the_commit,
        only_what_a_page_covered_conflicts,
        a_cleared_range_conflicts_with_readers_inside,
        a_finished_transaction_is_of_no_use,
        a_read_only_transaction_refuses_writes;
    limits:
        sizes_over_the_limits_are_refused,
        a_value_of_the_largest_size_is_kept,
        an_old_snapshot_is_refused;
    load:
        concurrent_increments_are_all_counted,
        concurrent_transfers_keep_the_sum,
        a_thousand_rows_commit_together,
        a_body_that_leaves_a_trace_runs_once;
}

/// A store, and the part of its key space that belongs to one case.
#[derive(Clone)]
struct Keys {
    store: Store,
    case: &'static str,
}

impl Keys {
    fn key(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        [self.case.as_bytes(), b"/", name.as_ref()].concat()
    }

    async fn begin(&self) -> Transaction {
        self.store.begin().await.expect("a transaction begins")
    }

    /// Writes `rows` and commits.
    async fn put(&self, rows: &[(&str, &str)]) {
        let tx = self.begin().await;
        for (name, value) in rows {
            tx.set(&self.key(name), value.as_bytes())
                .expect("a small write is taken");
        }
        tx.commit().await.expect("writes without reads commit");
    }

    async fn get(&self, name: &str) -> Option<Bytes> {
        let tx = self.begin().await;
        tx.get(&self.key(name))
            .await
            .expect("a fresh snapshot can be read")
    }

    /// All keys of the case between two names.
    fn range(&self, begin: &str, end: &str) -> RangeQuery {
        RangeQuery::new(self.key(begin), self.key(end))
    }

    /// The names in a page, joined by spaces.
    fn names(&self, page: &Page) -> String {
        let prefix = self.case.len() + 1;
        let names = page
            .rows
            .iter()
            .map(|(key, _)| String::from_utf8_lossy(&key[prefix..]));
        names.collect::<Vec<_>>().join(" ")
    }
}

fn text(value: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(value.as_bytes()))
}

async fn commit_conflicts(tx: Transaction) {
    let outcome = tx.commit().await;
    assert_eq!(
        outcome,
        Err(StoreError::Conflict),
        "what was read has changed"
    );
}
