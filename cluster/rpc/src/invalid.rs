//! [`InvalidRequest`]: everything that is wrong with a request, found in one pass.

use cluster_types::{Coded, ErrorCode, FieldViolation};

/// A request that cannot be turned into a command. Holds at least one violation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid request: {}", summary(.0))]
pub struct InvalidRequest(Vec<FieldViolation>);

impl InvalidRequest {
    /// One field is wrong.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self(vec![FieldViolation {
            field: field.into(),
            description: description.into(),
        }])
    }

    /// All of these are wrong; `Ok` if there are none.
    ///
    /// # Errors
    /// If there is a violation.
    pub fn none_of(violations: Vec<FieldViolation>) -> Result<(), Self> {
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Self(violations))
        }
    }
}

impl Coded for InvalidRequest {
    fn code(&self) -> ErrorCode {
        ErrorCode::Invalid
    }

    fn reason(&self) -> &'static str {
        "INVALID_REQUEST"
    }

    fn violations(&self) -> Vec<FieldViolation> {
        self.0.clone()
    }
}

impl From<InvalidRequest> for tonic::Status {
    fn from(invalid: InvalidRequest) -> Self {
        crate::status(&invalid)
    }
}

/// A part of a request that has to be there.
///
/// # Errors
/// If it is absent.
pub fn required<T>(value: Option<T>, field: &str) -> Result<T, InvalidRequest> {
    value.ok_or_else(|| InvalidRequest::field(field, "is required"))
}

fn summary(violations: &[FieldViolation]) -> String {
    let texts = violations
        .iter()
        .map(|v| format!("{} {}", v.field, v.description));
    texts.collect::<Vec<_>>().join("; ")
}
