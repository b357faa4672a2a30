//! [`Certificates`]: the pair in use, replaced without anybody noticing.
//!
//! Invariant: there is always a pair that works. A new one takes its place only after it was read in
//! full and found to fit; connections that stand keep theirs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cluster_types::{Clock, UnixMillis};
use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Fingerprint;
use super::generated;
use super::pair::{CertificateError, CertificateSource, FilesDigest, Pair, PairFiles, PairPaths};

/// The certificate in use, and where to look for its successor.
#[derive(Debug)]
pub struct Certificates {
    paths: PairPaths,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Pair>,
    /// The files last looked at, whether they were taken or not; `None` if they did not read. What is
    /// wrong with them is reported once.
    seen: Mutex<Option<FilesDigest>>,
}

/// What [`Certificates::reload`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reloaded {
    /// The files are the ones in use.
    Unchanged,
    /// A new pair is in use.
    Replaced {
        /// Of the new certificate.
        fingerprint: Fingerprint,
    },
}

impl Certificates {
    /// Reads, or makes, the certificate of `source`. Reads files: not for a task that must not block.
    ///
    /// # Errors
    /// What is wrong with the pair, naming the file and the fix.
    pub fn load(
        source: CertificateSource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CertificateError> {
        let paths = PairPaths::prepare(&source)?;
        let files = PairFiles::read(&paths)?;
        let pair = files.parse()?;
        if let CertificateSource::Generated { dir, names } = &source {
            for name in generated::missing_names(&pair.certified.cert[0], names) {
                let dir = dir.display();
                tracing::warn!(%name, %dir, "the certificate was made without this name: to have one made \
                    with it, stop the server and remove certificate.pem and key.pem; clients will ask again");
            }
        }
        let certificates = Self {
            paths,
            clock,
            current: ArcSwap::from_pointee(pair),
            seen: Mutex::new(Some(files.digest())),
        };
        certificates.warn(&files);
        Ok(certificates)
    }

    /// Reads the files again and takes the pair if it is a new one that works. Reads files: not for a
    /// task that must not block.
    ///
    /// # Errors
    /// What is wrong with the new pair; the old one stays in use.
    pub fn reload(&self) -> Result<Reloaded, CertificateError> {
        self.take(&self.look().0?)
    }

    /// [`Self::reload`], if the files have changed since they were last looked at.
    pub(crate) fn reload_if_changed(&self) -> Result<Reloaded, CertificateError> {
        match self.look() {
            (_, false) => Ok(Reloaded::Unchanged),
            (files, true) => self.take(&files?),
        }
    }

    /// The files, and whether they are others than at the last look.
    fn look(&self) -> (Result<PairFiles, CertificateError>, bool) {
        let files = PairFiles::read(&self.paths);
        let digest = files.as_ref().ok().map(PairFiles::digest);
        let before = std::mem::replace(&mut *self.seen.lock(), digest);
        (files, before != digest)
    }

    /// Of the certificate in use.
    pub fn fingerprint(&self) -> Fingerprint {
        self.current.load().fingerprint
    }

    /// The last moment at which clients accept the certificate in use.
    pub fn expires(&self) -> UnixMillis {
        self.current.load().expires
    }

    /// The pair of `files` for the one in use, if it works and is another: a chain that was mended is,
    /// although its first certificate is the same. (That one says which key there is.)
    fn take(&self, files: &PairFiles) -> Result<Reloaded, CertificateError> {
        let pair = files.parse()?;
        if pair.certified.cert == self.current.load().certified.cert {
            return Ok(Reloaded::Unchanged);
        }
        let fingerprint = pair.fingerprint;
        self.current.store(Arc::new(pair));
        tracing::info!(%fingerprint, "new certificate in use");
        self.warn(files);
        Ok(Reloaded::Replaced { fingerprint })
    }

    fn warn(&self, files: &PairFiles) {
        if self.expires() <= self.clock.now() {
            let fingerprint = self.fingerprint();
            tracing::warn!(%fingerprint, "the certificate has expired: clients refuse it");
        }
        if files.key_is_exposed() {
            let path = files.key_path().display();
            tracing::warn!(%path, "others may read the private key: chmod 600 it");
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}
