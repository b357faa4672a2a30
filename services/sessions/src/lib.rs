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

mod actor;
mod commands;
mod directory;
pub mod grpc;
mod items;
pub mod limits;
mod outbox;
mod presence;
mod relay;

pub use directory::{Dependencies, Hub, SessionError, Sessions, SignIns};
