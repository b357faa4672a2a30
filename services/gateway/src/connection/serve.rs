//! HTTP on a connection that has shaken hands: HTTP/2, or HTTP/1.1 for gRPC-Web.
//!
//! Invariant: every limit that hyper and h2 have is set from [`Limits`](crate::Limits).
//!
//! Leaves out: when the connection ends (`drive`), and what a call is answered (`edge`).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use cluster_runtime::TaskKind;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;

use super::Connection;
use super::drive::{Lifetime, drive};
use super::stalled::Stalled;
use super::streams::Streams;
use crate::gateway::Shared;
use crate::limits::{Http1Limits, Http2Limits};
use crate::tls::{ALPN_H2, TlsStream};

/// Serves the calls of a connection, in a task of its own: the one of the handshake ends, and with it
/// the memory that only a handshake needs.
pub(crate) fn serve<T>(shared: &Arc<Shared>, connection: Arc<Connection>, stream: TlsStream<T>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = &shared.limits;
    let jitter = shared
        .rng
        .jitter(limits.connections.age_jitter_max.duration());
    let lifetime = Lifetime {
        authenticate_within: limits.connections.authenticate_within.duration(),
        age_max: limits.connections.age_max.duration().saturating_sub(jitter),
        leave_within: limits.connections.leave_within.duration(),
        draining: shared.draining.clone(),
        drained_by: Arc::clone(&shared.drained_by),
    };
    let metrics = Arc::clone(&shared.metrics);
    let service = CallService {
        shared: Arc::clone(shared),
        connection: Arc::clone(&connection),
    };
    let calls = &limits.calls;
    // Boxed twice, since a future keeps room for its arguments beside what it does with them: the
    // connection (2.7 KB) would be counted twice in `drive`, and again in the task.
    let driven: Pin<Box<dyn Future<Output = ()> + Send>> = if stream.alpn() == Some(ALPN_H2) {
        let unary_within = calls.unary_within.duration() + calls.fetched_within.duration();
        let streams = Streams::new(
            shared.tasks.clone(),
            Arc::clone(&connection),
            Arc::clone(&metrics),
            unary_within,
            calls.fetched_within.duration(),
        );
        let http =
            http2_builder(streams, &limits.http2).serve_connection(TokioIo::new(stream), service);
        Box::pin(drive(connection, Box::pin(http), lifetime, metrics))
    } else {
        let stalled_max = limits.http1.write_stalled_max.duration();
        let http = http1_builder(&limits.http1)
            .serve_connection(TokioIo::new(Stalled::new(stream, stalled_max)), service);
        Box::pin(drive(connection, Box::pin(http), lifetime, metrics))
    };
    drop(
        shared
            .tasks
            .spawn(TaskKind::Connection, "connection", driven),
    );
}

fn http2_builder(streams: Streams, limits: &Http2Limits) -> http2::Builder<Streams> {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max.as_u32())
        .header_table_size(limits.header_table_bytes_max.as_u32())
        .max_pending_accept_reset_streams(count(limits.pending_resets_max))
        .max_local_error_reset_streams(count(limits.error_resets_max))
        .max_frame_size(limits.frame_bytes_max.as_u32())
        .initial_stream_window_size(limits.stream_window_bytes.as_u32())
        .initial_connection_window_size(limits.connection_window_bytes.as_u32())
        .max_send_buf_size(
            usize::try_from(limits.send_buffer_bytes_max.as_u32()).unwrap_or(usize::MAX),
        )
        .keep_alive_interval(limits.keepalive_every.duration())
        .keep_alive_timeout(limits.keepalive_within.duration());
    builder
}

fn http1_builder(limits: &Http1Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .half_close(false)
        .header_read_timeout(limits.header_within.duration())
        .max_buf_size(limits.header_bytes_max.as_usize())
        .max_headers(usize::try_from(limits.headers_max).unwrap_or(usize::MAX));
    builder
}

/// The calls of one connection.
struct CallService {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
}

impl hyper::service::Service<Request<Incoming>> for CallService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.shared.edge.call(&self.connection, request)
    }
}
