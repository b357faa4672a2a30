//! [`Descriptor`]: all that somebody needs to read a file. It belongs sealed into the message that carries it.

use std::fmt;

use cluster_types::{FileId, is_one_line, is_visible};
use services_vault::KeyBytes;

use crate::limits::NAME_BYTES_MAX;

/// A file that has come in whole. Holds the key of its bytes.
pub struct Descriptor {
    /// Which file.
    pub file: FileId,
    /// What its bytes are sealed under.
    pub key: KeyBytes,
    /// What its sender calls it.
    pub name: FileName,
    /// Its bytes.
    pub size: u64,
    /// What it is served as, by its first bytes.
    pub media_type: String,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

/// What somebody calls a file: one visible line that is no path.
#[derive(Clone, Eq, PartialEq)]
pub struct FileName(String);

/// A text that is not the name of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a name of a file is one visible line of at most {NAME_BYTES_MAX} bytes, without `/` and `\\`"
)]
pub struct InvalidFileName;

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// If nothing of it can be seen, if it is too long, more than one line, or leads elsewhere.
    pub fn new(name: String) -> Result<Self, InvalidFileName> {
        let leads_elsewhere = name.contains(['/', '\\']) || name == "." || name == "..";
        let is_good = !leads_elsewhere
            && name.len() <= NAME_BYTES_MAX
            && is_one_line(&name)
            && is_visible(&name);
        is_good.then_some(Self(name)).ok_or(InvalidFileName)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileName {
    /// Shows nothing of it: names do not belong into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileName(..)")
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor")
            .field("file", &self.file)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_and_does_not_print() {
        let name = |text: &str| FileName::new(text.to_owned());
        for bad in [
            "",
            " ",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "a\nb",
            "\u{1b}[2J",
            &"n".repeat(256),
        ] {
            assert_eq!(name(bad), Err(InvalidFileName), "{bad:?}");
        }
        for good in [
            "a.png",
            ".profile",
            "\u{fc}ber uns (2).pdf",
            &"n".repeat(255),
        ] {
            assert_eq!(name(good).expect(good).as_str(), good);
        }
        assert_eq!(format!("{:?}", name("a.png")), "Ok(FileName(..))");
    }
}
