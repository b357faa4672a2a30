//! [`base_key`]: from the secret of an epoch to the key of one sender.
//!
//! ```text
//! base_key = HKDF-SHA-256(ikm = secret, salt = "rookery voice v1", info, length of the suite's key)
//! info     = room id (16) | epoch (8) | slot (2) | account id (16) | nonce (16) | suite (2), big-endian
//! ```
//!
//! Key and salt of `SFrame` follow from it as section 4.4.2 of RFC 9605 says. Each part is there for a reason: the room, so that members who bring one
//! secret to several rooms have other keys in each; the slot and the account, since no two may seal under one key; the nonce,
//! which each connection draws anew, since a client that comes back counts its frames from 0 again. The suite, because without it
//! the key of the one suite would be the first half of that of the other.
//!
//! A room whose members bring their own key has the secret `HKDF-SHA-256(ikm = their key, salt = "rookery voice e2e v1",
//! info = room id | epoch, 32)`, which they derive by themselves. There a nonce that its sender had not drawn would let a server have a
//! key used twice, so **each client draws its own**.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use cluster_types::{AccountId, RoomId};
use zeroize::Zeroizing;

use super::SECRET_BYTES;
use crate::{KeyEpoch, Nonce, Slot};

const SALT: &[u8] = b"rookery voice v1";

/// How frames are sealed: a suite of RFC 9605, by its number there. The tags of both are whole.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Suite {
    /// `AES_128_GCM_SHA256_128`.
    #[default]
    Aes128 = 4,
    /// `AES_256_GCM_SHA512_128`.
    Aes256 = 5,
}

/// The key of one sender in one epoch. Overwritten when it is dropped.
pub struct BaseKey {
    bytes: Zeroizing<[u8; 32]>,
    suite: Suite,
}

impl Suite {
    /// Bytes of a base key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// Its number in the registry of RFC 9605.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl KeyType for Suite {
    fn len(&self) -> usize {
        self.key_bytes()
    }
}

impl BaseKey {
    /// The bytes, for whoever seals and opens with them.
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..self.suite.key_bytes()]
    }
}

impl fmt::Debug for BaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseKey(..)")
    }
}

/// The key under which `account` seals with `suite`, connected as `nonce`, from `slot` of the call in `room`.
pub fn base_key(
    secret: &[u8; SECRET_BYTES],
    suite: Suite,
    (room, epoch): (RoomId, KeyEpoch),
    (slot, account, nonce): (Slot, AccountId, Nonce),
) -> BaseKey {
    let info = [
        &room.as_bytes()[..],
        &epoch.0.to_be_bytes(),
        &slot.number().to_be_bytes(),
        account.as_bytes(),
        &nonce.0,
        &suite.number().to_be_bytes(),
    ];
    let mut bytes = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, SALT)
        .extract(secret)
        .expand(&info, suite)
        .and_then(|key| key.fill(&mut bytes[..suite.key_bytes()]))
        .expect("HKDF gives up to 255 digests, and one is asked for");
    BaseKey { bytes, suite }
}
