//! Private keys in PEM files: PKCS#8, PKCS#1, SEC1, and PKCS#8 encrypted with a password.
//!
//! Invariant: no error holds any part of a key or a password.
//!
//! Leaves out: OpenSSL's own encryption (`DEK-Info`), whose key is one round of MD5 over the password,
//! and PBES1, which is as old. The error says how to convert such a key.

use std::path::{Path, PathBuf};

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// Marks the encryption that OpenSSL used before PKCS#8.
const LEGACY_MARK: &str = "DEK-Info:";

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No PEM section with a private key.
    #[error(
        "{path} holds no private key; it should have a line like `-----BEGIN PRIVATE KEY-----`"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A PEM section that does not read.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Encrypted, and no password was given.
    #[error("{path} is encrypted; name the file with its password: --tls-key-password-file <path>")]
    PasswordMissing {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted, and the password does not open it.
    #[error("{path} does not open with the given password")]
    PasswordWrong {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted in an old way that is not safe any more, or in an unknown one.
    #[error(
        "{path} is encrypted in a way that is not supported; convert it: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in {path} -out {path}.new"
    )]
    Legacy {
        /// The file.
        path: PathBuf,
    },
}

/// The first private key in `pem`, which was read from `path`.
pub(super) fn private_key(
    path: &Path,
    pem: &str,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, KeyError> {
    if pem.contains(LEGACY_MARK) {
        return Err(KeyError::Legacy {
            path: path.to_owned(),
        });
    }
    if let Some(section) = encrypted_section(pem) {
        let password = password.ok_or_else(|| KeyError::PasswordMissing {
            path: path.to_owned(),
        })?;
        return decrypt(path, section, password);
    }
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(key) => Ok(key),
        Err(rustls_pki_types::pem::Error::NoItemsFound) => Err(KeyError::Missing {
            path: path.to_owned(),
        }),
        Err(error) => Err(damaged(path, &error)),
    }
}

fn encrypted_section(pem: &str) -> Option<&str> {
    let section = &pem[pem.find(ENCRYPTED_BEGIN)?..];
    let end = section.find(ENCRYPTED_END)? + ENCRYPTED_END.len();
    Some(&section[..end])
}

fn decrypt(path: &Path, pem: &str, password: &str) -> Result<PrivateKeyDer<'static>, KeyError> {
    let (_, document) = SecretDocument::from_pem(pem).map_err(|error| damaged(path, &error))?;
    let path = path.to_owned();
    // It is a document, so what does not read is the name of the encryption.
    let Ok(sealed) = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()) else {
        return Err(KeyError::Legacy { path });
    };
    let opened = sealed.decrypt(password).map_err(|error| {
        if is_legacy(&error) {
            KeyError::Legacy { path }
        } else {
            // A wrong password shows as bad padding or, once in 256 times, as a document that is none.
            KeyError::PasswordWrong { path }
        }
    })?;
    let der = PrivatePkcs8KeyDer::from(opened.as_bytes());
    Ok(PrivateKeyDer::Pkcs8(der).clone_key())
}

fn is_legacy(error: &pkcs8::Error) -> bool {
    use pkcs8::pkcs5::Error::{NoPbes1CryptSupport, UnsupportedAlgorithm};
    matches!(
        error,
        pkcs8::Error::EncryptedPrivateKey(NoPbes1CryptSupport | UnsupportedAlgorithm { .. })
    )
}

fn damaged(path: &Path, what: &dyn std::fmt::Display) -> KeyError {
    KeyError::Damaged {
        path: path.to_owned(),
        what: what.to_string(),
    }
}
