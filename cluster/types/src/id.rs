//! Ids: 16 random bytes each, told apart by type; and [`Seq`], a place in a room's log.
//!
//! Text form: 26 characters of Crockford's base 32 in lower case (no `i`, `l`, `o`, `u`), which a
//! person can read out and a double click selects. Ids carry no time: a sign-in's id must not tell
//! when somebody signed in.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use crate::Rng;

/// Bytes in an id.
const ID_BYTES: usize = 16;

/// Bytes in the text form of an id.
const ID_TEXT_BYTES: usize = 26;

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification
        .encoding()
        .expect("32 distinct symbols are a base 32 alphabet")
});

/// A text or byte string that is not an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an id: 26 characters of 0-9 and a-z without i, l, o, u are")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// A new id: 128 bits of chance.
            pub fn random(rng: &Rng) -> Self {
                Self(rng.bytes())
            }

            /// The id made of these bytes.
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id, as stored.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(Self).map_err(|_| InvalidId)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let bytes = BASE32.decode(text.as_bytes()).map_err(|_| InvalidId)?;
                Self::try_from(bytes.as_slice())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // On the stack: names of rooms and accounts are in everything that is sent.
                let mut text = [0; ID_TEXT_BYTES];
                BASE32.encode_mut(&self.0, &mut text);
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// One person's account.
    AccountId;
    /// One room, or one direct conversation.
    RoomId;
    /// One sign-in: one device that holds a token.
    SignInId;
    /// One invitation to register.
    InvitationId;
    /// One life of a room's log. A restore gives every room a new one, so that a client can tell a
    /// rewound log from a continued one.
    LogId;
    /// One file that somebody sends, from the start of its upload on.
    FileId;
    /// One deployment: all nodes on one store.
    DeploymentId;
    /// One node of a cluster, the same over all its lives.
    NodeId;
    /// One life of a node, from the start of its process to its end.
    BootId;
}

/// A place in a room's log. The first event is 1; 0 is "before the first".
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place before this one; [`Seq::ZERO`] stays.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_id_reads_back() {
        let rng = Rng::seeded(7);
        for _ in 0..1_000 {
            let id = RoomId::random(&rng);
            let text = id.to_string();
            assert_eq!(text.len(), 26);
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn only_the_canonical_text_is_an_id() {
        let text = RoomId::from_bytes([0xff; ID_BYTES]).to_string();
        assert_eq!(text, "zzzzzzzzzzzzzzzzzzzzzzzzzw");
        // The last character has two spare bits: any other value of them would be a second name.
        for bad in [
            "zzzzzzzzzzzzzzzzzzzzzzzzzx",
            "ZZZZZZZZZZZZZZZZZZZZZZZZZW",
            "zzz",
            "",
            "../etc/passwd",
        ] {
            assert_eq!(bad.parse::<RoomId>(), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn seq_zero_has_no_previous() {
        assert_eq!(Seq::ZERO.previous(), Seq::ZERO);
        assert_eq!(Seq(1).previous().next(), Seq(1));
    }
}
