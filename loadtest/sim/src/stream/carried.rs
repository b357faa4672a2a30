//! What a node on a runtime of its own sends to a client: carried there as a connection would carry it.
//!
//! Invariant: one frame waits on the way, so a client that does not read holds its node up.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::reach::Reach;

/// What a node sends, on its way to a client on another runtime.
struct Carried {
    here: mpsc::Receiver<Result<Frame<Bytes>, Status>>,
    _task: Option<AbortOnDropHandle<()>>,
}

/// A body as it arrives from a node on a runtime of its own.
pub(super) fn carried(reach: &Reach, mut body: tonic::body::Body) -> tonic::body::Body {
    if !reach.is_remote() {
        return body;
    }
    let (there, here) = mpsc::channel(1);
    let carry = async move {
        loop {
            // The client first: who has left gets nothing more.
            let frame = tokio::select! {
                biased;
                () = there.closed() => break,
                frame = body.frame() => frame,
            };
            let is_last = frame.is_none();
            // Where it is cut off by the death of the node, nothing comes.
            let frame = frame.unwrap_or_else(|| Err(Status::unknown("no trailers")));
            if there.send(frame).await.is_err() || is_last {
                break;
            }
        }
    };
    let task = reach.spawn(carry);
    tonic::body::Body::new(Carried { here, _task: task })
}

/// Waits until the node has died, if it can without its clients.
pub(super) async fn cut(died: Option<&CancellationToken>) {
    match died {
        Some(died) => died.cancelled().await,
        None => std::future::pending().await,
    }
}

// === impl Carried ===

impl Body for Carried {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.here.poll_recv(context)
    }
}
