//! The vectors of RFC 9605, and what a sender and a receiver promise each other.

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde::Deserialize;

use super::key::Key;
use super::*;
use crate::ids::{AccountId, Epoch, Nonce, RoomId, Slot, Speaker};
use crate::limits::{EPOCHS_HELD_MAX, FRAMES_PER_KEY_MAX, SPEAKERS_KNOWN_MAX};

#[derive(Deserialize)]
struct Vectors {
    header: Vec<HeaderVector>,
    sframe: Vec<Vector>,
}

#[derive(Deserialize)]
struct HeaderVector {
    kid: u64,
    ctr: u64,
    encoded: String,
}

#[derive(Deserialize)]
struct Vector {
    cipher_suite: u16,
    kid: u64,
    ctr: u64,
    base_key: String,
    sframe_key: String,
    sframe_salt: String,
    metadata: String,
    pt: String,
    ct: String,
}

const METADATA: &[u8] = b"head";
const ROOM: RoomId = RoomId([1; 16]);
const SPEAKER: Speaker = Speaker {
    room: ROOM,
    slot: Slot(700),
    account: AccountId([2; 16]),
    nonce: Nonce([3; 16]),
};

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).expect("the file is in the repository")
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("vectors are hex")
}

fn secret(byte: u8) -> EpochSecret {
    EpochSecret::copied(&[byte; 32])
}

fn sender(epoch: u64) -> Sender {
    let secret = secret(u8::try_from(epoch).expect("tests count small"));
    Sender::new(Suite::Aes128, SPEAKER, Epoch(epoch), &secret)
}

/// A receiver that knows the speaker, and these epochs.
fn receiver(epochs: &[u8]) -> Receiver {
    let mut receiver = Receiver::new(Suite::Aes128, ROOM);
    for epoch in epochs {
        let offered = receiver.offer(Epoch(u64::from(*epoch)), secret(*epoch));
        offered.expect("later");
    }
    let admitted = receiver.admit(SPEAKER.slot, SPEAKER.account, SPEAKER.nonce);
    assert_eq!(admitted, Ok(true));
    receiver
}

fn sealed(sender: &mut Sender, plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    sender
        .seal(METADATA, plain, &mut frame)
        .expect("not used up");
    frame
}

#[test]
fn headers_are_those_of_the_rfc() {
    let vectors = vectors().header;
    assert_eq!(vectors.len(), 289);
    for vector in vectors {
        let header = Header {
            key: KeyId(vector.kid),
            counter: vector.ctr,
        };
        let bytes = hex(&vector.encoded);
        assert_eq!(header.encode().as_slice(), bytes, "{header:?}");
        let longer = [&bytes[..], b"frame"].concat();
        assert_eq!(Header::read(&longer), Some((header, bytes.len())));
        for end in 0..bytes.len() {
            assert_eq!(Header::read(&bytes[..end]), None, "cut off: {header:?}");
        }
    }
}

#[test]
fn a_number_that_is_not_in_its_shortest_form_is_refused() {
    for bytes in ["0807", "0900ff", "8007", "a0000fff", "0f00ffffffffffffff"] {
        assert_eq!(Header::read(&hex(bytes)), None, "{bytes}");
    }
    assert!(Header::read(&hex("0808")).is_some());
}

#[test]
fn ciphertexts_are_those_of_the_rfc() {
    let vectors = vectors().sframe;
    assert_eq!(vectors.len(), 2, "one for each suite");
    for vector in vectors {
        let suite = Suite::from_number(vector.cipher_suite).expect("4 or 5");
        assert_eq!(suite.number(), vector.cipher_suite);
        let (metadata, plain) = (hex(&vector.metadata), hex(&vector.pt));
        let key = Key::derive(suite, KeyId(vector.kid), &hex(&vector.base_key));
        assert_eq!(key.salt(), hex(&vector.sframe_salt));
        let mut frame = Vec::new();
        key.seal(vector.ctr, &metadata, &plain, &mut frame);
        assert_eq!(frame, hex(&vector.ct));

        // The same with the key of the vector instead of the one that was derived.
        let given = Key::of_parts(suite, &hex(&vector.sframe_key), &hex(&vector.sframe_salt));
        let (header, len) = Header::read(&frame).expect("a header");
        assert_eq!((header.key.0, header.counter), (vector.kid, vector.ctr));
        let (head, ciphertext) = frame.split_at(len);
        for key in [&key, &given] {
            let opened = key.open(vector.ctr, head, &metadata, ciphertext);
            assert_eq!(opened.as_ref(), Ok(&plain));
            let other = key.open(vector.ctr, head, b"other", ciphertext);
            assert!(other.is_err(), "the metadata is authenticated");
        }
    }
}

