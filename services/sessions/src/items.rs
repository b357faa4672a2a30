//! Items of a `ServerFrame`, encoded as one gRPC message each.
//!
//! A gRPC message is five bytes of prefix (a flag for compression, a length of four bytes) and the
//! encoded protobuf message. Encoded `ServerFrame`s that are put behind each other are one `ServerFrame`
//! with the items of all, so messages are joined without decoding: the prefixes go, one new one comes.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use proto::v1;
use proto::v1::server_item::Item;

/// Bytes of a gRPC message before its payload.
pub(crate) const PREFIX_BYTES: usize = 5;

/// An encoded `ServerFrame` behind a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Frame(Bytes);

impl Frame {
    /// The frame that holds one item.
    pub(crate) fn of(item: Item) -> Self {
        let frame = v1::ServerFrame {
            items: vec![v1::ServerItem { item: Some(item) }],
        };
        let mut message = prefixed(frame.encoded_len());
        message.extend_from_slice(&frame.encode_to_vec());
        Self(message.freeze())
    }

    /// The frame of what is encoded already.
    pub(crate) fn of_encoded(payload: &[u8]) -> Self {
        let mut message = prefixed(payload.len());
        message.extend_from_slice(payload);
        Self(message.freeze())
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// One message that holds the items of all these frames. A single frame is handed on as it is,
    /// shared with every other session that gets it.
    pub(crate) fn join(mut frames: Vec<Self>) -> Option<Bytes> {
        if frames.len() < 2 {
            return frames.pop().map(|frame| frame.0);
        }
        let payload = frames
            .iter()
            .map(|frame| frame.0.len() - PREFIX_BYTES)
            .sum();
        let mut message = prefixed(payload);
        for frame in &frames {
            message.extend_from_slice(&frame.0[PREFIX_BYTES..]);
        }
        Some(message.freeze())
    }
}

fn prefixed(payload: usize) -> BytesMut {
    let mut message = BytesMut::with_capacity(PREFIX_BYTES + payload);
    message.put_u8(0);
    // Payloads are bounded far below 4 GiB by the limits of outboxes and events.
    message.put_u32(u32::try_from(payload).unwrap_or(u32::MAX));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(room: &str) -> Item {
        Item::Typing(v1::Typing {
            room: room.to_owned(),
            accounts: vec![],
        })
    }

    fn rooms(message: &Bytes) -> Vec<String> {
        let length = u32::from_be_bytes(message[1..PREFIX_BYTES].try_into().expect("four bytes"));
        assert_eq!(
            usize::try_from(length).expect("small"),
            message.len() - PREFIX_BYTES
        );
        let frame = v1::ServerFrame::decode(&message[PREFIX_BYTES..]).expect("a frame");
        let room = |item: v1::ServerItem| match item.item {
            Some(Item::Typing(typing)) => typing.room,
            other => panic!("unexpected: {other:?}"),
        };
        frame.items.into_iter().map(room).collect()
    }

    #[test]
    fn joined_frames_are_one_frame_with_all_items_in_order() {
        let frames = vec![
            Frame::of(typing("a")),
            Frame::of(typing("b")),
            Frame::of(typing("c")),
        ];
        let message = Frame::join(frames).expect("something");
        assert_eq!(rooms(&message), ["a", "b", "c"]);
    }

    #[test]
    fn a_single_frame_is_shared_and_not_copied() {
        let frame = Frame::of(typing("a"));
        let message = Frame::join(vec![frame.clone()]).expect("something");
        assert_eq!(message.as_ptr(), frame.0.as_ptr());
        assert_eq!(rooms(&message), ["a"]);
        assert!(Frame::join(vec![]).is_none());
    }
}
