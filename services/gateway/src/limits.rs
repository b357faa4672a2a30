//! Every limit of the edge, with its reason and its default, in one struct: [`Limits`].
//!
//! The defaults are for a server on the open internet. A field's name ends in its unit or in what it
//! bounds; times are [`Span`]s and sizes [`ByteCount`]s, so a configuration file says `30s` and
//! `64KiB`. [`Limits::mistakes`] names every value that cannot work.
//!
//! Leaves out: what a service bounds by itself (password hashing, rooms, outboxes).

mod mistakes;
mod units;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use mistakes::Mistake;
pub use units::{ByteCount, InvalidQuantity, Span};

/// The address limiter's key is made anew this often, so that what it remembers of an address cannot
/// be told apart from chance an hour later. A host may then have as many unauthenticated connections
/// again as before, once.
pub(crate) const PEER_KEY_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// How often the housekeeping runs: it looks for a changed certificate and forgets idle rates. A new
/// certificate is served within this span of being written.
pub(crate) const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(10);

/// First pause after `accept` failed, as it does when file descriptors run out. Doubles up to
/// [`ACCEPT_PAUSE_MAX`].
pub(crate) const ACCEPT_PAUSE_FIRST: Duration = Duration::from_millis(5);

/// Longest pause after `accept` failed: what a client waits longer than needed once there are file
/// descriptors again.
pub(crate) const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Most bytes of a client's part of a TLS handshake. A ClientHello with post-quantum key shares has
/// about 2 KiB; nobody is asked for a certificate.
pub(crate) const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// Longest token that is looked at. Ours have 48 characters.
pub(crate) const TOKEN_BYTES_MAX: usize = 512;

/// Most bytes of an answer that are handed to HTTP at once: one frame.
pub(crate) const ANSWER_PIECE_BYTES: usize = 16 * 1024;

/// Addresses whose rate of anonymous calls is remembered at a time: about 5 MB. Beyond, addresses that
/// are not known yet are refused until others are forgotten, which takes as long as a burst takes to
/// refill.
pub(crate) const RATED_ADDRESSES_MAX: usize = 65_536;

/// Size of a file with certificates or a key. Larger files are something else.
pub(crate) const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Every limit of the edge.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections, from the first packet to the last.
    pub connections: ConnectionLimits,
    /// HTTP/2 within a connection.
    pub http2: Http2Limits,
    /// HTTP/1.1, which gRPC-Web may come over.
    pub http1: Http1Limits,
    /// Calls.
    pub calls: CallLimits,
    /// Messages.
    pub messages: MessageLimits,
}

/// Limits of connections.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Connections of all kinds. Further ones are closed at once, so that a client goes elsewhere.
    /// One idle connection with a stream costs about 26 KB, without what its service keeps, and one file
    /// descriptor; see `examples/idle_connections.rs`.
    pub count_max: u32,
    /// Connections that have not made an authenticated call yet, on the whole node. When there are
    /// as many, further ones wait in the kernel's queue, so that a storm of honest clients is slowed
    /// down instead of refused. With the deadlines below an attacker who fills it is drained at
    /// more than 100 per second.
    pub unauthenticated_max: u32,
    /// The same per address (a /64 for IPv6); further ones are closed at once. An address is kept in
    /// memory only, as a keyed hash. Load generators come from one address and need more.
    pub unauthenticated_per_address_max: u32,
    /// Calls without a caller on one connection, refused ones included, until its first
    /// authenticated call. With the last it is closed, in order if that one is answered: a client that
    /// signs in needs one or two.
    pub unauthenticated_calls_max: u32,
    /// Connections of one account, which a connection counts as from its first authenticated call on;
    /// calls over further ones are refused. A person has a few devices, a bot a few connections each. Load
    /// generators need more.
    pub authenticated_per_account_max: u32,
    /// How long a TLS handshake may take.
    pub handshake_within: Span,
    /// How long a connection may go without an authenticated call. Each anonymous call that is
    /// let through (signing in, health) starts the time again.
    pub authenticate_within: Span,
    /// How long a connection lives, so that clients spread again after a node was added.
    pub age_max: Span,
    /// Up to this much is taken off `age_max` by chance, so that what connected together does not
    /// reconnect together.
    pub age_jitter_max: Span,
    /// How long streams have to end after their connection was told to go. Then it is cut.
    pub leave_within: Span,
    /// Connections that wait in the kernel to be accepted. The kernel has a limit of its own
    /// (net.core.somaxconn, usually 4,096).
    pub backlog_max: u32,
    /// Calls that a client may cancel before they were answered, per connection. Beyond, it is
    /// closed: it costs a server more to start a call than a client to cancel it (CVE-2023-44487).
    pub cancelled_calls: Rate,
}

