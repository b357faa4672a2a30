//! A node: all services between the edge and the store, fitted together.
//!
//! Owns: the adapters by which services that do not know each other meet, and the order in which they start and
//! stop; and what a node asks and tells others.
//!
//! Invariant: whoever runs a node, a server or the simulation, runs the same one.
//!
//! Leaves out: the edge, the configuration and the choice of a store, which are the server's.

mod cluster;
mod files;
mod known;
mod limits;
mod load;
mod node;
mod ties;

pub use known::Known;
pub use load::Load;
pub use node::{Node, NodeError, Parts};
