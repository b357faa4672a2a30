//! [`Frame`]: items of a `ServerFrame`, encoded once as a gRPC message.
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

/// An encoded `ServerFrame` behind a prefix. Clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    message: Bytes,
    items: u32,
}

impl Frame {
    /// The frame that holds one item.
    pub(super) fn of(item: Item) -> Self {
        let items = vec![v1::ServerItem { item: Some(item) }];
        let frame = v1::ServerFrame { items };
        let mut message = prefixed(frame.encoded_len());
        // It fails only if the buffer is too small, and this one grows.
        let _fits = frame.encode(&mut message);
        Self {
            message: message.freeze(),
            items: 1,
        }
    }

    /// The frame of one item that is encoded already.
    pub(crate) fn of_encoded(payload: &[u8]) -> Self {
        let mut message = prefixed(payload.len());
        message.extend_from_slice(payload);
        Self {
            message: message.freeze(),
            items: 1,
        }
    }

    /// One frame with the items of all these; `None` if there are none. A single frame is shared and
    /// not copied.
    pub(crate) fn join<'a>(
        frames: impl IntoIterator<Item = &'a Self, IntoIter: Clone>,
    ) -> Option<Self> {
        let mut frames = frames.into_iter();
        let (mut count, mut items, mut payload) = (0, 0, 0);
        for frame in frames.clone() {
            count += 1;
            items += frame.items;
            payload += frame.message.len() - PREFIX_BYTES;
        }
        if count < 2 {
            return frames.next().cloned();
        }
        let mut message = prefixed(payload);
        for frame in frames {
            message.extend_from_slice(&frame.message[PREFIX_BYTES..]);
        }
        Some(Self {
            message: message.freeze(),
            items,
        })
    }

    /// Bytes on the wire.
    pub(crate) const fn len(&self) -> usize {
        self.message.len()
    }

    /// How many items it holds.
    pub(crate) const fn items(&self) -> usize {
        self.items as usize
    }

    /// The gRPC message.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.message
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
        let parts = ["a", "b", "c"].map(|room| Frame::of(typing(room)));
        let two = Frame::join(&parts[..2]).expect("two");
        let all = Frame::join([&two, &parts[2]]).expect("all");
        assert_eq!(all.items(), 3);
        assert_eq!(rooms(&all.into_bytes()), ["a", "b", "c"]);
    }

    #[test]
    fn a_single_frame_is_shared_and_not_copied() {
        let frame = Frame::of(typing("a"));
        let joined = Frame::join([&frame]).expect("one").into_bytes();
        assert_eq!(joined.as_ptr(), frame.message.as_ptr());
        assert_eq!(rooms(&joined), ["a"]);
        assert!(Frame::join([]).is_none());
    }

    #[test]
    fn what_is_encoded_elsewhere_is_the_same_message() {
        let frame = Frame::of(typing("a"));
        let again = Frame::of_encoded(&frame.message[PREFIX_BYTES..]);
        assert_eq!(again.message, frame.message);
    }
}
