//! The way of a request from a connection to the services, and of its answer back.
//!
//! Invariant: what tells where a person is, or with what they write, goes no further than this file:
//! the headers that name an address or a program are gone before anything else sees the request.
//!
//! Leaves out: who may call and how much (`guard`).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service as _};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use crate::calls::{CallKind, Calls};
use crate::connection::{Connection, Received};
use crate::guard::Guard;

/// Headers about the client that no service needs: its program, and what a proxy says of its address.
const UNWANTED: [HeaderName; 6] = [
    header::USER_AGENT,
    header::FORWARDED,
    header::VIA,
    header::REFERER,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// What a browser's client may send.
const WEB_REQUEST_HEADERS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];

/// What a browser's client may read.
const WEB_ANSWER_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// How long a browser may remember what it is allowed.
const WEB_ALLOWED_FOR: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);

/// From the connections to the services.
pub(crate) struct Edge {
    calls: Arc<Calls>,
    guard: Guard,
    plain: GrpcWebService<Guard>,
    web: Cors<GrpcWebService<Guard>>,
}

/// The answer to a request.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Edge {
    /// Serves what is behind `guard`, to programs and to pages from `web_origins`.
    pub(crate) fn new(guard: Guard, calls: Arc<Calls>, web_origins: Vec<HeaderValue>) -> Self {
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(web_origins))
            .allow_methods([Method::POST])
            .allow_headers(WEB_REQUEST_HEADERS)
            .expose_headers(WEB_ANSWER_HEADERS)
            .max_age(WEB_ALLOWED_FOR);
        let plain = GrpcWebLayer::new().layer(guard.clone());
        Self {
            calls,
            guard,
            web: cors.layer(plain.clone()),
            plain,
        }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The answer to `request`, which came over `connection`.
    pub(crate) fn call(&self, connection: &Arc<Connection>, request: Request<Incoming>) -> Answer {
        let kind = self.calls.kind(request.uri().path());
        let received = match kind {
            CallKind { unary: true, .. } => Received::Unary,
            CallKind { taken: true, .. } => Received::Taken(Arc::default()),
            CallKind { .. } => Received::Stream,
        };
        connection.received(received.clone());
        let is_web = request.headers().contains_key(header::ORIGIN);
        match *request.method() {
            Method::POST => {}
            Method::OPTIONS if is_web => {}
            // CONNECT above all: a success would turn the stream into a tunnel to nowhere.
            _ => return immediately(StatusCode::METHOD_NOT_ALLOWED),
        }
        let (mut head, body) = request.into_parts();
        strip(&mut head.headers);
        head.extensions.insert(connection.peer);
        head.extensions.insert(Arc::clone(connection));
        if let Received::Taken(moving) = received {
            head.extensions.insert(moving);
        }
        let request = Request::from_parts(head, Body::new(body));
        if is_web {
            Box::pin(self.web.clone().call(request))
        } else {
            Box::pin(self.plain.clone().call(request))
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    for unwanted in &UNWANTED {
        headers.remove(unwanted);
    }
}

fn immediately(status: StatusCode) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Box::pin(std::future::ready(Ok(response)))
}
