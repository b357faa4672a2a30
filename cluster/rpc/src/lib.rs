//! What is said over the network: to clients, and from node to node.
//!
//! - **To clients** (the root of the crate): the edge between domain and gRPC, what every service needs to speak
//!   it, once. The one table that turns an [`ErrorCode`](cluster_types::ErrorCode) into a gRPC status
//!   ([`status`]), the reading of resource names ([`name`]), opaque page tokens ([`page`]), timestamps
//!   ([`time`]), ids that clients choose ([`uuid()`]) and finding the caller of a request ([`caller`]).
//!   Invariant: the text of an internal error never leaves the node; a caller gets an id to quote.
//! - **From node to node** ([`link`]): one ordered, bounded stream in each direction between any two nodes.
//!   Invariant: nothing that another node does, or does not do, takes memory or time without a bound.
//!
//! Leaves out: what any call or any message between nodes means. Each service has a `wire.rs` that turns its
//! requests into commands which cannot be invalid.

mod invalid;
pub mod link;
pub mod name;
pub mod page;
mod request_id;
mod status;
pub mod time;

pub use invalid::{InvalidRequest, required};
pub use request_id::uuid;
pub use status::{caller, code_of, status};
