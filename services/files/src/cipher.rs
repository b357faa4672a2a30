//! [`FileCipher`]: AES-256-GCM over the chunks of a file, after the construction STREAM (Hoang, Reyhanitabar,
//! Rogaway and Vizár, 2015).
//!
//! A nonce is the random prefix of its segment (7 bytes), the number of its chunk in the file (4), and whether
//! it is the last one (1). The prefix is drawn each time that a segment is written: a segment that is written
//! once more after a crash, with other bytes perhaps, is not sealed under the same nonces.
//!
//! Invariant: a chunk that was changed, moved, taken from another file, or that is said to be the last and is
//! not, does not open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cluster_types::FileId;
use services_vault::{Broken, KeyBytes};

use crate::layout::{PREFIX_BYTES, TAG_BYTES};

/// What a chunk is bound to, beside its nonce: this use of the key, and the file.
const PURPOSE: &[u8; 6] = b"file 1";

/// The random part of a segment's nonces.
pub(crate) type Prefix = [u8; PREFIX_BYTES];

/// Seals and opens the chunks of one file.
pub(crate) struct FileCipher {
    key: LessSafeKey,
    beside: [u8; PURPOSE.len() + 16],
}

/// Which chunk of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) prefix: Prefix,
    pub(crate) chunk: u64,
    pub(crate) is_last: bool,
}

impl FileCipher {
    pub(crate) fn new(file: FileId, key: &KeyBytes) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key.expose());
        let mut beside = [0; PURPOSE.len() + 16];
        beside[..PURPOSE.len()].copy_from_slice(PURPOSE);
        beside[PURPOSE.len()..].copy_from_slice(file.as_bytes());
        Self {
            key: LessSafeKey::new(key.expect("a key of AES-256 has 32 bytes")),
            beside,
        }
    }

    /// Seals a chunk where it stands. Its tag, which belongs behind it.
    pub(crate) fn seal(&self, place: Place, chunk: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self
            .key
            .seal_in_place_separate_tag(place.nonce(), Aad::from(self.beside), chunk)
            .expect("AES-GCM seals whatever is shorter than 64 GiB");
        tag.as_ref()
            .try_into()
            .expect("tags of AES-GCM are as long")
    }

    /// Opens a chunk with its tag where it stands, and returns its bytes, without the tag.
    pub(crate) fn open<'a>(&self, place: Place, sealed: &'a mut [u8]) -> Result<&'a [u8], Broken> {
        let opened = self
            .key
            .open_in_place(place.nonce(), Aad::from(self.beside), sealed);
        opened.map(|bytes| &*bytes).map_err(|_| Broken)
    }
}

impl Place {
    fn nonce(self) -> Nonce {
        let chunk = u32::try_from(self.chunk).expect("files are bounded below 2^32 chunks");
        let mut nonce = [0; NONCE_LEN];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        nonce[PREFIX_BYTES..NONCE_LEN - 1].copy_from_slice(&chunk.to_be_bytes());
        nonce[NONCE_LEN - 1] = self.is_last.into();
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for FileCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileCipher(..)")
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::Rng;

    use super::*;

    #[test]
    fn a_chunk_opens_in_its_place_of_its_file_only() {
        let (rng, file) = (Rng::seeded(1), FileId::from_bytes([1; 16]));
        let (key, other_key) = (KeyBytes::random(&rng), KeyBytes::random(&rng));
        let cipher = FileCipher::new(file, &key);
        let place = Place {
            prefix: [7; 7],
            chunk: 3,
            is_last: false,
        };
        let mut sealed = b"hello".to_vec();
        let tag = cipher.seal(place, &mut sealed);
        sealed.extend_from_slice(&tag);
        assert_ne!(&sealed[..5], b"hello");
        let opens = |cipher: &FileCipher, place, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            cipher.open(place, &mut bytes).map(<[u8]>::to_vec)
        };
        assert_eq!(opens(&cipher, place, &sealed), Ok(b"hello".to_vec()));
        for moved in [
            Place { chunk: 4, ..place },
            Place {
                is_last: true,
                ..place
            },
            Place {
                prefix: [8; 7],
                ..place
            },
        ] {
            assert_eq!(opens(&cipher, moved, &sealed), Err(Broken));
        }
        let others = [
            FileCipher::new(file, &other_key),
            FileCipher::new(FileId::from_bytes([2; 16]), &key),
        ];
        for other in &others {
            assert_eq!(opens(other, place, &sealed), Err(Broken));
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opens(&cipher, place, &changed), Err(Broken));
        }
        assert_eq!(opens(&cipher, place, &sealed[..20]), Err(Broken));
    }
}
