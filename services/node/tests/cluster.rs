//! Three nodes on one simulated store, linked in memory. Time is paused: it passes only where everybody waits.

#[path = "cluster/dropping.rs"]
mod dropping;
#[path = "cluster/loads.rs"]
mod loads;
#[path = "cluster/moving.rs"]
mod moving;
#[path = "cluster/signing_out.rs"]
mod signing_out;
#[path = "cluster/wire.rs"]
mod wire;
#[path = "cluster/world.rs"]
mod world;
