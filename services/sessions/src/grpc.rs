//! The Sessions service: one call, whose answer is a body of our own.
//!
//! A body instead of a stream of messages, because messages are encoded once for everybody: what
//! comes out of an outbox goes on the wire as it is. The body also reads what the client sends, so that
//! a session needs no task for it: a client that does not read is not read from either.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cluster_rpc::InvalidRequest;
use cluster_runtime::PushError;
use cluster_types::{Caller, Coded, ErrorCode};
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream as _};
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use proto::v1;
use proto::v1::server_item::Item;
use tokio::time::Sleep;
use tonic::codec::{BufferSettings, Streaming};
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::Sessions;
use crate::actor::Session;
use crate::commands::command_error;
use crate::limits::{CLIENT_FRAME_BYTES_MAX, HELLO_DEADLINE, READ_BUFFER_BYTES};
use crate::outbox::Next;

/// The one path of this service.
pub const CONNECT: &str = "/rookery.v1.Sessions/Connect";

/// Frames read from a client before what waits for it is sent.
const FRAMES_AT_ONCE: usize = 32;

impl NamedService for Sessions {
    const NAME: &'static str = "rookery.v1.Sessions";
}

impl tower::Service<Request<tonic::body::Body>> for Sessions {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let sessions = self.clone();
        let answer = async move {
            connect(sessions, request)
                .await
                .unwrap_or_else(Status::into_http)
        };
        answer.map(Ok).boxed()
    }
}

async fn connect(
    sessions: Sessions,
    request: Request<tonic::body::Body>,
) -> Result<Response<tonic::body::Body>, Status> {
    if request.uri().path() != CONNECT {
        return Err(Status::new(Code::Unimplemented, "no such call"));
    }
    let request = tonic::Request::from_http(request);
    let caller: Caller = cluster_rpc::caller(&request)?;
    let decoder = ProstCodec::<(), v1::ClientFrame>::raw_decoder(BufferSettings::new(
        READ_BUFFER_BYTES,
        READ_BUFFER_BYTES,
    ));
    let body = request.into_inner();
    let input = Streaming::new_request(decoder, body, None, Some(CLIENT_FRAME_BYTES_MAX));
    let session = sessions
        .open(caller)
        .await
        .map_err(|error| cluster_rpc::status(&error))?;
    let hello = Some(Box::pin(tokio::time::sleep(HELLO_DEADLINE)));
    let body = SessionBody {
        session,
        sessions,
        input: Some(input),
        hello,
        over: false,
    };
    let mut response = Response::new(tonic::body::Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    Ok(response)
}

/// What one client is sent. Dropped with its connection, and the session with it.
#[derive(Debug)]
struct SessionBody {
    session: Arc<Session>,
    sessions: Sessions,
    input: Option<Streaming<v1::ClientFrame>>,
    // Until the client has said hello.
    hello: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Drop for SessionBody {
    fn drop(&mut self) {
        self.sessions.abandon(&self.session);
    }
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        this.read(context);
        this.wait_for_hello(context);
        let session = &this.session;
        let read_on = || session.answer(crate::outbox::Want::ReadOn);
        match session.outbox.poll_next(context, read_on) {
            Poll::Ready(Next::Message(message)) => Poll::Ready(Some(Ok(Frame::data(message)))),
            Poll::Ready(Next::End(status)) => {
                this.over = true;
                let mut trailers = http::HeaderMap::new();
                Poll::Ready(Some(
                    status
                        .add_header(&mut trailers)
                        .map(|()| Frame::trailers(trailers)),
                ))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl SessionBody {
    /// Gives the actor what the client has sent.
    fn read(&mut self, context: &mut Context<'_>) {
        for _ in 0..FRAMES_AT_ONCE {
            let Some(input) = &mut self.input else { return };
            match Pin::new(input).poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(frame))) => {
                    self.hello = None;
                    self.command(frame);
                }
                Poll::Ready(Some(Err(status))) => {
                    self.input = None;
                    self.sessions.hub.fail(&self.session, status);
                }
                // The client has nothing more to say: it gets what waits for it, and the end.
                Poll::Ready(None) => {
                    self.input = None;
                    let close = |outbox: &crate::outbox::Outbox| {
                        outbox.with(|state| state.close(None, false));
                    };
                    self.sessions.hub.close(&self.session, close);
                }
            }
        }
        // More may be there already: come back after something has been sent.
        context.waker().wake_by_ref();
    }

    fn command(&self, frame: v1::ClientFrame) {
        let Err((PushError::Full, frame)) = self.session.command(frame) else {
            return;
        };
        let error = command_error(&cluster_rpc::status(&TooMuchUnderWay));
        let result = Some(v1::reply::Result::Error(error));
        let request_id = frame.request_id;
        self.session
            .outbox
            .push(Item::Reply(v1::Reply { request_id, result }));
    }

    fn wait_for_hello(&mut self, context: &mut Context<'_>) {
        let Some(sleep) = &mut self.hello else { return };
        if sleep.as_mut().poll(context).is_ready() {
            self.hello = None;
            let late = InvalidRequest::field("hello", "must be sent within 10 seconds");
            self.sessions.hub.fail(&self.session, late);
        }
    }
}

/// A client sends faster than it is answered.
#[derive(Debug, thiserror::Error)]
#[error("too many commands of this stream are under way: wait for replies")]
struct TooMuchUnderWay;

impl Coded for TooMuchUnderWay {
    fn code(&self) -> ErrorCode {
        ErrorCode::Exhausted
    }

    fn reason(&self) -> &'static str {
        "TOO_MUCH_UNDER_WAY"
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        Some(crate::limits::READ_RETRY)
    }
}
