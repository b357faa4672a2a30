//! [`Pair`]: the key of what one account says in one room, made of the account's month and the room's
//! week.
//!
//! Invariant: both halves go into the key, so when either is destroyed nothing that it sealed opens ever
//! again. What a text says beside its words (room, place, author, schema) is checked with it: a body that
//! is moved to another row does not open.
//!
//! Leaves out: which of two bodies of one message is the newer one. Who can write to the store can put an
//! older body back in its place, as he can take it away.

use std::sync::Arc;

use bytes::Bytes;
use cluster_types::{AccountId, RoomId, Seq};
use zeroize::Zeroizing;

use crate::cipher::{Broken, Cipher, Nonces, TooLong, derive};
use crate::name::PairName;
use crate::secret::{KEY_BYTES, KeyBytes};

/// What the key of a pair is for, and how it is made.
const PURPOSE: &[u8] = b"message 1";

/// What stands beside the words of a message, first of all what it is.
const BESIDE: &[u8; 9] = b"message 1";
const BESIDE_BYTES: usize = BESIDE.len() + 16 + 8 + 16 + 4;

/// Where a body belongs. What is sealed with one of these opens with the same one only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageAad {
    /// The room.
    pub room: RoomId,
    /// The message's place in its log.
    pub seq: Seq,
    /// Who wrote it.
    pub author: AccountId,
    /// The version of the layout of what is sealed, as its writer counts it.
    pub schema: u32,
}

/// Seals and opens what one account says in one room in one month and week. A cheap handle, which works
/// on after its keys were destroyed: ask the vault for it each time, and keep none.
#[derive(Clone, Debug)]
pub struct Pair {
    cipher: Arc<Cipher>,
}

impl Pair {
    pub(crate) fn new(name: &PairName, account: &KeyBytes, room: &KeyBytes) -> Self {
        let mut both = Zeroizing::new([0; 2 * KEY_BYTES]);
        both[..KEY_BYTES].copy_from_slice(account.expose());
        both[KEY_BYTES..].copy_from_slice(room.expose());
        let key = derive(
            &both[..],
            &[
                PURPOSE,
                name.author.as_bytes(),
                &name.month.0.to_be_bytes(),
                name.room.as_bytes(),
                &name.week.0.to_be_bytes(),
            ],
        );
        let cipher = Arc::new(Cipher::new(&key));
        Self { cipher }
    }

    /// One that leaves bodies as they are, for a deployment that is not sealed.
    pub(crate) fn clear() -> Self {
        let cipher = Arc::new(Cipher::Clear);
        Self { cipher }
    }

    /// Seals a body under the next of `nonces`. It is longer afterwards by
    /// [`SEALED_BYTES_MORE`](crate::limits::SEALED_BYTES_MORE).
    ///
    /// # Errors
    /// If it is longer than [`PLAINTEXT_BYTES_MAX`](crate::limits::PLAINTEXT_BYTES_MAX).
    pub fn seal(
        &self,
        nonces: &mut Nonces,
        aad: &MessageAad,
        plaintext: &[u8],
    ) -> Result<Bytes, TooLong> {
        self.cipher.seal(nonces, &aad.encode(), plaintext)
    }

    /// Opens what [`seal`](Self::seal) made with the same `aad`.
    ///
    /// # Errors
    /// If anything about it differs; nothing is told of what.
    pub fn open(&self, aad: &MessageAad, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        self.cipher.open(&aad.encode(), sealed)
    }
}

