//! Every bound of the links between nodes, with its reason.

use std::time::Duration;

/// Bytes in the body of an ask, an answer or a tell. The largest things that one node sends another are
/// pages of a room's log, and those end below this.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes in a frame: a body, and what is around it.
pub const FRAME_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;

/// Asks and tells that wait to be sent on one link. At 50,000 events a second, a sixth of a second: what
/// waits longer is read from the log faster.
pub const WAITING_FRAMES_MAX: usize = 8 * 1024;

/// Bytes of asks and tells that wait to be sent on one link: a few of the largest, or 1 KiB for each of
/// [`WAITING_FRAMES_MAX`].
pub const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Asks of this node on one link that wait to be sent or for their answer. Each is a caller that waits;
/// with answers in two milliseconds, two million a second.
pub const ASKS_MAX: usize = 4 * 1024;

/// Bytes of the same.
pub const ASKS_BYTES_MAX: usize = 2 * 1024 * 1024;

// An ask keeps its credit until it is answered, a tell until it is read: while a store is slow, events go on.
const _: () = assert!(ASKS_MAX <= CREDIT_FRAMES as usize / 2);
const _: () = assert!(ASKS_BYTES_MAX <= CREDIT_BYTES as usize / 2);

/// For an answer, at most: a longer deadline is taken for this one. Nobody at the end of a client's call waits
/// for an hour.
pub const ASK_WITHIN_MAX: Duration = Duration::from_secs(3_600);

/// Asks and tells that the other node may send before some are dealt with. Half of it is enough for a round trip of 20
/// milliseconds at 200,000 tells a second.
pub const CREDIT_FRAMES: u32 = 8 * 1024;

/// Bytes of the same: what one link can make this node keep, but for one body.
pub const CREDIT_BYTES: u32 = 4 * 1024 * 1024;

/// Credit is given back once this part of it has gathered: often enough that the other never waits for
/// it, and seldom enough that it costs nothing.
pub const CREDIT_PART: u32 = 4;

/// Bytes of answers that wait to be sent on one link. Past that an ask has no answer: the other node does
/// not read what it has asked for.
pub const ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that HTTP/2 lets the other node send ahead: one large frame, and what 10 Gbit/s carry in a
/// millisecond.
pub const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Bytes in a DATA frame: whole batches of small frames.
pub const DATA_BYTES_MAX: u32 = 64 * 1024;

/// Bytes of frames that HTTP/2 takes from the queue before the socket takes them. What it has taken counts
/// as sent, so it is a part of what waits, not as much again.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes in the headers of the one call: far more than it has.
pub const HEADER_BYTES_MAX: u32 = 8 * 1024;

/// For a connection to stand, TLS included. A machine that is there answers in a few milliseconds; one that
/// is not should not cost a second of the two that a failover may take.
pub const DIAL_WITHIN: Duration = Duration::from_millis(500);

/// For the hello after the connection stands: longer than [`MEMBER_WITHIN`].
pub const HELLO_WITHIN: Duration = Duration::from_millis(1_000);

/// For a node that says hello to become a member: two rounds of heartbeats, in which each member learns
/// who has joined.
pub const MEMBER_WITHIN: Duration = Duration::from_millis(600);

/// Connections that have not said hello. One for each node of a large cluster, all at once.
pub const STRANGERS_MAX: usize = 64;

/// A link says something at least about this often.
pub const SIGN_EVERY: Duration = Duration::from_millis(200);

/// A link on which nothing has been heard for so long is broken: four signs of life that did not come.
pub const SILENCE_MAX: Duration = Duration::from_millis(1_000);

/// Before the second attempt at a link; doubled with each further one. The first follows at once.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// Between two attempts at a link, at most: a node that comes back is linked within a second.
pub const BACKOFF_MAX: Duration = Duration::from_millis(1_000);

/// For the other node to read last words and end the stream.
pub const FAREWELL_WITHIN: Duration = Duration::from_millis(200);

/// After a failure to accept a connection that is this node's own, such as too many open files.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The same line about the same trouble is logged once in so long.
pub const SAME_LINE_EVERY: Duration = Duration::from_secs(60);

/// Different lines about trouble in that time. More than there are kinds of trouble times nodes of a usual
/// cluster.
pub const LINES_MAX: usize = 64;

/// Bytes of the other's last words that are logged.
pub const DETAIL_BYTES_MAX: usize = 256;

/// TLS handshakes under way. Each costs a signature; more than come from nodes at once wait in the kernel.
pub const HANDSHAKES_MAX: usize = 64;

/// Bytes in a file with certificates or a key: a hundred times what is usual.
pub const PEM_BYTES_MAX: u64 = 256 * 1024;

/// How often the files of the certificate are looked at.
pub const RELOAD_EVERY: Duration = Duration::from_secs(10);

/// So long before its end a certificate is said to be late.
pub const CERTIFICATE_LATE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes that a connection in memory takes before they are read: as much as a socket's buffer.
pub const MEMORY_PIPE_BYTES: usize = 64 * 1024;

/// Connections in memory that wait to be taken, at one node.
pub const MEMORY_BACKLOG_MAX: usize = 64;

/// The bounds of a link that a simulation shrinks. The default is made of the constants here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// [`WAITING_FRAMES_MAX`].
    pub waiting_frames_max: usize,
    /// [`WAITING_BYTES_MAX`].
    pub waiting_bytes_max: usize,
    /// [`ASKS_MAX`].
    pub asks_max: usize,
    /// [`ASKS_BYTES_MAX`]; one ask may be larger.
    pub asks_bytes_max: usize,
    /// [`CREDIT_FRAMES`]; 1 at least.
    pub credit_frames: u32,
    /// [`CREDIT_BYTES`]; 1 at least.
    pub credit_bytes: u32,
    /// [`ANSWERS_BYTES_MAX`].
    pub answers_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_frames_max: WAITING_FRAMES_MAX,
            waiting_bytes_max: WAITING_BYTES_MAX,
            asks_max: ASKS_MAX,
            asks_bytes_max: ASKS_BYTES_MAX,
            credit_frames: CREDIT_FRAMES,
            credit_bytes: CREDIT_BYTES,
            answers_bytes_max: ANSWERS_BYTES_MAX,
        }
    }
}
