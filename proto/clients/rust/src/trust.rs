//! Which server to believe: the one with this fingerprint, the one met before, or one that an authority
//! vouches for.
//!
//! Invariant: there is no way to trust everything. Every kind of trust checks that the server holds the
//! key of the certificate that it shows.

mod fingerprint;
mod known;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use known::KnownServers;
pub(crate) use verify::{PinFailure, tls_config};

use crate::{Error, limits};

/// Where the authorities of the system usually are: Debian and Alpine, Fedora, SUSE, BSD.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Asked about a server that is not known yet: `host:port` and the fingerprint that it shows.
type Ask = Arc<dyn Fn(&str, &Fingerprint) -> bool + Send + Sync>;

/// What makes a server the right one.
#[derive(Clone)]
pub struct Trust(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Pinned(Fingerprint),
    Known(KnownServers, Option<Ask>),
    Authorities(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// The server whose certificate has this fingerprint, and no other. Name and dates of the certificate
    /// do not matter: the fingerprint says more than both.
    pub const fn fingerprint(fingerprint: Fingerprint) -> Self {
        Self(Kind::Pinned(fingerprint))
    }

    /// The server that is known by this address. An unknown one is [`Error::UnknownServer`]: compare the
    /// fingerprint, [remember](KnownServers::remember) it, connect again.
    pub const fn known(servers: KnownServers) -> Self {
        Self(Kind::Known(servers, None))
    }

    /// As [`Trust::known`], but `ask` decides about a server that is not known, given `host:port` and the
    /// fingerprint. Yes is remembered. It is called between two connections and may wait for a person.
    pub fn first_use(
        servers: KnownServers,
        ask: impl Fn(&str, &Fingerprint) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Known(servers, Some(Arc::new(ask))))
    }

    /// Servers whose certificate is for their name and leads to one of the authorities in this PEM file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or holds no certificate.
    pub fn ca_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let pem = read(path)?;
        Self::ca_pem(&pem).map_err(|_| file_error(path, "holds no certificate in PEM form"))
    }

    /// As [`Trust::ca_file`], from memory.
    ///
    /// # Errors
    /// [`Error::Certificates`] if it holds no certificate.
    pub fn ca_pem(pem: &[u8]) -> Result<Self, Error> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(Self(Kind::Authorities(all))),
            Ok(_) => Err(Error::Certificates("no certificate in PEM form".to_owned())),
            Err(error) => Err(Error::Certificates(error.to_string())),
        }
    }

    /// Servers that the authorities of this system vouch for: of the file that the variable
    /// `SSL_CERT_FILE` names, or of the one where systems usually keep them.
    ///
    /// # Errors
    /// [`Error::File`] if there is none.
    pub fn system() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
            return Self::ca_file(PathBuf::from(path));
        }
        let usual = SYSTEM_FILES.iter().find(|path| Path::new(path).exists());
        usual.map_or_else(
            || {
                let path = Path::new(SYSTEM_FILES[0]);
                Err(file_error(
                    path,
                    "does not exist, nor do the other usual files: set SSL_CERT_FILE",
                ))
            },
            Self::ca_file,
        )
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Pinned(fingerprint) => write!(f, "Trust({fingerprint})"),
            Kind::Known(servers, _) => write!(f, "Trust({servers:?})"),
            Kind::Authorities(all) => write!(f, "Trust({} authorities)", all.len()),
        }
    }
}

/// Reads a file that is expected to be small.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let length = std::fs::metadata(path).map_err(|error| file_error(path, error))?;
    if length.len() > limits::FILE_BYTES_MAX {
        return Err(file_error(path, "is too large to be what it should be"));
    }
    std::fs::read(path).map_err(|error| file_error(path, error))
}

fn file_error(path: &Path, problem: impl ToString) -> Error {
    Error::File {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let gone = Trust::ca_file(&path).expect_err("no file").to_string();
        assert!(gone.contains("ca.pem"), "{gone}");
        std::fs::write(&path, "hello").expect("written");
        let empty = Trust::ca_file(&path).expect_err("no PEM").to_string();
        assert!(
            empty.contains("ca.pem: holds no certificate in PEM form"),
            "{empty}"
        );
    }
}
