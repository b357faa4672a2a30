//! What can go wrong, told apart by what a program can do about it.
//!
//! Invariant: a server's refusal keeps all that the server said: code, reason, the fields at fault and
//! the wait that it asks for. `Display` is fit to be shown to a person.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::v1::CommandError;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::Fingerprint;
use crate::server::ConnectFailure;

/// Why something was not done, or not known to be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address of a server does not have the form `https://host:port`.
    #[error("`{address}` is not the address of a server: {problem}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file on this machine cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What was to be sent cannot be read, or has become shorter.
    #[error("what is to be sent cannot be read: {0}")]
    Read(std::io::Error),
    /// What came cannot be written.
    #[error("what came cannot be written: {0}")]
    Write(std::io::Error),
    /// Something is there already, and was to be kept.
    #[error("{} exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A file that came has another SHA-256 than the file that was sent: it changed while it was read, or on
    /// its way.
    #[error("the file that came is not the file that was sent: it was changed meanwhile")]
    Altered,
    /// The TLS library does not take what it was given to trust.
    #[error("the trusted certificates cannot be used: {0}")]
    Certificates(String),
    /// A token with characters that no token has. Nothing was sent.
    #[error("this is not a token")]
    Token,
    /// Nothing is known yet about the server at this address. Compare the fingerprint with the one that
    /// the server printed, then [remember](crate::KnownServers::remember) it.
    #[error("{server} is not known yet; its certificate has the fingerprint {fingerprint}")]
    UnknownServer {
        /// `host:port`
        server: String,
        /// Of the certificate that it shows.
        fingerprint: Fingerprint,
    },
    /// The server shows another certificate than the one it is known by.
    #[error(
        "{server} shows a certificate with the fingerprint {found}, but is known by {expected}: either its certificate was replaced, or somebody is in between"
    )]
    WrongFingerprint {
        /// `host:port`
        server: String,
        /// What it is known by.
        expected: Fingerprint,
        /// What it shows.
        found: Fingerprint,
    },
    /// The certificate does not lead to a trusted authority, or is for another name.
    #[error("the certificate of {server} is not trusted: {problem}")]
    Untrusted {
        /// `host:port`
        server: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection. Nothing was sent.
    #[error("{server} cannot be reached: {problem}")]
    Unreachable {
        /// `host:port`
        server: String,
        /// Where it ended.
        problem: String,
    },
    /// The server said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No answer within the deadline. It may have happened.
    #[error("no answer within the deadline; it may have been done all the same")]
    TimedOut,
    /// The connection ended before the answer. It may have happened.
    #[error("the connection was lost before the answer; it may have been done all the same")]
    Interrupted,
    /// The sign-in was ended, here or from another device.
    #[error("signed out: sign in again")]
    SignedOut,
    /// The session was closed.
    #[error("the session has ended")]
    Ended,
    /// A session follows as many rooms as a server allows.
    #[error("a session follows at most {max} rooms: unfollow one first")]
    TooManyRooms {
        /// How many.
        max: usize,
    },
    /// The server broke its own protocol.
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl Error {
    /// Whether the same call has a chance later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut | Self::Interrupted => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Address { .. }
            | Self::File { .. }
            | Self::Read(_)
            | Self::Write(_)
            | Self::Exists { .. }
            | Self::Altered
            | Self::Certificates(_)
            | Self::Token
            | Self::UnknownServer { .. }
            | Self::WrongFingerprint { .. }
            | Self::Untrusted { .. }
            | Self::SignedOut
            | Self::Ended
            | Self::TooManyRooms { .. }
            | Self::Nonsense(_) => false,
        }
    }

    /// Whether the call may have been carried out although it failed. Make it again only under the same
    /// id, or after a look.
    pub fn may_have_happened(&self) -> bool {
        let unclear = [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Unknown,
            Code::Internal,
        ];
        matches!(self, Self::TimedOut | Self::Interrupted | Self::Nonsense(_))
            || self.code().is_some_and(|code| unclear.contains(&code))
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: &Path, problem: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            problem: in_words(problem),
        }
    }

    /// The same, said of the file that could not be read or written.
    pub(crate) fn about(self, path: &Path) -> Self {
        if let Self::Read(problem) | Self::Write(problem) = &self {
            return Self::file(path, problem);
        }
        self
    }

    /// The server's refusal, if this is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self {
            Some(refusal)
        } else {
            None
        }
    }

    /// The gRPC code of the server's refusal, if this is one.
    pub fn code(&self) -> Option<Code> {
        self.refusal().map(|refusal| refusal.code)
    }

    /// The reason of the server's refusal, a constant name such as `TOKEN_REQUIRED`; empty if this is
    /// no refusal.
    pub fn reason(&self) -> &str {
        self.refusal().map_or("", |refusal| &refusal.reason)
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if let Some(failure) = in_chain::<ConnectFailure>(&status) {
            return failure.clone().into();
        }
        if in_chain::<tonic::TimeoutExpired>(&status).is_some() {
            return Self::TimedOut;
        }
        // A status that came over the wire has no cause on this side.
        if status.source().is_some() {
            return Self::Interrupted;
        }
        Self::Refused(Box::new(Refusal::from(&status)))
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        let code = Code::from(error.code);
        let status = Status::with_details(code, error.message, error.status_details.into());
        Self::Refused(Box::new(Refusal::from(&status)))
    }
}

