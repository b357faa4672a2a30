//! Who belongs to the cluster, and who owns which shard.
//!
//! Owns: the rows of nodes and of shards' owners (area 6 of the schema), and the protocol by which they change
//! (`algorithm`).
//!
//! Invariant: **a room is written by the life that owns its shard, and by no other.** The store sees to that, in
//! the transaction that writes; clocks and heartbeats decide only when a shard moves.
//!
//! # Use
//!
//! A node [joins](Membership::join), or takes a store for itself ([`Membership::alone`]); once it can serve rooms it
//! says so ([`Membership::serve`]). Whoever wants something of a room asks for its shard's [`Place`]:
//! - [`Place::Here`] carries an [`Ownership`]. Every transaction that writes for the room hands it to [`fence`]. When
//!   that says [`FenceError::Fenced`], whoever writes dies, and asks for the place again.
//! - [`Place::There`] is where to send it. If that node says that it is not the owner, [`Membership::look`] and ask again.
//! - [`Place::Nobody`] is over in moments: wait for [`Membership::view_after`], or have the client try again.
//!
//! It stops by [`Membership::drain`], [`Membership::leave`], and the end of its tasks.
//!
//! Leaves out: what a shard's owner does with it (its rooms), and how nodes speak to each other.

mod algorithm;
mod entrance;
mod error;
pub mod limits;
mod membership;
mod store;
mod tenant;
mod timing;
mod view;

pub use error::{FenceError, JoinError, MoveError, WithdrawError};
pub use membership::{Membership, Myself, Parts};
pub use store::fence;
pub use tenant::Tenant;
pub use timing::Timing;
pub use view::{Addresses, Member, NodeState, Owner, Ownership, Place, View};