impl MessageAad {
    fn encode(&self) -> [u8; BESIDE_BYTES] {
        let mut beside = [0; BESIDE_BYTES];
        let mut rest = &mut beside[..];
        for field in [
            &BESIDE[..],
            self.room.as_bytes(),
            &self.seq.0.to_be_bytes(),
            self.author.as_bytes(),
            &self.schema.to_be_bytes(),
        ] {
            let (place, after) = rest.split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        }
        beside
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{Month, Rng, Week};
    use proptest::prelude::*;

    use super::*;

    fn name() -> PairName {
        PairName {
            author: AccountId::from_bytes([1; 16]),
            month: Month(24_000),
            room: RoomId::from_bytes([2; 16]),
            week: Week(2_900),
        }
    }

    fn pair(name: &PairName, account: u8, room: u8) -> Pair {
        let (account, room) = (
            KeyBytes::copied(&[account; 32]),
            KeyBytes::copied(&[room; 32]),
        );
        Pair::new(name, &account, &room)
    }

    fn sealed(pair: &Pair, aad: &MessageAad) -> Bytes {
        let nonces = &mut Nonces::one_by_one(&Rng::seeded(1));
        pair.seal(nonces, aad, b"hello").expect("short")
    }

    fn aad() -> MessageAad {
        MessageAad {
            room: name().room,
            seq: Seq(7),
            author: name().author,
            schema: 1,
        }
    }

    #[test]
    fn neither_half_opens_a_message_without_the_other() {
        let sealed = sealed(&pair(&name(), 3, 4), &aad());
        assert_eq!(
            pair(&name(), 3, 4).open(&aad(), &sealed),
            Ok(b"hello".to_vec())
        );
        for (account, room) in [(3, 5), (5, 4), (4, 3), (3, 3), (0, 0)] {
            let other = pair(&name(), account, room);
            assert_eq!(other.open(&aad(), &sealed), Err(Broken), "{account} {room}");
        }
    }

    #[test]
    fn the_key_is_bound_to_the_period_that_it_was_made_for() {
        let sealed = sealed(&pair(&name(), 3, 4), &aad());
        let next_month = PairName {
            month: Month(24_001),
            ..name()
        };
        let next_week = PairName {
            week: Week(2_901),
            ..name()
        };
        for other in [next_month, next_week] {
            let opened = pair(&other, 3, 4).open(&aad(), &sealed);
            assert_eq!(opened, Err(Broken));
        }
    }

    proptest! {
        #[test]
        fn a_body_opens_in_its_place_only(
            room in any::<[u8; 16]>(), seq in any::<u64>(),
            author in any::<[u8; 16]>(), schema in any::<u32>(), bit in 0..32_u32,
        ) {
            let pair = pair(&name(), 3, 4);
            let place = MessageAad {
                room: RoomId::from_bytes(room),
                seq: Seq(seq),
                author: AccountId::from_bytes(author),
                schema,
            };
            let sealed = sealed(&pair, &place);
            prop_assert_eq!(pair.open(&place, &sealed), Ok(b"hello".to_vec()));
            let mut moved = [place; 4];
            let mut flipped = (room, author);
            flipped.0[15] ^= 1 << (bit % 8);
            flipped.1[0] ^= 1 << (bit % 8);
            moved[0].room = RoomId::from_bytes(flipped.0);
            moved[1].author = AccountId::from_bytes(flipped.1);
            moved[2].seq = Seq(seq ^ (1 << bit));
            moved[3].schema = schema ^ (1 << bit);
            for other in moved {
                prop_assert_eq!(pair.open(&other, &sealed), Err(Broken), "{:?}", other);
            }
        }
    }

    #[test]
    fn a_pair_does_not_print_its_key() {
        assert_eq!(
            format!("{:?}", pair(&name(), 3, 4)),
            "Pair { cipher: Cipher(..) }"
        );
    }

    #[test]
    fn what_was_sealed_by_an_earlier_release_opens() {
        let golden = "019a3744504560639ec670b7a16e6166069ac74eef196cf6c34392da5a5c16ccf77e";
        let golden = data_encoding::HEXLOWER.decode(golden.as_bytes());
        let golden = golden.expect("hexadecimal");
        let pair = pair(&name(), 3, 4);
        assert_eq!(pair.open(&aad(), &golden), Ok(b"hello".to_vec()));
    }
}
