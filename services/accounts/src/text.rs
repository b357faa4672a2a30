//! What people may call themselves, their devices and their invitations: parsed once, then a type.
//!
//! Owns: [`UserName`] with the form under which it is unique, [`DisplayName`], [`DeviceLabel`] and
//! [`Note`]. Each `parse` answers what is wrong in words for people.
//!
//! Invariant: two user names with the same [`UserName::folded`] are one name, whatever their case,
//! width or composition, and no user name mixes scripts.
//!
//! Leaves out: who has which name (`store`). Names that look alike within one script (`rn` and `m`)
//! are told apart: refusing them would refuse too many real names.

#[cfg(test)]
mod tests;

use cluster_store::limits::NAME_KEY_BYTES_MAX;
use cluster_types::{is_one_line, is_visible};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

use crate::limits::{NAME_CHARS_MAX, NOTE_CHARS_MAX, TEXT_BYTES_MAX};

/// What is wrong with a text: the rest of a sentence that begins with the field's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongText(String);

fn wrong<T>(what: impl Into<String>) -> Result<T, WrongText> {
    Err(WrongText(what.into()))
}

/// The name that a person signs in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UserName {
    text: String,
    folded: String,
}

impl UserName {
    /// Letters and digits of one script, single `.`, `-` and `_` between them, after NFKC.
    pub(crate) fn parse(text: &str) -> Result<Self, WrongText> {
        if text.is_empty() {
            return wrong("is required");
        }
        check_bytes(text, NAME_CHARS_MAX)?;
        let text: String = text.nfkc().collect();
        check_chars(&text, NAME_CHARS_MAX)?;
        check_user_name(&text)?;
        let folded = fold(&text);
        if folded.len() > NAME_KEY_BYTES_MAX {
            return wrong(format!(
                "must be shorter: {NAME_KEY_BYTES_MAX} bytes when folded"
            ));
        }
        Ok(Self { text, folded })
    }

    /// As the person wrote it, in NFKC.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The form under which it is unique: what [`fold`] makes of it.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

/// Folds a text so that case, width and composition do not matter: the compatibility caseless form of
/// the Unicode standard (D146). Folding what was composed can bring up letters that fold again, so
/// there are two rounds.
pub(crate) fn fold(text: &str) -> String {
    let decomposed: String = text.nfd().collect();
    let once: String = fold_case(decomposed).nfkc().collect();
    fold_case(once).nfkc().collect()
}

fn fold_case(text: String) -> String {
    UniCase::unicode(text).to_folded_case()
}

fn check_user_name(text: &str) -> Result<(), WrongText> {
    let mut after_letter = false;
    for c in text.chars() {
        let letter = c.is_alphanumeric() || (after_letter && is_combining_mark(c));
        let separator = matches!(c, '.' | '-' | '_');
        if !(separator || letter && c.identifier_allowed()) {
            return wrong("may have letters, digits, and `.`, `-`, `_` between them, nothing else");
        }
        if separator && !after_letter {
            return wrong("may have `.`, `-` and `_` only singly between letters or digits");
        }
        after_letter = letter;
    }
    if !after_letter {
        return wrong("must end with a letter or a digit");
    }
    if !text.is_single_script() {
        return wrong("must be written in one script: letters of two scripts can look the same");
    }
    Ok(())
}

/// What others see of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DisplayName(String);

impl DisplayName {
    /// 1 to 64 characters of one line, at least one of them visible; in NFC, without spaces around.
    pub(crate) fn parse(text: &str) -> Result<Self, WrongText> {
        let text = one_line(text, NAME_CHARS_MAX)?;
        if text.is_empty() {
            return wrong("is required");
        }
        if !is_visible(&text) {
            return wrong("must have a visible character");
        }
        Ok(Self(text))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl From<&UserName> for DisplayName {
    fn from(name: &UserName) -> Self {
        Self(name.as_str().to_owned())
    }
}

/// What a person calls a device.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DeviceLabel(String);

impl DeviceLabel {
    /// Up to 64 characters of one line.
    pub(crate) fn parse(text: &str) -> Result<Self, WrongText> {
        one_line(text, NAME_CHARS_MAX).map(Self)
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// What administrators note on an invitation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Note(String);

impl Note {
    /// Up to 200 characters of one line.
    pub(crate) fn parse(text: &str) -> Result<Self, WrongText> {
        one_line(text, NOTE_CHARS_MAX).map(Self)
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

fn one_line(text: &str, chars_max: usize) -> Result<String, WrongText> {
    check_bytes(text, chars_max)?;
    let text: String = text.trim().nfc().collect();
    check_chars(&text, chars_max)?;
    if !is_one_line(&text) {
        return wrong("must be one line without control characters");
    }
    Ok(text)
}

fn check_bytes(text: &str, chars_max: usize) -> Result<(), WrongText> {
    if text.len() > TEXT_BYTES_MAX {
        return wrong(format!("must have at most {chars_max} characters"));
    }
    Ok(())
}

fn check_chars(text: &str, chars_max: usize) -> Result<(), WrongText> {
    let chars = text.chars().count();
    if chars > chars_max {
        return wrong(format!(
            "must have at most {chars_max} characters, and has {chars}"
        ));
    }
    Ok(())
}
