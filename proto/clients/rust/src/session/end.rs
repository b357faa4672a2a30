//! Why a stream ended, and whether another one could do better.
//!
//! Invariant: pure. What only a person or a new sign-in can mend is not tried again.

use std::time::Duration;

use proto::v1::Farewell;
use proto::v1::farewell::Reason;
use tonic::Code;

use crate::Error;

/// Why a stream ended, as far as it matters for what comes next.
pub(super) enum End {
    SignedOut,
    Fatal(Error),
    Lost { asked: Duration, cause: String },
}

pub(super) fn lost(cause: &str) -> End {
    End::Lost {
        asked: Duration::ZERO,
        cause: cause.to_owned(),
    }
}

pub(super) fn ended_with(farewell: &Farewell) -> End {
    let cause = match farewell.reason() {
        Reason::SignedOut => return End::SignedOut,
        Reason::Draining => "the server goes down or moves its clients",
        Reason::Aged => "the connection has reached its age",
        Reason::Fault | Reason::Unspecified => "the server ended the session",
    };
    End::Lost {
        asked: Duration::from_millis(farewell.retry_after_ms.into()),
        cause: cause.to_owned(),
    }
}

/// Whether another stream could do better after this error.
pub(super) fn ended_by(error: Error) -> End {
    let hopeless = match &error {
        Error::SignedOut => return End::SignedOut,
        Error::Refused(refusal) => match refusal.code {
            Code::Unauthenticated => return End::SignedOut,
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented => true,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => false,
        },
        Error::Unreachable { .. } | Error::TimedOut | Error::Interrupted => false,
        Error::Nonsense(_) => false,
        Error::Address { .. }
        | Error::File { .. }
        | Error::Certificates(_)
        | Error::Token
        | Error::UnknownServer { .. }
        | Error::WrongFingerprint { .. }
        | Error::Untrusted { .. }
        | Error::Ended
        | Error::Read(_)
        | Error::Write(_)
        | Error::Exists { .. }
        | Error::Altered
        | Error::TooManyRooms { .. } => true,
    };
    if hopeless {
        End::Fatal(error)
    } else {
        // Of a stream there is no answer to miss; of a command, its caller hears by itself.
        let cause = if matches!(error, Error::Interrupted) {
            "the connection was lost".to_owned()
        } else {
            error.to_string()
        };
        End::Lost {
            asked: error.retry_after().unwrap_or_default(),
            cause,
        }
    }
}
