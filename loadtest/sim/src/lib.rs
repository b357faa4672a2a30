//! The seeded simulation of one node, or of several.
//!
//! Real rooms, sessions and accounts, fed with the bytes that a connection would feed them, on the
//! simulated store with FoundationDB's semantics: commits of unknown outcome both ways, conflicts, lost
//! snapshots, stalls, full disks, crashes, clocks that jump. Time stands still while anybody works, so
//! hours of a node's life take seconds.
//!
//! Owns: what a seed decides ([`run`]), what a history is ([`history`]), and what has to be true of each
//! ([`check`]): the promises P2, P3, P4 and P11, and what follows from them.
//!
//! Invariant: a seed has one history. Each is run twice and compared.
//!
//! Leaves out: sockets, TLS and the limits of the edge; what a disk does when the
//! power fails (`cargo xtask power`).

mod calls;
mod campaign;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule looks at what it is about, and has nothing to say of anything else"
)]
pub mod check;
mod cli;
mod clients;
mod clock;
mod cluster;
mod files;
pub mod history;
pub mod limits;
mod names;
mod node;
mod panics;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each file does the deeds that are its own"
)]
mod people;
mod plan;
mod reach;
mod report;
mod run;
mod sights;
mod storm;
mod stream;
mod world;

pub use cli::{Options, main, say};
pub use names::{Device, File, Op, Person, Room, Stream};
pub use plan::{FaultKind, FaultKinds};
pub use run::{Outcome, run};
