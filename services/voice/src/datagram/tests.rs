//! Datagrams: what is one, and each thing that is none.

use proptest::prelude::*;

use super::*;
use crate::KeyEpoch;
use crate::testing::{datagram, slot};

/// A frame of slot 700 in an epoch with mark 2.
fn whole() -> Vec<u8> {
    datagram(slot(700), KeyEpoch(6), 300, Level::new(30))
}

fn changed(at: usize, byte: u8) -> Result<Datagram, Malformed> {
    let mut bytes = whole();
    bytes[at] = byte;
    Datagram::read(&bytes)
}

#[test]
fn a_datagram_is_read_as_the_protocol_says() {
    let mut bytes = vec![1, 2, 188, 30];
    // Two bytes of KID, 700 * 4 + 2, and two of CTR.
    bytes.extend([0b1001_1001, 10, 242, 1, 44]);
    bytes.extend([9; TAG_BYTES + 1]);
    let read = Datagram::read(&bytes).expect("a datagram");
    let expected = Datagram {
        slot: slot(700),
        level: Level::new(30),
        key: KeyId::new(slot(700), KeyEpoch(6)),
        count: 300,
    };
    assert_eq!(read, expected);
    assert_eq!(read.metadata(), bytes[..4]);
    assert_eq!(read.header().as_bytes(), &bytes[4..9]);
}

#[test]
fn the_shortest_datagram_has_a_byte_of_sound() {
    let bytes = [[1, 0, 0, 127].as_slice(), &[0x31], &[0; TAG_BYTES + 1]].concat();
    let read = Datagram::read(&bytes).expect("a datagram");
    assert_eq!((read.slot, read.count), (slot(0), 1));
    assert_eq!(read.key, KeyId::new(slot(0), KeyEpoch(3)));
    for len in 0..bytes.len() {
        let cut = Datagram::read(&bytes[..len]);
        assert!(
            matches!(cut, Err(Malformed::TooShort | Malformed::InvalidHeader)),
            "{len}: {cut:?}"
        );
    }
}

#[test]
fn a_datagram_has_a_longest_length() {
    let mut bytes = whole();
    bytes.resize(DATAGRAM_BYTES_MAX, 0);
    assert!(Datagram::read(&bytes).is_ok());
    bytes.push(0);
    assert_eq!(Datagram::read(&bytes), Err(Malformed::TooLong));
}

#[test]
fn what_is_not_of_the_form_is_refused() {
    assert_eq!(changed(0, 2), Err(Malformed::UnknownKind));
    assert_eq!(changed(0, 0), Err(Malformed::UnknownKind));
    assert_eq!(changed(3, 128), Err(Malformed::InvalidLevel));
    // No such slot, once in the metadata and once in the key.
    assert_eq!(changed(1, 0xff), Err(Malformed::InvalidHeader));
    assert_eq!(changed(5, 0xff), Err(Malformed::InvalidHeader));
    // A header with leading zeros, and one that leaves no room for a tag.
    assert_eq!(changed(5, 0), Err(Malformed::InvalidHeader));
    assert_eq!(changed(4, 0xff), Err(Malformed::TooShort));
    assert_eq!(Datagram::read(&[]), Err(Malformed::TooShort));
}

#[test]
fn a_level_is_silence_at_most() {
    assert_eq!(Level::new(127), Level::SILENCE);
    assert_eq!(Level::new(255), Level::SILENCE);
    assert_eq!(Level::new(3).below(), 3);
}

proptest! {
    #[test]
    fn whatever_is_read_is_said_again_in_the_same_bytes(
        head in prop::collection::vec(any::<u8>(), 0..24),
        len in 0_usize..40,
        is_close in any::<bool>(),
    ) {
        let mut bytes = head;
        bytes.extend(vec![0; len]);
        if is_close && bytes.len() > 3 {
            // Else next to none of them is a datagram.
            (bytes[0], bytes[1], bytes[3]) = (1, bytes[1] & 7, bytes[3] & 127);
        }
        if let Ok(read) = Datagram::read(&bytes) {
            prop_assert_eq!(&read.metadata()[..], &bytes[..4]);
            prop_assert!(bytes[4..].starts_with(read.header().as_bytes()));
        }
    }
}
