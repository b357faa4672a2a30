//! The sound of a call: samples in, encrypted datagrams out, and back.
//!
//! Invariant: nothing that comes from the network is played before it is authenticated, and nothing that it brings
//! makes memory or delay grow beyond a constant in `limits`. Left out: networks, clocks, microphones. Time is an
//! argument, a [`std::time::Duration`] since any start that the caller keeps to.
//!
//! # Who speaks
//!
//! A [`Talker`] takes frames of 20 ms at 48 kHz ([`Frame`]), encodes them with [`opus`], seals them with [`sframe`] and
//! gives one datagram for each.
//!
//! # Who hears
//!
//! A [`Listener`] takes datagrams as they come, opens them, orders them in one [`jitter`] buffer for each speaker,
//! decodes, mends what is missing, and gives one frame of all voices each time that it is asked.
//!
//! ```
//! use std::time::Duration;
//!
//! use rookery_voice::sframe::{EpochSecret, Receiver, Sender, Suite};
//! use rookery_voice::{AccountId, Epoch, Listener, Nonce, RoomId, Slot, Speaker, Talker, opus, tone::Tone};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The server says all of this to both.
//! let speaker = Speaker { room: RoomId([1; 16]), slot: Slot(7), account: AccountId([2; 16]), nonce: Nonce([3; 16]) };
//! let (epoch, secret) = (Epoch(1), [4; 32]);
//!
//! let sender = Sender::new(Suite::default(), speaker, epoch, &EpochSecret::copied(&secret));
//! let mut talker = Talker::new(opus::Settings::default(), sender)?;
//!
//! let mut receiver = Receiver::new(Suite::default(), speaker.room);
//! receiver.offer(epoch, EpochSecret::copied(&secret))?;
//! let mut listener = Listener::new(receiver);
//! listener.admit(speaker.slot, speaker.account, speaker.nonce)?;
//!
//! let mut tone = Tone::new(440.0, 0.25);
//! for turn in 0..50_u32 {
//!     let now = Duration::from_millis(20) * turn;
//!     let datagram = talker.say(&tone.frame())?;
//!     // Over a network, at last.
//!     listener.hear(now, &datagram)?;
//!     let heard = listener.mix(now);
//!     assert!(turn < 10 || heard.iter().any(|sample| *sample > 0.1));
//! }
//! # Ok(())
//! # }
//! ```

mod frame;
mod ids;
pub mod jitter;
mod level;
pub mod limits;
pub mod measure;
pub mod opus;
mod pipeline;
pub mod sframe;
pub mod tone;
pub mod wav;

pub use frame::{FRAME_SAMPLES, FRAME_TIME, Frame, RATE_HZ, SILENCE, frames};
pub use ids::{AccountId, Epoch, Nonce, RoomId, Slot, Speaker};
pub use level::Level;
pub use pipeline::{
    HEADER_BYTES, Head, Listener, Refused, RefusedCounts, Statistics, TalkError, Talker,
};
