//! Every bound of the store, with its reason.
//!
//! The sizes and the age are FoundationDB's on every backend, so that what works on one machine
//! works on a cluster. The rest bounds queues, batches, pages and retries.

use std::time::Duration;

/// Bytes that each key leaves to the prefix under which a deployment lives in a FoundationDB cluster that
/// it may share.
pub const KEY_PREFIX_BYTES_MAX: usize = 64;

/// Longest key. FoundationDB refuses more than 10,000 bytes, prefix included.
pub const KEY_BYTES_MAX: usize = 10_000 - KEY_PREFIX_BYTES_MAX;

/// Longest value. FoundationDB refuses longer ones; a message body is far below (64 KiB).
pub const VALUE_BYTES_MAX: usize = 100_000;

/// What one transaction may affect: keys and values written, bounds of cleared ranges, and what it
/// read and must not change under it. FoundationDB's limit; aim below a tenth of it.
pub const TRANSACTION_BYTES_MAX: usize = 10_000_000;

/// How long a snapshot can be read. FoundationDB keeps old versions this long; the embedded
/// backend could keep them longer, at the price of a file that grows.
pub const TRANSACTION_AGE_MAX: Duration = Duration::from_secs(5);

/// Rows in one page of a range read, whatever the caller asks for: a page is a unit of memory.
pub const RANGE_ROWS_MAX: usize = 10_000;

/// Bytes in one page of a range read, whatever the caller asks for. A page holds at least one row,
/// so it can be longer by one value.
pub const RANGE_BYTES_MAX: usize = 1_000_000;

/// Keys in one read of many. More are read in several goes.
pub const READ_MANY_MAX: usize = 1_000;

/// How often one call of `run` tries before it gives up. With the back-off below this is about six
/// seconds of trying, which only a broken store or a hopelessly hot key needs.
pub const RUN_ATTEMPTS_MAX: u32 = 50;

/// How long one call of `run` tries before it gives up: below the ten seconds that clients commonly
/// wait, so that the caller hears the reason and not its own timeout.
pub const RUN_DEADLINE: Duration = Duration::from_secs(8);

/// First pause before a retry is up to this long: about one commit on a good disk.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(2);

/// No pause before a retry is longer than this: long enough to shed load, short enough to keep
/// many attempts within [`RUN_DEADLINE`].
pub const BACKOFF_MAX: Duration = Duration::from_millis(250);

/// Commits that may wait for the committer. Past this, `commit` waits: the queue is a place to
/// gather a group, not to hide a slow disk.
pub const COMMIT_QUEUE_MAX: usize = 16_384;

/// Bytes of writes that may wait for the committer, so that a stalled disk costs latency and not
/// memory. Must hold at least one transaction of the largest size.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Commits in one group. One fsync serves them all; the bound keeps the first from waiting long
/// for the work of the last (about 20 µs each).
pub const GROUP_COMMITS_MAX: usize = 4_096;

/// Bytes of writes in one group, beside its first commit: about 100 ms of work for a slow disk.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Recently written keys that are remembered to find conflicts. A transaction that is older than
/// the oldest of them is told to start again. At about 200 bytes each this is some 50 MB at worst;
/// in practice only what the oldest running transaction has not seen is kept.
pub const RECENT_KEYS_MAX: usize = 262_144;

/// Recently cleared ranges that are remembered to find conflicts. Each is compared with each read,
/// so there must be few.
pub const RECENT_RANGES_MAX: usize = 1_024;

/// Reads that may be at the disk at once. Each takes a thread of tokio's blocking pool (512), of
/// which password hashing and the rest must keep some.
pub const READS_AT_ONCE_MAX: usize = 64;

/// Reads that may wait for one of those places before further ones are refused.
pub const READS_WAITING_MAX: usize = 65_536;

/// Memory for pages of the file. Half can be dirty pages of the group being written.
pub const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Free space below which writes are refused. A group writes at most a few dozen MiB (its values,
/// the pages above them, the allocator's state); refusing before the file system is really full
/// means that a write hardly ever fails half-way.
pub const FREE_SPACE_MIN: u64 = 64 * 1024 * 1024;

/// After a write that the file system refused for want of space: how long until the next try.
/// Writes are refused meanwhile. Well below the five seconds within which a store must recover.
pub const FULL_RETRY: Duration = Duration::from_secs(1);

/// Rows that an upgrade rewrites in one transaction: few enough that whoever writes one of them meanwhile
/// waits for a moment only.
pub const UPGRADE_ROWS: usize = 100;

/// Bytes of rows that an upgrade rewrites in one transaction, but for the last row: far below
/// [`TRANSACTION_BYTES_MAX`] however much they grow.
pub const UPGRADE_BYTES: usize = 256 * 1024;

/// Between two of these transactions: leaves most of the store to those whom it serves.
pub const UPGRADE_PAUSE: Duration = Duration::from_millis(5);

/// Rows after which an upgrade says how far it has come.
pub const UPGRADE_TELL_EVERY: u64 = 100_000;

/// Longest folded user name that an index key may hold.
pub const NAME_KEY_BYTES_MAX: usize = 256;
