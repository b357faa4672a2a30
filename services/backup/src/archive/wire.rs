//! The content of a chunk as bytes: the one place that knows how it is encoded.

use bytes::Bytes;
use prost::{DecodeError, Message as _};
use proto::storage::v1::BackupChunk;

pub(super) fn encode(chunk: &BackupChunk) -> Vec<u8> {
    chunk.encode_to_vec()
}

/// Records share the memory of `bytes`.
pub(super) fn decode(bytes: Bytes) -> Result<BackupChunk, DecodeError> {
    BackupChunk::decode(bytes)
}
