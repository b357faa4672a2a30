//! [`Cipher`]: AES-256-GCM with a random nonce, and the layout of what it makes.
//!
//! `version (1) | nonce (12) | ciphertext | tag (16)`. The version is that of this layout; another one is
//! refused.
//!
//! **Nonces are random and drawn for each text.** A deterministic one, made of a message's place, would
//! repeat: an actor that dies with an unknown write is rebuilt and may seal another text for the same
//! place, and with one nonce for two texts GCM gives away both and its authentication key. They are drawn
//! from the operating system and not from a pool in memory, since a machine that is restored from an
//! image would draw the same ones again: what is drawn at once ([`Nonces`]) serves one transaction. [`MESSAGES_PER_KEY_MAX`](crate::limits::MESSAGES_PER_KEY_MAX)
//! is the bound that goes with them.
//!
//! A deployment that is not sealed has [`Cipher::Clear`]: `0 | text`, with nothing bound to it.
//!
//! Invariant: what was changed in any bit, or sealed with other data beside it, does not open, and
//! nothing of it is handed out.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bytes::Bytes;
use cluster_types::Rng;
use zeroize::Zeroizing;

use crate::limits::{PLAINTEXT_BYTES_MAX, SEALED_BYTES_MORE};
use crate::secret::{KEY_BYTES, KeyBytes};

const VERSION: u8 = 1;

/// In the place of the version: what follows is not sealed.
const CLEAR: u8 = 0;

const TAG_BYTES: usize = 16;
const BEFORE_TEXT: usize = 1 + NONCE_LEN;

const _: () = assert!(SEALED_BYTES_MORE == BEFORE_TEXT + TAG_BYTES);

/// What is sealed does not open: it was changed, cut off, sealed under another key, or belongs elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("what is sealed was changed, or belongs elsewhere")]
pub struct Broken;

/// A text that is too long to be sealed in one piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a text of {bytes} bytes is too long to be sealed, {PLAINTEXT_BYTES_MAX} are allowed")]
pub struct TooLong {
    /// The bytes that it has.
    pub bytes: usize,
}

/// What seals.
pub(crate) enum Cipher {
    /// A key with its schedule. The library overwrites the schedule when it is freed.
    Sealing(LessSafeKey),
    /// Nothing: what goes in comes out, behind one byte that says so.
    Clear,
}

/// Nonces for what is sealed now. Each is handed out once.
///
/// Draw them where the texts are known, and anew where they may be others: what lies here for long would
/// be in an image of the machine, and come out of it twice.
#[derive(Debug)]
pub struct Nonces {
    drawn: std::vec::IntoIter<[u8; NONCE_LEN]>,
    /// Whom to ask once all of them are taken.
    rng: Rng,
}

impl Nonces {
    /// About `count`, in one draw.
    pub(crate) fn drawn(rng: &Rng, count: usize) -> Self {
        let mut drawn = vec![[0; NONCE_LEN]; count];
        rng.fill(drawn.as_flattened_mut());
        Self {
            drawn: drawn.into_iter(),
            rng: rng.clone(),
        }
    }

    /// Each in a draw of its own.
    pub(crate) fn one_by_one(rng: &Rng) -> Self {
        Self::drawn(rng, 0)
    }

    fn take(&mut self) -> [u8; NONCE_LEN] {
        self.drawn.next().unwrap_or_else(|| self.rng.bytes())
    }
}

/// The length of a derived key.
struct OneKey;

