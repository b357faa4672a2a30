//! A key of one sender in one epoch: derived as RFC 9605, 4.4.2 says, and used as 4.4.3 and 4.4.4 say.
//!
//! Invariant: the header is a part of what is authenticated, before the metadata. Whoever seals says the counter, and
//! answers for not saying it twice.

use std::fmt;

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, UnboundKey};
use zeroize::Zeroizing;

use super::header::{Header, KeyId};
use super::{Suite, TAG_BYTES, derive};

/// What the two labels begin with, and what tells them apart.
const LABEL_KEY: &[u8] = b"SFrame 1.0 Secret key ";
const LABEL_SALT: &[u8] = b"SFrame 1.0 Secret salt ";

/// A key with the salt that its nonces are made from.
pub(super) struct Key {
    id: KeyId,
    aead: LessSafeKey,
    salt: Zeroizing<[u8; NONCE_LEN]>,
}

/// The frame was not sealed with this key, or it was changed on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Forged;

impl Key {
    /// Derives the key of this id.
    pub(super) fn derive(suite: Suite, id: KeyId, base_key: &[u8]) -> Self {
        let (kid, number) = (id.0.to_be_bytes(), suite.number().to_be_bytes());
        let mut key = Zeroizing::new([0; 32]);
        let key = &mut key[..suite.key_bytes()];
        derive(
            suite.hkdf(),
            base_key,
            &[],
            &[LABEL_KEY, &kid, &number],
            key,
        );
        let mut salt = Zeroizing::new([0; NONCE_LEN]);
        let info = [LABEL_SALT, &kid, &number];
        derive(suite.hkdf(), base_key, &[], &info, salt.as_mut_slice());
        let key = UnboundKey::new(suite.aead(), key).expect("the key is as long as the suite says");
        Self {
            id,
            aead: LessSafeKey::new(key),
            salt,
        }
    }

    /// Appends header, ciphertext and tag of a frame.
    pub(super) fn seal(&self, counter: u64, metadata: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        let header = Header {
            key: self.id,
            counter,
        };
        let header = header.encode();
        out.reserve(header.as_slice().len() + plain.len() + TAG_BYTES);
        out.extend_from_slice(header.as_slice());
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self
            .aead
            .seal_in_place_separate_tag(
                self.nonce(counter),
                authenticated(header.as_slice(), metadata),
                &mut out[start..],
            )
            .expect("AES-GCM seals up to 64 GiB");
        out.extend_from_slice(tag.as_ref());
    }

    /// Opens what follows the header of a frame.
    pub(super) fn open(
        &self,
        counter: u64,
        header: &[u8],
        metadata: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Forged> {
        let mut plain = sealed.to_vec();
        let aad = authenticated(header, metadata);
        let opened = self
            .aead
            .open_in_place(self.nonce(counter), aad, &mut plain);
        let len = opened.map_err(|_| Forged)?.len();
        plain.truncate(len);
        Ok(plain)
    }

    #[cfg(test)]
    pub(super) fn salt(&self) -> &[u8] {
        &self.salt[..]
    }

    #[cfg(test)]
    pub(super) fn of_parts(suite: Suite, key: &[u8], salt: &[u8]) -> Self {
        let key = UnboundKey::new(suite.aead(), key).expect("a key of this suite");
        Self {
            id: KeyId(0),
            aead: LessSafeKey::new(key),
            salt: Zeroizing::new(salt.try_into().expect("twelve bytes")),
        }
    }

    /// The salt, with the counter laid over its end.
    fn nonce(&self, counter: u64) -> aead::Nonce {
        let mut nonce = *self.salt;
        let end = nonce.iter_mut().rev();
        for (byte, count) in end.zip(counter.to_be_bytes().into_iter().rev()) {
            *byte ^= count;
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ..)", self.id.0)
    }
}

fn authenticated(header: &[u8], metadata: &[u8]) -> aead::Aad<Vec<u8>> {
    aead::Aad::from([header, metadata].concat())
}
