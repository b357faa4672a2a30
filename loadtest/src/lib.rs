//! Load, and what it does to a server: benchmarks against their baselines, real conversations, crashes.
//!
//! Owns: the program `loadtest`. It starts servers as processes of their own, drives them through the
//! SDK that everybody has, and compares what comes back with what has to. Every benchmark runs its
//! baseline in the same run, in rounds that alternate, so that what disturbs one disturbs the other.
//!
//! Invariant: a figure is printed only if it was measured, and a run whose figures miss their goals ends
//! with a failure. Servers are killed, and their data removed, however a run ends.
//!
//! Left out: the simulation (`loadtest-sim`), which needs no server; and tuning. What is measured here
//! is mended elsewhere.
//!
//! Pure parts, apart from sockets and processes: `stats`, `report`, `frames`, `flights`, and in `replay`
//! and `crash` the comparison of what was said with what is there.

pub mod cli;

mod baseline;
mod bench;
mod cluster;
mod console;
mod crash;
mod dev_cluster;
mod files;
mod flights;
mod folder;
mod frames;
mod limits;
mod lines;
mod log;
mod patience;
mod people;
mod pipeline;
mod process;
mod replay;
mod report;
mod rookery;
mod rounds;
mod stats;

pub use bench::Name;
