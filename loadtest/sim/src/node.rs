//! One life of the node: everything between the sockets and the disk, as the server runs it.
//!
//! Leaves out: TLS, HTTP/2 and the limits of the edge, which have tests of their own. What a client
//! sends is given to the services as the edge would give it: encoded, with the caller found out from
//! its token.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cluster_membership::{Addresses, JoinError, Membership, Myself, Timing};
use cluster_rpc::link::{MemoryNetwork, Network};
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{Simulated, SimulatedDisk, Store, StoreError};
use cluster_types::{Caller, Clock, DeploymentId, NodeId, Rng};
use object_store::memory::InMemory;
use services_accounts::{Argon2id, HashCost, HashError, Options, Password, PasswordHasher, Salt};
use services_files::Files;
use services_sessions::Pace;
use services_vault::{KeySource, MemoryKms, Vault};

use crate::clock::WallClock;
use crate::limits::{FRAME_BYTES_MAX, SWEEP_EVERY};

const NODE: NodeId = NodeId::from_bytes([2; 16]);

/// Each run has a disk of its own.
const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);

/// What a node starts on.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) disk: SimulatedDisk,
    /// Where the bytes of files lie.
    pub(crate) objects: Arc<InMemory>,
    /// Wraps the keys.
    pub(crate) kms: MemoryKms,
    pub(crate) clock: WallClock,
    pub(crate) rng: Rng,
    pub(crate) relay_shards: usize,
    /// `None`: nobody else may come.
    pub(crate) among: Option<Among>,
}

/// One node of several.
#[derive(Clone, Debug)]
pub(crate) struct Among {
    /// Its number, and that of its client on the disk.
    pub(crate) number: u32,
    pub(crate) network: MemoryNetwork,
    pub(crate) timing: Timing,
}

/// A node that runs. Clones are the same node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) services: services_node::Node,
    pub(crate) store: Store,
    tasks: Tasks,
}

impl Node {
    /// Starts a node.
    pub(crate) async fn start(ground: &Ground) -> anyhow::Result<Self> {
        let rng = &ground.rng;
        let client = ground.among.as_ref().map_or(0, |among| among.number);
        let store = Simulated::numbered(ground.disk.clone(), client, rng.fork());
        let store = Store::with_jitter(store, rng.fork());
        let tasks = Tasks::new();
        let clock = Arc::new(ground.clock.clone()) as Arc<dyn Clock>;
        let vault = Vault::open(services_vault::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::Kms(Arc::new(ground.kms.clone())),
            rng: rng.fork(),
        })
        .await?;
        let hasher = Argon2id::new(HashCost::LEAST).context("no hasher")?;
        let services = services_node::Node::start(services_node::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            vault,
            objects: ground.objects.clone(),
            clock,
            rng: rng.fork(),
            tasks: tasks.clone(),
            hasher: Arc::new(InPlace(hasher)),
            accounts: Options {
                self_registration: true,
                hashes_at_once: NonZeroUsize::MIN,
                ..Options::default()
            },
            files: services_files::Policy::default(),
            stream_pace: Arc::new(AnyPace),
            file_pace: Arc::new(AnyPace),
            frame_bytes_max: FRAME_BYTES_MAX,
            relay_shards: ground.relay_shards,
            membership: ground.membership(&store, &tasks).await?,
            network: ground.network(),
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
        self.services.leave().await;
        self.tasks.stop();
        self.store.close().await;
    }
}

// === impl Ground ===

impl Ground {
    /// A store in rough weather is asked again, as an operator would start the node again.
    async fn membership(&self, store: &Store, tasks: &Tasks) -> anyhow::Result<Membership> {
        loop {
            let (store, tasks, rng) = (store.clone(), tasks.clone(), self.rng.fork());
            let joined = match &self.among {
                None => {
                    let parts = cluster_membership::Parts::unreachable(store, NODE, rng, tasks);
                    Membership::alone(parts).await
                }
                Some(among) => {
                    Membership::join(cluster_membership::Parts {
                        store,
                        rng,
                        tasks,
                        myself: among.myself(),
                        timing: among.timing,
                    })
                    .await
                }
            };
            match joined {
                Err(JoinError::Store(error))
                    if error.is_retryable() || error == StoreError::Contended => {}
                joined => return Ok(joined?),
            }
        }
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        let among = self.among.as_ref()?;
        Some(Arc::new(among.network.node(node_id(among.number))))
    }
}

impl Among {
    fn myself(&self) -> Myself {
        let node = node_id(self.number);
        Myself {
            node,
            addresses: Addresses {
                cluster: node.to_string(),
                ..Addresses::default()
            },
            version: String::new(),
        }
    }
}

/// The id of the node with this number.
pub(crate) fn node_id(number: u32) -> NodeId {
    let mut bytes = *NODE.as_bytes();
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
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

/// Hashes where it is asked to.
#[derive(Debug)]
struct InPlace(Argon2id);

impl PasswordHasher for InPlace {
    fn hash(&self, password: &Password, salt: Salt) -> Result<String, HashError> {
        self.0.hash(password, salt)
    }

    fn verify(&self, password: &Password, stored: &str) -> Result<bool, HashError> {
        self.0.verify(password, stored)
    }

    fn is_outdated(&self, stored: &str) -> bool {
        self.0.is_outdated(stored)
    }

    fn is_instant(&self) -> bool {
        true
    }
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
