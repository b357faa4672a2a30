//! How passwords are hashed: argon2id, as PHC strings that say how they were made.
//!
//! Owns: [`PasswordHasher`], what the service needs of a hash; [`Argon2id`], the one in use; the
//! [`pool`] that bounds how many run.
//!
//! Invariant: verifying costs what the stored string says, so a string made with less is replaced when
//! its owner next signs in ([`PasswordHasher::is_outdated`]). Until then, telling a wrong password for
//! that account from an unknown user name by time is possible; it is the price of raising costs.

pub(crate) mod pool;

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use cluster_types::{Coded, ErrorCode};

use crate::limits::{HASH_LANES, HASH_MEMORY_KIB, HASH_PASSES};
use crate::password::Password;

/// Chance that makes equal passwords hash differently.
pub type Salt = [u8; 16];

/// Why a hash could not be made or read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The stored string is not a hash that this program knows.
    #[error("a stored password hash cannot be read")]
    Unreadable,
    /// The machine could not do it, for want of memory most likely.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

impl Coded for HashError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unreadable => ErrorCode::Corrupt,
            Self::Failed(_) => ErrorCode::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable => "PASSWORD_HASH_CORRUPT",
            Self::Failed(_) => "PASSWORD_HASH_FAILED",
        }
    }
}

/// Makes and checks password hashes. Slow on purpose: called on the pool only.
pub trait PasswordHasher: fmt::Debug + Send + Sync + 'static {
    /// A string that says how it was made, and proves the password.
    ///
    /// # Errors
    /// If the machine cannot do it.
    fn hash(&self, password: &Password, salt: Salt) -> Result<String, HashError>;

    /// Whether `stored` was made from this password. Costs the same for either answer.
    ///
    /// # Errors
    /// If `stored` is unreadable or the machine cannot do it.
    fn verify(&self, password: &Password, stored: &str) -> Result<bool, HashError>;

    /// Whether `stored` was made with less than a hash made now would be.
    fn is_outdated(&self, stored: &str) -> bool;

    /// Whether it is so quick that no thread is needed for it. A simulation's is: when a thread has done its work,
    /// no seed decides.
    fn is_instant(&self) -> bool {
        false
    }
}

/// What one hash costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl HashCost {
    /// What the server uses.
    pub const STANDARD: Self = Self {
        memory_kib: HASH_MEMORY_KIB,
        passes: HASH_PASSES,
    };

    /// As little as the algorithm allows: for tests that sign in often, and nothing else.
    pub const LEAST: Self = Self {
        memory_kib: Params::MIN_M_COST,
        passes: Params::MIN_T_COST,
    };
}

/// argon2id, version 0x13.
#[derive(Debug)]
pub struct Argon2id {
    argon2: Argon2<'static>,
}

impl Argon2id {
    /// A hasher of this cost.
    ///
    /// # Errors
    /// If the cost is below what the algorithm allows.
    pub fn new(cost: HashCost) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.passes, HASH_LANES, None);
        let params = params.map_err(|error| HashError::Failed(error.to_string()))?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
        })
    }
}

impl PasswordHasher for Argon2id {
    fn hash(&self, password: &Password, salt: Salt) -> Result<String, HashError> {
        let hash = self
            .argon2
            .hash_password_with_salt(password.text().as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
            .map_err(|error| HashError::Failed(error.to_string()))
    }

    fn verify(&self, password: &Password, stored: &str) -> Result<bool, HashError> {
        use argon2::password_hash::Error;
        let stored = PasswordHash::new(stored).map_err(|_| HashError::Unreadable)?;
        match self
            .argon2
            .verify_password(password.text().as_bytes(), &stored)
        {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(HashError::Failed(error.to_string())),
        }
    }

    fn is_outdated(&self, stored: &str) -> bool {
        let now = self.argon2.params();
        let stored = PasswordHash::new(stored).ok();
        let params = stored
            .as_ref()
            .and_then(|stored| Params::try_from(stored).ok());
        params.is_none_or(|then| {
            then.m_cost() < now.m_cost()
                || then.t_cost() < now.t_cost()
                || then.p_cost() < now.p_cost()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory_kib: u32, passes: u32) -> Argon2id {
        Argon2id::new(HashCost { memory_kib, passes }).expect("a cost that the algorithm allows")
    }

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("a password")
    }

    #[test]
    fn the_right_password_is_told_from_a_wrong_one() {
        let hasher = hasher(8, 1);
        let stored = hasher
            .hash(&password("Tr4vel light"), [7; 16])
            .expect("hashes");
        assert!(
            stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{stored}"
        );
        assert_eq!(hasher.verify(&password("Tr4vel light"), &stored), Ok(true));
        assert_eq!(hasher.verify(&password("Tr4vel lighT"), &stored), Ok(false));
    }

    #[test]
    fn no_character_of_a_long_password_is_ignored() {
        let hasher = hasher(8, 1);
        let long = "ä".repeat(127);
        let stored = hasher
            .hash(&password(&format!("{long}x")), [7; 16])
            .expect("hashes");
        assert_eq!(
            hasher.verify(&password(&format!("{long}y")), &stored),
            Ok(false)
        );
    }

    #[test]
    fn the_same_keys_typed_decomposed_are_the_same_password() {
        let hasher = hasher(8, 1);
        let stored = hasher.hash(&password("Zo\u{eb}"), [7; 16]).expect("hashes");
        assert_eq!(hasher.verify(&password("Zoe\u{308}"), &stored), Ok(true));
    }

    #[test]
    fn a_hash_made_with_less_is_outdated() {
        let stored = hasher(16, 2).hash(&password("x"), [7; 16]).expect("hashes");
        assert!(!hasher(16, 2).is_outdated(&stored));
        assert!(!hasher(8, 1).is_outdated(&stored));
        assert!(hasher(24, 2).is_outdated(&stored));
        assert!(hasher(16, 3).is_outdated(&stored));
        assert_eq!(
            hasher(24, 3).verify(&password("x"), &stored),
            Ok(true),
            "as it was made"
        );
    }

    #[test]
    fn what_is_not_a_hash_is_an_error_and_not_a_wrong_password() {
        let verdict = hasher(8, 1).verify(&password("x"), "plain text");
        assert_eq!(verdict, Err(HashError::Unreadable));
    }

    #[test]
    fn the_standard_cost_is_what_owasp_asks_for() {
        let hasher = Argon2id::new(HashCost::STANDARD).expect("allowed");
        let stored = hasher.hash(&password("x"), [7; 16]).expect("hashes");
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
    }
}
