//! Passwords: a type that does not print and is wiped, and one that has passed the policy.
//!
//! Owns: [`Password`], anything that somebody might type when asked for one; [`NewPassword`], one
//! that may be set; the [`policy`] between them.
//!
//! Invariant: a password is in NFC, so that the same keys give the same bytes on every device, and
//! it is whole: what is too long is refused, never cut.
//!
//! Leaves out: hashing (`hashing`).

mod common;
pub(crate) mod policy;
#[cfg(test)]
mod tests;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroize as _;

use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MAX};
use crate::text::UserName;
pub use policy::{BrokenRule, PasswordPolicy};

/// A password in NFC. Its `Debug` shows nothing, and its memory is wiped when it is dropped.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

/// Why a text cannot be anybody's password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAPassword {
    /// Nothing was sent.
    #[error("is required")]
    Empty,
    /// More than 128 characters.
    #[error("must have at most {PASSWORD_CHARS_MAX} characters")]
    TooLong,
}

impl Password {
    /// Takes what was typed.
    ///
    /// # Errors
    /// If it is empty, or longer than any password may be.
    pub fn parse(mut typed: String) -> Result<Self, NotAPassword> {
        let parsed = Self::of_text(&typed);
        typed.zeroize();
        parsed
    }

    fn of_text(typed: &str) -> Result<Self, NotAPassword> {
        if typed.is_empty() {
            return Err(NotAPassword::Empty);
        }
        if typed.len() > PASSWORD_BYTES_MAX {
            return Err(NotAPassword::TooLong);
        }
        // Room for all of it at once: growing would leave copies behind. NFC triples a text at most.
        let mut composed = String::with_capacity(typed.len() * 3);
        composed.extend(typed.nfc());
        let password = Self(SecretString::from(composed.as_str()));
        composed.zeroize();
        if password.text().chars().count() > PASSWORD_CHARS_MAX {
            return Err(NotAPassword::TooLong);
        }
        Ok(password)
    }

    /// The text, for hashing and for the policy.
    pub(crate) fn text(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same text. For two passwords that the same person has just sent.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// A password that the policy lets somebody set.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword(Password);

impl NewPassword {
    /// Checks `password` for the account of that name; all broken rules at once.
    pub(crate) fn choose(
        password: Password,
        policy: PasswordPolicy,
        user_name: &UserName,
    ) -> Result<Self, Vec<BrokenRule>> {
        let broken = policy.broken_rules(&password, Some(user_name));
        if broken.is_empty() {
            Ok(Self(password))
        } else {
            Err(broken)
        }
    }

    /// The password itself.
    pub(crate) const fn password(&self) -> &Password {
        &self.0
    }
}
