//! Certificates of nodes: how they are made, what is in them, and which ones are in use.
//!
//! A cluster has an authority of its own, a certificate and its key (`ca.pem`, `ca-key.pem`), which nobody outside
//! of it trusts. The authority is the cluster: whoever has its key can make a node. It issues each node a
//! certificate for one name, `<node id>.node.rookery.internal`, which says who it is, whatever its address.
//! They are short-lived, so that one that got lost is soon worth nothing; whoever issues a new one puts it in
//! the place of the old one, and it is used from then on.
//!
//! The deployment is not in a certificate: it is drawn when a store is first opened, often later than the
//! certificates, and it is in each hello. A certificate says who, a hello says what for.
//!
//! An authority may also be brought along. What counts is the name above, both usages (server and client),
//! and no other name of a node. `ca.pem` may hold several authorities, so that one can follow another.
//!
//! Invariant: a pair is used only after everything was checked that another node will check: name, authority,
//! usages, times. What is in use stays in use until there is a better one.
//!
//! Leaves out: whether a node is a member. A certificate of a node that was removed opens no link.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{self, SHA256};
use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{Clock, NodeId, UnixMillis};
use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{MissedTickBehavior, interval};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use zeroize::Zeroizing;

mod error;
mod issue;
mod pair;

pub use error::CertificateError;
pub use issue::{NODE_DAYS, init, issue};
pub(super) use pair::Pair;

use super::complaints::{Complaints, chain};
use super::limits::{CERTIFICATE_LATE, PEM_BYTES_MAX, RELOAD_EVERY};

/// What the names of all nodes end in.
const DOMAIN: &str = ".node.rookery.internal";

/// Where a node's certificate lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeFiles {
    /// The authority of the cluster, or several; PEM.
    pub authority: PathBuf,
    /// The node's certificate, and what vouches for it up to the authority; PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, not encrypted.
    pub key: PathBuf,
}

/// The certificate of this node that is in use, and where to look for its successor.
#[derive(Debug)]
pub struct Certificates {
    files: NodeFiles,
    myself: NodeId,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Pair>,
    /// Of the files last looked at, whether they were taken or not; `None` if they did not read. What is wrong
    /// with them is said once.
    seen: Mutex<Option<Digest>>,
}

/// What [`Certificates::reload_if_changed`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reloaded {
    /// The files are those last looked at.
    Unchanged,
    /// A new certificate is in use. Links that stand live on.
    Replaced,
}

/// Tells whether files have changed.
type Digest = [u8; 32];

/// The bytes of the files, unread.
struct Texts {
    authority: String,
    certificate: String,
    key: Zeroizing<String>,
}

/// The name of `node` in its certificate.
pub fn name(node: NodeId) -> String {
    format!("{node}{DOMAIN}")
}

/// The node whose certificate lies in `files`, unchecked: [`Certificates::load`] checks it. Reads a file: not for a
/// task that must not block.
///
/// # Errors
/// If it does not read, or is that of no node.
pub fn node_in(files: &NodeFiles) -> Result<NodeId, CertificateError> {
    let path = &files.certificate;
    let chain = certificates(path, &read(path)?)?;
    node_of(&chain[0]).ok_or_else(|| CertificateError::NoNode { path: path.clone() })
}

/// The node whose certificate this is, if it is that of one.
pub(super) fn node_of(certificate: &CertificateDer<'_>) -> Option<NodeId> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let extension = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let (_, names) = extension.ok()??;
    let mut nodes = names.0.iter().filter_map(|name| {
        let GeneralName::DnsName(name) = name else {
            return None;
        };
        name.as_str().strip_suffix(DOMAIN)?.parse().ok()
    });
    let node = nodes.next();
    // Two names would be two nodes in one.
    if nodes.next().is_some() { None } else { node }
}

// === impl NodeFiles ===

impl NodeFiles {
    /// The files as [`issue`] writes them to `dir`: `ca.pem`, `node.pem`, `node-key.pem`.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            authority: dir.join("ca.pem"),
            certificate: dir.join("node.pem"),
            key: dir.join("node-key.pem"),
        }
    }

    fn read(&self) -> Result<Texts, CertificateError> {
        Ok(Texts {
            authority: read(&self.authority)?,
            certificate: read(&self.certificate)?,
            key: read(&self.key).map(Zeroizing::new)?,
        })
    }
}