impl KeyType for OneKey {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// HKDF-SHA256 of `secret` (one key, or several laid end to end) for the purpose that `info` names. Its
/// parts have fixed lengths, so no two purposes are spelled alike.
pub(crate) fn derive(secret: &[u8], info: &[&[u8]]) -> KeyBytes {
    let extracted = Salt::new(HKDF_SHA256, b"rookery vault 1").extract(secret);
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    extracted
        .expand(info, OneKey)
        .and_then(|key| key.fill(&mut derived[..]))
        .expect("HKDF gives up to 255 digests, and one is asked for");
    KeyBytes::copied(&derived)
}

impl Cipher {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key.expose());
        Self::Sealing(LessSafeKey::new(
            key.expect("a key of AES-256 has 32 bytes"),
        ))
    }

    pub(crate) fn seal(
        &self,
        nonces: &mut Nonces,
        beside: &[u8],
        plaintext: &[u8],
    ) -> Result<Bytes, TooLong> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            let bytes = plaintext.len();
            return Err(TooLong { bytes });
        }
        let Self::Sealing(key) = self else {
            return Ok([&[CLEAR], plaintext].concat().into());
        };
        let nonce = nonces.take();
        let mut sealed = Vec::with_capacity(plaintext.len() + SEALED_BYTES_MORE);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(beside),
                &mut sealed[BEFORE_TEXT..],
            )
            .expect("AES-GCM seals whatever is shorter than 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed.into())
    }

    pub(crate) fn open(&self, beside: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let (&version, rest) = sealed.split_first().ok_or(Broken)?;
        let Self::Sealing(key) = self else {
            return if version == CLEAR {
                Ok(rest.to_vec())
            } else {
                Err(Broken)
            };
        };
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Broken)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Broken)?;
        if version != VERSION {
            return Err(Broken);
        }
        let mut opened = vec![0; text.len()];
        let nonce = Nonce::assume_unique_for_key(*nonce);
        key.open_separate_gather(nonce, Aad::from(beside), text, tag, &mut opened)
            .map_err(|_| Broken)?;
        Ok(opened)
    }

    /// Opens a sealed key.
    pub(crate) fn open_key(&self, beside: &[u8], sealed: &[u8]) -> Result<KeyBytes, Broken> {
        let opened = Zeroizing::new(self.open(beside, sealed)?);
        KeyBytes::from_slice(&opened).ok_or(Broken)
    }

    /// Seals a key.
    pub(crate) fn seal_key(&self, rng: &Rng, beside: &[u8], key: &KeyBytes) -> Bytes {
        self.seal(&mut Nonces::one_by_one(rng), beside, key.expose())
            .expect("a key is shorter than the longest text")
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cluster_types::Rng;
    use proptest::prelude::*;

    use super::*;

    fn cipher(byte: u8) -> Cipher {
        Cipher::new(&KeyBytes::copied(&[byte; KEY_BYTES]))
    }

    fn nonces(seed: u64) -> Nonces {
        Nonces::one_by_one(&Rng::seeded(seed))
    }

    #[test]
    fn no_nonce_is_handed_out_twice_whether_drawn_at_once_or_not() {
        let mut nonces = Nonces::drawn(&Rng::seeded(1), 100);
        let taken: BTreeSet<_> = (0..200).map(|_| nonces.take()).collect();
        assert_eq!(taken.len(), 200);
        assert!(!taken.contains(&[0; NONCE_LEN]), "each was drawn");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_no_flipped_bit_of_it_does(
            text in prop::collection::vec(any::<u8>(), 0..80),
            beside in prop::collection::vec(any::<u8>(), 0..40),
            seed in any::<u64>(),
        ) {
            let (cipher, mut nonces) = (cipher(7), nonces(seed));
            let sealed = cipher.seal(&mut nonces, &beside, &text).expect("short");
            prop_assert_eq!(sealed.len(), text.len() + SEALED_BYTES_MORE);
            prop_assert_eq!(cipher.open(&beside, &sealed), Ok(text));
            for bit in 0..sealed.len() * 8 {
                let mut changed = sealed.to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(cipher.open(&beside, &changed), Err(Broken));
            }
            for length in 0..sealed.len() {
                prop_assert_eq!(cipher.open(&beside, &sealed[..length]), Err(Broken));
            }
            let mut longer = beside;
            longer.push(0);
            prop_assert_eq!(cipher.open(&longer, &sealed), Err(Broken));
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let (cipher, mut nonces) = (cipher(7), nonces(1));
        let sealed = [(); 2].map(|()| cipher.seal(&mut nonces, b"", b"hello").expect("short"));
        assert_ne!(sealed[0], sealed[1]);
        assert_ne!(sealed[0][1..13], sealed[1][1..13], "a nonce of its own");
    }

    #[test]
    fn another_key_opens_nothing() {
        let sealed = cipher(7)
            .seal(&mut nonces(1), b"", b"hello")
            .expect("short");
        assert_eq!(cipher(8).open(b"", &sealed), Err(Broken));
    }

    #[test]
    fn the_longest_text_is_sealed_and_a_longer_one_refused() {
        let (cipher, mut nonces) = (cipher(7), nonces(1));
        let longest = vec![1; PLAINTEXT_BYTES_MAX];
        let sealed = cipher.seal(&mut nonces, b"", &longest).expect("fits");
        assert_eq!(cipher.open(b"", &sealed), Ok(longest));
        let bytes = PLAINTEXT_BYTES_MAX + 1;
        assert_eq!(
            cipher.seal(&mut nonces, b"", &vec![1; bytes]),
            Err(TooLong { bytes })
        );
    }

    #[test]
    fn what_is_clear_stays_so_and_is_not_taken_for_what_is_sealed() {
        let mut nonces = nonces(1);
        let clear = Cipher::Clear
            .seal(&mut nonces, b"", b"hello")
            .expect("short");
        assert_eq!(clear, &b"\0hello"[..]);
        assert_eq!(Cipher::Clear.open(b"", &clear), Ok(b"hello".to_vec()));
        assert_eq!(cipher(7).open(b"", &clear), Err(Broken));
        let sealed = cipher(7).seal(&mut nonces, b"", b"hello").expect("short");
        assert_eq!(Cipher::Clear.open(b"", &sealed), Err(Broken));
        assert_eq!(Cipher::Clear.open(b"", b""), Err(Broken));
    }

    #[test]
    fn derived_keys_differ_by_secret_and_purpose() {
        let one = derive(&[1; 32], &[b"a"]);
        assert!(one.is(&derive(&[1; 32], &[b"a"])));
        assert!(!one.is(&derive(&[1; 32], &[b"b"])));
        assert!(!one.is(&derive(&[2; 32], &[b"a"])));
    }
}
