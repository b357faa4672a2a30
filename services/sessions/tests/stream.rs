//! Streams over real rooms and a simulated store, from the bytes that a client sends to the bytes that it
//! gets. Time is paused: it passes only where everybody waits for it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and fails at anything else"
)]

#[path = "stream/commands.rs"]
mod commands;
#[path = "stream/counters.rs"]
mod counters;
#[path = "stream/ending.rs"]
mod ending;
#[path = "stream/following.rs"]
mod following;
#[path = "stream/hints.rs"]
mod hints;
#[path = "stream/members.rs"]
mod members;
#[path = "stream/neighbours.rs"]
mod neighbours;
#[path = "stream/nodes.rs"]
mod nodes;
#[path = "stream/opening.rs"]
mod opening;
#[path = "stream/rough.rs"]
mod rough;
#[path = "stream/wire.rs"]
mod wire;
#[path = "stream/world.rs"]
mod world;
