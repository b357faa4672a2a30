//! `SFrame` (RFC 9605): frames of sound, sealed by who speaks and opened by who hears, for suites 4 and 5.
//!
//! Invariant: no key seals two frames under one number, and no frame is opened twice. Keys are overwritten when they
//! are dropped: ours by `zeroize`, the schedules of AES by aws-lc, whose `OPENSSL_free` cleanses what it frees.
//!
//! Our own over aws-lc-rs, and not the crate `sframe` (2.1, well made, and usable without its own cryptography):
//! what it leaves to its user is just what is delicate here, the AEAD and the derivation of keys; what it would
//! bring is a header of seventeen bytes and buffers that we do not need, for three more crates. Its replay check
//! counts per key id, and here a key id returns after four epochs with another key.
//!
//! Leaves out the suites with truncated tags (1 to 3), and who may speak: the server decides that.

mod header;
mod key;
mod receiver;
mod replay;
mod secret;
mod sender;
#[cfg(test)]
mod tests;

use aws_lc_rs::{aead, hkdf};

pub use header::{Header, KeyId};
pub use receiver::{OpenError, Opened, Receiver, TooManySpeakers};
pub use secret::EpochSecret;
pub use sender::{SealError, Sender};

/// Bytes of the tag of either suite. It is never truncated.
pub const TAG_BYTES: usize = 16;

/// A cipher suite of RFC 9605, section 4.5.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Suite {
    /// `AES_128_GCM_SHA256_128`, number 4.
    #[default]
    Aes128,
    /// `AES_256_GCM_SHA512_128`, number 5.
    Aes256,
}

/// An epoch that is not later than the present one. Its keys may have been used already, so it is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the epoch is not later than the present one")]
pub struct NotLater;

impl Suite {
    /// Its number in IANA's registry.
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes128 => 4,
            Self::Aes256 => 5,
        }
    }

    /// The suite of this number, if it is offered here.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            4 => Some(Self::Aes128),
            5 => Some(Self::Aes256),
            _ => None,
        }
    }

    /// Bytes of its keys, and of the base keys that those are derived from.
    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128 => &aead::AES_128_GCM,
            Self::Aes256 => &aead::AES_256_GCM,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128 => hkdf::HKDF_SHA256,
            Self::Aes256 => hkdf::HKDF_SHA512,
        }
    }
}

/// HKDF (RFC 5869), both steps: fills `out`.
fn derive(algorithm: hkdf::Algorithm, from: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let length = Length(out.len());
    hkdf::Salt::new(algorithm, salt)
        .extract(from)
        .expand(info, length)
        .and_then(|okm| okm.fill(out))
        .expect("HKDF gives up to 255 hashes, and a key is one at most");
}

/// How many bytes HKDF is asked for.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
