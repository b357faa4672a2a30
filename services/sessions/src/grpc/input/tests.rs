//! Reading frames, however they come in pieces.

use std::collections::VecDeque;
use std::task::Waker;

use cluster_types::Coded as _;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use prost::Message as _;
use proto::v1;
use tonic::Status;

use super::*;

const FRAME_BYTES_MAX: usize = 1_000;

fn input(chunks: impl IntoIterator<Item = Result<Vec<u8>, Status>>) -> Input {
    let chunks: Vec<_> = chunks.into_iter().collect();
    let frames = chunks
        .into_iter()
        .map(|chunk| chunk.map(|chunk| Frame::data(Bytes::from(chunk))));
    let frames: VecDeque<_> = frames.collect();
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    Input::new(body, FRAME_BYTES_MAX)
}

/// The numbers of the frames, and the error at the end.
fn read(mut input: Input) -> (Vec<u64>, Option<InvalidRequest>) {
    let mut context = Context::from_waker(Waker::noop());
    let mut numbers = Vec::new();
    loop {
        match input.poll_next(&mut context) {
            Poll::Ready(Some(Ok(asked))) => numbers.push(asked.request_id),
            Poll::Ready(Some(Err(invalid))) => return (numbers, Some(invalid)),
            Poll::Ready(None) => {
                assert_eq!(input.buffer.capacity(), 0, "an idle stream holds nothing");
                return (numbers, None);
            }
            Poll::Pending => panic!("all is there"),
        }
    }
}

fn message(request_id: u64) -> Vec<u8> {
    let frame = v1::ClientFrame {
        request_id,
        command: None,
    };
    prefixed(0, &frame.encode_to_vec())
}

fn prefixed(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small");
    [&[flag][..], &length.to_be_bytes(), payload].concat()
}

fn text(invalid: Option<InvalidRequest>) -> String {
    invalid
        .expect("an error")
        .violations()
        .remove(0)
        .description
}

#[test]
fn an_end_in_the_middle_is_told() {
    let mut bytes = message(1);
    bytes.extend(message(2));
    bytes.pop();
    let (numbers, invalid) = read(input([Ok(bytes)]));
    assert_eq!(numbers, [1]);
    assert_eq!(text(invalid), "ends in the middle");
}

#[test]
fn a_broken_connection_is_an_end() {
    let chunks = [
        Ok(message(1)),
        Ok(vec![0, 0]),
        Err(Status::aborted("reset")),
    ];
    assert_eq!(read(input(chunks)), (vec![1], None));
}

#[test]
fn a_compressed_frame_is_refused() {
    let (_, invalid) = read(input([Ok(prefixed(1, b""))]));
    assert_eq!(text(invalid), "must not be compressed");
}

#[test]
fn a_frame_is_refused_by_its_length_before_it_is_there() {
    let length = u32::try_from(FRAME_BYTES_MAX + 1).expect("small");
    let (_, invalid) = read(input([Ok([&[0][..], &length.to_be_bytes()].concat())]));
    assert!(text(invalid).contains("are allowed"));
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in(count in 0..20_u64, cuts in prop::collection::vec(1..9_usize, 1..60)) {
        let mut bytes: VecDeque<u8> = (1..=count).flat_map(message).collect();
        let mut chunks = Vec::new();
        for cut in cuts {
            let cut = cut.min(bytes.len());
            chunks.push(Ok(bytes.drain(..cut).collect()));
        }
        chunks.push(Ok(bytes.into()));
        prop_assert_eq!(read(input(chunks)), ((1..=count).collect(), None));
    }

    #[test]
    fn garbage_ends_in_a_refusal_or_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(input([Ok(bytes)]));
    }
}
