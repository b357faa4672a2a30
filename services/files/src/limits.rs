//! Every bound of files, with its reason.

use std::time::Duration;

/// Bytes that are sealed in one piece. A reader of a range opens at most two pieces in vain, and the tag of
/// 16 bytes is a small part of it.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks of one object. Each object costs a sync of a file, of its folder and of the store: with 4 MiB that is
/// a small part of the time, and what a broken connection loses takes a moment to send again.
pub const SEGMENT_CHUNKS: usize = 64;

/// Bytes of a file in one object.
pub const SEGMENT_BYTES: usize = CHUNK_BYTES * SEGMENT_CHUNKS;

/// Chunks that are read from the object store in one go: half a megabyte in memory for each reader.
pub const READ_CHUNKS: usize = 8;

/// Uploads that are written at a time on one node. Each holds two segments in memory, one that comes in and one that
/// is being written: 256 MiB in all.
pub const WRITERS_MAX: usize = 32;

/// Transfers, up and down, of one account at a time on one node: a person with a few devices. It bounds
/// what one account can take of the two limits around it.
pub const TRANSFERS_PER_ACCOUNT_MAX: usize = 8;

/// Transfers at a time on one node. One that is fetched holds [`READ_CHUNKS`]: 64 MiB in all.
pub const TRANSFERS_MAX: usize = 128;

/// When to come back to a node that has as many transfers as it can.
pub const TRANSFERS_RETRY: Duration = Duration::from_secs(1);

/// Most bytes of a file in one message. With the largest name beside it this is below the 80 KiB that
/// the edge takes; larger pieces are hardly faster.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// How long an upload waits for its client to send as much as [`PIECE_BYTES_MAX`], or to end. So the slowest
/// client that goes on has 2 KiB/s; one that stands still, or all but does, gives its place back.
pub const PIECE_WITHIN: Duration = Duration::from_secs(30);

/// What each piece of an upload counts at least in its [turn](TURN_BYTES): taking a message has its price, however
/// little is in it.
pub const PIECE_COUNTS_MIN: usize = 4 * 1024;

/// How long a transfer waits for what is this node's to do: to write a segment or to read a part of one. The
/// client gives up after as long itself.
pub const WORK_WITHIN: Duration = Duration::from_secs(30);

/// A transfer counts as one more call of its account after so many bytes, and waits where that is too fast.
/// Before a reader gets as many again, its membership and the message are looked up once more; before as many
/// again are taken, whether the sender may still send into the room.
pub const TURN_BYTES: usize = 4 * 1024 * 1024;

/// How often everything is swept, beside each start: uploads live for days.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Files of one account that are in no message yet: more than one message carries, for several devices.
pub const UPLOADS_MAX: u32 = 64;

/// Uploads in a page unless said otherwise.
pub const UPLOADS_PAGE: usize = 50;

/// Most uploads in a page: all that an account can have, some 30 kB on the wire.
pub const UPLOADS_PAGE_MAX: usize = UPLOADS_MAX as usize;

/// Largest file of all: chunks are numbered with 32 bits, and this is far from their end.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// Largest file where the operator says nothing.
pub const SIZE_MAX_DEFAULT: u64 = 2 << 30;

/// What all files of an account may take where the operator says nothing.
pub const ACCOUNT_QUOTA_DEFAULT: u64 = 20 << 30;

/// Bytes of a file's name: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;

/// After so many days an upload that is in no message is swept: whoever began on a Friday evening goes on the
/// next morning, and not later.
pub const UPLOAD_DAYS: u32 = 1;

/// Rows, and objects, that the sweep looks at or removes in one go.
pub const SWEEP_BATCH: usize = 64;

/// Pause after so many of either: a sweep leaves the disk to those who wait for it.
pub const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// How often files to be removed are looked for between two sweeps. Their bytes count until they are gone, so whoever
/// makes room waits so long; where there are none it is one read.
pub const REMOVALS_EVERY: Duration = Duration::from_secs(5);

/// The same after one that failed: a disk is not mended in seconds, and the log need not repeat it.
pub const REMOVALS_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Objects of no file that are younger are left: an operator who has named a wrong place has a day to see it.
pub const STRAY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Objects that are looked at together, before any of them is removed.
pub const STRAYS_BATCH: usize = 1_000;

/// Files without a row that a crash can leave where there are few others. More than these, and than half of all, are
/// no strays but another store's files.
pub const STRAY_FILES_FEW: usize = 8;

/// Failures in a row after which a part of a sweep ends: that is no bad sector, but a store that is away, and the
/// log need not say so for each file.
pub const SWEEP_FAILURES_MAX: usize = 16;
