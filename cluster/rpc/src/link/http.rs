//! HTTP/2 around the one call of a link, for both ends.
//!
//! Invariant: what HTTP/2 buffers is bounded, and none of its tasks outlives the connection: one that is
//! severed fails at once for whoever reads or writes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cluster_runtime::{TaskKind, Tasks};
use futures::StreamExt as _;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2 as client;
use hyper::rt::Executor;
use hyper::server::conn::http2 as server;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use proto::cluster::v1::Frame;
use proto::cluster::v1::link_client::LinkClient;
use proto::cluster::v1::link_server::{Link, LinkServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Status, Streaming};
use tower::Service;

use super::complaints::bottom;
use super::limits::{
    DATA_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES_MAX, SEND_BUFFER_BYTES, WINDOW_BYTES,
};
use super::line::{Line, Outgoing};
use super::network::Stream;

/// What HTTP/2 wants to be told of the other end. Which node that is shows by its certificate and its hello.
const ORIGIN: &str = "http://node.rookery.internal";

/// Why the call did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("it does not speak HTTP/2")]
    Http(#[source] hyper::Error),
    #[error("it does not take the call: {}", bottom(.0))]
    Call(Status),
}

/// Calls whoever is at the other end of `stream`. Returns what it says; what this node says is that of
/// `line`. The connection ends when `severed` is cancelled.
pub(super) async fn call(
    stream: Box<dyn Stream>,
    severed: &CancellationToken,
    tasks: &Tasks,
    line: &Arc<Line>,
) -> Result<Streaming<Frame>, CallError> {
    let io = TokioIo::new(Severable::new(stream, severed));
    let (sender, connection) = client::Builder::new(Group(tasks.clone()))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(DATA_BYTES_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .handshake(io)
        .await
        .map_err(CallError::Http)?;
    drop(tasks.spawn(TaskKind::Link, "link connection", async move {
        // How it ended shows on the call.
        let _ = connection.await;
    }));
    let mut client = LinkClient::with_origin(Caller(sender), Uri::from_static(ORIGIN))
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let answer = client.open(Outgoing::new(Arc::clone(line))).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(CallError::Call)
}

/// Serves whoever is at the other end of `stream`, until the connection ends or `severed` is cancelled. What
/// it says is sent to `opened` once it has called; what this node says is that of `line`.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    severed: &CancellationToken,
    tasks: &Tasks,
    line: Arc<Line>,
    opened: oneshot::Sender<Streaming<Frame>>,
) {
    let io = TokioIo::new(Severable::new(stream, severed));
    let opening = Opening {
        line,
        opened: Mutex::new(Some(opened)),
    };
    let service = LinkServer::new(opening)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    let served = server::Builder::new(Group(tasks.clone()))
        .auto_date_header(false)
        .max_concurrent_streams(1)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(DATA_BYTES_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(io, TowerToHyperService::new(service))
        .await;
    // How it ended shows on the call, if there was one.
    let _ = served;
}

/// A connection that can be ended from outside, whatever it waits for.
struct Severable {
    stream: Box<dyn Stream>,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Runs the tasks of HTTP/2 in the node's group.
#[derive(Clone, Debug)]
struct Group(Tasks);

/// The one call of an accepted connection.
struct Opening {
    line: Arc<Line>,
    opened: Mutex<Option<oneshot::Sender<Streaming<Frame>>>>,
}

/// A connection on which one call is made.
struct Caller(client::SendRequest<Body>);

// === impl Severable ===

impl Severable {
    fn new(stream: Box<dyn Stream>, severed: &CancellationToken) -> Self {
        Self {
            stream,
            severed: Box::pin(severed.clone().cancelled_owned()),
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.severed.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Severable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

// === impl Group ===

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Group {
    fn execute(&self, work: F) {
        drop(self.0.spawn(TaskKind::Link, "link stream", work));
    }
}

// === impl Opening ===

#[tonic::async_trait]
impl Link for Opening {
    type OpenStream = Pin<Box<dyn futures::Stream<Item = Result<Frame, Status>> + Send>>;

    async fn open(
        &self,
        request: tonic::Request<Streaming<Frame>>,
    ) -> Result<tonic::Response<Self::OpenStream>, Status> {
        let Some(opened) = self.opened.lock().take() else {
            return Err(Status::failed_precondition("this connection has its link"));
        };
        // If nobody waits for it any more, the connection is about to end.
        let _ = opened.send(request.into_inner());
        let outgoing = Outgoing::new(Arc::clone(&self.line)).map(Ok);
        Ok(tonic::Response::new(Box::pin(outgoing)))
    }
}

// === impl Caller ===

impl Service<Request<Body>> for Caller {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
