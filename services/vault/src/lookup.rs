//! [`Lookups`]: how personal data is found without being stored: HMAC-SHA256 under a key of the server.
//!
//! Invariant: without that key nobody can try likely names against the store; with it, equal texts of one
//! domain have equal hashes, and those of two domains never meet.
//!
//! Leaves out folding: whoever wants `Anna` and `anna` to be one folds them first.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};

use crate::cipher::derive;
use crate::secret::KeyBytes;

/// What the key of look-ups is for, and how it is made.
const PURPOSE: &[u8] = b"lookup 1";

/// What is looked up. The names are part of what is stored.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LookupDomain {
    /// User names, folded.
    UserName,
    /// E-mail addresses, folded.
    Email,
}

/// Makes the keys of look-ups. A cheap handle.
#[derive(Clone)]
pub struct Lookups(Arc<Key>);

impl LookupDomain {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::UserName => b"user name",
            Self::Email => b"email",
        }
    }
}

impl Lookups {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let key = derive(key.expose(), &[PURPOSE]);
        Self(Arc::new(Key::new(HMAC_SHA256, key.expose())))
    }

    /// What `text` is found by.
    pub fn hash(&self, domain: LookupDomain, text: &str) -> [u8; 32] {
        let mut context = Context::with_key(&self.0);
        context.update(domain.name());
        // No name of a domain has this byte, so no text continues one.
        context.update(&[0]);
        context.update(text.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_meet_within_a_domain_and_under_one_key_only() {
        let lookups = Lookups::new(&KeyBytes::copied(&[1; 32]));
        let anna = lookups.hash(LookupDomain::UserName, "anna");
        assert_eq!(anna, lookups.hash(LookupDomain::UserName, "anna"));
        assert_ne!(anna, lookups.hash(LookupDomain::UserName, "annA"));
        assert_ne!(anna, lookups.hash(LookupDomain::Email, "anna"));
        let other = Lookups::new(&KeyBytes::copied(&[2; 32]));
        assert_ne!(anna, other.hash(LookupDomain::UserName, "anna"));
    }

    #[test]
    fn what_was_hashed_by_an_earlier_release_is_found() {
        let lookups = Lookups::new(&KeyBytes::copied(&[1; 32]));
        let anna = lookups.hash(LookupDomain::UserName, "anna");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&anna),
            "2950ecb89efe81e1c36fc219d1104deecdce009b643104b4585f1db9a78bfab0"
        );
    }
}
