//! The body of a unary request: one message in its frame (five bytes: not compressed, and a length).
//!
//! Invariant: a service reads one whole message of at most `request_bytes_max`, or learns
//! INVALID_ARGUMENT with the field at fault. So no more than that is read of what a client sends, and
//! nothing is laid out for a length that was only claimed.
//!
//! Leaves out: what is in the message, but for the field that makes it too large.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use cluster_rpc::InvalidRequest;
use http_body::Frame;
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::Status;
use tonic::body::Body;

use crate::calls::Fields;

/// What is named where no field is at fault, or none can be told.
const WHOLE: &str = "request";

/// A flag and a length.
const FRAME_BYTES: usize = 5;

/// The body of a unary request.
pub(super) struct Envelope {
    body: Body,
    message_bytes_max: usize,
    fields: Arc<Fields>,
    part: Part,
}

/// Where in the request the next byte belongs.
enum Part {
    /// Into the frame, of which these bytes came.
    Frame(Vec<u8>),
    /// Into the message, of which so many bytes are to come.
    Message(usize),
    /// Into a message that is too large. Its beginning is read, to see which field it is.
    TooLarge(Vec<u8>),
}

// === impl Envelope ===

impl Envelope {
    /// `body`, as a message of these fields with at most `message_bytes_max` bytes.
    pub(super) fn new(body: Body, message_bytes_max: usize, fields: Arc<Fields>) -> Self {
        Self {
            body,
            message_bytes_max,
            fields,
            part: Part::Frame(Vec::new()),
        }
    }

    /// Takes note of `bytes`. Whether the service is to see them.
    fn admit(&mut self, mut bytes: &[u8]) -> Result<bool, InvalidRequest> {
        if let Part::Frame(frame) = &mut self.part {
            let missing = (FRAME_BYTES - frame.len()).min(bytes.len());
            frame.extend_from_slice(&bytes[..missing]);
            bytes.advance(missing);
            let Ok([flag, length @ ..]) = <[u8; FRAME_BYTES]>::try_from(frame.as_slice()) else {
                return Ok(true);
            };
            if flag != 0 {
                let text = "is compressed, or no message of gRPC";
                return Err(InvalidRequest::field(WHOLE, text));
            }
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            self.part = if length > self.message_bytes_max {
                Part::TooLarge(Vec::new())
            } else {
                Part::Message(length)
            };
        }
        match &mut self.part {
            Part::Frame(_) => Ok(true),
            Part::Message(left) if bytes.len() <= *left => {
                *left -= bytes.len();
                Ok(true)
            }
            Part::Message(_) => {
                let text = "has more bytes than its message";
                Err(InvalidRequest::field(WHOLE, text))
            }
            Part::TooLarge(beginning) => {
                beginning.extend_from_slice(bytes);
                if beginning.len() <= self.message_bytes_max {
                    return Ok(false);
                }
                let field = field_at(beginning, self.message_bytes_max);
                Err(self.too_large(field))
            }
        }
    }

    fn too_large(&self, field: Option<u32>) -> InvalidRequest {
        let name = field.and_then(|number| self.fields.name(number));
        let text = format!(
            "makes the request larger than {} bytes",
            self.message_bytes_max
        );
        match name {
            Some(name) => InvalidRequest::field(name, text),
            None => {
                let text = format!("is larger than {} bytes", self.message_bytes_max);
                InvalidRequest::field(WHOLE, text)
            }
        }
    }

    /// What is wrong with a body that ends here.
    fn ended(&self) -> Option<InvalidRequest> {
        match &self.part {
            Part::Message(0) => None,
            Part::Frame(frame) if frame.is_empty() => {
                Some(InvalidRequest::field(WHOLE, "is missing"))
            }
            Part::Frame(_) | Part::Message(_) => {
                Some(InvalidRequest::field(WHOLE, "ends before its message does"))
            }
            Part::TooLarge(beginning) => {
                Some(self.too_large(field_at(beginning, self.message_bytes_max)))
            }
        }
    }
}

