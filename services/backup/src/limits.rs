//! Every bound of this crate, with its reason.

use std::time::Duration;

use cluster_store::limits::{KEY_BYTES_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};

/// Bytes of records after which a chunk is full. Large enough to compress well and for the head of its
/// encryption not to matter, small enough for a few to lie in memory, and for what is lost of a backup that
/// was interrupted to be little.
pub const CHUNK_BYTES_TARGET: usize = 4 * 1024 * 1024;

/// Longest record: a row of the store, with its key, and room to spare.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Longest content of a chunk once it is decompressed. What says to be longer is not read: a few bytes can
/// decompress to anything.
pub const CHUNK_PLAIN_MAX: usize = 64 * 1024 * 1024;

/// Longest chunk as it lies in the file: a full one that does not compress, and what encryption adds.
pub const CHUNK_SEALED_MAX: u32 = 65 * 1024 * 1024;

/// Longest progress: a cursor and some counts.
pub const PROGRESS_BYTES_MAX: u16 = 4 * 1024;

/// Chunks of an archive: 4 TiB of records, whose hashes fit into the last chunk.
pub const CHUNKS_MAX: u32 = 1024 * 1024;

/// Level of zstd: its default. Higher ones cost the processor more than they save the disk.
pub const ZSTD_LEVEL: i32 = 3;

/// Rows that are copied in one step: about a millisecond of work, for that long others wait who are served by the
/// same thread. A step is bounded by the store's page in bytes besides.
pub const ROWS_AT_ONCE: usize = 1_000;

/// Messages that are read again in one step, because its events edit or delete them. Such an event is short, and
/// its message can be as long as a row: these are some 7 MB, and as many as a page has events would fit nowhere.
pub const REWRITTEN_AT_ONCE: usize = 100;

/// Bytes of a file that are copied in one step: a few milliseconds of a disk, and a few of them fill a chunk.
pub const FILE_BYTES_AT_ONCE: u64 = 512 * 1024;

/// Members, bans or read marks that are read at a time. All of a room are read in one transaction, and held
/// in memory: 200,000 members with their marks and indexes are some 40 MB.
pub const MEMBERS_AT_ONCE: usize = 10_000;

/// Longest key file: some hundred keys with remarks.
pub const IDENTITIES_BYTES_MAX: u64 = 64 * 1024;

/// Longest file with one encrypted secret: a key file of the vault, which may have as much, and some recipients.
pub const ENVELOPE_BYTES_MAX: usize = 128 * 1024;

/// Rows of one transaction of a restore, in bytes, after which it is full: a tenth of what a transaction may
/// be, as a cluster has it best.
pub const RESTORE_BYTES_TARGET: usize = TRANSACTION_BYTES_MAX / 10;

/// Longest part that a server hands out: what one step reads, of which the end of a large room is the
/// longest by far.
pub const PART_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a server waits after a program that it could not hear, such as for too many open files: asking
/// at once would not help.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long a program may leave a part lying, or say nothing at first, before the server takes its place away. A
/// chunk is written in well under a second; one that was stopped with Ctrl-Z would keep every other out.
pub const READER_PATIENCE: Duration = Duration::from_secs(60);

/// Longest rest after a part. A part takes some milliseconds, and some dozen when the program fills a chunk with it: what takes
/// longer waits for a disk, and spares those who are served by itself.
pub const REST_MAX: Duration = Duration::from_millis(100);

/// Programs that a server hands its rows to at a time. Each takes its part of the machine, and the
/// server has clients to serve.
pub const BACKUPS_AT_ONCE: usize = 1;

// A chunk is closed by the record that fills it.
const _: () = assert!(CHUNK_BYTES_TARGET + RECORD_BYTES_MAX < CHUNK_PLAIN_MAX);

// Some bytes of a file are one record, with its head.
const _: () = assert!(FILE_BYTES_AT_ONCE + 64 < RECORD_BYTES_MAX as u64);

// The last chunk holds the hash of each other one.
const _: () = assert!(CHUNKS_MAX as usize * 36 < CHUNK_PLAIN_MAX);

// A transaction of a restore is closed by the row that fills it.
const _: () =
    assert!(RESTORE_BYTES_TARGET + KEY_BYTES_MAX + VALUE_BYTES_MAX < TRANSACTION_BYTES_MAX / 2);
