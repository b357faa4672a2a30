//! A voice datagram: what a client sends for each frame of sound, and everybody else in the call is sent unchanged.
//!
//! ```text
//! 0      kind: 1, a frame of sound
//! 1..3   slot of the sender, big-endian
//! 3      level: loudness of the frame, from 0, the loudest, to 127, silence, in dB below full scale (RFC 6464)
//! 4..    an SFrame ciphertext (RFC 9605): header, encrypted sound, tag of 16 bytes
//! ```
//!
//! The first four bytes are the ciphertext's metadata, so its tag covers them: whoever is on the way may read them, and
//! nobody changes them. The KID is the slot and the mark of an epoch ([`KeyId`]). The CTR counts the frames of a
//! **connection**, through all epochs, so that no two frames of it ever have the same, whatever a server says of epochs.
//!
//! Between nodes the room's id stands before it.
//!
//! Invariant: what is not of this form is refused, and nothing here looks at what is encrypted.

#[cfg(test)]
mod tests;

use crate::limits::DATAGRAM_BYTES_MAX;
use crate::sframe::{self, Header};
use crate::{KeyId, Slot};

/// A frame of sound.
const SOUND: u8 = 1;

/// Bytes before the ciphertext.
pub const METADATA_BYTES: usize = 4;

/// Bytes of the tag at the end, in each suite of this server.
pub const TAG_BYTES: usize = 16;

/// How loud a frame is, in dB below full scale: 0 is the loudest, 127 is silence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Level(u8);

/// What a server sees of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// Who says to have sent it.
    pub slot: Slot,
    /// How loud it is.
    pub level: Level,
    /// Under whose key, of which epoch.
    pub key: KeyId,
    /// Which frame of its connection.
    pub count: u64,
}

/// Why something is no voice datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// It is longer than any.
    #[error("a datagram of more than {DATAGRAM_BYTES_MAX} bytes")]
    TooLong,
    /// It ends before there can be sound in it.
    #[error("a datagram without sound in it")]
    TooShort,
    /// It is of another kind.
    #[error("a datagram of an unknown kind")]
    UnknownKind,
    /// It is louder or quieter than anything can be.
    #[error("a level of more than 127")]
    InvalidLevel,
    /// There is no such slot, or no header, or it names a key that nobody can have.
    #[error("a datagram with a slot or a header that cannot be")]
    InvalidHeader,
}

impl Level {
    /// Silence.
    pub const SILENCE: Self = Self(127);

    /// So many dB below full scale; silence, if there are more.
    pub const fn new(below: u8) -> Self {
        if below < Self::SILENCE.0 {
            Self(below)
        } else {
            Self::SILENCE
        }
    }

    /// So many dB below full scale it is.
    pub const fn below(self) -> u8 {
        self.0
    }
}

impl Datagram {
    /// What stands at the beginning of `bytes`.
    ///
    /// # Errors
    /// If they are not of the form.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let (&[kind, high, low, level], ciphertext) = bytes
            .split_first_chunk::<METADATA_BYTES>()
            .ok_or(Malformed::TooShort)?;
        if kind != SOUND {
            return Err(Malformed::UnknownKind);
        }
        if level > Level::SILENCE.0 {
            return Err(Malformed::InvalidLevel);
        }
        let slot = Slot::try_from(u16::from_be_bytes([high, low]));
        let slot = slot.map_err(|_| Malformed::InvalidHeader)?;
        let (header, sealed) = Header::read(ciphertext).map_err(|_| Malformed::InvalidHeader)?;
        if sealed.len() <= TAG_BYTES {
            return Err(Malformed::TooShort);
        }
        Ok(Self {
            slot,
            level: Level(level),
            key: KeyId::of(header).ok_or(Malformed::InvalidHeader)?,
            count: header.count,
        })
    }

    /// The bytes before the ciphertext.
    pub const fn metadata(&self) -> [u8; METADATA_BYTES] {
        let [high, low] = self.slot.number().to_be_bytes();
        [SOUND, high, low, self.level.0]
    }

    /// The header of the ciphertext.
    pub fn header(&self) -> sframe::Written {
        let header = Header {
            key: self.key.number(),
            count: self.count,
        };
        header.write()
    }
}
