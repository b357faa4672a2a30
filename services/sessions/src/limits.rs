//! Every bound of this crate, with its reason.

use std::time::Duration;

use cluster_runtime::InboxLimits;
use services_rooms::limits::BODY_BYTES_MAX;

/// Items that wait for one client. What comes on top is left in the log.
pub const OUTBOX_ITEMS_MAX: usize = 256;

/// Bytes that wait for one client; see [`OUTBOX_ITEMS_MAX`].
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;

/// Items that wait for one client besides, since they are sent in any case: replies, of which not more
/// are owed than [`INBOX`] has places, and rooms that came and went. A client for which this does not
/// suffice does not read: its stream ends, and it finds in the log what it missed.
pub const OUTBOX_FORCED_ITEMS_MAX: usize = 1024;

/// See [`OUTBOX_FORCED_ITEMS_MAX`]: as many replies as are owed, with long errors.
pub const OUTBOX_FORCED_BYTES_MAX: usize = 512 * 1024;

/// A session that fell behind reads on once its outbox is down to this: half of it, so that reads are
/// few and the connection does not run dry.
pub const OUTBOX_ITEMS_LOW: usize = OUTBOX_ITEMS_MAX / 2;

/// See [`OUTBOX_ITEMS_LOW`].
pub const OUTBOX_BYTES_LOW: usize = OUTBOX_BYTES_MAX / 2;

// Who has room to read on can take at least one event, or it would read the same one for ever.
const _: () = assert!(OUTBOX_BYTES_LOW + 2 * BODY_BYTES_MAX <= OUTBOX_BYTES_MAX);

/// Frames that an empty outbox keeps a place for: those of a quiet room. An outbox that held more gives
/// its memory back.
pub const OUTBOX_FRAMES_IDLE: usize = 4;

/// Bytes handed to the connection in one message: about one TLS record, which is what is gained by
/// putting frames together.
pub const MESSAGE_BYTES_TARGET: usize = 16 * 1024;

/// Events read from the log at a time by a session that is behind.
pub const CATCH_UP_PAGE: usize = 128;

/// Rooms that one session follows at a time. The rest send counters.
pub const FOLLOWED_ROOMS_MAX: usize = 64;

/// What a client may have under way: commands that were not answered yet.
pub const INBOX: InboxLimits = InboxLimits {
    count_max: 256,
    bytes_max: 1024 * 1024,
};

/// Commands carried out together.
pub const COMMANDS_AT_ONCE: usize = 64;

/// Frames read from a client before what waits for it is sent.
pub const FRAMES_AT_ONCE: usize = 32;

/// A client has this long to say hello.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// Sessions of one account at a time.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 32;

/// Sessions of this node at a time.
pub const SESSIONS_MAX: usize = 250_000;

/// Published events that wait for one shard of the relay. What comes on top is left in the log, and
/// the sessions that would have had it catch up.
pub const RELAY_QUEUE_MAX: usize = 4_096;

/// Bytes of the events that wait for one shard of the relay: as many as [`RELAY_QUEUE_MAX`] of 2 KiB,
/// which few messages have. With large ones alone it would be a quarter of a GiB.
pub const RELAY_QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Events taken from a relay's queue at a time: those of one room go to each session together. Well
/// below what an outbox takes, so that one that was drained does not overflow by it.
pub const HAND_OUT_EVENTS: usize = 64;

/// Sessions that are given events in one go, before others get the thread and the lock: well below a
/// millisecond.
pub const HAND_OUT_AT_ONCE: usize = 256;

/// Read markers of others are sent in rooms that at most this many sessions watch: in larger ones
/// they would be most of the traffic, and nobody reads such a list.
pub const MARKER_WATCHERS_MAX: usize = 100;

/// Who writes is shown in rooms that at most this many sessions watch: in larger ones somebody always
/// does.
pub const TYPING_WATCHERS_MAX: usize = 1_000;

/// Read markers and typing notes that wait for one client, each. What comes on top is forgotten.
/// Presence is bounded by [`WATCHED_ACCOUNTS_MAX`].
pub const HINTS_MAX: usize = 256;

/// A member who goes on writing is shown to write again after this long. What is shown is good for
/// twice as long.
pub const TYPING_EVERY: Duration = Duration::from_secs(3);

/// Watched accounts that weigh as much as a call: the rooms of each are looked up. All of
/// [`WATCHED_ACCOUNTS_MAX`] together are below the burst that an account is allowed.
pub const WATCHED_ACCOUNTS_PER_CALL: usize = 8;

/// Accounts whose presence one session watches.
pub const WATCHED_ACCOUNTS_MAX: usize = 512;

/// Watched accounts of which it is looked up at a time whether they still share a room with the
/// watcher: so many scans go into one read of the store.
pub const NEIGHBOURS_AT_ONCE: usize = 64;

/// An account without a session is shown as away from the server after this long, so that a
/// reconnect is no event.
pub const OFFLINE_AFTER: Duration = Duration::from_secs(10);

/// How often changes of presence are told: however often somebody comes and goes, watchers hear of it
/// once in this time.
pub const PRESENCE_EVERY: Duration = Duration::from_secs(1);

/// A session that could not read the log tries again after this long.
pub const READ_RETRY: Duration = Duration::from_millis(250);

/// When to come back to a node that drains, at the earliest.
pub const DRAIN_RETRY: Duration = Duration::from_millis(500);

/// When to come back after a fault, at the earliest.
pub const FAULT_RETRY: Duration = Duration::from_millis(500);

/// Rooms that are subscribed for at another node in one go, or that it is told to tell of no more: some kilobytes of
/// ids, and one read of their heads. All rooms of a node that has left are some dozen such goes.
pub const SUBSCRIBE_AT_ONCE: usize = 1_024;

/// A node that did not take a subscription is asked again after this long: rooms are between two nodes for
/// little longer.
pub const SUBSCRIBE_RETRY: Duration = Duration::from_millis(50);

/// How long after a subscription its node is told how far the rooms had come: what had been told by then, and is on
/// its way over the link, need not be read by every session.
pub const CAUGHT_UP_AFTER: Duration = Duration::from_millis(20);

/// A link that had no place for something is tried again after this long.
pub const MISSED_RETRY: Duration = Duration::from_millis(20);

/// Read marks that wait for a home of their room. It has one again within seconds.
pub const MARKS_OWED_MAX: usize = 10_000;

/// People whose presence is told to a node in one go: about 20 kB.
pub const PRESENCE_TOLD_MAX: usize = 1_000;

/// After a link has broken or stands, all sessions look which rooms they are in, and what is read there, after this
/// long: the links of a node that comes or goes do so together.
pub const DOUBT_AFTER: Duration = Duration::from_millis(100);

/// Sessions that do so at a time.
pub const DOUBTED_AT_ONCE: usize = 256;

/// From one such group to the next: all [`SESSIONS_MAX`] have looked after five seconds.
pub const DOUBT_EVERY: Duration = Duration::from_millis(5);
