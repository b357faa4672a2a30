//! How a command ends, told apart by what a script can do about it; after sysexits.h.
//!
//! Invariant: zero means that it was done. Every other code has one meaning.

use std::process::ExitCode;

use rookery_client::{Code, Error};

/// The end of a command that was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line makes no sense. 64.
    #[error("{0}")]
    Usage(String),
    /// The server did not do it. The code says why.
    #[error("{0}")]
    Client(#[from] Error),
    /// A file or the terminal cannot be used. 74.
    #[error("{0}")]
    Io(String),
    /// A file says something that it must not. 78.
    #[error("{0}")]
    Configuration(String),
    /// Nobody is signed in, and nobody can be asked. 77.
    #[error("{0}")]
    SignIn(String),
    /// Messages that no room has. 75.
    #[error("{0}")]
    Unsent(String),
    /// The server does not let this account do it. 77.
    #[error("{error}; you are signed in as {user}, and --user NAME takes another account")]
    NotAllowed {
        /// Whose account it was.
        user: String,
        /// What the server said.
        error: Error,
    },
}

/// The command line makes no sense.
const USAGE: u8 = 64;
/// What was sent is malformed.
const DATA: u8 = 65;
/// What was named does not exist.
const NO_SUCH: u8 = 66;
/// The server cannot be reached, or not now.
const UNAVAILABLE: u8 = 69;
/// A defect, here or there.
const SOFTWARE: u8 = 70;
/// It is already so, or something else has to change first.
const CONFLICT: u8 = 73;
/// A file or the terminal.
const IO: u8 = 74;
/// Over a limit, lost a race, or messages not sent: the same again later.
const TEMPORARY: u8 = 75;
/// The server is not the one it was, or not trusted.
const PROTOCOL: u8 = 76;
/// Not signed in, or not allowed.
const PERMISSION: u8 = 77;
/// A file says something that it must not.
const CONFIGURATION: u8 = 78;

/// What to do about an error, where there is something.
#[expect(clippy::wildcard_enum_match_arm, reason = "most errors say it all")]
pub(crate) fn advice(error: &Error) -> Option<String> {
    match error {
        Error::UnknownServer { fingerprint, .. } => Some(format!(
            "if that is what the server printed: --fingerprint {fingerprint}"
        )),
        Error::WrongFingerprint { found, .. } => Some(format!(
            "if whoever runs the server confirms the new one: --fingerprint {found}"
        )),
        Error::Unreachable { .. } => Some("another address: --server https://HOST:PORT".to_owned()),
        _ => None,
    }
}

/// The table for people, shown by `--help`.
pub(crate) const HELP: &str = "Exit codes: 0 done; 64 usage; 65 the server found the input malformed; \
66 no such thing; 69 server unavailable; 70 internal error; 73 conflict; 74 file or terminal; \
75 try again later, messages are not sent; 76 server not trusted; 77 not signed in or not allowed; 78 configuration";

impl Failure {
    /// The number of the exit code.
    pub(crate) fn number(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Io(_) => IO,
            Self::Configuration(_) => CONFIGURATION,
            Self::SignIn(_) => PERMISSION,
            Self::Unsent(_) => TEMPORARY,
            Self::Client(error) | Self::NotAllowed { error, .. } => of(error),
        }
    }

    /// What the server or the way to it had to say.
    pub(crate) const fn client(&self) -> Option<&Error> {
        match self {
            Self::Client(error) | Self::NotAllowed { error, .. } => Some(error),
            Self::Usage(_)
            | Self::Io(_)
            | Self::Configuration(_)
            | Self::SignIn(_)
            | Self::Unsent(_) => None,
        }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.number())
    }
}

fn of(error: &Error) -> u8 {
    if let Some(refusal) = error.refusal() {
        return of_refusal(refusal.code);
    }
    match error {
        Error::Address { .. } => USAGE,
        Error::File { .. } | Error::Certificates(_) | Error::Token => CONFIGURATION,
        Error::UnknownServer { .. } | Error::WrongFingerprint { .. } | Error::Untrusted { .. } => {
            PROTOCOL
        }
        Error::Read(_) | Error::Write(_) => IO,
        Error::Exists { .. } => CONFLICT,
        Error::SignedOut => PERMISSION,
        Error::Unreachable { .. } | Error::TimedOut | Error::Interrupted | Error::Ended => {
            UNAVAILABLE
        }
        // Refusals are above; the rest are defects, and kinds of errors to come.
        Error::Refused(_) | Error::TooManyRooms { .. } | Error::Nonsense(_) | _ => SOFTWARE,
    }
}

const fn of_refusal(code: Code) -> u8 {
    match code {
        Code::InvalidArgument | Code::OutOfRange => DATA,
        Code::NotFound => NO_SUCH,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => UNAVAILABLE,
        Code::AlreadyExists | Code::FailedPrecondition => CONFLICT,
        Code::ResourceExhausted | Code::Aborted => TEMPORARY,
        Code::PermissionDenied | Code::Unauthenticated => PERMISSION,
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
            SOFTWARE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_can_tell_apart_what_it_can_act_on() {
        assert_eq!(Failure::Usage(String::new()).number(), 64);
        let unreachable = Error::Unreachable {
            server: String::new(),
            problem: String::new(),
        };
        assert_eq!(Failure::from(unreachable).number(), 69);
        assert_eq!(Failure::from(Error::SignedOut).number(), 77);
        assert_eq!(of_refusal(Code::PermissionDenied), 77);
        assert_eq!(of_refusal(Code::NotFound), 66);
        assert_eq!(of_refusal(Code::ResourceExhausted), 75);
    }

    #[test]
    fn the_help_names_every_code() {
        for code in [
            USAGE,
            DATA,
            NO_SUCH,
            UNAVAILABLE,
            SOFTWARE,
            CONFLICT,
            IO,
            TEMPORARY,
            PROTOCOL,
            PERMISSION,
            CONFIGURATION,
        ] {
            assert!(HELP.contains(&code.to_string()), "{code}");
        }
    }
}
