//! The header of an `SFrame` ciphertext (RFC 9605, section 4.3): which key, and the how manieth frame under it.
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+------------+------------+
//! |X|  K  |Y|  C  |   KID...   |   CTR...   |
//! +-+-+-+-+-+-+-+-+------------+------------+
//! ```
//!
//! A number below 8 stands in K or C itself, with X or Y zero. A larger one follows in as few bytes as it needs,
//! big-endian, and K or C is how many those are, less one.
//!
//! Invariant: of each pair of numbers there is one header. What is written in more bytes than needed is refused, so
//! that nobody says the same thing in two ways.
//!
//! Leaves out: keys, and what is encrypted. A server has no use for either.

#[cfg(test)]
mod tests;

/// Bytes of the longest header.
pub const HEADER_BYTES_MAX: usize = 17;

/// Numbers up to here stand in the first byte.
const SHORT_MAX: u64 = 7;

/// A number follows.
const EXTENDED: u8 = 0b1000;

/// A key and a count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// KID: which key.
    pub key: u64,
    /// CTR: which frame under it.
    pub count: u64,
}

/// What does not begin with a header: it is cut off, or a number has leading zeros.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a header of SFrame")]
pub struct InvalidHeader;

/// A header as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Header {
    /// The header with which `bytes` begin, and what follows it.
    ///
    /// # Errors
    /// If they do not begin with one.
    pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), InvalidHeader> {
        let (&config, rest) = bytes.split_first().ok_or(InvalidHeader)?;
        let (key, rest) = number(config >> 4, rest)?;
        let (count, rest) = number(config & 0xf, rest)?;
        Ok((Self { key, count }, rest))
    }

    /// The header as bytes.
    pub fn write(self) -> Written {
        let mut written = Written {
            bytes: [0; HEADER_BYTES_MAX],
            len: 1,
        };
        let (key, count) = (written.push(self.key), written.push(self.count));
        written.bytes[0] = key << 4 | count;
        written
    }
}

impl Written {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends a number, if it is not a short one, and returns its half of the first byte.
    fn push(&mut self, value: u64) -> u8 {
        let all = value.to_be_bytes();
        if value <= SHORT_MAX {
            return all[7];
        }
        let zeros = (value.leading_zeros() / 8) as usize;
        let bytes = &all[zeros..];
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        // 1 to 8 bytes, of which 0 to 7 are said.
        EXTENDED | (u64::BITS / 8 - 1 - value.leading_zeros() / 8).to_be_bytes()[3]
    }
}

/// The number that half a first byte says, and what follows it.
fn number(half: u8, rest: &[u8]) -> Result<(u64, &[u8]), InvalidHeader> {
    let low = half & (EXTENDED - 1);
    if half & EXTENDED == 0 {
        return Ok((u64::from(low), rest));
    }
    let (bytes, rest) = rest
        .split_at_checked(usize::from(low) + 1)
        .ok_or(InvalidHeader)?;
    let value = bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte));
    let is_shortest = value > SHORT_MAX && bytes[0] != 0;
    is_shortest.then_some((value, rest)).ok_or(InvalidHeader)
}
