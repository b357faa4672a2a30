//! The gateway over real sockets: what strangers send, what callers get, how it lives and ends.

mod calls;
mod http2;
mod lifecycle;
mod network;
mod privacy;
mod support;
mod tokens;
mod web;
