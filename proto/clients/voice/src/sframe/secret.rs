//! [`EpochSecret`], which all keys of a call in one epoch come from, and how they do.
//!
//! Invariant: whatever tells two senders, connections, rooms or epochs apart is in the derivation, each in a fixed
//! number of bytes, so that no two of them have one key.

use std::fmt;

use aws_lc_rs::hkdf;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Suite, derive};
use crate::ids::{Epoch, RoomId, Speaker};

/// Sets these keys apart from whatever else is derived from the same bytes.
const SALT: &[u8] = b"rookery voice v1";

/// The same for rooms whose members bring their own key.
const LABEL_END_TO_END: &[u8] = b"rookery voice e2e v1";

const SECRET_BYTES: usize = 32;

/// The secret of a call in one epoch. It lies in one place of memory, which is overwritten when it is dropped.
pub struct EpochSecret(Box<[u8; SECRET_BYTES]>);

impl EpochSecret {
    /// A secret that the server made. It lies elsewhere too; whoever has it there overwrites it.
    pub fn copied(bytes: &[u8; SECRET_BYTES]) -> Self {
        let mut secret = Self(Box::new([0; SECRET_BYTES]));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// The secret of an epoch in a room whose members share a key that the server does not know.
    pub fn from_shared_key(shared: &[u8], room: RoomId, epoch: Epoch) -> Self {
        let mut secret = Self(Box::new([0; SECRET_BYTES]));
        let info = [LABEL_END_TO_END, &room.0, &epoch.0.to_be_bytes()];
        derive(hkdf::HKDF_SHA256, shared, &[], &info, &mut secret.0[..]);
        secret
    }

    /// What the keys of one sender are derived from.
    pub(super) fn base_key(
        &self,
        suite: Suite,
        epoch: Epoch,
        speaker: &Speaker,
    ) -> Zeroizing<Vec<u8>> {
        let info: [&[u8]; 5] = [
            &speaker.room.0,
            &epoch.0.to_be_bytes(),
            &speaker.slot.0.to_be_bytes(),
            &speaker.account.0,
            &speaker.nonce.0,
        ];
        let mut key = Zeroizing::new(vec![0; suite.key_bytes()]);
        derive(hkdf::HKDF_SHA256, &self.0[..], SALT, &info, &mut key);
        key
    }
}

impl Drop for EpochSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecret(..)")
    }
}
