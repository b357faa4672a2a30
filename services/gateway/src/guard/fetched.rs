//! An answer that holds its places until the client has it.
//!
//! HTTP/2 takes a chunk as soon as there is room for one byte of it, and keeps what does not go out. So a
//! large chunk is handed on in pieces: the rest stays here, where it counts, until there is room.
//!
//! Invariant: what the client has not taken of an answer beyond `send_buffer_bytes_max` holds a place.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cluster_types::AccountId;
use http_body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

use crate::connection::Moving;
use crate::counts::Counted;
use crate::limits::ANSWER_PIECE_BYTES;

/// The body of an answer that is fetched: of a unary call, or of one whose stream is only taken.
pub(super) struct Fetched {
    body: Body,
    /// Of a chunk that was too large for one piece.
    rest: Bytes,
    /// Who watches whether it is taken.
    moving: Option<Arc<Moving>>,
    _on_connection: Option<OwnedSemaphorePermit>,
    _of_account: Option<Counted<AccountId>>,
}

impl Fetched {
    /// `body`, with the places that its call has taken.
    pub(super) fn new(
        body: Body,
        on_connection: Option<OwnedSemaphorePermit>,
        of_account: Option<Counted<AccountId>>,
    ) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            moving: None,
            _on_connection: on_connection,
            _of_account: of_account,
        }
    }

    /// `body` of a stream, whose every piece has to be taken in time.
    pub(super) fn moving(body: Body, moving: Arc<Moving>) -> Self {
        Self {
            moving: Some(moving),
            ..Self::new(body, None, None)
        }
    }

    fn next_piece(&mut self) -> Frame<Bytes> {
        let bytes = self.rest.len().min(ANSWER_PIECE_BYTES);
        Frame::data(self.rest.split_to(bytes))
    }
}

impl http_body::Body for Fetched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(moving) = &self.moving {
            moving.asked();
        }
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        if let Some(moving) = &self.moving {
            moving.handed();
        }
        Poll::Ready(Some(Ok(self.next_piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn a_large_chunk_is_handed_on_in_pieces_and_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * ANSWER_PIECE_BYTES + 1).collect();
        let body = Body::new(Full::new(Bytes::from(bytes.clone())));
        let mut fetched = Fetched::new(body, None, None);
        let mut got = Vec::new();
        while let Some(frame) = fetched.frame().await {
            let piece = frame.expect("no error").into_data().expect("data");
            assert!(piece.len() <= ANSWER_PIECE_BYTES);
            got.extend_from_slice(&piece);
        }
        assert!(got == bytes);
    }

    #[tokio::test]
    async fn an_empty_chunk_is_no_end() {
        let mut fetched = Fetched::new(Body::new(Full::new(Bytes::from_static(b"a"))), None, None);
        assert!(!http_body::Body::is_end_stream(&fetched));
        let frame = fetched.frame().await.expect("one").expect("no error");
        assert_eq!(frame.into_data().expect("data"), "a");
        assert!(fetched.frame().await.is_none());
    }
}
