//! Where history is kept: in a file of this machine, or in a cluster.
//!
//! Invariant: a store that does not answer yet is waited for, and said to be missing once. What waiting does
//! not cure (a newer schema, a file that does not read) ends the start.
//!
//! Leaves out: what a cluster needs (`ops/foundationdb.md`).

#[cfg(feature = "foundationdb")]
mod cluster;

use std::path::Path;
use std::time::Duration;

use cluster_store::{Embedded, EmbeddedOptions, OpenError, Store, StoreError, open_deployment};
use cluster_types::{DeploymentId, Rng};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::app::StartError;
use crate::config::Config;

#[cfg(feature = "foundationdb")]
pub use cluster::ClusterConfig;
#[cfg(feature = "foundationdb")]
pub(crate) use cluster::mistakes;

/// How long a start waits for its store before it says that it waits: whoever asks how the server is should
/// not wait with it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long after a store has not answered it is asked again. Each time takes seconds by itself, so this
/// only keeps errors that come at once from becoming a loop.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

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

/// The store that the configuration names. Makes the data directory. A cluster need not answer yet.
pub(crate) async fn open(config: &Config, rng: &Rng) -> Result<Store, StartError> {
    match &config.store {
        StoreAt::Embedded => embedded(&config.data_dir, rng).await,
        #[cfg(feature = "foundationdb")]
        StoreAt::Cluster(file) => cluster::open(file, config, rng),
    }
}

/// Whose the store is; `None` if it does not answer at once, which may pass.
pub(crate) async fn deployment(
    store: &Store,
    rng: &Rng,
) -> Result<Option<DeploymentId>, OpenError> {
    let asked = timeout(ANSWER_WITHIN, ask(store, rng)).await;
    asked.unwrap_or(Ok(None))
}

/// Whose the store is, as soon as it says anything.
async fn ask(store: &Store, rng: &Rng) -> Result<Option<DeploymentId>, OpenError> {
    match open_deployment(store, rng).await {
        Err(OpenError::Unusable { source, .. }) if may_pass(&source) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Asks whose the store is until it answers.
pub(crate) async fn when_it_answers(store: &Store, rng: &Rng) -> Result<DeploymentId, OpenError> {
    loop {
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
        if let Some(deployment) = ask(store, rng).await? {
            tracing::info!(store = store.location(), "the store answers");
            return Ok(deployment);
        }
    }
}

/// Whether waiting may cure it.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable | StoreError::Contended | StoreError::CommitUnknown
    )
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
    use cluster_store::{Faults, Simulated, SimulatedDisk};

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

    #[tokio::test(start_paused = true)]
    async fn a_store_that_comes_late_is_waited_for() {
        let (disk, rng) = (SimulatedDisk::new(), Rng::seeded(1));
        disk.set_faults(Faults {
            unavailable: 1_000_000,
            ..Faults::NONE
        });
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        let mut waiting = Box::pin(when_it_answers(&store, &rng));
        let early = timeout(Duration::from_secs(60), &mut waiting).await;
        assert!(early.is_err(), "there is nothing to open yet");
        disk.set_faults(Faults::NONE);
        waiting.await.expect("opens");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_does_not_cure_ends_the_start() {
        let disk = SimulatedDisk::new();
        disk.set_full(true);
        let store = Store::new(Simulated::new(disk, Rng::seeded(1)));
        let error = when_it_answers(&store, &Rng::seeded(2)).await;
        assert!(matches!(error, Err(OpenError::Full { .. })), "{error:?}");
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
