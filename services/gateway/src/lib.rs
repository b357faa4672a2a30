//! The edge of the server: everything between the network and the services, whatever those do.
//!
//! Owns: TLS and its certificate, the loop that takes connections, their limits and their age, the
//! checks that a call has to pass (a token, a pace, a deadline, a place), health, reflection, gRPC-Web,
//! and going down in order. A [`Gateway`] is given the services as tonic routes and somebody who
//! knows tokens ([`Authenticate`]); a [`Handle`] is what the server keeps of it.
//!
//! What a service finds in the extensions of a request:
//!
//! | type | when | what |
//! |---|---|---|
//! | [`Caller`](cluster_types::Caller) | unless the call is anonymous | who calls |
//! | [`PeerAddr`](cluster_types::PeerAddr) | always | for limiters alone |
//! | [`CancellationToken`](tokio_util::sync::CancellationToken) | streams with a caller | cancelled when the connection has to go (its age, or the node drains): say farewell and end the stream |
//!
//! Invariant: nothing that a client does, or leaves undone, takes memory without a bound or time
//! without an end; see [`Limits`]. No address and no token reaches a log, a service or a store.
//!
//! Leaves out: what any call means, and who may do what.

mod authenticate;
mod builtin;
mod calls;
mod connection;
mod counts;
mod edge;
mod gateway;
mod guard;
mod limits;
mod listener;
mod metrics;
mod peers;
mod rates;
mod tls;

pub use authenticate::{Authenticate, AuthenticateError};
pub use gateway::{Drained, Gateway, GatewayError, GatewayOptions, Handle, web_origin};
pub use limits::{
    ByteCount, CallLimits, ConnectionLimits, Http1Limits, Http2Limits, InvalidQuantity, Limits,
    MessageLimits, Mistake, Rate, Span,
};
pub use listener::listen;
pub use metrics::{Metrics, MetricsSnapshot};
pub use rates::{AccountRates, TooFast};
pub use tls::{
    CertificateError, CertificateSource, Certificates, Fingerprint, KeyError, Reloaded, TlsVersion,
};