#[test]
fn what_was_sealed_is_opened_once() {
    let (mut sender, mut receiver) = (sender(1), receiver(&[1]));
    for (counter, plain) in [(0, &b"one"[..]), (1, b"two"), (2, b"")] {
        let frame = sealed(&mut sender, plain);
        let opened = receiver.open(METADATA, &frame).expect("authentic");
        assert_eq!((opened.slot, opened.epoch), (SPEAKER.slot, Epoch(1)));
        assert_eq!((opened.counter, &opened.plain[..]), (counter, plain));
        assert_eq!(receiver.open(METADATA, &frame), Err(OpenError::Replayed));
    }
}

#[test]
fn whatever_tells_keys_apart_does() {
    let base = |speaker: &Speaker, epoch, secret: &EpochSecret| {
        secret
            .base_key(Suite::Aes128, Epoch(epoch), speaker)
            .to_vec()
    };
    let first = base(&SPEAKER, 1, &secret(1));
    let others = [
        base(&SPEAKER, 2, &secret(1)),
        base(&SPEAKER, 1, &secret(2)),
        base(
            &Speaker {
                room: RoomId([9; 16]),
                ..SPEAKER
            },
            1,
            &secret(1),
        ),
        base(
            &Speaker {
                slot: Slot(9),
                ..SPEAKER
            },
            1,
            &secret(1),
        ),
        base(
            &Speaker {
                account: AccountId([9; 16]),
                ..SPEAKER
            },
            1,
            &secret(1),
        ),
        base(
            &Speaker {
                nonce: Nonce([9; 16]),
                ..SPEAKER
            },
            1,
            &secret(1),
        ),
    ];
    assert_eq!(first.len(), 16);
    assert!(others.iter().all(|other| *other != first));
    let long = secret(1).base_key(Suite::Aes256, Epoch(1), &SPEAKER);
    assert_eq!(long.len(), 32);
}

/// Golden bytes, from another implementation of HKDF: whoever derives other keys hears nothing.
#[test]
fn keys_are_derived_as_the_protocol_says() {
    let base = secret(5).base_key(Suite::Aes128, Epoch(6), &SPEAKER);
    assert_eq!(HEXLOWER.encode(&base), "06d431a690b2160d0a16a72a84492c7b");
    let shared = EpochSecret::from_shared_key(b"of the members", ROOM, Epoch(6));
    let base = shared.base_key(Suite::Aes256, Epoch(6), &SPEAKER);
    assert_eq!(
        HEXLOWER.encode(&base),
        "3bcfca1296085ee9b5476c0d4754e42c1e62a7cc370ef608114893dd67ffd4ce"
    );
}

#[test]
fn an_epoch_changes_without_a_gap_and_the_count_goes_on() {
    let (mut sender, mut receiver) = (sender(1), receiver(&[1]));
    let before = sealed(&mut sender, b"before");
    receiver.offer(Epoch(2), secret(2)).expect("later");
    sender.switch(Epoch(2), &secret(2)).expect("later");
    let after = sealed(&mut sender, b"after");
    let opened = receiver.open(METADATA, &after).expect("authentic");
    assert_eq!((opened.epoch, opened.counter), (Epoch(2), 1));
    let opened = receiver.open(METADATA, &before).expect("both are held");
    assert_eq!((opened.epoch, opened.counter), (Epoch(1), 0));
    receiver.forget_before(Epoch(2));
    assert_eq!(
        receiver.open(METADATA, &before),
        Err(OpenError::UnknownEpoch)
    );
}

#[test]
fn a_number_is_never_used_twice() {
    let mut sender = sender(2);
    for epoch in [1, 2] {
        assert_eq!(sender.switch(Epoch(epoch), &secret(9)), Err(NotLater));
    }
    let mut out = Vec::new();
    sender.pretend(10, 1);
    assert_eq!(sender.seal(METADATA, b"last", &mut out), Ok(10));
    let len = out.len();
    assert_eq!(
        sender.seal(METADATA, b"x", &mut out),
        Err(SealError::UsedUp)
    );
    assert_eq!(out.len(), len, "nothing is appended");
    sender.switch(Epoch(3), &secret(3)).expect("later");
    assert_eq!(sender.seal(METADATA, b"x", &mut out), Ok(11));
    sender.pretend(u64::MAX, FRAMES_PER_KEY_MAX);
    assert_eq!(
        sender.seal(METADATA, b"x", &mut out),
        Err(SealError::UsedUp)
    );
}

