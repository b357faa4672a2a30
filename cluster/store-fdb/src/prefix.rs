//! The part of a cluster that belongs to one deployment: all keys that begin with its name.
//!
//! Invariant: no two prefixes share a key. A name is followed by a zero byte, which no name has in it, so
//! the keys of `chat` end before those of `chat2` begin.

use std::fmt;
use std::str::FromStr;

use crate::limits::PREFIX_NAME_BYTES_MAX;

/// What all keys of one deployment begin with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Prefix(String);

/// Why a text names no prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrefixError {
    /// No name, or one that is too long.
    #[error("has to have 1 to {PREFIX_NAME_BYTES_MAX} characters")]
    Length,
    /// A character that is hard to type in `fdbcli`, or that a name must not have.
    #[error("may have a-z, 0-9, '.', '_' and '-' in it, and nothing else")]
    Character,
}

impl Prefix {
    /// The name, without the byte that ends it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// `key` as the cluster knows it.
    pub(crate) fn add(&self, key: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len() + key.len());
        whole.extend_from_slice(self.0.as_bytes());
        whole.push(0);
        whole.extend_from_slice(key);
        whole
    }

    /// A key of the cluster as the store knows it; `None` if it is another deployment's.
    pub(crate) fn strip<'a>(&self, whole: &'a [u8]) -> Option<&'a [u8]> {
        whole.strip_prefix(self.0.as_bytes())?.strip_prefix(&[0])
    }

    /// Bytes that it adds to each key.
    pub(crate) fn len(&self) -> usize {
        self.0.len() + 1
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("rookery".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(name: &str) -> Result<Self, PrefixError> {
        if name.is_empty() || name.len() > PREFIX_NAME_BYTES_MAX {
            return Err(PrefixError::Length);
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if name.chars().all(fits) {
            Ok(Self(name.to_owned()))
        } else {
            Err(PrefixError::Character)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(name: &str) -> Prefix {
        name.parse().expect("a name")
    }

    #[test]
    fn a_key_comes_back_as_it_went_in() {
        let prefix = prefix("chat");
        for key in [&b""[..], b"\x00", b"a", b"\xff\xff"] {
            let whole = prefix.add(key);
            assert_eq!(whole.len(), prefix.len() + key.len());
            assert_eq!(prefix.strip(&whole), Some(key));
        }
    }

    #[test]
    fn deployments_whose_names_begin_alike_share_no_key() {
        let (short, long) = (prefix("chat"), prefix("chat2"));
        for key in [&b""[..], b"2", b"\x00", b"\xff"] {
            assert_eq!(short.strip(&long.add(key)), None);
            assert_eq!(long.strip(&short.add(key)), None);
            assert!(short.add(b"\xff\xff\xff") < long.add(key));
        }
    }

    #[test]
    fn the_order_of_keys_stays() {
        let prefix = Prefix::default();
        let keys = [&b""[..], b"\x00", b"a", b"a\x00", b"b", b"\xff"];
        assert!(keys.is_sorted_by_key(|key| prefix.add(key)));
    }

    #[test]
    fn the_longest_key_fits_under_the_longest_prefix() {
        let longest = prefix(&"p".repeat(PREFIX_NAME_BYTES_MAX));
        let key = vec![b'k'; cluster_store::limits::KEY_BYTES_MAX];
        assert_eq!(longest.add(&key).len(), 10_000, "FoundationDB's limit");
    }

    #[test]
    fn names_that_a_shell_or_a_key_would_mangle_are_refused() {
        assert_eq!("".parse::<Prefix>(), Err(PrefixError::Length));
        let long = "p".repeat(PREFIX_NAME_BYTES_MAX + 1);
        assert_eq!(long.parse::<Prefix>(), Err(PrefixError::Length));
        for name in ["a b", "a\0", "Chat", "\u{e9}", "a/b", "\\xff"] {
            assert_eq!(
                name.parse::<Prefix>(),
                Err(PrefixError::Character),
                "{name}"
            );
        }
    }
}