/// Limits of HTTP/2.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http2Limits {
    /// Streams of one connection at a time. A client has one session and a few calls.
    pub streams_max: u32,
    /// Headers of one request, uncompressed. A token and a path have 200 bytes.
    pub header_bytes_max: ByteCount,
    /// Memory of the header compression of one connection: enough for the headers that a client
    /// repeats with every call.
    pub header_table_bytes_max: ByteCount,
    /// Streams that the client has reset and that wait to be noticed. Beyond, the connection ends
    /// (RUSTSEC-2023-0034).
    pub pending_resets_max: u32,
    /// Streams that the server has reset for errors of the client. Beyond, the connection ends
    /// (RUSTSEC-2024-0003).
    pub error_resets_max: u32,
    /// Largest frame that a client may send. HTTP/2 does not allow less than 16 KiB.
    pub frame_bytes_max: ByteCount,
    /// What a client may send on one stream before it is read: three messages of the largest size. This over the
    /// time of a round trip is how fast a file can be sent: 5 MB/s at 50 ms. It is no memory of a stream that is
    /// quiet, and no more of a connection than the next limit, of which one stream that is not read leaves half.
    pub stream_window_bytes: ByteCount,
    /// What a client may send on all its streams before it is read. The library also takes half of it as
    /// its budget for the overhead of small frames that wait to be read (RUSTSEC-2026-0258): 512 KiB
    /// allow about 1,000 of them, more than one packet or one busy client has.
    pub connection_window_bytes: ByteCount,
    /// What HTTP/2 keeps of one stream for a client that does not take it. With `streams_max` this bounds
    /// what a connection can leave lying.
    pub send_buffer_bytes_max: ByteCount,
    /// How often a quiet client is asked whether it is there. Keeps NAT entries alive, too.
    pub keepalive_every: Span,
    /// How long it may take to answer. Then the connection is cut.
    pub keepalive_within: Span,
}

/// Limits of HTTP/1.1.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http1Limits {
    /// How long the head of a request may take, also while the connection is quiet between two.
    pub header_within: Span,
    /// Largest head of a request, and size of the read buffer. The library does not allow less than
    /// 8 KiB.
    pub header_bytes_max: ByteCount,
    /// Headers of one request. Browsers send about 20.
    pub headers_max: u32,
    /// How long a client may take none of an answer. Then the connection is cut.
    pub write_stalled_max: Span,
}

/// Limits of calls.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallLimits {
    /// How long a unary call may take, from its headers to its answer. A shorter `grpc-timeout` of
    /// the client counts instead. Streams are exempt.
    pub unary_within: Span,
    /// How long a client may take to fetch the answer of a unary call, or the next piece of a stream that it only
    /// takes. Then its connection is closed: an answer that nobody reads takes memory.
    pub fetched_within: Span,
    /// Unary calls of one connection that are worked on, or whose answer is not fetched yet, at a time.
    /// Further ones wait, while their deadline runs; those of a stranger are refused.
    pub handlers_per_connection_max: u32,
    /// The same for one account, over all its connections; further ones are refused. With the size of
    /// an answer this bounds the memory that one account can take by not reading.
    pub account_calls_max: u32,
    /// Calls that are worked on at a time on the whole node, counted until their handler ends.
    /// Further ones are refused at once: shedding early keeps what is accepted fast.
    pub handlers_max: u32,
    /// When a call that was shed should come again, at the earliest.
    pub shed_retry_after: Span,
    /// Calls of one account, over all its connections.
    pub account_rate: Rate,
    /// Anonymous calls from one address (a /64 for IPv6). Load generators need more.
    pub address_rate: Rate,
    /// Accounts whose rate is remembered at a time, 64 bytes each. An account that is quiet for
    /// `burst / per_second` seconds needs no memory.
    pub rated_accounts_max: u32,
}

/// Limits of messages. The edge holds unary requests to the first; whoever makes the generated services
/// gives them both: `max_decoding_message_size` takes the first, `max_encoding_message_size` the second.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageLimits {
    /// Largest request message. A text of 64 KiB and 16 KiB for all the rest, so that a text which is a
    /// bit too long gets an answer that names the field.
    pub request_bytes_max: ByteCount,
    /// Largest response message: a page of history with its largest texts.
    pub response_bytes_max: ByteCount,
}

/// How often something may happen: `per_second` on average, `burst` at once after a quiet time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// On average.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            count_max: 100_000,
            unauthenticated_max: 1_024,
            unauthenticated_per_address_max: 32,
            unauthenticated_calls_max: 32,
            authenticated_per_account_max: 64,
            handshake_within: Span::seconds(5),
            authenticate_within: Span::seconds(10),
            age_max: Span::hours(24),
            age_jitter_max: Span::hours(2),
            leave_within: Span::minutes(1),
            backlog_max: 4_096,
            cancelled_calls: Rate {
                per_second: 20,
                burst: 200,
            },
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_max: 64,
            header_bytes_max: ByteCount::kib(8),
            header_table_bytes_max: ByteCount::kib(4),
            pending_resets_max: 20,
            error_resets_max: 256,
            frame_bytes_max: ByteCount::kib(16),
            stream_window_bytes: ByteCount::kib(256),
            connection_window_bytes: ByteCount::kib(512),
            send_buffer_bytes_max: ByteCount::kib(32),
            keepalive_every: Span::seconds(30),
            keepalive_within: Span::seconds(20),
        }
    }
}

impl Default for Http1Limits {
    fn default() -> Self {
        Self {
            header_within: Span::seconds(10),
            header_bytes_max: ByteCount::kib(8),
            headers_max: 64,
            write_stalled_max: Span::seconds(20),
        }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            unary_within: Span::seconds(10),
            fetched_within: Span::minutes(1),
            handlers_per_connection_max: 32,
            account_calls_max: 64,
            handlers_max: 1_024,
            shed_retry_after: Span::seconds(1),
            account_rate: Rate {
                per_second: 50,
                burst: 200,
            },
            address_rate: Rate {
                per_second: 5,
                burst: 50,
            },
            rated_accounts_max: 262_144,
        }
    }
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: ByteCount::kib(80),
            response_bytes_max: ByteCount::kib(4_096),
        }
    }
}
