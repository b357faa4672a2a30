//! [`Options`]: what an operator can choose.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::limiter::PeerLimit;
use crate::password::PasswordPolicy;

/// What an operator can choose. The default is right for most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Which passwords may be set.
    pub password_policy: PasswordPolicy,
    /// Whether anybody may register without an invitation.
    pub self_registration: bool,
    /// How many failed sign-ins, and registrations without an invitation, one address has.
    pub peer_limit: PeerLimit,
    /// Passwords hashed at once: each takes a core and 19 MiB. Half of the cores by default, so that a
    /// flood of sign-ins leaves the other half to the messages.
    pub hashes_at_once: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            password_policy: PasswordPolicy::default(),
            self_registration: false,
            peer_limit: PeerLimit::default(),
            hashes_at_once: NonZeroUsize::new(cores.get() / 2).unwrap_or(NonZeroUsize::MIN),
        }
    }
}
