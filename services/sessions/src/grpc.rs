//! The Sessions service: one call, whose answer is a body of our own.
//!
//! A body instead of a stream of messages, because messages are encoded once for everybody: what
//! comes out of an outbox goes on the wire as it is. The body also reads what the client sends, so that
//! a session needs no task for it: a client that does not read is not read from either.

use std::convert::Infallible;
use std::task::{Context, Poll};

use cluster_types::Caller;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::Sessions;

mod body;
mod input;

/// The one path of this service.
pub const CONNECT: &str = "/rookery.v1.Sessions/Connect";

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
        let answer = connect(self.clone(), request);
        answer
            .map(|answer| Ok(answer.unwrap_or_else(Status::into_http)))
            .boxed()
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
    let opened = sessions.open(caller).await;
    let opened = opened.map_err(|error| cluster_rpc::status(&error))?;
    // Put there by whoever runs the connection, and cancelled when that has to go.
    let leaving = request.extensions().get::<CancellationToken>().cloned();
    let body = body::SessionBody::new(&sessions, opened, request.into_inner(), leaving);
    let mut response = Response::new(tonic::body::Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    Ok(response)
}
