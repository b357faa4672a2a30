//! The header of an `SFrame` ciphertext (RFC 9605, 4.3): which key, and the number of the frame under it.
//!
//! Invariant: a header has one form. A number with needless zeros before it is refused, as the RFC demands of who
//! writes them, so that two texts are never the same frame.

use crate::ids::{Epoch, Slot};

/// One byte of configuration, and eight each for both numbers.
pub(super) const HEADER_BYTES_MAX: usize = 17;

/// Says that a number follows the configuration byte, which has room for numbers below eight alone.
const FOLLOWS: u8 = 0b1000;

/// Which key: the place of who speaks, and the last two bits of the epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub u64);

/// A header in parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// KID.
    pub key: KeyId,
    /// CTR: counts the frames of a connection. It goes on when the epoch changes, so that it is also the place of a
    /// frame in what is said.
    pub counter: u64,
}

/// A header in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl KeyId {
    /// The id of the key that `slot` has in `epoch`.
    pub const fn of(slot: Slot, epoch: Epoch) -> Self {
        Self(((slot.0 as u64) << 2) | epoch.0 & 3)
    }

    /// Whose key it is; `None` if there is no such place.
    pub fn slot(self) -> Option<Slot> {
        u16::try_from(self.0 >> 2).ok().map(Slot)
    }

    /// Whether it may be a key of this epoch.
    pub const fn fits(self, epoch: Epoch) -> bool {
        self.0 & 3 == epoch.0 & 3
    }
}

impl Header {
    /// Reads the header that `frame` begins with, and says how long it is.
    pub fn read(frame: &[u8]) -> Option<(Self, usize)> {
        let (config, rest) = frame.split_first()?;
        let (key, rest) = read_number(config >> 4, rest)?;
        let (counter, rest) = read_number(config & 0b1111, rest)?;
        let header = Self {
            key: KeyId(key),
            counter,
        };
        Some((header, frame.len() - rest.len()))
    }

    /// The header as it is written.
    pub(super) fn encode(self) -> Encoded {
        let mut encoded = Encoded {
            bytes: [0; HEADER_BYTES_MAX],
            len: 1,
        };
        let key = encoded.append(self.key.0);
        let counter = encoded.append(self.counter);
        encoded.bytes[0] = key << 4 | counter;
        encoded
    }
}

impl Encoded {
    /// Its bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends a number unless it fits into four bits, and gives the four bits that stand for it.
    fn append(&mut self, number: u64) -> u8 {
        let bytes = number.to_be_bytes();
        if number < u64::from(FOLLOWS) {
            return bytes[7];
        }
        let used = bytes.iter().skip_while(|byte| **byte == 0);
        let start = self.len;
        for byte in used {
            self.bytes[self.len] = *byte;
            self.len += 1;
        }
        let following = u8::try_from(self.len - start - 1).expect("a number has eight bytes");
        FOLLOWS | following
    }
}

/// Reads the number that four bits stand for, and gives what follows it.
fn read_number(bits: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    if bits & FOLLOWS == 0 {
        return Some((u64::from(bits), rest));
    }
    let used = usize::from(bits & (FOLLOWS - 1)) + 1;
    let (bytes, rest) = rest.split_at_checked(used)?;
    let number = bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let shortest = match used {
        1 => number >= u64::from(FOLLOWS),
        _ => bytes[0] != 0,
    };
    shortest.then_some((number, rest))
}
