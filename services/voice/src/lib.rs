//! Voice: the parts of a call that need no network, no clock and no chance of their own.
//!
//! Owns: the form of a datagram ([`Datagram`], [`sframe`]); the slots of a call ([`Slots`]) and its epochs of keys
//! ([`Schedule`]); the secrets of those, in memory alone ([`KeyRing`]); what a home tells everybody ([`View`]); and how many
//! datagrams of a connection pass, each of them once ([`Bucket`], [`Replay`]).
//!
//! Invariants: time and chance are arguments; nothing here decrypts what is said.
//!
//! Leaves out: connections.

mod datagram;
mod epoch;
mod keys;
pub mod limits;
mod rate;
mod replay;
pub mod sframe;
mod slots;
#[cfg(test)]
mod testing;
mod view;

pub use datagram::{Datagram, Level, METADATA_BYTES, Malformed, TAG_BYTES};
pub use epoch::{Epochs, KeyEpoch, KeyId, Mark, Schedule};
pub use keys::{BaseKey, KeyRing, SECRET_BYTES, SecretMemory, Suite, base_key};
pub use rate::Bucket;
pub use replay::Replay;
pub use slots::{InvalidSlot, Slot, SlotSet, Slots};
pub use view::{Flags, Keys, News, Nonce, Participant, Seat, Version, View};
