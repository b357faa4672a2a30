//! Sessions: the one stream that a client holds, and how events reach it.
//!
//! Owns: an actor per session for what its client asks, an outbox per session for what it is sent, and
//! the relay that hands each published event to every outbox that wants it. Control goes through the
//! actor; events do not: relay -> outbox -> connection.
//!
//! Invariants: a followed room's `seq` never skips towards a client; an outbox holds no more than its
//! limits, since the log is the buffer: a session that falls behind keeps a cursor and reads on from
//! the log; after a member is removed nothing more of the room enters its outboxes.
//!
//! Leaves out: what events mean (`services-rooms`), who may connect (`services-gateway`), and
//! durability: everything here is lost with the process, and nothing is missed.
//!
//! Locks, in the order in which they may be taken: presence, a session's standing, the relay's topics, the
//! interests of this node, a topic, an outbox. None is held while somebody waits.

mod actor;
mod command;
mod error;
pub mod grpc;
mod handle;
mod hub;
pub mod limits;
mod nodes;
mod outbox;
mod presence;
mod relay;
mod session;
mod wire;

pub use error::SessionError;
pub use handle::{Dependencies, Pace, Sessions, SignIns};
pub use hub::Hub;
pub use nodes::{Alone, Home, Nodes};