impl http_body::Body for Envelope {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.ended().map(|invalid| Err(invalid.into())));
            };
            let data = frame.as_ref().ok().and_then(Frame::data_ref).cloned();
            match data.map_or(Ok(true), |data| self.admit(&data)) {
                Ok(true) => return Poll::Ready(Some(frame)),
                Ok(false) => {}
                Err(invalid) => return Poll::Ready(Some(Err(invalid.into()))),
            }
        }
    }
}

/// The number of the field with which a message that begins with `bytes` passes `max` bytes.
fn field_at(bytes: &[u8], max: usize) -> Option<u32> {
    let mut rest = bytes;
    loop {
        let (number, wire) = decode_key(&mut rest).ok()?;
        let length = match wire {
            WireType::Varint => decode_varint(&mut rest).map(|_| 0).ok()?,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut rest).ok()?,
            // Groups are not in this version of the language.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let begun = bytes.len() - rest.len();
        if begun.saturating_add(length) > max {
            return Some(number);
        }
        rest = rest.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use prost::Message as _;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::calls::Calls;

    const MAX: usize = 1_000;

    /// What a service gets of a `SendMessage` that comes in pieces of `piece` bytes.
    async fn received(bytes: &[u8], piece: usize) -> Result<Vec<u8>, Status> {
        let pieces: Vec<_> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        let frames = pieces
            .into_iter()
            .map(|piece| Ok::<_, Status>(Frame::data(piece)));
        let body = Body::new(http_body_util::StreamBody::new(futures::stream::iter(
            frames,
        )));
        let fields = Calls::new(false)
            .expect("descriptors")
            .fields("/rookery.v1.Messages/SendMessage");
        let collected = Envelope::new(body, MAX, fields).collect().await;
        collected.map(|all| all.to_bytes().to_vec())
    }

    async fn refused(bytes: &[u8], piece: usize) -> String {
        let status = received(bytes, piece).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().expect("one").reason, "INVALID_REQUEST");
        let fields = &details.bad_request().expect("one").field_violations;
        assert_eq!(fields.len(), 1);
        fields[0].field.clone()
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("small").to_be_bytes();
        [&[0][..], &length, message].concat()
    }

    #[tokio::test]
    async fn a_message_of_the_largest_size_passes_unchanged_in_any_pieces() {
        for length in [0, 1, MAX] {
            let bytes = framed(&vec![7; length]);
            for piece in [1, 3, 5, 6, 4_096] {
                let got = received(&bytes, piece).await.expect("passes");
                assert!(got == bytes, "{length} bytes in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn the_field_that_makes_a_message_too_large_is_named() {
        let send = |room: usize, body: usize| {
            let message = proto::v1::SendMessageRequest {
                room: "r".repeat(room),
                body: "b".repeat(body),
                ..proto::v1::SendMessageRequest::default()
            };
            framed(&message.encode_to_vec())
        };
        for piece in [1, 7, 64 * 1024] {
            assert_eq!(refused(&send(50, MAX), piece).await, "body");
            assert_eq!(refused(&send(2 * MAX, 10), piece).await, "room");
            assert_eq!(refused(&send(600, 600), piece).await, "body");
        }
        // Nothing of ours, and nothing at all: a length that is only claimed.
        assert_eq!(refused(&framed(&[0xff; 2 * MAX]), 100).await, "request");
        assert_eq!(refused(&[0, 0xff, 0xff, 0xff, 0xff], 5).await, "request");
    }

    #[tokio::test]
    async fn what_is_not_one_whole_message_is_refused() {
        let one = framed(b"abc");
        for bytes in [
            &one[..3],
            &one[..7],
            &[&one[..], &one[..]].concat(),
            &[1, 0, 0, 0, 0],
            b"GET / HTTP/1.1",
            b"",
        ] {
            for piece in [1, 100] {
                assert_eq!(refused(bytes, piece).await, "request", "{bytes:?}");
            }
        }
    }
}