/// What the system says, without its number.
fn in_words(problem: &std::io::Error) -> String {
    let text = problem.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    words.to_owned()
}

/// The first error of this type among `error` and its causes.
pub(crate) fn in_chain<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What a server said when it said no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// What kind of no.
    pub code: Code,
    /// For programs: a constant name such as `ROOM_ARCHIVED`. Empty if the server gave none.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The fields at fault, each with what would be right.
    pub violations: Vec<Violation>,
    /// How long to wait before the next attempt, where waiting helps.
    pub retry_after: Option<Duration>,
}

/// One field of a request that a server did not take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Its path, as in the .proto file.
    pub field: String,
    /// What is wrong with it and what to send instead.
    pub description: String,
}

/// Reasons of refusals that say where an upload stands by now, and not that it fails: who asks goes on from there.
const STANDS_ELSEWHERE: [&str; 2] = ["UPLOAD_OFFSET", "UPLOAD_FINISHED"];

impl Refusal {
    fn is_transient(&self) -> bool {
        if STANDS_ELSEWHERE.contains(&&*self.reason) {
            return true;
        }
        match self.code {
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted => true,
            Code::ResourceExhausted => self.retry_after.is_some(),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|bad| &bad.field_violations);
        let violation = |v: &tonic_types::FieldViolation| Violation {
            field: v.field.clone(),
            description: v.description.clone(),
        };
        Self {
            code: status.code(),
            reason: details
                .error_info()
                .map(|info| info.reason.clone())
                .unwrap_or_default(),
            message: status.message().to_owned(),
            violations: violations
                .map(|all| all.iter().map(violation).collect())
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "the server answered: {}", self.code.description())?;
        } else {
            f.write_str(&self.message)?;
        }
        for (index, violation) in self.violations.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(
                f,
                "{separator}{} {}",
                violation.field, violation.description
            )?;
        }
        if let Some(after) = self.retry_after {
            write!(f, " (again in {:.1} s)", after.as_secs_f64())?;
        }
        Ok(())
    }
}

impl StdError for Refusal {}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use tonic_types::{ErrorDetails, pb};

    use super::*;

    fn details() -> ErrorDetails {
        let mut details = ErrorDetails::with_error_info("PASSWORD_POLICY", "rookery.v1", []);
        details.add_bad_request_violation("password", "needs a digit");
        details.add_bad_request_violation("password", "needs 15 characters");
        details.set_retry_info(Some(Duration::from_millis(1_500)));
        details
    }

    #[test]
    fn a_refusal_keeps_what_the_server_said() {
        let status = Status::with_error_details(Code::InvalidArgument, "too weak", details());
        let error = Error::from(status);
        let refusal = error.refusal().expect("a refusal");
        assert_eq!(refusal.code, Code::InvalidArgument);
        assert_eq!(error.reason(), "PASSWORD_POLICY");
        assert_eq!(refusal.violations.len(), 2);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
        assert_eq!(
            error.to_string(),
            "too weak: password needs a digit; password needs 15 characters (again in 1.5 s)"
        );
    }

    #[test]
    fn a_command_fails_as_the_call_would() {
        let status = Status::with_error_details(Code::InvalidArgument, "too weak", details());
        let on_stream = CommandError {
            code: 3,
            message: "too weak".to_owned(),
            status_details: status.details().to_vec(),
        };
        assert!(pb::Status::decode(status.details()).is_ok());
        assert_eq!(
            Error::from(on_stream).refusal(),
            Error::from(status).refusal()
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |code| Error::from(Status::new(code, ""));
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted] {
            assert!(refused(code).is_transient(), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::ResourceExhausted,
            Code::Internal,
        ] {
            assert!(!refused(code).is_transient(), "{code:?}");
        }
        for reason in STANDS_ELSEWHERE {
            let details = ErrorDetails::with_error_info(reason, "rookery.v1", []);
            let status = Status::with_error_details(Code::FailedPrecondition, "", details);
            assert!(Error::from(status).is_transient(), "{reason}");
        }
        let wait = Status::with_error_details(Code::ResourceExhausted, "", details());
        assert!(Error::from(wait).is_transient());
        assert!(refused(Code::Unavailable).may_have_happened());
        assert!(!refused(Code::NotFound).may_have_happened());
    }

    #[test]
    fn an_empty_message_still_says_something() {
        let text = Error::from(Status::new(Code::NotFound, "")).to_string();
        assert!(text.contains("not found"), "{text}");
    }
}
