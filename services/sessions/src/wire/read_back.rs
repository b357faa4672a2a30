//! Reading back what was encoded, for tests.

use prost::Message as _;
use proto::v1;
use proto::v1::server_item::Item;

use super::frame::{Frame, PREFIX_BYTES};

/// The items of a gRPC message.
pub(crate) fn items(message: &[u8]) -> Vec<Item> {
    let (prefix, payload) = message.split_at(PREFIX_BYTES);
    let length = u32::from_be_bytes(prefix[1..].try_into().expect("four bytes"));
    assert_eq!((prefix[0], length as usize), (0, payload.len()));
    let frame = v1::ServerFrame::decode(payload).expect("a frame");
    let items = frame.items.into_iter();
    items.map(|item| item.item.expect("an item")).collect()
}

/// A frame with nothing in it but a number.
pub(crate) fn marker(request_id: u64) -> Frame {
    Frame::of(Item::Reply(v1::Reply {
        request_id,
        result: None,
    }))
}
