//! The closed list of outcomes that a caller can tell apart, and act on.
//!
//! Every operation has an error enum of its own; each implements [`Coded`], so that one table in
//! `cluster-rpc` turns any of them into a gRPC status. Nothing here names gRPC.

use std::time::Duration;

/// What an error means for the one who asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorCode {
    /// Malformed. Never retry; a [`FieldViolation`] names what is wrong.
    Invalid,
    /// Not there, or there and not yours.
    NotFound,
    /// Who are you? Sign in.
    Unauthenticated,
    /// We know you, and you may not.
    Forbidden,
    /// The same idempotency key or name was used for something else.
    AlreadyExists,
    /// Something else has to change first.
    Conflict,
    /// Lost a race. Retry the operation.
    Contended,
    /// Over a limit; nothing happened. Retry later.
    Exhausted,
    /// Not on this node, or not now. Nothing happened; retry there or later.
    NotHere,
    /// The deadline passed. May have happened; retry with the same key.
    Timeout,
    /// The store could not say. May have happened; retry with the same key.
    Unknown,
    /// What was read does not make sense. A person must look.
    Corrupt,
    /// A defect of ours. A person must look.
    Internal,
}

/// Which field of a request is wrong, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldViolation {
    /// Path of the field, as in the .proto file: `room.display_name`.
    pub field: String,
    /// What is wrong with it and what to send instead.
    pub description: String,
}

/// An error that knows what it means for the one who asked.
pub trait Coded: std::error::Error {
    /// What it means.
    fn code(&self) -> ErrorCode;

    /// A constant name in `UPPER_SNAKE_CASE`, at most 63 characters, which programs may match on.
    fn reason(&self) -> &'static str;

    /// The fields at fault; empty unless the code is [`ErrorCode::Invalid`].
    fn violations(&self) -> Vec<FieldViolation> {
        Vec::new()
    }

    /// When a retry has a chance; `None` where waiting does not help.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
