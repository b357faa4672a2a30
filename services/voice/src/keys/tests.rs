//! Secrets, and the keys that follow from them.

use cluster_types::{AccountId, Epoch, Rng, RoomId};

use super::*;
use crate::testing::{epochs, slot};
use crate::{KeyEpoch, Nonce};

const TERM: Epoch = Epoch(0);

#[test]
fn a_ring_holds_the_secrets_of_known_epochs_and_no_others() {
    let (memory, rng) = (SecretMemory::new(), Rng::seeded(1));
    let mut ring = KeyRing::new(&memory, TERM).expect("memory");
    let secret = |ring: &KeyRing, epoch| ring.with(KeyEpoch(epoch), |secret| *secret);
    ring.follow(&epochs(None, 4, Some(5)), &rng);
    let fourth = secret(&ring, 4).expect("known");
    assert_ne!(fourth, secret(&ring, 5).expect("known"));
    ring.follow(&epochs(Some(4), 5, None), &rng);
    assert_eq!(secret(&ring, 4), Some(fourth));
    ring.follow(&epochs(None, 5, None), &rng);
    assert_eq!(secret(&ring, 4), None);
    assert_eq!(secret(&ring, 8), None, "with the same mark");
}

#[test]
fn another_homes_epoch_has_no_secret_here() {
    let mut ring = KeyRing::new(&SecretMemory::new(), Epoch(1)).expect("memory");
    ring.follow(&epochs(None, 4, Some(1 << 32 | 5)), &Rng::seeded(1));
    assert_eq!(ring.with(KeyEpoch(4), |_| ()), None);
    assert_eq!(ring.with(KeyEpoch(1 << 32 | 5), |_| ()), Some(()));
}

#[test]
fn a_piece_is_zeros_for_whoever_gets_it_next() {
    let memory = SecretMemory::new();
    let _keeps_the_page = memory.piece().expect("memory");
    let piece = memory.piece().expect("memory");
    piece.with(|bytes| bytes.fill(7));
    drop(piece);
    let again = memory.piece().expect("memory");
    again.with(|bytes| assert!(bytes.iter().all(|byte| *byte == 0)));
    assert_eq!(memory.pages(), 1);
}

#[test]
fn pages_come_and_go_with_their_secrets() {
    let memory = SecretMemory::new();
    let pieces: Vec<_> = (0..33).map(|_| memory.piece().expect("memory")).collect();
    assert_eq!(memory.pages(), 2);
    drop(pieces);
    assert_eq!(memory.pages(), 0);
}

#[test]
fn each_part_of_a_sender_gives_another_key() {
    let key = |epoch, number, account, nonce, suite| {
        let call = (RoomId::from_bytes([1; 16]), KeyEpoch(epoch));
        let account = AccountId::from_bytes([account; 16]);
        let sender = (slot(number), account, Nonce([nonce; 16]));
        base_key(&[5; SECRET_BYTES], suite, call, sender)
            .expose()
            .to_vec()
    };
    let one = key(1, 2, 3, 4, Suite::Aes128);
    assert_eq!(one.len(), 16);
    assert_eq!(one, key(1, 2, 3, 4, Suite::Aes128));
    for other in [
        key(2, 2, 3, 4, Suite::Aes128),
        key(1, 3, 3, 4, Suite::Aes128),
        key(1, 2, 4, 4, Suite::Aes128),
        key(1, 2, 3, 5, Suite::Aes128),
        key(1, 2, 3, 4, Suite::Aes256)[..16].to_vec(),
    ] {
        assert_ne!(one, other);
    }
}
