//! How large FoundationDB takes a transaction to be.
//!
//! It counts what the store counts (keys, values and bounds), and besides: the prefix of each key, and for
//! each write the range in which it makes others conflict. A transaction of many small rows can so be over
//! the limit although the store let it pass; this is where it is refused, before anything is sent.

use cluster_store::limits::TRANSACTION_BYTES_MAX;
use cluster_store::{Mutation, Span, StoreError, WriteSet};

/// What the client keeps for each mutation beside its bytes: two pointers with lengths and a type.
const MUTATION_BYTES: usize = 40;

/// What the client keeps for each range beside its bytes: two pointers with lengths.
const RANGE_BYTES: usize = 32;

/// Bytes of `writes` as FoundationDB counts them, with `prefix` bytes before each key.
pub(crate) fn of(writes: &WriteSet, prefix: usize) -> usize {
    let key = |key: usize| prefix + key;
    let range = |begin: usize, end: usize| RANGE_BYTES + key(begin) + key(end);
    let mutations = writes.mutations.iter().map(|mutation| match mutation {
        Mutation::Set { key: k, value } => {
            MUTATION_BYTES + key(k.len()) + value.len() + range(k.len(), k.len() + 1)
        }
        // The client sends a cleared key as the range that holds it alone.
        Mutation::Clear { key: k } => {
            MUTATION_BYTES + key(k.len()) + key(k.len() + 1) + range(k.len(), k.len() + 1)
        }
        Mutation::ClearRange { begin, end } => {
            MUTATION_BYTES + key(begin.len()) + key(end.len()) + range(begin.len(), end.len())
        }
    });
    let reads = writes.read_conflicts.iter().map(|span| match span {
        Span::Key(k) => range(k.len(), k.len() + 1),
        Span::Range { begin, end } => range(begin.len(), end.len()),
    });
    mutations.sum::<usize>() + reads.sum::<usize>()
}

/// Refuses what FoundationDB would refuse; returns the size.
pub(crate) fn check(writes: &WriteSet, prefix: usize) -> Result<usize, StoreError> {
    let actual = of(writes, prefix);
    if actual > TRANSACTION_BYTES_MAX {
        return Err(StoreError::TooLarge {
            what: "transaction",
            limit: TRANSACTION_BYTES_MAX,
            actual,
        });
    }
    Ok(actual)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn sets(count: usize, value: usize) -> WriteSet {
        let set = |index: usize| Mutation::Set {
            key: Bytes::from(format!("{index:010}")),
            value: Bytes::from(vec![0; value]),
        };
        WriteSet {
            read_conflicts: Vec::new(),
            mutations: (0..count).map(set).collect(),
        }
    }

    #[test]
    fn small_rows_weigh_more_than_their_bytes() {
        let writes = sets(1_000, 10);
        assert_eq!(writes.bytes(), 20_000);
        // A key of 10 and a value of 10; the prefix three times, the range of 10 and 11.
        let row = MUTATION_BYTES + 20 + RANGE_BYTES + 21 + 3 * 8;
        assert_eq!(of(&writes, 8), 1_000 * row);
    }

    #[test]
    fn what_the_cluster_would_refuse_is_refused_here() {
        let fits = sets(99, 100_000);
        assert!(check(&fits, 8).is_ok());
        let many_small = sets(100_000, 10);
        assert!(many_small.bytes() < TRANSACTION_BYTES_MAX);
        let refused = check(&many_small, 8).expect_err("too large with its ranges");
        assert!(matches!(
            refused,
            StoreError::TooLarge {
                what: "transaction",
                ..
            }
        ));
    }

    #[test]
    fn what_was_read_counts() {
        let reads = vec![
            Span::Key(Bytes::from_static(b"abc")),
            Span::Range {
                begin: Bytes::from_static(b"a"),
                end: Bytes::from_static(b"b"),
            },
        ];
        let writes = WriteSet {
            read_conflicts: reads,
            mutations: Vec::new(),
        };
        assert_eq!(of(&writes, 0), 2 * RANGE_BYTES + 7 + 2);
    }
}
