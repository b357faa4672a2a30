//! [`Token`]: the secret of a sign-in, in a form that cannot be printed by accident.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataValue};

/// The token of a sign-in, `rk_s_...`. Its `Debug` shows nothing, and its memory is wiped when the last
/// copy goes.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// A token as it was given by the server.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text, to keep it in a file that only its owner can read.
    pub fn secret(&self) -> &str {
        self.0.expose_secret()
    }

    /// The value of the header `authorization`; `None` if the text has characters that no header takes.
    pub(crate) fn header(&self) -> Option<MetadataValue<Ascii>> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", self.secret()).parse().ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed() {
        let token = Token::new("rk_s_secret");
        assert_eq!(format!("{token:?}"), "Token(..)");
        let header = token.header().expect("plain text");
        assert!(header.is_sensitive() && !format!("{header:?}").contains("secret"));
    }

    #[test]
    fn a_text_that_no_header_takes_is_not_sent() {
        assert!(Token::new("rk_s_\n").header().is_none());
    }
}
