//! [`Requests`]: the codec of the generated servers.
//!
//! Invariant: bytes that are no request are the caller's mistake, so they get INVALID_ARGUMENT with the
//! field at fault. tonic's own codec says INTERNAL, as for a defect of the server's.
//!
//! Leaves out: sizes and frames, which the gateway checks before anything is decoded.

use std::marker::PhantomData;

use prost::{DecodeError, Message};
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstEncoder};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::v1::ERROR_DOMAIN;

/// What is named where no field is at fault, or none can be told.
const WHOLE: &str = "request";

/// Answers of type `T`, requests of type `U`.
#[derive(Debug)]
pub struct Requests<T, U>(PhantomData<(T, U)>);

/// Reads requests of type `U`.
#[derive(Debug)]
pub struct RequestDecoder<U>(PhantomData<U>);

impl<T, U> Default for Requests<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Requests<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = RequestDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder(PhantomData)
    }
}

impl<U: Message + Default> Decoder for RequestDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(bytes).map(Some).map_err(|error| refused(&error))
    }
}

fn refused(error: &DecodeError) -> Status {
    let (field, what) = located(&error.to_string());
    let message = format!("invalid request: {field}: {what}");
    let mut details = ErrorDetails::with_error_info("INVALID_REQUEST", ERROR_DOMAIN, []);
    details.add_bad_request_violation(field, what);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// The path of the field that does not decode, and what is wrong with it.
///
/// prost has both in its text alone: `failed to decode Protobuf message: Inner.b: Outer.a: what`, the
/// innermost message first.
fn located(text: &str) -> (String, String) {
    let mut rest = text.split_once(": ").map_or(text, |(_, rest)| rest);
    let mut fields = Vec::new();
    while let Some((place, what)) = rest.split_once(": ") {
        let is_place = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let Some((_, field)) = place
            .split_once('.')
            .filter(|_| place.chars().all(is_place))
        else {
            break;
        };
        fields.insert(0, field);
        rest = what;
    }
    if fields.is_empty() {
        fields.push(WHOLE);
    }
    (fields.join("."), rest.to_owned())
}

#[cfg(test)]
mod tests {
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

    use super::*;

    fn located_in<T: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> (String, String) {
        located(&T::decode(bytes).expect_err("no message").to_string())
    }

    #[test]
    fn a_text_that_is_no_text_is_named_by_its_path() {
        let field = FieldDescriptorProto {
            name: Some("A".to_owned()),
            ..FieldDescriptorProto::default()
        };
        let file = FileDescriptorProto {
            message_type: vec![DescriptorProto {
                field: vec![field],
                ..DescriptorProto::default()
            }],
            ..FileDescriptorProto::default()
        };
        let mut bytes = file.encode_to_vec();
        let at = bytes.iter().rposition(|byte| *byte == b'A').expect("there");
        bytes[at] = 0xff;
        let (field, what) = located_in::<FileDescriptorProto>(&bytes);
        assert_eq!(field, "message_type.field.name");
        assert_eq!(what, "invalid string value: data is not UTF-8 encoded");
    }

    #[test]
    fn a_field_of_another_type_is_named() {
        // Field 1, which is a text, as a number.
        let (field, what) = located_in::<FieldDescriptorProto>(&[0x08, Type::Bool as u8]);
        assert_eq!(field, "name");
        assert!(what.starts_with("invalid wire type"), "{what}");
    }

    #[test]
    fn bytes_that_are_nothing_are_the_whole_request() {
        for garbage in [&[0xff_u8; 20][..], &[0x07], &[0x00, 0x01]] {
            let (field, what) = located_in::<FileDescriptorProto>(garbage);
            assert_eq!(field, WHOLE, "{what}");
        }
    }

    #[test]
    fn the_answer_says_whose_mistake_it_is_and_where() {
        let error = FieldDescriptorProto::decode(&[0x08, 1][..]).expect_err("no message");
        let status = refused(&error);
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().expect("one").reason, "INVALID_REQUEST");
        let fields = &details.bad_request().expect("one").field_violations;
        assert_eq!((fields.len(), fields[0].field.as_str()), (1, "name"));
    }
}
