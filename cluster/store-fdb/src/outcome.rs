//! What FoundationDB's error codes mean for a transaction.
//!
//! Invariant: a code that is not known to mean "not committed" means "unknown" for a commit. The codes are
//! those of FoundationDB 7.3 (`flow/error_definitions.h`); which of them are certain is the list behind its
//! predicate `RETRYABLE_NOT_COMMITTED`, and what the client finds wrong before it sends anything.

use cluster_store::StoreError;
use cluster_store::limits::{KEY_BYTES_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};

/// `transaction_too_old`: the snapshot is gone.
const TRANSACTION_TOO_OLD: i32 = 1007;
/// `future_version`: a storage server lags behind the snapshot.
const FUTURE_VERSION: i32 = 1009;
/// `not_committed`: what was read has changed.
const NOT_COMMITTED: i32 = 1020;
/// `transaction_timed_out`: our own bound, [`TRANSACTION_TIME_MAX`](crate::limits::TRANSACTION_TIME_MAX).
const TRANSACTION_TIMED_OUT: i32 = 1031;
/// `process_behind`: a storage server lags far behind.
const PROCESS_BEHIND: i32 = 1037;
/// `database_locked`: an operator locked it, for a restore or a move.
const DATABASE_LOCKED: i32 = 1038;
/// `cluster_version_changed`: the cluster was upgraded under the transaction.
const CLUSTER_VERSION_CHANGED: i32 = 1039;
/// `commit_proxy_memory_limit_exceeded`.
const COMMIT_PROXY_FULL: i32 = 1042;
/// `batch_transaction_throttled`.
const BATCH_THROTTLED: i32 = 1051;
/// `grv_proxy_memory_limit_exceeded`.
const READ_VERSION_PROXY_FULL: i32 = 1078;
/// `tag_throttled`.
const TAG_THROTTLED: i32 = 1213;
/// `proxy_tag_throttled`.
const PROXY_TAG_THROTTLED: i32 = 1223;
/// `transaction_too_large`: found by the client, before anything is sent.
const TRANSACTION_TOO_LARGE: i32 = 2101;
/// `key_too_large`: as above.
const KEY_TOO_LARGE: i32 = 2102;
/// `value_too_large`: as above.
const VALUE_TOO_LARGE: i32 = 2103;

/// What a failed read means: nothing was written, and either another snapshot helps or patience.
pub(crate) fn of_read(code: i32) -> StoreError {
    match code {
        TRANSACTION_TOO_OLD | FUTURE_VERSION | PROCESS_BEHIND | CLUSTER_VERSION_CHANGED => {
            StoreError::TooOld
        }
        _ => StoreError::Unavailable,
    }
}

/// What a failed commit of `bytes` bytes means.
pub(crate) fn of_commit(code: i32, bytes: usize) -> StoreError {
    let too_large = |what, limit| StoreError::TooLarge {
        what,
        limit,
        actual: bytes,
    };
    match code {
        NOT_COMMITTED => StoreError::Conflict,
        TRANSACTION_TOO_OLD | FUTURE_VERSION | PROCESS_BEHIND => StoreError::TooOld,
        DATABASE_LOCKED
        | COMMIT_PROXY_FULL
        | BATCH_THROTTLED
        | READ_VERSION_PROXY_FULL
        | TAG_THROTTLED
        | PROXY_TAG_THROTTLED => StoreError::Unavailable,
        TRANSACTION_TOO_LARGE => too_large("transaction", TRANSACTION_BYTES_MAX),
        KEY_TOO_LARGE => too_large("key", KEY_BYTES_MAX),
        VALUE_TOO_LARGE => too_large("value", VALUE_BYTES_MAX),
        // commit_unknown_result (1021), cluster_version_changed, transaction_timed_out, cancellations, and
        // whatever a later release adds.
        _ => StoreError::CommitUnknown,
    }
}

/// Whether the code says that the cluster did not answer, as opposed to answering badly.
pub(crate) fn is_silence(code: i32) -> bool {
    code == TRANSACTION_TIMED_OUT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_known_to_be_certain_are_called_certain() {
        let certain: Vec<i32> = (1..=4_200)
            .filter(|code| of_commit(*code, 0) != StoreError::CommitUnknown)
            .collect();
        let listed = [
            1007, 1009, 1020, 1037, 1038, 1042, 1051, 1078, 1213, 1223, 2101, 2102, 2103,
        ];
        assert_eq!(certain, listed);
    }

    #[test]
    fn each_doubt_of_foundationdb_is_a_doubt_of_ours() {
        // commit_unknown_result, its fatal form, cancelled, timed out, upgraded, cancelled operation.
        for code in [1021, 1022, 1025, 1031, 1039, 1101, 1500, 4100] {
            assert!(of_commit(code, 0).maybe_committed(), "{code}");
        }
    }

    #[test]
    fn a_failed_read_is_never_a_doubt() {
        for code in 1..=4_200 {
            assert!(!of_read(code).maybe_committed(), "{code}");
        }
    }

    #[test]
    fn what_a_new_snapshot_cures_is_tried_again_and_silence_is_not() {
        for code in [1007, 1009, 1037, 1039] {
            assert!(of_read(code).is_retryable(), "{code}");
        }
        assert_eq!(of_read(1031), StoreError::Unavailable);
        assert!(is_silence(1031) && !is_silence(1020));
    }

    #[test]
    fn a_conflict_and_a_size_are_told_apart() {
        assert_eq!(of_commit(1020, 1), StoreError::Conflict);
        let too_large = StoreError::TooLarge {
            what: "transaction",
            limit: TRANSACTION_BYTES_MAX,
            actual: 7,
        };
        assert_eq!(of_commit(2101, 7), too_large);
    }
}
