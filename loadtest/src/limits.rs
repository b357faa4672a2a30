//! Every bound of the load generator, with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

// --- Processes -----------------------------------------------------------------------------------

/// How long a server may take to start. Making a key, a certificate and a store takes well under a
/// second in release; a debug build on a busy machine needs more.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);

/// How often a start is looked at. After a kill, this is all that we add to the time away.
pub(crate) const START_POLL: Duration = Duration::from_millis(5);

/// Open files that we keep for everything but streams.
pub(crate) const FILES_RESERVED: u64 = 256;

/// Open files that we ask for, if the system allows as many.
pub(crate) const FILES_WANTED: u64 = 100_000;

// --- People --------------------------------------------------------------------------------------

/// Accounts that are registered at a time. Each is a password hash of some 35 ms on a core of the
/// server; a few more than cores keep it busy, many more only wait in its queue.
pub(crate) const REGISTERING_AT_ONCE: usize = 8;

/// People who share a connection for their unary calls. Below the 64 streams that a server allows, so
/// that none of them waits for another.
pub(crate) const PEOPLE_PER_CONNECTION: usize = 32;

/// Sessions of one account: the server's bound.
pub(crate) const SESSIONS_PER_ACCOUNT: usize = 32;

/// Members that are added to rooms at a time.
pub(crate) const ADDING_AT_ONCE: usize = 32;

/// Tries of a call that the server did not carry out. With the waits that it asks for, this is more
/// than a minute.
pub(crate) const TRIES_MAX: u32 = 100;

/// Wait before a try where the server named none.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(250);

// --- Streams -------------------------------------------------------------------------------------

/// Streams that are opened at a time. Enough to keep both sides of the handshakes busy, and few enough
/// for none to time out.
pub(crate) const OPENING_AT_ONCE: usize = 128;

/// Of these, on one connection that several share: a server works on no more than 32 calls of one at a time.
pub(crate) const OPENING_AT_ONCE_PER_CONNECTION: usize = 16;

/// From connecting to the Live marker of the last room. On a busy machine the handshakes of a storm
/// take turns.
pub(crate) const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// How long a round may take to come to rest.
pub(crate) const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// Messages that the bare relay keeps for a client that is not reading. As many as an outbox holds, so
/// that both sides of the comparison buffer the same.
pub(crate) const RELAY_BUFFER: usize = 256;

/// TLS handshakes that the bare server has under way.
pub(crate) const HANDSHAKES_AT_ONCE: usize = 1_024;

// --- Files ---------------------------------------------------------------------------------------

/// Bytes of a file in one message of the bare server: as many as a `rookery` server sends.
pub(crate) const FILE_PIECE_BYTES: usize = 64 * 1024;

/// Bytes that the bare server reads and writes at a time: as many as a `rookery` server reads.
pub(crate) const FILE_READ_BYTES: usize = 512 * 1024;

/// Bytes after which the bare server syncs: a segment of a `rookery` server.
pub(crate) const FILE_SYNC_BYTES: usize = 4 * 1024 * 1024;

/// Pieces of the bare server that wait for the transport.
pub(crate) const PIECES_WAITING_MAX: usize = 4;

// --- Replay --------------------------------------------------------------------------------------

/// How many times faster than they were conversations can be: a day is then between ten days and a tenth
/// of a second.
pub(crate) const SPEEDS: RangeInclusive<f64> = 0.1..=1_000_000.0;
