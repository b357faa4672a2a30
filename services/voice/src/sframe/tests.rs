//! Headers: every vector of RFC 9605, and what is none.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("../../data/rfc9605-headers.txt");

#[test]
fn every_vector_is_written_and_read_as_the_rfc_says() {
    let mut vectors = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(' ').collect();
        let [key, count, encoded] = fields[..] else {
            panic!("three fields: {line}");
        };
        let number = |text| u64::from_str_radix(text, 16).expect("a number");
        let header = Header {
            key: number(key),
            count: number(count),
        };
        let encoded = HEXLOWER.decode(encoded.as_bytes()).expect("bytes");
        assert_eq!(header.write().as_bytes(), encoded, "{line}");
        assert_eq!(Header::read(&encoded), Ok((header, &[][..])), "{line}");
        vectors += 1;
    }
    assert_eq!(vectors, 289);
}

#[test]
fn the_header_of_the_whole_ciphertexts_is_read() {
    // Of the vectors of section C.3 for the suites 4 and 5; what is encrypted follows.
    let ciphertext = [0x99, 0x01, 0x23, 0x45, 0x67, 0xb7, 0x41];
    let (header, rest) = Header::read(&ciphertext).expect("a header");
    assert_eq!((header.key, header.count), (0x0123, 0x4567));
    assert_eq!(rest, [0xb7, 0x41]);
}

#[test]
fn what_is_cut_off_is_no_header() {
    let header = Header {
        key: 0x1234,
        count: 0x56_789a,
    };
    let written = header.write();
    let whole = written.as_bytes();
    assert_eq!(whole.len(), 6);
    for len in 0..whole.len() {
        assert_eq!(Header::read(&whole[..len]), Err(InvalidHeader), "{len}");
    }
}

#[test]
fn a_number_in_more_bytes_than_it_needs_is_refused() {
    for bytes in [
        // 7 fits into the first byte, as key and as count.
        &[0b1000_0000, 7][..],
        &[0b0000_1000, 7],
        // Leading zeros.
        &[0b1001_0000, 0, 8],
        &[0b0000_1010, 0, 1, 2],
        &[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(Header::read(bytes), Err(InvalidHeader), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        if let Ok((header, rest)) = Header::read(&bytes) {
            let read = bytes.len() - rest.len();
            let written = header.write();
            prop_assert_eq!(written.as_bytes(), &bytes[..read]);
        }
    }

    #[test]
    fn whatever_is_written_is_read_alike(key: u64, count: u64, shift in 0_u32..64) {
        let header = Header { key: key >> shift, count: count.rotate_left(shift) >> shift };
        let written = header.write();
        prop_assert_eq!(Header::read(written.as_bytes()), Ok((header, &[][..])));
    }
}
