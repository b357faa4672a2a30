//! Keys of backups, in the files and texts of [age](https://age-encryption.org/v1): what `age-keygen` makes works
//! here, and the other way round.
//!
//! Invariant: the secret half is in no text of an error, and nobody but its owner reads a file made here.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use age::Recipient;
use age::secrecy::ExposeSecret as _;
use age::x25519;

use crate::limits::IDENTITIES_BYTES_MAX;

/// Whom a backup is encrypted to.
pub type Recipients = Vec<Box<dyn Recipient + Send>>;

/// What opens backups: the secret halves of recipients.
#[derive(Clone)]
pub struct Identities(Vec<x25519::Identity>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no recipient.
    #[error(
        "{text:?} is no recipient: it looks like age1..., and `rookery backup keygen` makes one with its key"
    )]
    Recipient {
        /// What was given.
        text: String,
    },
    /// The file cannot be read.
    #[error("the key file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Something else than keys is in the file.
    #[error(
        "line {line} of {} is no key: each line is AGE-SECRET-KEY-1... or a remark after #",
        path.display()
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
    },
    /// The file has no keys, or is too long to hold only keys.
    #[error("{} is no key file: `rookery backup keygen` makes one", path.display())]
    NoKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("the key file {} cannot be made: it must not be there yet, in a folder that is", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Reads a recipient, as in `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`.
///
/// # Errors
/// If it is none.
pub fn recipient(text: &str) -> Result<Box<dyn Recipient + Send>, KeyError> {
    match text.parse::<x25519::Recipient>() {
        Ok(recipient) => Ok(Box::new(recipient)),
        Err(_) => Err(KeyError::Recipient {
            text: text.to_owned(),
        }),
    }
}

/// Makes a key in a new file that only its owner reads. Returns its recipient, which is no secret.
///
/// # Errors
/// If the file is there already or cannot be written.
pub fn generate(path: &Path) -> Result<String, KeyError> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "# public key: {recipient}")?;
        writeln!(file, "{}", identity.to_string().expose_secret())?;
        file.sync_all()
    };
    write().map_err(|source| KeyError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(recipient)
}

impl Identities {
    /// Reads a key file.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = text(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let Some(text) = text else {
            return Err(no_key_file(path));
        };
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse().map_err(|_| KeyError::Identity {
                path: path.to_owned(),
                line: index + 1,
            })?;
            identities.push(identity);
        }
        if identities.is_empty() {
            return Err(no_key_file(path));
        }
        Ok(Self(identities))
    }

    /// The same, as a reader of archives takes them.
    pub(crate) fn boxed(&self) -> Vec<Box<dyn age::Identity + Send>> {
        let identities = self.0.iter().cloned();
        identities
            .map(|identity| Box::new(identity) as Box<dyn age::Identity + Send>)
            .collect()
    }
}

impl From<x25519::Identity> for Identities {
    fn from(identity: x25519::Identity) -> Self {
        Self(vec![identity])
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

fn no_key_file(path: &Path) -> KeyError {
    KeyError::NoKeyFile {
        path: path.to_owned(),
    }
}

/// The text of a file; `None` if it is too long or no text.
fn text(path: &Path) -> io::Result<Option<String>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    let read = file
        .take(IDENTITIES_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    let fits = read as u64 <= IDENTITIES_BYTES_MAX;
    Ok(String::from_utf8(bytes).ok().filter(|_| fits))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_was_made_is_read_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("backup.key");
        let made = generate(&path).expect("makes");
        recipient(&made).expect("is a recipient");
        let read = Identities::read(&path).expect("reads");
        assert_eq!(read.0[0].to_public().to_string(), made);
        let mode = std::fs::metadata(&path).expect("is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let again = generate(&path).expect_err("is there already");
        assert!(matches!(again, KeyError::Write { .. }), "{again}");
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("backup.key");
        std::fs::write(&path, "# a remark\n\nAGE-SECRET-KEY-1OOPS\n").expect("writes");
        let error = Identities::read(&path).expect_err("is none").to_string();
        assert!(
            error.contains("line 3") && !error.contains("OOPS"),
            "{error}"
        );
        for content in [&b"# nothing\n"[..], &[0xff; 8], &[b'#'; 100_000]] {
            std::fs::write(&path, content).expect("writes");
            let error = Identities::read(&path).expect_err("is none");
            assert!(matches!(error, KeyError::NoKeyFile { .. }), "{error}");
        }
        assert!(recipient("AGE-SECRET-KEY-1").is_err());
    }
}
