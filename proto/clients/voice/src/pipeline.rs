//! Both ends of a call: [`Talker`] makes datagrams of samples, [`Listener`] makes samples of datagrams.
//!
//! Invariant: the four bytes before a frame are authenticated with it, so that nobody on the way can say that
//! somebody else spoke, or how loudly.

mod head;
mod listener;
mod mixer;
mod talker;
mod voice;

pub use head::{HEADER_BYTES, Head};
pub use listener::{Listener, Refused, RefusedCounts};
pub use talker::{TalkError, Talker};
pub use voice::Statistics;

#[cfg(test)]
mod tests;
