//! Three nodes on one simulated store, linked in memory. Time is paused: it passes only where everybody waits.

#[path = "cluster/moving.rs"]
mod moving;
#[path = "cluster/world.rs"]
mod world;
