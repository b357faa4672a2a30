//! [`Sealer`]: seals single fields of rows under one data key: profiles and e-mail addresses under their
//! account's, names and topics under their room's, invitations under the server's.
//!
//! Invariant: a sealed field opens in its own row and column only.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use cluster_store::schema::Row;
use cluster_types::Rng;

use crate::cipher::{Broken, Cipher, Nonces, TooLong, derive};
use crate::name::KeyName;
use crate::secret::KeyBytes;

/// What the key of a sealer is for, and how it is made.
const PURPOSE: &[u8] = b"field 1";

/// Where a field belongs: its table and row, and its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldAad(Bytes);

/// Seals and opens fields. A cheap handle, which works on after its key was destroyed: ask the vault for
/// it each time, and keep none.
#[derive(Clone, Debug)]
pub struct Sealer {
    cipher: Arc<Cipher>,
    rng: Rng,
}

impl FieldAad {
    /// The field of this name in the row under `key`. Both are stored in what is sealed: a field that is
    /// renamed keeps its old name here.
    pub fn of<K: Row>(key: &K, field: &'static str) -> Self {
        let key = key.encode();
        let length = u32::try_from(key.len()).expect("keys of rows are shorter than 10,000 bytes");
        let mut beside = BytesMut::with_capacity(PURPOSE.len() + 4 + key.len() + field.len());
        beside.put_slice(PURPOSE);
        beside.put_u32(length);
        beside.put_slice(&key);
        beside.put_slice(field.as_bytes());
        Self(beside.freeze())
    }
}

impl Sealer {
    pub(crate) fn new(name: KeyName, key: &KeyBytes, rng: Rng) -> Self {
        let key = derive(key.expose(), &[PURPOSE, &name.encode()]);
        let cipher = Arc::new(Cipher::new(&key));
        Self { cipher, rng }
    }

    /// One that leaves fields as they are, for a deployment that is not sealed.
    pub(crate) fn clear(rng: Rng) -> Self {
        let cipher = Arc::new(Cipher::Clear);
        Self { cipher, rng }
    }

    /// Seals a field. It is longer afterwards by
    /// [`SEALED_BYTES_MORE`](crate::limits::SEALED_BYTES_MORE).
    ///
    /// # Errors
    /// If it is longer than [`PLAINTEXT_BYTES_MAX`](crate::limits::PLAINTEXT_BYTES_MAX).
    pub fn seal(&self, aad: &FieldAad, plaintext: &[u8]) -> Result<Bytes, TooLong> {
        let nonces = &mut Nonces::one_by_one(&self.rng);
        self.cipher.seal(nonces, &aad.0, plaintext)
    }

    pub(crate) fn nonces(&self, count: usize) -> Nonces {
        match *self.cipher {
            Cipher::Sealing(_) => Nonces::drawn(&self.rng, count),
            Cipher::Clear => Nonces::one_by_one(&self.rng),
        }
    }

    /// Opens what [`seal`](Self::seal) made with the same `aad`.
    ///
    /// # Errors
    /// If anything about it differs; nothing is told of what.
    pub fn open(&self, aad: &FieldAad, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        self.cipher.open(&aad.0, sealed)
    }
}

#[cfg(test)]
mod tests {
    use cluster_store::schema;
    use cluster_types::{AccountId, Month};

    use super::*;

    #[test]
    fn a_field_opens_in_its_row_and_column_only() {
        let account = AccountId::from_bytes([1; 16]);
        let other = AccountId::from_bytes([2; 16]);
        let name = KeyName::Account(account, Month::NONE);
        let sealer = Sealer::new(name, &KeyBytes::copied(&[7; 32]), Rng::seeded(1));
        let place = FieldAad::of(&schema::Account { account }, "display_name");
        let sealed = sealer.seal(&place, b"Anna").expect("short");
        assert_eq!(sealer.open(&place, &sealed), Ok(b"Anna".to_vec()));
        for moved in [
            FieldAad::of(&schema::Account { account }, "display_nam"),
            FieldAad::of(&schema::Account { account: other }, "display_name"),
            FieldAad::of(
                &schema::AccountKey {
                    account,
                    month: Month::NONE,
                },
                "display_name",
            ),
        ] {
            assert_eq!(sealer.open(&moved, &sealed), Err(Broken));
        }
    }

    #[test]
    fn the_same_key_under_another_name_opens_nothing() {
        let account = AccountId::from_bytes([1; 16]);
        let place = FieldAad::of(&schema::Account { account }, "display_name");
        let [one, other] = [Month::NONE, Month(24_000)].map(|month| {
            let name = KeyName::Account(account, month);
            Sealer::new(name, &KeyBytes::copied(&[7; 32]), Rng::seeded(1))
        });
        let sealed = one.seal(&place, b"Anna").expect("short");
        assert_eq!(other.open(&place, &sealed), Err(Broken));
    }
}
