//! Where history is kept: in a file of this machine, or in a cluster.
//!
//! Invariant: a cluster that does not answer yet is waited for, and said to be missing once. What waiting
//! does not cure (a newer schema, a file that does not read) ends the start.
//!
//! Leaves out: what a cluster needs (`ops/foundationdb.md`).

#[cfg(feature = "foundationdb")]
mod cluster;

use std::path::Path;

use cluster_store::{Embedded, EmbeddedOptions, Store, open_deployment};
use cluster_types::{DeploymentId, Rng};
use serde::{Deserialize, Serialize};

use crate::app::StartError;
use crate::config::Config;

#[cfg(feature = "foundationdb")]
pub use cluster::ClusterConfig;
#[cfg(feature = "foundationdb")]
pub(crate) use cluster::mistakes;

/// What the name of a cluster's store begins with.
const CLUSTER: &str = "fdb:";

/// Where history is kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreAt {
    /// In a file in the data directory.
    #[default]
    Embedded,
    /// In the FoundationDB cluster that this file names.
    #[cfg(feature = "foundationdb")]
    Cluster(std::path::PathBuf),
}

/// Why a text names no store.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreAtError {
    /// Neither of the kinds.
    #[error(
        "has to be embedded, or fdb: and a cluster file, as in fdb:/etc/foundationdb/fdb.cluster"
    )]
    Unknown,
    /// A cluster, and the program was built without.
    #[cfg(not(feature = "foundationdb"))]
    #[error(
        "names a FoundationDB cluster, and this program was built without its client; build it with \
         cargo build --release --features foundationdb (ops/foundationdb.md says what that needs)"
    )]
    NotBuilt,
}

impl TryFrom<String> for StoreAt {
    type Error = StoreAtError;

    fn try_from(text: String) -> Result<Self, StoreAtError> {
        match text.strip_prefix(CLUSTER) {
            #[cfg(feature = "foundationdb")]
            Some(file) if !file.is_empty() => Ok(Self::Cluster(file.into())),
            #[cfg(not(feature = "foundationdb"))]
            Some(file) if !file.is_empty() => Err(StoreAtError::NotBuilt),
            None if text == "embedded" => Ok(Self::Embedded),
            Some(_) | None => Err(StoreAtError::Unknown),
        }
    }
}

impl From<StoreAt> for String {
    fn from(at: StoreAt) -> Self {
        match at {
            StoreAt::Embedded => "embedded".to_owned(),
            #[cfg(feature = "foundationdb")]
            StoreAt::Cluster(file) => format!("{CLUSTER}{}", file.display()),
        }
    }
}

/// The store that the configuration names, and whose it is. Makes the data directory.
pub(crate) async fn open(config: &Config, rng: &Rng) -> Result<(Store, DeploymentId), StartError> {
    let store = bare(config, rng).await?;
    let deployment = match &config.store {
        StoreAt::Embedded => open_deployment(&store, rng).await?,
        #[cfg(feature = "foundationdb")]
        StoreAt::Cluster(_) => cluster::when_it_answers(&store, rng).await?,
    };
    Ok((store, deployment))
}

/// The same, whatever is in the store: nothing is looked at, and nothing written.
pub(crate) async fn bare(config: &Config, rng: &Rng) -> Result<Store, StartError> {
    match &config.store {
        StoreAt::Embedded => embedded(&config.data_dir, rng).await,
        #[cfg(feature = "foundationdb")]
        StoreAt::Cluster(file) => cluster::open(file, config, rng),
    }
}

async fn embedded(data_dir: &Path, rng: &Rng) -> Result<Store, StartError> {
    let dir = data_dir.to_owned();
    let open = tokio::task::spawn_blocking(move || Embedded::open(dir, EmbeddedOptions::default()));
    let opened = open.await.map_err(|panic| StartError::DataDir {
        path: data_dir.to_owned(),
        source: std::io::Error::other(panic),
    })?;
    Ok(Store::with_jitter(opened?, rng.fork()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoreAt, StoreAtError> {
        StoreAt::try_from(text.to_owned())
    }

    #[test]
    fn a_store_is_named_by_its_kind() {
        assert_eq!(read("embedded"), Ok(StoreAt::Embedded));
        assert_eq!(String::from(StoreAt::default()), "embedded");
        for text in ["", "fdb", "fdb:", "redis://localhost", "Embedded"] {
            assert_eq!(read(text), Err(StoreAtError::Unknown), "{text}");
        }
    }

    #[cfg(not(feature = "foundationdb"))]
    #[test]
    fn a_cluster_that_this_build_cannot_reach_is_refused_with_how_to_build_one_that_can() {
        let error = read("fdb:/etc/foundationdb/fdb.cluster").expect_err("refused");
        assert!(
            error.to_string().contains("--features foundationdb"),
            "{error}"
        );
    }

    #[cfg(feature = "foundationdb")]
    #[test]
    fn the_name_of_a_cluster_reads_back() {
        let name = "fdb:/etc/foundationdb/fdb.cluster";
        assert_eq!(String::from(read(name).expect("reads")), name);
    }
}
