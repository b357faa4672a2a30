//! Why a transfer does not begin, or goes no further.

use std::time::Duration;

use cluster_store::StoreError;
use cluster_types::{Coded, ErrorCode};

use crate::limits::{
    PIECE_BYTES_MAX, PIECE_WITHIN, TRANSFERS_PER_ACCOUNT_MAX, TRANSFERS_RETRY, WORK_WITHIN,
};

/// Why a transfer does not begin, or goes no further. What is durable of an upload stays so.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TransferError {
    /// The account has as many as it may.
    #[error("this account has {TRANSFERS_PER_ACCOUNT_MAX} transfers under way, which is the limit")]
    TooManyOfAccount,
    /// The node has as many as it can.
    #[error("this node has as many transfers under way as it can")]
    TooMany,
    /// The node goes down.
    #[error("this node goes down: connect again, elsewhere if there is more than one")]
    Draining,
    /// The connection has to go.
    #[error("the connection is closing: come back on another")]
    Leaving,
    /// The sign-in was ended.
    #[error("this sign-in has been ended")]
    SignedOut,
    /// The client stands still.
    #[error("of the next {PIECE_BYTES_MAX} bytes not all came within {} seconds", PIECE_WITHIN.as_secs())]
    Still,
    /// What files lie in does not answer.
    #[error("what files lie in did not answer within {} seconds", WORK_WITHIN.as_secs())]
    Stuck,
    /// Whether the sign-in stands cannot be read now. It is as good as it was.
    #[error("whether this sign-in stands cannot be read now")]
    Unread(#[from] StoreError),
}

impl Coded for TransferError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooManyOfAccount | Self::TooMany => ErrorCode::Exhausted,
            Self::Draining | Self::Leaving | Self::Stuck | Self::Unread(_) => ErrorCode::NotHere,
            Self::SignedOut => ErrorCode::Unauthenticated,
            Self::Still => ErrorCode::Timeout,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooManyOfAccount | Self::TooMany => "TOO_MANY_TRANSFERS",
            Self::Draining => "NODE_UNAVAILABLE",
            Self::Leaving => "CONNECTION_CLOSING",
            Self::SignedOut => "SIGNED_OUT",
            Self::Still => "TRANSFER_STILL",
            Self::Stuck => StoreError::Unavailable.reason(),
            Self::Unread(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyOfAccount
            | Self::TooMany
            | Self::Draining
            | Self::Stuck
            | Self::Unread(_) => Some(TRANSFERS_RETRY),
            Self::Leaving | Self::SignedOut | Self::Still => None,
        }
    }
}
