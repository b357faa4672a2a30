//! What can go wrong, one enum per operation, and what each means for the one who asked.

use std::time::Duration;

use cluster_store::{AsStoreError, StoreError};
use cluster_types::{Coded, ErrorCode, FieldViolation};

use crate::hashing::HashError;
use crate::hashing::pool::PoolError;
use crate::limiter::Throttled;
use crate::password::BrokenRule;

/// Why a token opens nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// It is malformed, unknown, expired or revoked: nobody learns which.
    #[error("sign in again: this token is not valid, or not any more")]
    Refused,
    /// The store could not say.
    #[error("the token could not be checked")]
    Store(#[from] StoreError),
}

impl Coded for AuthenticateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused => ErrorCode::Unauthenticated,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "TOKEN_INVALID",
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

/// Why a password was not even looked at, or could not be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TryError {
    /// Too many tries for this name, or from this address. Nothing was checked.
    #[error("too many tries: wait before the next one")]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many people at once. Nothing was checked.
    #[error("too many people are signing in: wait a moment")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The hash failed.
    #[error("the password could not be checked")]
    Hash(#[from] HashError),
}

impl From<Throttled> for TryError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled {
            retry_after: throttled.retry_after,
        }
    }
}

impl From<PoolError> for TryError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy { retry_after } => Self::Busy { retry_after },
            PoolError::Hash(error) => Self::Hash(error),
        }
    }
}

impl Coded for TryError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Throttled { .. } | Self::Busy { .. } => ErrorCode::Exhausted,
            Self::Hash(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "TOO_MANY_TRIES",
            Self::Busy { .. } => "TOO_MANY_SIGN_INS",
            Self::Hash(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Busy { retry_after } => Some(*retry_after),
            Self::Hash(error) => error.retry_after(),
        }
    }
}

/// Why somebody was not signed in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// No such user name, or another password: nobody learns which.
    #[error("user name or password is wrong")]
    Refused,
    /// The password was right, and the account may not sign in.
    #[error("this account is suspended: an administrator of the server can resume it")]
    Suspended,
    /// The password was not looked at.
    #[error(transparent)]
    NotTried(#[from] TryError),
    /// The store failed.
    #[error("signing in failed")]
    Store(#[from] StoreError),
}

impl Coded for SignInError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused => ErrorCode::Unauthenticated,
            Self::Suspended => ErrorCode::Forbidden,
            Self::NotTried(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "WRONG_CREDENTIALS",
            Self::Suspended => "ACCOUNT_SUSPENDED",
            Self::NotTried(error) => error.reason(),
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused | Self::Suspended => None,
            Self::NotTried(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
        }
    }
}

/// Why somebody could not register.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The server is not open to all.
    #[error("this server takes new accounts by invitation: ask an administrator for one")]
    InvitationRequired,
    /// It never was, was used, was withdrawn, or has expired.
    #[error("no such invitation: it may have been used or withdrawn, or have expired")]
    InvitationNotFound,
    /// Somebody else has this user name.
    #[error("this user name is taken: choose another one")]
    UserNameTaken,
    /// Nothing was looked at.
    #[error(transparent)]
    NotTried(#[from] TryError),
    /// The store failed.
    #[error("registering failed")]
    Store(#[from] StoreError),
}

impl Coded for RegisterError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvitationRequired => ErrorCode::Forbidden,
            Self::InvitationNotFound => ErrorCode::NotFound,
            Self::UserNameTaken => ErrorCode::AlreadyExists,
            Self::NotTried(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::InvitationRequired => "INVITATION_REQUIRED",
            Self::InvitationNotFound => "INVITATION_NOT_FOUND",
            Self::UserNameTaken => "USER_NAME_TAKEN",
            Self::NotTried(error) => error.reason(),
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InvitationRequired | Self::InvitationNotFound | Self::UserNameTaken => None,
            Self::NotTried(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
        }
    }
}

/// Why a password was not changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The current password is another one.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The new password breaks these rules.
    #[error("the new password breaks {} of the rules", .0.len())]
    Weak(Vec<BrokenRule>),
    /// The new password is the current one.
    #[error("the new password is the current one")]
    Unchanged,
    /// The account's sign-in has ended meanwhile.
    #[error("sign in again: this sign-in has ended")]
    SignedOut,
    /// The password was not looked at.
    #[error(transparent)]
    NotTried(#[from] TryError),
    /// The store failed.
    #[error("changing the password failed")]
    Store(#[from] StoreError),
}

impl Coded for ChangePasswordError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::WrongPassword => ErrorCode::Forbidden,
            Self::Weak(_) | Self::Unchanged => ErrorCode::Invalid,
            Self::SignedOut => ErrorCode::Unauthenticated,
            Self::NotTried(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::WrongPassword => "WRONG_PASSWORD",
            Self::Weak(_) => "WEAK_PASSWORD",
            Self::Unchanged => "PASSWORD_UNCHANGED",
            Self::SignedOut => "TOKEN_INVALID",
            Self::NotTried(error) => error.reason(),
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Weak(broken) => password_violations("new_password", broken),
            Self::Unchanged => vec![FieldViolation {
                field: "new_password".to_owned(),
                description: "must differ from the current password".to_owned(),
            }],
            Self::WrongPassword | Self::SignedOut | Self::NotTried(_) | Self::Store(_) => {
                Vec::new()
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::WrongPassword | Self::Weak(_) | Self::Unchanged | Self::SignedOut => None,
            Self::NotTried(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
        }
    }
}

/// One violation of `field` for each broken rule.
pub(crate) fn password_violations(field: &str, broken: &[BrokenRule]) -> Vec<FieldViolation> {
    let violation = |rule: &BrokenRule| FieldViolation {
        field: field.to_owned(),
        description: rule.to_string(),
    };
    broken.iter().map(violation).collect()
}

/// Why an account or a sign-in was not found, or not changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// It is not there, or not the caller's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Coded for FindError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "NOT_FOUND",
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

/// Why an administrator's wish was not carried out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdministerError {
    /// The caller is none.
    #[error("this is for administrators of the server")]
    NotAdministrator,
    /// It is not there.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Nobody would be left to administer the server.
    #[error("this is the last administrator: make somebody else one first")]
    LastAdministrator,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Coded for AdministerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotAdministrator => ErrorCode::Forbidden,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::LastAdministrator => ErrorCode::Conflict,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotAdministrator => "NOT_ADMINISTRATOR",
            Self::NotFound(_) => "NOT_FOUND",
            Self::LastAdministrator => "LAST_ADMINISTRATOR",
            Self::Store(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

macro_rules! may_be_the_stores {
    ($($error:ident),* $(,)?) => {$(
        impl AsStoreError for $error {
            fn as_store_error(&self) -> Option<&StoreError> {
                if let Self::Store(error) = self { Some(error) } else { None }
            }
        }
    )*};
}

may_be_the_stores!(
    AuthenticateError,
    SignInError,
    RegisterError,
    ChangePasswordError,
    FindError,
    AdministerError,
);
