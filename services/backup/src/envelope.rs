//! A short secret in a file of its own, encrypted to recipients: how the key that opens a store is kept apart
//! from its backups.
//!
//! The file is one of [age](https://age-encryption.org/v1) and nothing else, so that `age -d -i KEY FILE` opens
//! it where there is no Rookery.
//!
//! Invariant: a file that is there is never overwritten, and nothing of a secret is in an error.
//!
//! Leaves out: what the secret is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::keys::{Identities, Recipients};
use crate::limits::ENVELOPE_BYTES_MAX;

/// Why a secret was not put away, or not got out again.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The file cannot be made.
    #[error("{} cannot be made: it must not be there yet, in a folder that is", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// It was made for others.
    #[error("{} is encrypted to other recipients: name the key of one of them with --identity", path.display())]
    WrongIdentity {
        /// The file.
        path: PathBuf,
    },
    /// It is no such file, or was changed.
    #[error("{} is damaged, or another kind of file: use another copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Encrypts `secret` into a new file at `path`, for its owner alone.
///
/// # Errors
/// If the file is there already or cannot be written.
pub fn put(path: &Path, secret: &[u8], recipients: &Recipients) -> Result<(), EnvelopeError> {
    let write = || {
        let sealed = encrypted(secret, recipients)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&sealed)?;
        file.sync_all()
    };
    write().map_err(|source| EnvelopeError::Write {
        path: path.to_owned(),
        source,
    })
}

/// What [`put`] has put into the file at `path`.
///
/// # Errors
/// If it cannot be read, was changed, or is not for these identities.
pub fn get(path: &Path, identities: &Identities) -> Result<Zeroizing<String>, EnvelopeError> {
    let damaged = || EnvelopeError::Damaged {
        path: path.to_owned(),
    };
    let sealed = bytes(path).map_err(|source| EnvelopeError::Read {
        path: path.to_owned(),
        source,
    })?;
    if sealed.len() > ENVELOPE_BYTES_MAX {
        return Err(damaged());
    }
    let decryptor = Decryptor::new(&sealed[..]).map_err(|_| damaged())?;
    let identities = identities.boxed();
    let identities = identities
        .iter()
        .map(|identity| identity.as_ref() as &dyn Identity);
    let mut opened = decryptor.decrypt(identities).map_err(|error| {
        if matches!(error, DecryptError::NoMatchingKeys) {
            let path = path.to_owned();
            EnvelopeError::WrongIdentity { path }
        } else {
            damaged()
        }
    })?;
    // With room for all of it, so that growing leaves no copy behind.
    let mut secret = Zeroizing::new(String::with_capacity(sealed.len()));
    opened.read_to_string(&mut secret).map_err(|_| damaged())?;
    Ok(secret)
}

fn encrypted(secret: &[u8], recipients: &Recipients) -> io::Result<Vec<u8>> {
    let recipients = recipients
        .iter()
        .map(|recipient| recipient.as_ref() as &dyn Recipient);
    let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
    let mut sealed = Vec::new();
    let mut stream = encryptor.wrap_output(&mut sealed)?;
    stream.write_all(secret)?;
    stream.finish()?;
    Ok(sealed)
}

/// What is in a file, and one byte more than it may have.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = ENVELOPE_BYTES_MAX as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use age::x25519;

    use super::*;

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.age");
        let [one, two, stranger] = [(); 3].map(|()| x25519::Identity::generate());
        let recipients: Recipients = vec![Box::new(one.to_public()), Box::new(two.to_public())];
        put(&path, b"the secret", &recipients).expect("puts");
        let mode = std::fs::metadata(&path).expect("is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        for identity in [one, two] {
            let secret = get(&path, &identity.into()).expect("opens");
            assert_eq!(*secret, "the secret");
        }
        let error = get(&path, &stranger.into()).expect_err("is refused");
        assert!(
            matches!(error, EnvelopeError::WrongIdentity { .. }),
            "{error}"
        );
        let again = put(&path, b"another", &recipients).expect_err("is there already");
        assert!(matches!(again, EnvelopeError::Write { .. }), "{again}");
    }

    #[test]
    fn what_was_changed_or_cut_off_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.age");
        let identity = x25519::Identity::generate();
        let recipients: Recipients = vec![Box::new(identity.to_public())];
        put(&path, b"the secret", &recipients).expect("puts");
        let whole = std::fs::read(&path).expect("reads");
        let identities = Identities::from(identity);
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        for content in [&flipped, &whole[..whole.len() - 1], b"", &[b'a'; 500_000]] {
            std::fs::write(&path, content).expect("writes");
            let error = get(&path, &identities).expect_err("is refused");
            assert!(matches!(error, EnvelopeError::Damaged { .. }), "{error}");
        }
    }
}
