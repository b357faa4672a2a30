//! What a node asks another about a room, and what it is answered.
//!
//! Invariant: a command that another node reads is the one that was sent, or it is not understood: a release
//! that does not know an action, or a value in it, does nothing and says so. A refusal that is not understood
//! counts as one that nothing happened; of an answer that is none of either, the outcome is unknown.
//!
//! Leaves out: checking what clients send, which was done where it came in.

use proto::cluster::v1;

mod answers;
mod commands;
#[cfg(test)]
mod tests;

pub use answers::{answer, read_answer};
pub use commands::{command, read_command};

use crate::Role;

fn wire_role(role: Role) -> proto::v1::member::Role {
    match role {
        Role::Member => proto::v1::member::Role::Member,
        Role::Moderator => proto::v1::member::Role::Moderator,
        Role::Owner => proto::v1::member::Role::Owner,
    }
}

fn read_role(value: i32) -> Option<Role> {
    super::role(value).ok().flatten()
}
