//! Every bound of this crate, with its reason.

use std::time::Duration;

use cluster_runtime::InboxLimits;
use cluster_store::limits::{RANGE_BYTES_MAX, RANGE_ROWS_MAX};

/// Bytes in a message's body. Far more than people type, and with room for keys and envelope below
/// the store's 100 kB for a value.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Files that come with a message: few enough that the message is a small part of what its transaction writes,
/// and more than anybody looks at side by side.
pub const ATTACHMENTS_MAX: usize = 10;

/// What a file weighs where it is sealed with its message: a name of 255 bytes, a type, id, key and hash.
pub const ATTACHMENT_SEALED_BYTES: usize = 512;

/// What a file that comes with a message weighs in a page of events, besides its name and its type: its id, size
/// and hash, and what the encoding adds.
pub const ATTACHMENT_OVERHEAD_BYTES: usize = 128;

/// Characters in a room's name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;

/// Characters in a room's topic.
pub const TOPIC_CHARS_MAX: usize = 500;

/// Members of a room. All of them are in the memory of its actor, at about 64 bytes each.
pub const MEMBERS_MAX: usize = 200_000;

/// Rooms that an account is in. Far more than anybody looks into, and few enough that all of them can
/// be counted in the transaction that adds one, and listed to whoever connects.
pub const ROOMS_PER_ACCOUNT_MAX: usize = 5_000;

// One page of the store holds them all: a row of this index is below 100 bytes.
const _: () = assert!(ROOMS_PER_ACCOUNT_MAX <= RANGE_ROWS_MAX);
const _: () = assert!(ROOMS_PER_ACCOUNT_MAX * 100 <= RANGE_BYTES_MAX);

/// Accounts that are kept out of a room. All of them are in the memory of its actor.
pub const BANS_MAX: usize = 200_000;

/// What may wait for one room: at a few thousand appends a second this is well under a second of
/// work, and what waits longer is better refused early.
pub const INBOX: InboxLimits = InboxLimits {
    count_max: 4_096,
    bytes_max: 16 * 1024 * 1024,
};

/// Messages in one transaction. Enough to make the fsync a small part of the cost.
pub const BATCH_COUNT_MAX: usize = 512;

/// Bytes of bodies in one transaction: the store advises to stay below 1 MB.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;

/// What a request weighs besides its body.
pub const REQUEST_OVERHEAD_BYTES: usize = 256;

/// How long a command may wait for its answer, all attempts together. Below the 10 s that the edge
/// gives a unary call, so that the caller hears the reason from here.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(9);

/// A room that is on its way between two nodes is looked for in the store after this long, and up to as much more,
/// unless somebody has said by then where it is: who hands it over does so.
pub const MOVING_RETRY: Duration = Duration::from_millis(20);

/// How often a room is asked for one command: an actor may just have gone to sleep, or die under the
/// command, and the next one as well. If a third one dies, something is wrong with the room.
pub const COMMAND_ATTEMPTS_MAX: usize = 3;

/// Rooms in memory at a time on one node.
pub const ACTIVE_ROOMS_MAX: usize = 100_000;

/// How long it is seen in a room's heat that something has happened: an operator who looks wants to know who is busy now,
/// and not who was for a moment. Shorter than an actor stays awake after the last command.
pub const HEAT_SPAN: Duration = Duration::from_secs(60);

/// An actor that was not asked anything for this long goes to sleep.
pub const IDLE_AFTER: Duration = Duration::from_secs(120);

/// How often idle actors are looked for.
pub const IDLE_SWEEP_EVERY: Duration = Duration::from_secs(15);

/// A room whose actors fail this often within [`FAILURES_WINDOW`], none of them having done anything,
/// is not started again until the window has passed: something is wrong that a restart does not mend.
pub const FAILURES_MAX: u32 = 8;

/// See [`FAILURES_MAX`].
pub const FAILURES_WINDOW: Duration = Duration::from_secs(30);

/// When to come back to a room that has too much to do.
pub const OVERLOADED_RETRY: Duration = Duration::from_millis(250);

/// Events in one page of the log. A page costs two hand-overs to the disk, and what it holds is bounded
/// by bytes besides.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// Events in one page where the call names no number.
pub const EVENTS_PAGE_DEFAULT: usize = 50;

/// Bytes of bodies and of what comes with them in one page of events, those shown by edits included: well below the 4 MiB that
/// gRPC clients take by default. One event fits in any case.
pub const EVENTS_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Edited messages that are read at a time to fill a page: what is read in vain, because the page is
/// full before, is less than another page.
pub const EDITED_AT_ONCE: usize = 16;

/// Earlier messages that are read at a time for a batch, those that are said once more and those that
/// are answered: a megabyte of bodies at most, however many there are.
pub const EARLIER_AT_ONCE: usize = 16;

/// Keys of senders that are looked for at once before a batch. They are mostly in memory; on the first of a
/// month each sender needs a new one, and those that are made together share a commit.
pub const KEYS_AT_ONCE: usize = 64;

/// Rooms in one page.
pub const ROOMS_PAGE_MAX: usize = 200;

/// Rooms in one page where the call names no number.
pub const ROOMS_PAGE_DEFAULT: usize = 50;

/// Members, bans and readers in one page.
pub const MEMBERS_PAGE_MAX: usize = 1_000;

/// Members, bans and readers in one page where the call names no number.
pub const MEMBERS_PAGE_DEFAULT: usize = 100;

/// Members or bans read at a time while a room is loaded.
pub const LOAD_PAGE: usize = 1_000;

/// Rows cleared in one transaction while a deleted room is cleared away.
pub const CLEAR_BATCH: usize = 500;

/// Files released in one transaction while a deleted room is cleared away, if not a single event has more. Each is
/// some six rows that are read or written.
pub const CLEAR_FILES: usize = 100;

/// How long to wait before clearing is tried again after the store has refused it. What is to be
/// cleared cannot be read by anybody any more, so there is no hurry.
pub const CLEAR_RETRY: Duration = Duration::from_secs(30);
