//! [`KeyBytes`], 256 bits that seal; and [`Generation`], the number of a key-encryption key.
//!
//! Invariant: a key lies in one place of memory, which is overwritten when it is dropped. It does not
//! print, does not clone, and compares in constant time.
//!
//! Leaves out the swap file: encrypt it, or have none.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use cluster_types::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// A key of 256 bits. On the heap, so that moving it leaves no copy behind.
pub struct KeyBytes(Box<[u8; KEY_BYTES]>);

/// Which key-encryption key: 1 is the first, each rotation makes the next.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Generation(pub u32);

impl KeyBytes {
    /// A new key: 256 bits of chance.
    pub fn random(rng: &Rng) -> Self {
        let drawn = Zeroizing::new(rng.bytes::<KEY_BYTES>());
        Self::copied(&drawn)
    }

    /// A key that lies elsewhere too; whoever has it there overwrites it.
    pub fn copied(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        key.0.copy_from_slice(bytes);
        key
    }

    /// A key out of as many bytes as a key has.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::copied)
    }

    /// The bytes, for whoever wraps the key. Not to be copied to where nobody overwrites them.
    pub const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Whether both are the same key. Takes the same time for either answer.
    pub fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0[..], &other.0[..]).is_ok()
    }
}

impl Zeroize for KeyBytes {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for KeyBytes {}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes(..)")
    }
}

impl Generation {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    ///
    /// # Panics
    /// Never in practice: after 2^32 rotations.
    #[must_use]
    pub fn next(self) -> Self {
        let next = self.0.checked_add(1);
        Self(next.expect("2^32 rotations take longer than the machine lasts"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_overwritten_and_does_not_print() {
        fn overwritten_when_dropped<T: ZeroizeOnDrop>() {}
        overwritten_when_dropped::<KeyBytes>();
        let mut key = KeyBytes::random(&Rng::seeded(1));
        assert_ne!(key.expose(), &[0; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "KeyBytes(..)");
        key.zeroize();
        assert_eq!(key.expose(), &[0; KEY_BYTES]);
    }

    #[test]
    fn only_all_the_bytes_are_the_key() {
        let key = KeyBytes::random(&Rng::seeded(1));
        let mut bytes = *key.expose();
        assert!(key.is(&KeyBytes::copied(&bytes)));
        bytes[31] ^= 1;
        assert!(!key.is(&KeyBytes::copied(&bytes)));
        assert!(KeyBytes::from_slice(&bytes[1..]).is_none());
    }
}
