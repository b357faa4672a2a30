//! Why a stream is not opened, and why something that was asked on one is not done.

use std::time::Duration;

use cluster_rpc::InvalidRequest;
use cluster_store::StoreError;
use cluster_types::{Coded, ErrorCode, FieldViolation};
use services_rooms::{CommandError, ReadError};

use crate::limits::{DRAIN_RETRY, FAULT_RETRY, READ_RETRY, SESSIONS_PER_ACCOUNT_MAX};

/// Why a stream was not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// The node is going down, or has all the streams it can have.
    #[error("this node takes no more streams: connect again, elsewhere if there is more than one")]
    Unavailable,
    /// The account has too many streams.
    #[error("this account has {SESSIONS_PER_ACCOUNT_MAX} streams open, which is the limit")]
    TooMany,
    /// The sign-in has been ended.
    #[error("this sign-in has been ended")]
    SignedOut,
    /// Whether the sign-in stands cannot be read now. It is as good as it was.
    #[error("whether this sign-in stands cannot be read now")]
    Unread(#[from] StoreError),
}

impl Coded for SessionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable | Self::Unread(_) => ErrorCode::NotHere,
            Self::TooMany => ErrorCode::Exhausted,
            Self::SignedOut => ErrorCode::Unauthenticated,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable => "NODE_UNAVAILABLE",
            Self::TooMany => "TOO_MANY_STREAMS",
            Self::SignedOut => "SIGNED_OUT",
            Self::Unread(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable | Self::TooMany => Some(DRAIN_RETRY),
            Self::SignedOut => None,
            Self::Unread(_) => Some(FAULT_RETRY),
        }
    }
}

/// Why a command was not done, or why a stream ends with an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// What it needs could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The room did not do it.
    #[error(transparent)]
    NotDone(#[from] CommandError),
    /// The client sends faster than it is answered. Nothing happened.
    #[error("too many commands of this stream are under way: wait for replies")]
    TooMuchUnderWay,
    /// The account asks for more than its rate allows. Nothing happened.
    #[error("too many calls in a short time")]
    TooFast {
        /// When there is room for this.
        retry_after: Duration,
    },
    /// The client has left lying more than is kept for it.
    #[error("too much waits for this client: come back, and read it from the log")]
    FellBehind,
    /// The log of a room has a hole.
    #[error("an event that the log must have is not in it")]
    Hole,
}

impl Refusal {
    fn coded(&self) -> Option<&dyn Coded> {
        match self {
            Self::Invalid(error) => Some(error),
            Self::Unreadable(error) => Some(error),
            Self::NotDone(error) => Some(error),
            Self::TooMuchUnderWay | Self::TooFast { .. } | Self::FellBehind | Self::Hole => None,
        }
    }
}

impl Coded for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Unreadable(error) => error.code(),
            Self::NotDone(error) => error.code(),
            Self::TooMuchUnderWay | Self::TooFast { .. } | Self::FellBehind => ErrorCode::Exhausted,
            Self::Hole => ErrorCode::Corrupt,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Unreadable(error) => error.reason(),
            Self::NotDone(error) => error.reason(),
            Self::TooMuchUnderWay => "TOO_MUCH_UNDER_WAY",
            // As a call of its own is refused.
            Self::TooFast { .. } => "RATE_LIMITED",
            Self::FellBehind => "FELL_BEHIND",
            Self::Hole => "EVENT_MISSING",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        self.coded().map(Coded::violations).unwrap_or_default()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMuchUnderWay => Some(READ_RETRY),
            Self::TooFast { retry_after } => Some(*retry_after),
            Self::FellBehind => Some(FAULT_RETRY),
            Self::Invalid(_) | Self::Unreadable(_) | Self::NotDone(_) | Self::Hole => {
                self.coded().and_then(Coded::retry_after)
            }
        }
    }
}
