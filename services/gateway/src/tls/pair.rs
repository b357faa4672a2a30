//! A certificate chain and its private key, as one pair that fits together.
//!
//! Invariant: a [`Pair`] has a certificate, a key, and the key is the certificate's.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use cluster_types::UnixMillis;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::der::Decode as _;
use zeroize::Zeroizing;

use super::key::{KeyError, private_key};
use super::{Fingerprint, generated};
use crate::limits::PEM_BYTES_MAX;

/// Where a certificate comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    /// From files of the operator's.
    Files {
        /// The certificate and those that vouch for it, in this order, as PEM.
        chain: PathBuf,
        /// The private key as PEM: PKCS#8 (encrypted or not), PKCS#1 or SEC1.
        key: PathBuf,
        /// The password of an encrypted key, in a file; one line break at its end does not count.
        password: Option<PathBuf>,
    },
    /// Made here at the first start, and kept: ECDSA on P-256, for `localhost`, 127.0.0.1, ::1, the
    /// name of this machine, and `names`.
    Generated {
        /// The folder to keep it in, as `certificate.pem` and `key.pem`; it must exist.
        dir: PathBuf,
        /// Further host names and addresses.
        names: Vec<String>,
    },
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that does not read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is too large to be what it should be.
    #[error("{path} is larger than 1 MiB, so it is no PEM file with a certificate or a key")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// No PEM section with a certificate.
    #[error("{path} holds no certificate; it should have a line `-----BEGIN CERTIFICATE-----`")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that does not read.
    #[error("{path} holds a damaged certificate: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of a kind that TLS does not use here.
    #[error("{path} is a key of a kind that is not supported; use ECDSA on P-256, Ed25519 or RSA")]
    KeyUnsupported {
        /// The file.
        path: PathBuf,
    },
    /// Two files that do not belong together.
    #[error("{key} is not the key of the first certificate in {chain}")]
    Mismatch {
        /// The file with certificates.
        chain: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// A name that no certificate can be made for.
    #[error("`{name}` is no host name or address that a certificate can be made for")]
    Name {
        /// The name.
        name: String,
    },
    /// Making a certificate failed.
    #[error("cannot make a certificate")]
    Generate(#[source] rcgen::Error),
    /// A file that does not write.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A chain and its key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) fingerprint: Fingerprint,
    /// The last moment at which clients accept the certificate.
    pub(super) expires: UnixMillis,
}

/// Where a pair lies.
#[derive(Clone, Debug)]
pub(super) struct PairPaths {
    chain: PathBuf,
    key: PathBuf,
    password: Option<PathBuf>,
}

/// The bytes of a pair, unread.
pub(super) struct PairFiles {
    chain_path: PathBuf,
    key_path: PathBuf,
    chain: String,
    key: Zeroizing<String>,
    password: Option<Zeroizing<String>>,
}

/// Tells whether files have changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FilesDigest([u8; 32]);

// === impl CertificateSource ===

impl CertificateSource {
    /// Whether a certificate can be made for `name`.
    ///
    /// # Errors
    /// If it is neither a host name nor an address.
    pub fn check_name(name: &str) -> Result<(), CertificateError> {
        generated::subject(name).map(drop)
    }
}

// === impl PairPaths ===

impl PairPaths {
    /// Where the pair of `source` lies, which is made first if need be. Once, at the start: a server that
    /// runs and does not find its files has not lost its identity.
    pub(super) fn prepare(source: &CertificateSource) -> Result<Self, CertificateError> {
        let (chain, key, password) = match source.clone() {
            CertificateSource::Files {
                chain,
                key,
                password,
            } => (chain, key, password),
            CertificateSource::Generated { dir, names } => {
                let (chain, key) = generated::ensure(&dir, &names)?;
                (chain, key, None)
            }
        };
        Ok(Self {
            chain,
            key,
            password,
        })
    }
}

// === impl PairFiles ===

impl PairFiles {
    /// Reads the files at `paths`.
    pub(super) fn read(paths: &PairPaths) -> Result<Self, CertificateError> {
        let password = match &paths.password {
            Some(path) => Some(without_line_break(read_secret(path)?)),
            None => None,
        };
        Ok(Self {
            chain: read_text(&paths.chain)?,
            key: read_secret(&paths.key)?,
            password,
            chain_path: paths.chain.clone(),
            key_path: paths.key.clone(),
        })
    }

    pub(super) fn digest(&self) -> FilesDigest {
        let mut context = digest::Context::new(&SHA256);
        let password = self.password.as_ref().map_or("", |text| text.as_str());
        for text in [self.chain.as_str(), self.key.as_str(), password] {
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        FilesDigest(bytes)
    }

    /// Whether others than the owner may read the key.
    pub(super) fn key_is_exposed(&self) -> bool {
        is_exposed(&self.key_path)
    }

    pub(super) fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// The pair, if it is one.
    pub(super) fn parse(&self) -> Result<Pair, CertificateError> {
        let chain = self.certificates()?;
        let password = self.password.as_ref().map(|text| text.as_str());
        let key = private_key(&self.key_path, &self.key, password)?;
        let signing = any_supported_type(&key).map_err(|_| CertificateError::KeyUnsupported {
            path: self.key_path.clone(),
        })?;
        let fingerprint = Fingerprint::of(&chain[0]);
        let expires = self.expiry(&chain[0])?;
        let certified = CertifiedKey::new(chain, signing);
        certified
            .keys_match()
            .map_err(|_| CertificateError::Mismatch {
                chain: self.chain_path.clone(),
                key: self.key_path.clone(),
            })?;
        Ok(Pair {
            certified: Arc::new(certified),
            fingerprint,
            expires,
        })
    }

    /// At least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect();
        let chain = chain.map_err(|error| self.damaged(&error))?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate {
                path: self.chain_path.clone(),
            });
        }
        Ok(chain)
    }

    fn expiry(&self, certificate: &CertificateDer<'_>) -> Result<UnixMillis, CertificateError> {
        let certificate =
            x509_cert::Certificate::from_der(certificate).map_err(|error| self.damaged(&error))?;
        let not_after = certificate.tbs_certificate().validity().not_after;
        Ok(UnixMillis::default().plus(not_after.to_unix_duration()))
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> CertificateError {
        CertificateError::Damaged {
            path: self.chain_path.clone(),
            what: what.to_string(),
        }
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, CertificateError> {
    read_text(path).map(Zeroizing::new)
}

fn read_text(path: &Path) -> Result<String, CertificateError> {
    let failed = |source| CertificateError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > PEM_BYTES_MAX {
        return Err(CertificateError::TooLarge {
            path: path.to_owned(),
        });
    }
    // Room for all of it, so that a key is not left behind in a buffer that was too small.
    let mut text = String::with_capacity(usize::try_from(bytes).unwrap_or_default() + 1);
    file.by_ref()
        .take(PEM_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn without_line_break(mut text: Zeroizing<String>) -> Zeroizing<String> {
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    text
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_path: &Path) -> bool {
    false
}
