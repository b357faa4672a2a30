//! The edge to the wire: what clients send is read in `requests`, what they get is made in `answers`;
//! `nodes` is what nodes say to each other.

mod answers;
pub mod nodes;
mod requests;
#[cfg(test)]
mod tests;

pub use answers::{event, event_frame, frame, member, room, server_room, wire_priority};
pub use requests::{
    client_message_id, delete, display_name, edit, mute_until, role, send, seq, topic, unknown,
};
