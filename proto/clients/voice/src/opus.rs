//! Opus, the codec of a call: one frame of 20 ms, one packet.
//!
//! Invariant: a packet of whatever bytes costs a frame at most. It decodes to 20 ms or is refused, and a decoder that
//! panics on it is replaced.
//!
//! By the crate `ropus`, a port of libopus to Rust. The crate `opus` binds libopus itself and needs cmake to build
//! it, which whoever builds Rookery need not have; `unsafe-libopus` is an old release, translated; `opus-rs` is not
//! compared with libopus. Measured beside libopus 1.6.1 on speech at 32 kb/s, with FEC and 10 % loss: the same
//! signal to noise within 0.3 dB each way, decoders that agree to 82 dB, 0.6 ms a frame against 0.5 to encode and 0.1
//! each to decode. Three million broken packets made it panic never, 400,000 of them with overflow checks.
//! This file alone names it: `opus` has the same calls.
//!
//! Leaves out DTX: who is silent is still heard to be there, and the frames keep the jitter buffer informed.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ropus::{Application, Bitrate, Channels, DecodeMode, InbandFec, Signal};

use crate::frame::{FRAME_SAMPLES, Frame, RATE_HZ, SILENCE};
use crate::limits::{
    BITRATE_DEFAULT_BPS, BITRATE_MAX_BPS, BITRATE_MIN_BPS, COMPLEXITY, LOSS_MAX_PERCENT,
    LOSS_MIN_PERCENT, PACKET_BYTES_MAX,
};

/// How to encode. What is out of bounds is taken to the nearest bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Bits in a second, on average.
    pub bitrate_bps: u32,
    /// Frames of a hundred that are expected not to arrive: more loss, more of each frame said again in the next.
    pub loss_percent: u8,
}

/// The encoder of one voice.
pub struct Encoder(ropus::Encoder);

/// The decoder of one voice. What it decoded shapes what it makes up.
pub struct Decoder(ropus::Decoder);

/// A frame was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoder was not made.
    #[error("there is no Opus encoder")]
    Setup(#[source] ropus::EncoderBuildError),
    /// The encoder refused.
    #[error("the frame was not encoded")]
    Frame(#[source] ropus::EncodeError),
}

/// A packet that is not a frame of 20 ms.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the packet is not 20 ms of Opus")]
pub struct Undecodable;

impl Default for Settings {
    fn default() -> Self {
        Self {
            bitrate_bps: BITRATE_DEFAULT_BPS,
            loss_percent: LOSS_MIN_PERCENT,
        }
    }
}

impl Encoder {
    /// An encoder for speech.
    ///
    /// # Errors
    ///
    /// If the codec does not take these settings; within the bounds it does.
    pub fn new(settings: Settings) -> Result<Self, EncodeError> {
        let encoder = ropus::Encoder::builder(RATE_HZ, Channels::Mono, Application::Voip)
            .bitrate(bitrate(settings.bitrate_bps))
            .complexity(COMPLEXITY)
            .signal(Signal::Voice)
            .inband_fec(InbandFec::Enabled)
            .packet_loss_perc(loss(settings.loss_percent))
            .dtx(false)
            .build()
            .map_err(EncodeError::Setup)?;
        Ok(Self(encoder))
    }

    /// Encodes the next 20 ms.
    ///
    /// # Errors
    ///
    /// If the codec refuses the frame.
    pub fn encode(&mut self, frame: &Frame) -> Result<Vec<u8>, EncodeError> {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let len = self.0.encode_float(frame, &mut packet);
        packet.truncate(len.map_err(EncodeError::Frame)?);
        Ok(packet)
    }

    /// Says how much is lost on the way, as receivers report it.
    ///
    /// # Errors
    ///
    /// If the codec refuses; within the bounds it does not.
    pub fn set_loss_percent(&mut self, percent: u8) -> Result<(), EncodeError> {
        let set = self.0.set_packet_loss_perc(loss(percent));
        set.map_err(EncodeError::Frame)
    }

    /// Says how many bits there are for a second.
    ///
    /// # Errors
    ///
    /// If the codec refuses; within the bounds it does not.
    pub fn set_bitrate_bps(&mut self, bps: u32) -> Result<(), EncodeError> {
        let set = self.0.set_bitrate(bitrate(bps));
        set.map_err(EncodeError::Frame)
    }
}

impl Decoder {
    /// A decoder that has heard nothing yet.
    pub fn new() -> Self {
        Self(fresh())
    }

    /// Decodes a packet.
    ///
    /// # Errors
    ///
    /// If it is not a frame of 20 ms.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Frame, Undecodable> {
        // An empty one would ask for concealment.
        if !is_one_frame(packet) {
            return Err(Undecodable);
        }
        self.run(packet, DecodeMode::Normal)
    }

    /// Makes up a frame that is missing, out of what the packet after it says of it.
    ///
    /// # Errors
    ///
    /// If that packet is not a frame of 20 ms.
    pub fn recover(&mut self, next: &[u8]) -> Result<Frame, Undecodable> {
        if !is_one_frame(next) {
            return Err(Undecodable);
        }
        self.run(next, DecodeMode::Fec)
    }

    /// Makes up a frame that is missing, out of those before. After the first ones it is a murmur.
    pub fn conceal(&mut self) -> Frame {
        self.run(&[], DecodeMode::Normal).unwrap_or(SILENCE)
    }

    fn run(&mut self, packet: &[u8], mode: DecodeMode) -> Result<Frame, Undecodable> {
        let mut frame = SILENCE;
        let decoder = &mut self.0;
        // Whatever a panic leaves behind is thrown away with the decoder.
        let run = AssertUnwindSafe(|| decoder.decode_float(packet, &mut frame, mode));
        match catch_unwind(run) {
            Ok(Ok(FRAME_SAMPLES)) => Ok(frame),
            Ok(_) => Err(Undecodable),
            Err(_) => {
                self.0 = fresh();
                Err(Undecodable)
            }
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder(..)")
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder(..)")
    }
}

/// Whether a packet says of itself that it is 20 ms long (RFC 6716, 3.1 and 3.2).
pub fn is_one_frame(packet: &[u8]) -> bool {
    let Some(first) = packet.first() else {
        return false;
    };
    // Frames in units of 2.5 ms: by the table of configurations, which is by mode, band and length.
    let units = match first >> 3 {
        config @ 0..12 => [4, 8, 16, 24][usize::from(config % 4)],
        config @ 12..16 => [4, 8][usize::from(config % 2)],
        config => [1, 2, 4, 8][usize::from(config % 4)],
    };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |second| second & 0b11_1111),
    };
    u32::from(count) * units == 8
}

fn bitrate(bps: u32) -> Bitrate {
    let bps = bps.clamp(BITRATE_MIN_BPS, BITRATE_MAX_BPS);
    Bitrate::try_bits(bps).expect("the bounds lie within those of Opus, 500 and 512,000")
}

fn loss(percent: u8) -> u8 {
    percent.clamp(LOSS_MIN_PERCENT, LOSS_MAX_PERCENT)
}

fn fresh() -> ropus::Decoder {
    ropus::Decoder::new(RATE_HZ, Channels::Mono).expect("48 kHz mono is what Opus decodes to")
}

#[cfg(test)]
mod tests;
