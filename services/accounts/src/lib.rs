//! Accounts: who people are, how they sign in, and on which devices.
//!
//! Owns: accounts with their user names and passwords, sign-ins with their tokens, invitations, and
//! who administers the server. [`Accounts`] is the handle; it implements the Accounts service, and
//! [`administration`] the calls of Administration that are about accounts.
//!
//! Invariants:
//! - **One account per name**, however two registrations race or a commit's outcome is unknown; an
//!   invitation is used by exactly one of them.
//! - **An ended sign-in opens nothing** from the moment on which the call that ended it returns.
//! - **Who guesses learns nothing**: an unknown user name costs the same hash and gets the same answer
//!   as a wrong password, and the limiter decides before either is looked at.
//! - **There is always an administrator** who can act, once there has been one.
//! - No address, no time of a sign-in and no secret is stored or logged. What is kept of a sign-in is
//!   what the person called the device, and the day on which it ends.
//!
//! Leaves out: where tokens come in (`services-gateway`), streams (`services-sessions`, told through
//! [`SignInEnded`]), roles in rooms (`services-rooms`).

mod accounts;
mod bounded;
mod callers;
mod ended;
mod error;
mod grpc;
mod hashing;
mod limiter;
pub mod limits;
mod options;
mod password;
mod secret;
mod state;
mod store;
mod text;
mod wire;

pub use accounts::{Accounts, HookTaken, Parts, Removed};
pub use ended::SignInEnded;
pub use error::{
    AdministerError, AuthenticateError, ChangePasswordError, FindError, RegisterError, SignInError,
    TryError,
};
pub use grpc::administration;
pub use hashing::{Argon2id, HashCost, HashError, PasswordHasher, Salt};
pub use limiter::PeerLimit;
pub use options::Options;
pub use password::{BrokenRule, NotAPassword, Password, PasswordPolicy};
pub use secret::InvitationSecret;
pub use state::{Profile, Role};
