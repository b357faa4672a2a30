//! Tokens and invitation secrets: 256 bits of chance as text, and the digest under which they lie in
//! the store.
//!
//! Text form: a prefix that tells what it is (and lets scanners find a leaked one), then 43 characters
//! of base64url. Only that one text stands for those bits.
//!
//! Invariant: the text exists in what a caller sent or gets back, and nowhere else; neither type
//! prints.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use cluster_types::{Rng, SecretBytes};
use data_encoding::BASE64URL_NOPAD;
use zeroize::{Zeroize, Zeroizing};

/// SHA-256 of a secret: all that is stored of it.
pub(crate) type Digest = [u8; 32];

/// A text that is no secret of this kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be {0} and 43 characters, as it was given out")]
pub(crate) struct NotASecret(&'static str);

macro_rules! secrets {
    ($($(#[$doc:meta])* $vis:vis $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        $vis struct $name(SecretBytes);

        impl $name {
            const PREFIX: &str = $prefix;

            /// A new one: 256 bits of chance.
            pub(crate) fn random(rng: &Rng) -> Self {
                Self(rng.bytes())
            }

            /// Reads its text.
            pub(crate) fn parse(text: &str) -> Result<Self, NotASecret> {
                let not = NotASecret(Self::PREFIX);
                let encoded = text.strip_prefix(Self::PREFIX).ok_or(not)?;
                let decoded = BASE64URL_NOPAD.decode(encoded.as_bytes());
                let bytes = Zeroizing::new(decoded.map_err(|_| not)?);
                bytes.as_slice().try_into().map(Self).map_err(|_| not)
            }

            /// What it is stored as.
            pub(crate) fn digest(&self) -> Digest {
                let digest = digest(&SHA256, &self.0);
                let mut bytes = Digest::default();
                bytes.copy_from_slice(digest.as_ref());
                bytes
            }

            /// Its text, to be shown once to whom it is for.
            $vis fn reveal(&self) -> String {
                let mut text = String::from(Self::PREFIX);
                BASE64URL_NOPAD.encode_append(&self.0, &mut text);
                text
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

secrets! {
    /// What a signed-in device shows with each call: `rk_s_...`.
    pub(crate) Token = "rk_s_";
    /// What opens an invitation to register: `rk_i_...`.
    pub InvitationSecret = "rk_i_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_secret_reads_back() {
        let token = Token::random(&Rng::seeded(1));
        let text = token.reveal();
        assert_eq!(text.len(), 5 + 43);
        let read = Token::parse(&text).expect("its own text");
        assert_eq!(read.digest(), token.digest());
        assert_ne!(read.digest(), token.0, "stored as a digest");
    }

    #[test]
    fn only_that_one_text_is_the_secret() {
        let text = Token::random(&Rng::seeded(1)).reveal();
        let body = &text[5..];
        // The last character carries two spare bits.
        let last = if text.ends_with('B') { 'C' } else { 'B' };
        let respelled = format!("{}{last}", &text[..text.len() - 1]);
        for other in [
            "".to_owned(),
            body.to_owned(),
            format!("rk_i_{body}"),
            format!("RK_S_{body}"),
            format!("{text}="),
            format!(" {text}"),
            format!("{text}\n"),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            respelled,
        ] {
            assert!(Token::parse(&other).is_err(), "{other:?}");
        }
        assert!(InvitationSecret::parse(&text).is_err());
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = InvitationSecret::random(&Rng::seeded(1));
        assert_eq!(format!("{secret:?}"), "InvitationSecret(..)");
    }
}
