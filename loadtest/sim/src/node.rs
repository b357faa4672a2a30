//! One life of the node: everything between the sockets and the disk, as the server runs it.
//!
//! Leaves out: TLS, HTTP/2 and the limits of the edge, which have tests of their own. What a client
//! sends is given to the services as the edge would give it: encoded, with the caller found out from
//! its token.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cluster_membership::{JoinError, Membership};
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{Simulated, SimulatedDisk, Store, StoreError};
use cluster_types::{Caller, Clock, DeploymentId, NodeId, Rng};
use object_store::memory::InMemory;
use services_accounts::{Argon2id, HashCost, Options};
use services_files::Files;
use services_sessions::Pace;
use services_vault::{KeySource, MemoryKms, Vault};

use crate::clock::WallClock;
use crate::limits::{FRAME_BYTES_MAX, SWEEP_EVERY};

const NODE: NodeId = NodeId::from_bytes([2; 16]);

/// Each run has a disk of its own.
const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);

/// A node that runs. Clones are the same node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) services: services_node::Node,
    pub(crate) store: Store,
    tasks: Tasks,
}

impl Node {
    /// Starts a node on `disk`, whose keys are wrapped by `kms`, and whose files lie in `objects`. Nothing else may be
    /// under way: a password is hashed on a thread.
    pub(crate) async fn start(
        disk: &SimulatedDisk,
        objects: &Arc<InMemory>,
        kms: &MemoryKms,
        clock: &WallClock,
        rng: &Rng,
        relay_shards: usize,
    ) -> anyhow::Result<Self> {
        let store = Simulated::new(disk.clone(), rng.fork());
        let store = Store::with_jitter(store, rng.fork());
        let tasks = Tasks::new();
        let clock = Arc::new(clock.clone()) as Arc<dyn Clock>;
        let vault = Vault::open(services_vault::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::Kms(Arc::new(kms.clone())),
            rng: rng.fork(),
        })
        .await?;
        let hasher = Argon2id::new(HashCost::LEAST).context("no hasher")?;
        let services = services_node::Node::start(services_node::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            vault,
            objects: objects.clone(),
            clock,
            rng: rng.fork(),
            tasks: tasks.clone(),
            hasher: Arc::new(hasher),
            accounts: Options {
                self_registration: true,
                hashes_at_once: NonZeroUsize::MIN,
                ..Options::default()
            },
            files: services_files::Policy::default(),
            stream_pace: Arc::new(AnyPace),
            file_pace: Arc::new(AnyPace),
            frame_bytes_max: FRAME_BYTES_MAX,
            relay_shards,
            membership: alone(&store, rng, &tasks).await?,
            network: None,
        })
        .await?;
        sweep(&services.files, &tasks);
        Ok(Self {
            services,
            store,
            tasks,
        })
    }

    /// Stops in the order of the server, once its streams have been asked to go.
    pub(crate) async fn stop(&self) {
        self.services.stop().await;
        self.tasks.stop();
        self.store.close().await;
    }
}

/// The only node there is. A store in rough weather is asked again, as an operator would start the node again.
async fn alone(store: &Store, rng: &Rng, tasks: &Tasks) -> anyhow::Result<Membership> {
    loop {
        let parts =
            cluster_membership::Parts::unreachable(store.clone(), NODE, rng.fork(), tasks.clone());
        match Membership::alone(parts).await {
            Err(JoinError::Store(error))
                if error.is_retryable() || error == StoreError::Contended => {}
            joined => return Ok(joined?),
        }
    }
}

/// Sweeps files again and again, whatever the weather.
fn sweep(files: &Files, tasks: &Tasks) {
    let (files, stopping) = (files.clone(), tasks.stopping().clone());
    let sweep = async move {
        let pause = || tokio::time::sleep(SWEEP_EVERY);
        while stopping.run_until_cancelled(pause()).await.is_some() {
            // What fails now is swept later.
            let _swept = files.sweep().await;
        }
    };
    tasks.spawn(TaskKind::Housekeeping, "sim: sweep", sweep);
}

/// The pace is kept by the edge.
#[derive(Debug)]
struct AnyPace;

impl Pace for AnyPace {
    fn take(&self, _: &Caller, _: u32) -> Result<(), Duration> {
        Ok(())
    }
}

impl services_files::Pace for AnyPace {
    fn take(&self, _: &Caller) -> Result<(), Duration> {
        Ok(())
    }
}
