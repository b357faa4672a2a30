//! The client against a server of this process, over TLS, through its public API alone.
//!
//! The server (`fake`) keeps rooms in memory and can be told to fail: to lose a reply after the message
//! is in, to cut every connection, to leave an event out. What the client promises is checked from both
//! ends: what a program gets, and what the server was sent.

mod calls;
mod fake;
mod files;
mod session;
mod stream;
mod trust;
