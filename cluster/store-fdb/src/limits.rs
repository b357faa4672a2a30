//! Every bound of this backend, with its reason. Sizes of keys, values and transactions are the store's
//! (`cluster_store::limits`), on every backend.

use std::time::Duration;

use cluster_store::limits::KEY_PREFIX_BYTES_MAX;

/// How long a transaction may take from `begin` to the answer of its commit. A snapshot can be read for
/// 5 s, and the rest is for the commit. Below the 8 s after which [`Store::run`](cluster_store::Store::run)
/// gives up, so that the caller hears the reason. When the cluster cannot be reached, this is how long a
/// read takes to say so.
pub const TRANSACTION_TIME_MAX: Duration = Duration::from_secs(7);

/// How long an operation may wait for a place among those at the cluster. Longer means that the cluster is
/// too slow for what is asked, and that the caller should hear so while it still listens.
pub const PLACE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Requests that may be at the cluster at once: keys looked up, pages, commits. The client's one network
/// thread does some 100,000 a second, so this is a tenth of a second of its work.
pub const REQUESTS_AT_ONCE_MAX: u32 = 8_192;

/// Operations that may wait for a place; further ones are refused at once.
pub const OPERATIONS_WAITING_MAX: usize = 65_536;

/// Bytes of commits that may be at the cluster at once. Must hold one transaction of the largest size, and
/// is what a cluster in recovery may cost in memory.
pub const COMMIT_BYTES_AT_ONCE_MAX: u32 = 64 * 1024 * 1024;

/// Longest name of a prefix: with the byte that ends it, what the store leaves free in a key.
pub const PREFIX_NAME_BYTES_MAX: usize = KEY_PREFIX_BYTES_MAX - 1;

/// The version of the client's interface. The library may be newer, not older.
pub const API_VERSION: i32 = 730;
