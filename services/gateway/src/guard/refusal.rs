//! [`Refusal`]: why a call never reached its service, or did not get its answer.

use std::time::Duration;

use cluster_types::{Coded, ErrorCode, FieldViolation};
use http::Response;
use tonic::body::Body;

use crate::authenticate::AuthenticateError;
use crate::rates::TooFast;

/// Why the edge answers a call itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No token.
    #[error("sign in first: this call needs the header `authorization: Bearer <token>`")]
    TokenRequired,
    /// Something that is no token.
    #[error("the header `authorization` has to be `Bearer <token>`, once")]
    TokenMalformed,
    /// A token that is not valid, or cannot be checked now.
    #[error("{0}")]
    NotAuthenticated(AuthenticateError),
    /// Faster than allowed.
    #[error(transparent)]
    TooFast(#[from] TooFast),
    /// The account has as many connections as it may.
    #[error("too many connections at a time; close others first")]
    TooManyConnections {
        /// When to come again.
        retry_after: Duration,
    },
    /// Too much of the account's is under way.
    #[error("too many calls at a time; fetch the answers to those under way first")]
    TooMany {
        /// When to come again.
        retry_after: Duration,
    },
    /// Too much is under way.
    #[error("the server has too much to do")]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// The deadline has passed.
    #[error("the call took too long; it may have happened")]
    Late,
    /// A call that came from no connection: a defect of ours.
    #[error("a call without a connection")]
    NoConnection,
}

impl Refusal {
    /// As an answer that gRPC clients understand.
    pub(super) fn into_response(self) -> Response<Body> {
        cluster_rpc::status(&self).into_http()
    }
}

impl Coded for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TokenRequired | Self::TokenMalformed => ErrorCode::Unauthenticated,
            Self::NotAuthenticated(error) => error.code(),
            Self::TooFast(_)
            | Self::TooManyConnections { .. }
            | Self::TooMany { .. }
            | Self::Busy { .. } => ErrorCode::Exhausted,
            Self::Late => ErrorCode::Timeout,
            Self::NoConnection => ErrorCode::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TokenRequired => "TOKEN_REQUIRED",
            Self::TokenMalformed => "TOKEN_MALFORMED",
            Self::NotAuthenticated(error) => error.reason(),
            Self::TooFast(too_fast) => too_fast.reason(),
            Self::TooManyConnections { .. } => "TOO_MANY_CONNECTIONS",
            Self::TooMany { .. } => "TOO_MANY_CALLS",
            Self::Busy { .. } => "OVERLOADED",
            Self::Late => "DEADLINE_EXCEEDED",
            Self::NoConnection => "INTERNAL",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::NotAuthenticated(error) => error.violations(),
            Self::TokenRequired
            | Self::TokenMalformed
            | Self::TooFast(_)
            | Self::TooManyConnections { .. }
            | Self::TooMany { .. }
            | Self::Busy { .. }
            | Self::Late
            | Self::NoConnection => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotAuthenticated(error) => error.retry_after(),
            Self::TooFast(too_fast) => too_fast.retry_after(),
            Self::TooManyConnections { retry_after }
            | Self::TooMany { retry_after }
            | Self::Busy { retry_after } => Some(*retry_after),
            Self::TokenRequired | Self::TokenMalformed | Self::Late | Self::NoConnection => None,
        }
    }
}
