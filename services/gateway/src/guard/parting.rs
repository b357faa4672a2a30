//! A stream of ours that ends when its connection has to go: somebody who watches the node's health
//! would hold up the node's end until the deadline.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

/// The body of a stream without a caller.
pub(super) struct Parting {
    body: Body,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
}

impl Parting {
    /// `body`, until `leaving` is cancelled.
    pub(super) fn new(body: Body, leaving: CancellationToken) -> Self {
        Self {
            body,
            leaving: Box::pin(leaving.cancelled_owned()),
            over: false,
        }
    }
}

impl http_body::Body for Parting {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        // What there is to say comes first: that the node is not ready any more, for one.
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() || self.leaving.as_mut().poll(cx).is_pending() {
            return frame;
        }
        self.over = true;
        let end = Status::unavailable("the connection is closing; come back on another");
        let mut trailers = http::HeaderMap::new();
        let written = end.add_header(&mut trailers);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn it_ends_with_a_status_and_only_once_all_is_said() {
        let leaving = CancellationToken::new();
        let said = http_body_util::StreamBody::new(futures::StreamExt::chain(
            futures::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(
                b"last words",
            )))]),
            futures::stream::pending(),
        ));
        let mut body = Parting::new(Body::new(said), leaving.clone());
        leaving.cancel();
        let first = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(first.into_data().expect("data"), "last words");
        let last = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(last.into_trailers().expect("trailers")["grpc-status"], "14");
        assert!(body.frame().await.is_none());
    }
}
