//! [`Head`]: the four bytes before a sealed frame, which the server reads.
//!
//! All big-endian: the kind, 1 for a frame of sound; the place of who speaks, two bytes; how loud it is.

use crate::ids::Slot;
use crate::level::Level;

/// Bytes of the head.
pub const HEADER_BYTES: usize = 4;

/// A frame of sound. Other kinds are refused, so that they can be given a meaning.
const SOUND: u8 = 1;

/// What a datagram says about its frame in the clear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Who speaks.
    pub slot: Slot,
    /// How loudly.
    pub level: Level,
}

impl Head {
    /// The bytes.
    pub const fn encode(self) -> [u8; HEADER_BYTES] {
        let [high, low] = self.slot.0.to_be_bytes();
        [SOUND, high, low, self.level.number()]
    }

    /// Parts a datagram into its head and the frame; `None` if it is none of a frame of sound.
    pub fn read(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let ([kind, high, low, level], frame) = datagram.split_first_chunk()?;
        let head = Self {
            slot: Slot(u16::from_be_bytes([*high, *low])),
            level: Level::from_number(*level)?,
        };
        (*kind == SOUND).then_some((head, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SILENCE;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = Head {
            slot: Slot(0x0102),
            level: Level::of(&SILENCE),
        };
        let datagram = [&head.encode()[..], b"frame"].concat();
        assert_eq!(datagram, b"\x01\x01\x02\x7fframe");
        assert_eq!(Head::read(&datagram), Some((head, &b"frame"[..])));
    }

    #[test]
    fn other_kinds_and_loudnesses_are_none() {
        assert_eq!(Head::read(b"\x02\x01\x02\x7fframe"), None);
        assert_eq!(Head::read(b"\x01\x01\x02\x80frame"), None);
        assert_eq!(Head::read(b"\x01\x01\x02"), None);
    }
}
