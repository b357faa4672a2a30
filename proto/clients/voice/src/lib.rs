//! The sound of a call: samples in, encrypted datagrams out, and back.
//!
//! Invariant: nothing that comes from the network is played before it is authenticated, and nothing that it brings
//! makes memory or delay grow beyond a constant in `limits`. Left out: networks, clocks, microphones. Time is an
//! argument, a [`std::time::Duration`] since any start that the caller keeps to.

mod frame;
mod ids;
pub mod jitter;
mod level;
pub mod limits;
pub mod measure;
pub mod opus;
pub mod sframe;
pub mod tone;
pub mod wav;

pub use frame::{FRAME_SAMPLES, FRAME_TIME, Frame, RATE_HZ, SILENCE, frames};
pub use ids::{AccountId, Epoch, Nonce, RoomId, Slot, Speaker};
pub use level::Level;
