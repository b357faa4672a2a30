//! [`Talker`]: one voice on its way to the network.

use bytes::Bytes;

use super::head::{HEADER_BYTES, Head};
use crate::frame::Frame;
use crate::ids::Epoch;
use crate::level::Level;
use crate::limits::DATAGRAM_BYTES_MAX;
use crate::opus::{EncodeError, Encoder, Settings};
use crate::sframe::{EpochSecret, NotLater, SealError, Sender};

/// Encodes and seals what one connection says. Whoever is muted does not ask it.
#[derive(Debug)]
pub struct Talker {
    encoder: Encoder,
    sender: Sender,
}

/// A frame was not made into a datagram.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// It was not encoded.
    #[error("the frame was not encoded")]
    Encode(#[source] EncodeError),
    /// It was not sealed.
    #[error("the frame was not sealed")]
    Seal(#[source] SealError),
}

impl Talker {
    /// A talker that seals with `sender`.
    ///
    /// # Errors
    ///
    /// If the codec does not take these settings; within the bounds it does.
    pub fn new(settings: Settings, sender: Sender) -> Result<Self, EncodeError> {
        let encoder = Encoder::new(settings)?;
        Ok(Self { encoder, sender })
    }

    /// Makes the datagram of the next 20 ms.
    ///
    /// # Errors
    ///
    /// If the codec refuses the frame, or the key of the epoch is used up.
    pub fn say(&mut self, frame: &Frame) -> Result<Bytes, TalkError> {
        let packet = self.encoder.encode(frame).map_err(TalkError::Encode)?;
        let head = Head {
            slot: self.sender.slot(),
            level: Level::of(frame),
        };
        let head = head.encode();
        let mut datagram = Vec::with_capacity(HEADER_BYTES + packet.len() + 64);
        datagram.extend_from_slice(&head);
        let sealed = self.sender.seal(&head, &packet, &mut datagram);
        sealed.map_err(TalkError::Seal)?;
        debug_assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
        Ok(datagram.into())
    }

    /// Goes on in a later epoch.
    ///
    /// # Errors
    ///
    /// If the epoch is not later than the present one.
    pub fn switch(&mut self, epoch: Epoch, secret: &EpochSecret) -> Result<(), NotLater> {
        self.sender.switch(epoch, secret)
    }

    /// The epoch that it seals in.
    pub const fn epoch(&self) -> Epoch {
        self.sender.epoch()
    }

    /// Says how much is lost on the way, as receivers report it: more loss, more of each frame said again in the next.
    ///
    /// # Errors
    ///
    /// If the codec refuses; within the bounds it does not.
    pub fn set_loss_percent(&mut self, percent: u8) -> Result<(), EncodeError> {
        self.encoder.set_loss_percent(percent)
    }

    /// Says how many bits there are for a second.
    ///
    /// # Errors
    ///
    /// If the codec refuses; within the bounds it does not.
    pub fn set_bitrate_bps(&mut self, bps: u32) -> Result<(), EncodeError> {
        self.encoder.set_bitrate_bps(bps)
    }
}
