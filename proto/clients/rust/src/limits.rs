//! Every bound of the client, with its reason.
//!
//! Invariant: whatever waits, repeats or is kept has a constant here. The ones that a program may want
//! to change are only the defaults of an option.

use std::time::Duration;

/// TCP and TLS together. A server that needs longer is as good as away, and the next attempt is better
/// spent on a fresh connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One attempt of one unary call: the server's own deadline for unary calls.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// From opening a stream to its Ready. The server allows itself ten seconds for the Hello alone.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// Attempts of one call: with the back-off below they span about fifteen seconds, which covers a
/// restart of the server.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// Over all attempts of one call, waiting included: longer than a person waits for one.
pub(crate) const RETRIES_SPAN_MAX: Duration = Duration::from_secs(30);

/// Attempts of one transfer since it last got on: far more than there is time for, unless each is refused at once.
pub(crate) const TRANSFER_ATTEMPTS_MAX: u32 = 100;

/// Over all attempts of one transfer since it last got on, from the first failure on. A step of an upload, 4 MiB,
/// takes minutes on a slow line, and a train is in a tunnel as long.
pub(crate) const TRANSFER_SPAN_MAX: Duration = Duration::from_secs(10 * 60);

/// How often it is looked whether the part of a download that was dropped can be removed: what it was writing at that
/// moment is with the disk for a moment longer.
pub(crate) const DISCARD_TRIES: u32 = 50;

/// Pause between two of these looks, two seconds and a half in all.
pub(crate) const DISCARD_PAUSE: Duration = Duration::from_millis(50);

/// The first wait lies between nothing and this.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// No wait is longer, so that a client is back half a minute after its server at the latest.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A server that asks for a longer wait is asked again after this: it may have meant milliseconds.
pub(crate) const ASKED_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// A ping on a silent connection: below the minute after which routers begin to forget connections.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// No answer to a ping for this long: the connection is dead.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a server may have on the way to us per stream: enough for a quick catch-up over a long
/// line, and the most that one unread stream keeps in memory.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same for a connection as a whole.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The windows of a light connection: what HTTP/2 starts with, so no update is sent either.
pub(crate) const LIGHT_WINDOW_BYTES: u32 = 65_535;

/// One message on a stream. A server puts frames together up to a megabyte.
pub(crate) const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a stream's buffers start with and grow by. Most frames are shorter, and thousands of idle
/// streams in one process must not hold the usual 8 KiB twice each.
pub(crate) const STREAM_BUFFER_BYTES: usize = 512;

/// Frames that wait for the transport before a sender has to.
pub(crate) const FRAMES_OUT_MAX: usize = 16;

/// Items that wait for the program before events are left in the room's log on the server, from where
/// they are read when the program catches up.
pub(crate) const ITEMS_MAX: usize = 256;

/// Items that wait before nothing is read from the stream any more. Between the two bounds replies
/// still get through, so that a program may await a command while it handles an item.
pub(crate) const ITEMS_HARD_MAX_FACTOR: usize = 16;

/// Commands that wait for the session's task.
pub(crate) const ASKS_MAX: usize = 32;

/// Commands sent and not answered. More wait in the queue above.
pub(crate) const IN_FLIGHT_MAX: usize = 256;

/// Rooms that a session follows at a time: the server's bound.
pub(crate) const FOLLOWED_ROOMS_MAX: usize = 64;

/// From a command to its answer, reconnects included.
pub(crate) const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// A stream that stood this long was a good one: the next attempt to reconnect counts as the first. A
/// server that takes streams and drops them at once must not be asked five times a second.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(2);

/// A gap that is not filled after this long, in which the program read, is asked about on a new stream.
pub(crate) const HEAL_DEADLINE: Duration = Duration::from_secs(10);

/// Pages that a call which collects all of them reads: a million rows at the largest size. Ends a
/// server's endless list.
pub(crate) const PAGES_MAX: usize = 1_000;

/// Bytes of a file that are sent in one piece: the most that a server takes.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that wait for the transport: enough to read on while one is encrypted and sent.
pub(crate) const PIECES_OUT_MAX: usize = 4;

/// Bytes of a file on this machine that are read or written at a time: few calls of the system, little
/// memory.
pub(crate) const FILE_BUFFER_BYTES: usize = 512 * 1024;

/// A transfer in which nothing moves for this long is made anew: as long as a server waits for a piece.
pub(crate) const STILL_MAX: Duration = Duration::from_secs(30);

/// Characters of a file's id in the name of a file that is not whole yet: 40 random bits, so that two files
/// are not taken for one.
pub(crate) const PART_ID_CHARS: usize = 8;

/// A file of certificates or known servers. Larger is a mistake in the path.
pub(crate) const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
