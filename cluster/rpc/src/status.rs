//! One table from [`ErrorCode`] to gRPC, after AIP-193: a status with exactly one `ErrorInfo`,
//! `BadRequest` where fields are at fault, `RetryInfo` where waiting helps.

use std::sync::atomic::{AtomicU64, Ordering};

use cluster_types::{Caller, Coded, ErrorCode};
use proto::v1::ERROR_DOMAIN;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Numbers the internal errors of this process, so that a person can find the log line of one.
static INTERNAL_ERRORS: AtomicU64 = AtomicU64::new(1);

/// The gRPC code of an outcome.
pub const fn code_of(code: ErrorCode) -> Code {
    match code {
        ErrorCode::Invalid => Code::InvalidArgument,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::Forbidden => Code::PermissionDenied,
        ErrorCode::AlreadyExists => Code::AlreadyExists,
        ErrorCode::Conflict => Code::FailedPrecondition,
        ErrorCode::Contended => Code::Aborted,
        ErrorCode::Exhausted => Code::ResourceExhausted,
        ErrorCode::NotHere | ErrorCode::Unknown => Code::Unavailable,
        ErrorCode::Timeout => Code::DeadlineExceeded,
        ErrorCode::Corrupt => Code::DataLoss,
        ErrorCode::Internal => Code::Internal,
    }
}

/// The status that a caller gets for `error`.
///
/// Corrupt and internal errors are logged here with their chain of causes, and reach the caller as a
/// number to quote.
pub fn status(error: &dyn Coded) -> Status {
    let mut details = ErrorDetails::with_error_info(error.reason(), ERROR_DOMAIN, []);
    for violation in error.violations() {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    if let Some(after) = error.retry_after() {
        details.set_retry_info(Some(after));
    }
    let message = match error.code() {
        ErrorCode::Corrupt | ErrorCode::Internal => opaque(error),
        ErrorCode::Invalid
        | ErrorCode::NotFound
        | ErrorCode::Unauthenticated
        | ErrorCode::Forbidden
        | ErrorCode::AlreadyExists
        | ErrorCode::Conflict
        | ErrorCode::Contended
        | ErrorCode::Exhausted
        | ErrorCode::NotHere
        | ErrorCode::Timeout
        | ErrorCode::Unknown => error.to_string(),
    };
    Status::with_error_details(code_of(error.code()), message, details)
}

/// Who makes this request, as the gateway found out.
///
/// # Errors
/// UNAUTHENTICATED where the gateway let a request through without a token.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .copied()
        .ok_or_else(|| status(&NoCaller))
}

/// A call that needs a token came without one.
#[derive(Debug, thiserror::Error)]
#[error("sign in first: this call needs the header `authorization: Bearer <token>`")]
struct NoCaller;

impl Coded for NoCaller {
    fn code(&self) -> ErrorCode {
        ErrorCode::Unauthenticated
    }

    fn reason(&self) -> &'static str {
        "TOKEN_REQUIRED"
    }
}

fn opaque(error: &dyn Coded) -> String {
    let number = INTERNAL_ERRORS.fetch_add(1, Ordering::Relaxed);
    tracing::error!(number, reason = error.reason(), chain = %Chain(error), "internal error");
    format!("internal error {number}: the server's log has more under this number")
}

/// An error and its causes, outermost first.
struct Chain<'a>(&'a dyn Coded);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cluster_types::FieldViolation;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the shape is wrong")]
    struct Sample(ErrorCode);

    impl Coded for Sample {
        fn code(&self) -> ErrorCode {
            self.0
        }

        fn reason(&self) -> &'static str {
            "SAMPLE"
        }

        fn violations(&self) -> Vec<FieldViolation> {
            vec![FieldViolation {
                field: "room.name".to_owned(),
                description: "is odd".to_owned(),
            }]
        }

        fn retry_after(&self) -> Option<Duration> {
            Some(Duration::from_millis(250))
        }
    }

    #[test]
    fn details_name_reason_field_and_wait() {
        let status = status(&Sample(ErrorCode::Invalid));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "the shape is wrong");
        let details = status.get_error_details();
        let info = details.error_info().expect("one ErrorInfo");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("SAMPLE", "rookery.v1")
        );
        let fields = &details
            .bad_request()
            .expect("a BadRequest")
            .field_violations;
        assert_eq!(fields[0].field, "room.name");
        let wait = details.retry_info().expect("a RetryInfo").retry_delay;
        assert_eq!(wait, Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_internal_error_keeps_its_text_to_itself() {
        let status = status(&Sample(ErrorCode::Internal));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("shape"), "{}", status.message());
    }

    #[test]
    fn a_request_without_a_caller_is_unauthenticated() {
        let refused = caller(&Request::new(())).expect_err("no caller");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}