#[test]
fn no_more_epochs_are_held_than_two_bits_tell_apart() {
    let mut receiver = receiver(&[1, 2, 3, 4]);
    assert_eq!(EPOCHS_HELD_MAX, 3);
    let frame = sealed(&mut sender(1), b"x");
    assert_eq!(
        receiver.open(METADATA, &frame),
        Err(OpenError::UnknownEpoch)
    );
    for epoch in [2, 3, 4] {
        let frame = sealed(&mut sender(epoch), b"x");
        assert!(receiver.open(METADATA, &frame).is_ok(), "{epoch}");
    }
    assert_eq!(receiver.offer(Epoch(4), secret(9)), Err(NotLater));
    // After a long absence: 6 and 2 have the same last bits, so 2 must be gone.
    receiver.offer(Epoch(6), secret(6)).expect("later");
    let frame = sealed(&mut sender(2), b"x");
    assert_eq!(receiver.open(METADATA, &frame), Err(OpenError::Forged));
    assert_eq!(receiver.latest(), Some(Epoch(6)));
    // What was opened in an epoch is forgotten with it, so it must not come back.
    receiver.forget_before(Epoch(7));
    assert_eq!(receiver.offer(Epoch(6), secret(6)), Err(NotLater));
}

#[test]
fn who_connects_anew_has_other_keys() {
    let mut receiver = receiver(&[1]);
    let frame = sealed(&mut sender(1), b"of the first connection");
    let again = receiver.admit(SPEAKER.slot, SPEAKER.account, SPEAKER.nonce);
    assert_eq!(again, Ok(false), "the same connection");
    assert!(receiver.open(METADATA, &frame).is_ok());
    let other = Nonce([8; 16]);
    assert_eq!(
        receiver.admit(SPEAKER.slot, SPEAKER.account, other),
        Ok(true)
    );
    assert_eq!(receiver.open(METADATA, &frame), Err(OpenError::Forged));
    receiver.dismiss(SPEAKER.slot);
    assert_eq!(
        receiver.open(METADATA, &frame),
        Err(OpenError::UnknownSpeaker)
    );
    assert_eq!(receiver.known().count(), 0);
}

#[test]
fn no_more_speakers_are_known_than_a_call_has_places() {
    let mut receiver = Receiver::new(Suite::Aes128, ROOM);
    for slot in 0..SPEAKERS_KNOWN_MAX {
        let slot = Slot(u16::try_from(slot).expect("2,048 fit"));
        assert!(receiver.admit(slot, SPEAKER.account, SPEAKER.nonce).is_ok());
    }
    let beyond = receiver.admit(Slot(u16::MAX), SPEAKER.account, SPEAKER.nonce);
    assert_eq!(beyond, Err(TooManySpeakers));
    let known = receiver.admit(Slot(0), SPEAKER.account, Nonce([8; 16]));
    assert_eq!(known, Ok(true), "who is known may connect anew");
}

#[test]
fn secrets_do_not_print() {
    let sender = sender(7);
    let printed = format!("{sender:?} {:?} {:?}", secret(7), receiver(&[7]));
    assert!(!printed.contains("7, 7"), "{printed}");
}

proptest! {
    /// Whatever happens to a frame on its way, nothing but the frame itself is opened, and it can still come.
    #[test]
    fn a_changed_frame_is_refused_and_harmless(
        plain in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        bits in 1..=u8::MAX,
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut sender, mut receiver) = (sender(1), receiver(&[1]));
        let frame = sealed(&mut sender, &plain);
        let mut changed = frame.clone();
        changed[at.index(frame.len())] ^= bits;
        prop_assert!(receiver.open(METADATA, &changed).is_err());
        prop_assert!(receiver.open(METADATA, &frame[..cut.index(frame.len())]).is_err());
        prop_assert!(receiver.open(b"hear", &frame).is_err());
        let opened = receiver.open(METADATA, &frame);
        prop_assert_eq!(opened.map(|opened| opened.plain), Ok(plain));
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(receiver(&[1, 2]).open(METADATA, &bytes).is_err());
    }
}
