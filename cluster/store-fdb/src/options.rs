//! How to reach a cluster, and which part of it is ours.

use std::path::PathBuf;

use crate::Prefix;

/// How to open the store of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FdbOptions {
    /// The file that names the cluster and its coordinators. The client rewrites it when they change, so
    /// it has to be writable for the user that runs the server, and so has its folder.
    pub cluster_file: PathBuf,
    /// Which part of the cluster is this deployment's.
    pub prefix: Prefix,
    /// How to prove who we are and check who they are. Used where the cluster file says `:tls`.
    pub tls: Option<TlsFiles>,
}

impl FdbOptions {
    /// The cluster that `cluster_file` names, under the default prefix, without certificates.
    pub fn new(cluster_file: impl Into<PathBuf>) -> Self {
        Self {
            cluster_file: cluster_file.into(),
            prefix: Prefix::default(),
            tls: None,
        }
    }

    /// Where the store is, for messages to operators.
    pub fn location(&self) -> String {
        format!("fdb:{}", self.cluster_file.display())
    }
}

/// Certificates towards the cluster: other ones than those that people's clients see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// Our certificate and those that vouch for it, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// The authorities that may have signed the certificates of the cluster, as PEM. Not the system's:
    /// who signs for web sites must not vouch for a database.
    pub ca: PathBuf,
    /// What else must be true of the cluster's certificates, as FoundationDB's `verify_peers` reads it
    /// (`Check.Valid=1,S.O=Example`); `None` for its default, a valid chain to `ca`.
    pub verify_peers: Option<String>,
}