// === impl Certificates ===

impl Certificates {
    /// Reads the certificate of the node `myself`. Reads files: not for a task that must not block.
    ///
    /// # Errors
    /// What is wrong with it, naming the file and what to do.
    pub fn load(
        files: NodeFiles,
        myself: NodeId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CertificateError> {
        let texts = files.read()?;
        let pair = texts.parse(&files, myself, &clock)?;
        Ok(Self {
            seen: Mutex::new(Some(texts.digest())),
            current: ArcSwap::from_pointee(pair),
            files,
            myself,
            clock,
        })
    }

    /// Reads the files again if they have changed, and takes what is in them if it works. Reads files: not for
    /// a task that must not block.
    ///
    /// # Errors
    /// What is wrong with the new one, once; the old one stays in use.
    pub fn reload_if_changed(&self) -> Result<Reloaded, CertificateError> {
        let texts = self.files.read();
        let digest = texts.as_ref().ok().map(Texts::digest);
        let before = std::mem::replace(&mut *self.seen.lock(), digest);
        if before == digest {
            return Ok(Reloaded::Unchanged);
        }
        let pair = texts?.parse(&self.files, self.myself, &self.clock)?;
        self.current.store(Arc::new(pair));
        Ok(Reloaded::Replaced)
    }

    /// Looks for a new certificate from time to time, and says so when the one in use comes to its end.
    pub fn keep_fresh(self: &Arc<Self>, tasks: &Tasks) {
        let (certificates, stop) = (Arc::clone(self), tasks.stopping().clone());
        drop(
            tasks.spawn(TaskKind::Housekeeping, "certificates", async move {
                let complaints = Complaints::default();
                let mut every = interval(RELOAD_EVERY);
                every.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        _ = every.tick() => {}
                    }
                    let reading = Arc::clone(&certificates);
                    let reloaded =
                        tokio::task::spawn_blocking(move || reading.reload_if_changed()).await;
                    certificates.report(reloaded.unwrap_or(Ok(Reloaded::Unchanged)), &complaints);
                }
            }),
        );
    }

    /// The last moment at which other nodes accept the certificate in use.
    pub fn expires(&self) -> UnixMillis {
        self.current.load().expires
    }

    pub(super) fn current(&self) -> Arc<Pair> {
        self.current.load_full()
    }

    fn report(&self, reloaded: Result<Reloaded, CertificateError>, complaints: &Complaints) {
        match reloaded {
            Ok(Reloaded::Replaced) => tracing::info!("new certificate for links in use"),
            Ok(Reloaded::Unchanged) => {}
            Err(error) => {
                let why = chain(&error);
                tracing::warn!(
                    why,
                    "cannot use the new certificate for links; keeping the old one"
                );
            }
        }
        let left = self.expires().0.saturating_sub(self.clock.now().0);
        let left = Duration::from_millis(left);
        if left < CERTIFICATE_LATE {
            let line = "the certificate for links expires soon: issue a new one in its place";
            if complaints.is_news(line) {
                tracing::warn!(hours = left.as_secs() / 3_600, line);
            }
        }
    }
}

// === impl Texts ===

impl Texts {
    fn digest(&self) -> Digest {
        let mut context = digest::Context::new(&SHA256);
        for text in [&self.authority, &self.certificate, &*self.key] {
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut bytes = Digest::default();
        bytes.copy_from_slice(context.finish().as_ref());
        bytes
    }

    fn parse(
        &self,
        files: &NodeFiles,
        myself: NodeId,
        clock: &Arc<dyn Clock>,
    ) -> Result<Pair, CertificateError> {
        let authorities = certificates(&files.authority, &self.authority)?;
        let chain = certificates(&files.certificate, &self.certificate)?;
        let path = &files.key;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|_| CertificateError::NoKey { path: path.clone() })?;
        Pair::new(files, authorities, chain, key, myself, clock)
    }
}

fn certificates(path: &Path, pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| CertificateError::NoCertificate {
        path: path.to_owned(),
    })
}

fn read(path: &Path) -> Result<String, CertificateError> {
    let failed = |source| CertificateError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > PEM_BYTES_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    // Room for all of it, so that a key is not left behind in a buffer that was too small.
    let mut text = String::with_capacity(usize::try_from(bytes).unwrap_or_default() + 1);
    file.take(PEM_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
