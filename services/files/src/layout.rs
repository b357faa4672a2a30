//! Where the bytes of a file lie: in chunks, sealed one by one, and in segments, each of which is an object.
//!
//! A segment is a version (1 byte), the prefix of its nonces (7), and up to
//! [`SEGMENT_CHUNKS`] chunks, each followed by its tag (16). All chunks but the last of the file are full. The tail of an
//! upload is laid out as the segment that it is the beginning of.
//! Pure arithmetic; a file has at least one byte.

use std::ops::Range;

use crate::limits::{CHUNK_BYTES, SEGMENT_CHUNKS};

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Bytes of the prefix of nonces.
pub(crate) const PREFIX_BYTES: usize = 7;

/// Bytes before the first chunk.
pub(crate) const HEADER_BYTES: usize = 1 + PREFIX_BYTES;

/// The version of this layout.
pub(crate) const VERSION: u8 = 1;

const CHUNK: u64 = CHUNK_BYTES as u64;
const SEGMENT: u64 = SEGMENT_CHUNKS as u64;

/// Bytes of an object that is full.
pub(crate) const OBJECT_BYTES: usize = HEADER_BYTES + SEGMENT_CHUNKS * (CHUNK_BYTES + TAG_BYTES);

/// How many chunks a file of `size` bytes has.
pub(crate) const fn chunks(size: u64) -> u64 {
    size.div_ceil(CHUNK)
}

/// How many segments a file of `size` bytes has.
pub(crate) const fn segments(size: u64) -> u64 {
    chunks(size).div_ceil(SEGMENT)
}

/// The chunk with the byte at `offset`.
pub(crate) const fn chunk_at(offset: u64) -> u64 {
    offset / CHUNK
}

/// The segment of a chunk.
pub(crate) const fn segment_of(chunk: u64) -> u64 {
    chunk / SEGMENT
}

/// The first byte of a chunk.
pub(crate) const fn begin(chunk: u64) -> u64 {
    chunk * CHUNK
}

/// The first chunk after the segment of `chunk`.
pub(crate) const fn next_segment(chunk: u64) -> u64 {
    (segment_of(chunk) + 1) * SEGMENT
}

/// The chunks of an upload that came after its last full segment; it has not come in whole.
pub(crate) const fn tail(received: u64) -> Range<u64> {
    let end = chunk_at(received);
    segment_of(end) * SEGMENT..end
}

/// Where these chunks, of one segment of a file of `size` bytes, lie in their object.
pub(crate) fn sealed(chunks: &Range<u64>, size: u64) -> Range<u64> {
    let header = HEADER_BYTES as u64;
    let tag = TAG_BYTES as u64;
    let first = segment_of(chunks.start) * SEGMENT;
    let from = header + (chunks.start - first) * (CHUNK + tag);
    let bytes = begin(chunks.end).min(size) - begin(chunks.start);
    from..from + bytes + (chunks.end - chunks.start) * tag
}

/// Bytes of all objects of a file of `size` bytes.
pub(crate) const fn sealed_bytes(size: u64) -> u64 {
    size + segments(size) * HEADER_BYTES as u64 + chunks(size) * TAG_BYTES as u64
}

/// Of the bytes from `at` to `end`, all objects of a file laid end to end: those that lie in one object, with `at` the
/// first. Its number, and where in it they are.
pub(crate) fn in_object(at: u64, end: u64) -> (u64, Range<u64>) {
    let object = OBJECT_BYTES as u64;
    let (segment, from) = (at / object, at % object);
    (segment, from..object.min(from + (end - at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SEGMENT_BYTES;

    #[test]
    fn a_file_has_a_chunk_for_its_last_byte_and_none_after_it() {
        assert_eq!((chunks(1), chunks(CHUNK), chunks(CHUNK + 1)), (1, 1, 2));
        let segment = SEGMENT_BYTES as u64;
        assert_eq!(
            (segments(1), segments(segment), segments(segment + 1)),
            (1, 1, 2)
        );
        assert_eq!(segment_of(chunk_at(segment)), 1);
        assert_eq!(segment_of(chunk_at(segment - 1)), 0);
    }

    #[test]
    fn objects_are_as_long_as_their_chunks_and_a_header() {
        let (segment, object) = (SEGMENT_BYTES as u64, OBJECT_BYTES as u64);
        assert_eq!(sealed_bytes(1), 8 + 1 + 16);
        assert_eq!(sealed_bytes(segment), object);
        assert_eq!(sealed_bytes(segment + 1), object + 8 + 1 + 16);
        let all = 0..SEGMENT;
        assert_eq!(sealed(&all, segment).end, object);
        assert_eq!(in_object(3, 7), (0, 3..7));
        assert_eq!(in_object(object - 1, object + 9), (0, object - 1..object));
        assert_eq!(in_object(object, object + 9), (1, 0..9));
    }

    #[test]
    fn chunks_lie_one_after_the_other_behind_the_header() {
        let sealed_chunk = CHUNK + 16;
        assert_eq!(sealed(&(0..1), 10), 8..34);
        assert_eq!(
            sealed(&(1..3), CHUNK * 9),
            8 + sealed_chunk..8 + 3 * sealed_chunk
        );
        let first_of_second = SEGMENT..SEGMENT + 1;
        assert_eq!(sealed(&first_of_second, begin(SEGMENT) + 1), 8..25);
    }
}
