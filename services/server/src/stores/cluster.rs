//! The store of a FoundationDB cluster: its settings.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cluster_store::Store;
use cluster_store_fdb::{Fdb, FdbOptions, Prefix, TlsFiles};
use cluster_types::Rng;
use serde::{Deserialize, Serialize};

use crate::app::StartError;
use crate::config::Config;

/// How to reach a cluster, beside the file that names it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// Which part of the cluster is this server's, so that several can share one. `rookery` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The certificate that the cluster asks for, and those that vouch for it, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Who may have signed the cluster's certificates, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<PathBuf>,
    /// What else must be true of them, as FoundationDB writes it: `Check.Valid=1,S.O=Example`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify_peers: Option<String>,
}

impl ClusterConfig {
    fn prefix(&self) -> Result<Prefix, cluster_store_fdb::PrefixError> {
        let prefix = self.prefix.as_deref().map(str::parse).transpose();
        Ok(prefix?.unwrap_or_default())
    }

    fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            cert: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            ca: self.tls_ca.clone()?,
            verify_peers: self.tls_verify_peers.clone(),
        })
    }
}

/// What cannot work although each value has its form: keys below `fdb`, and what would be right.
pub(crate) fn mistakes(config: &ClusterConfig) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Err(error) = config.prefix() {
        found.push(("fdb.prefix", error.to_string()));
    }
    let files = [
        ("fdb.tls_cert", config.tls_cert.is_some()),
        ("fdb.tls_key", config.tls_key.is_some()),
        ("fdb.tls_ca", config.tls_ca.is_some()),
    ];
    let wanted = config.tls_verify_peers.is_some() || files.iter().any(|(_, is_set)| *is_set);
    for (key, is_set) in files {
        if wanted && !is_set {
            let text =
                "is missing; TLS to the cluster needs fdb.tls_cert, fdb.tls_key and fdb.tls_ca";
            found.push((key, text.to_owned()));
        }
    }
    found
}

/// The store of the cluster that `file` names. Asks it nothing.
pub(super) fn open(file: &Path, config: &Config, rng: &Rng) -> Result<Store, StartError> {
    let path = &config.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::DataDir {
        path: path.clone(),
        source,
    })?;
    let fdb = Fdb::open(FdbOptions {
        cluster_file: file.to_owned(),
        prefix: config.fdb.prefix().map_err(StartError::Prefix)?,
        tls: config.fdb.tls(),
    })?;
    Ok(Store::with_jitter(fdb, rng.fork()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_certificate_and_a_strange_prefix_are_mistakes() {
        let config = ClusterConfig {
            prefix: Some("My Chat".to_owned()),
            tls_cert: Some("cert.pem".into()),
            ..ClusterConfig::default()
        };
        let keys: Vec<_> = mistakes(&config).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["fdb.prefix", "fdb.tls_key", "fdb.tls_ca"]);
        assert_eq!(mistakes(&ClusterConfig::default()), []);
    }
}
