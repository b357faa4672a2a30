//! What the copying of rooms has to know of stored rows.

use bytes::Bytes;
use cluster_store::schema::{RoomEvent, RoomMember};
use cluster_store::{Row as _, StoreError};
use prost::Message as _;
use proto::storage::v1;

/// Reads an event.
pub(crate) fn event(value: &Bytes) -> Result<v1::RoomEvent, StoreError> {
    let table = RoomEvent::TABLE;
    v1::RoomEvent::decode(value.clone()).map_err(|_| StoreError::Corrupt { table })
}

/// Reads where an event stands.
pub(crate) fn event_key(key: &[u8]) -> Result<RoomEvent, StoreError> {
    let table = RoomEvent::TABLE;
    RoomEvent::decode(key).map_err(|_| StoreError::Corrupt { table })
}

/// Reads who is a member.
pub(crate) fn member_key(key: &[u8]) -> Result<RoomMember, StoreError> {
    let table = RoomMember::TABLE;
    RoomMember::decode(key).map_err(|_| StoreError::Corrupt { table })
}
