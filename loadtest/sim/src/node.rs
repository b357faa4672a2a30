//! One life of the node: everything between the sockets and the disk, wired as the server wires it.
//!
//! Leaves out: TLS, HTTP/2 and the limits of the edge, which have tests of their own. What a client
//! sends is given to the services as the edge would give it: encoded, with the caller found out from
//! its token.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{Simulated, SimulatedDisk, Store, StoreError};
use cluster_types::{AccountId, Caller, Clock, DeploymentId, Rng, SignInId};
use object_store::memory::InMemory;
use services_accounts::{
    Accounts, Argon2id, AuthenticateError, FindError, HashCost, Options, Parts, SignInEnded,
};
use services_files::Files;
use services_rooms::{People, Rooms};
use services_sessions::{Alone, Hub, Pace, Sessions, SignIns};
use services_vault::{KeySource, MemoryKms, Vault};

use crate::clock::WallClock;
use crate::files::Carried;
use crate::limits::{FRAME_BYTES_MAX, SWEEP_EVERY};

/// Each run has a disk of its own.
const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);

/// A node that runs. Clones are the same node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) accounts: Accounts,
    pub(crate) rooms: Rooms,
    pub(crate) hub: Hub,
    pub(crate) sessions: Sessions,
    pub(crate) files: Files,
    pub(crate) store: Store,
    tasks: Tasks,
}

impl Node {
    /// Starts a node on `disk`, whose keys are wrapped by `kms`, and whose files lie in `objects`. Nothing else may be under way: a password is
    /// hashed on a thread.
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
        let parts = Parts {
            store: store.clone(),
            vault: vault.clone(),
            clock: Arc::clone(&clock),
            rng: rng.fork(),
            tasks: tasks.clone(),
            hasher: Arc::new(hasher),
        };
        let options = Options {
            self_registration: true,
            hashes_at_once: NonZeroUsize::MIN,
            ..Options::default()
        };
        let accounts = Accounts::start(parts, options).await?;
        let known = Arc::new(Known(accounts.clone()));
        let hub = Hub::start(relay_shards, Arc::new(Alone), &tasks);
        accounts.on_sign_in_ended(Arc::new(EndStreams(hub.clone())))?;
        let files = Files::new(services_files::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            vault: vault.clone(),
            clock: Arc::clone(&clock),
            rng: rng.fork(),
            objects: objects.clone(),
            people: known.clone(),
            policy: services_files::Policy::default(),
            tasks: tasks.clone(),
        });
        sweep(&files, &tasks);
        let rooms = Rooms::start(services_rooms::Dependencies {
            store: store.clone(),
            vault,
            clock,
            rng: rng.fork(),
            people: known.clone(),
            attachments: Arc::new(Carried(files.clone())),
            publisher: Arc::new(hub.clone()),
            tasks: tasks.clone(),
        })
        .await?;
        let sessions = start_sessions(&hub, &rooms, known, &tasks).await?;
        Ok(Self {
            accounts,
            rooms,
            hub,
            sessions,
            files,
            store,
            tasks,
        })
    }

    /// Stops in the order of the server, once its streams have been asked to go.
    pub(crate) async fn stop(&self) {
        self.rooms.stop().await;
        self.sessions.stop().await;
        self.tasks.stop();
        self.store.close().await;
    }
}

async fn start_sessions(
    hub: &Hub,
    rooms: &Rooms,
    known: Arc<Known>,
    tasks: &Tasks,
) -> anyhow::Result<Sessions> {
    let dependencies = services_sessions::Dependencies {
        rooms: rooms.clone(),
        sign_ins: known,
        pace: Arc::new(AnyPace),
        tasks: tasks.clone(),
        frame_bytes_max: FRAME_BYTES_MAX,
    };
    Ok(Sessions::start(hub.clone(), dependencies).await?)
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

/// Accounts, as files, rooms and sessions need them.
struct Known(Accounts);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

#[async_trait]
impl People for Known {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        match self.0.exists(account).await {
            Ok(exists) => Ok(exists),
            Err(FindError::Store(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

#[async_trait]
impl services_files::People for Known {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        People::exists(self, account).await
    }
}

#[async_trait]
impl SignIns for Known {
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError> {
        match self.0.check_signed_in(*caller).await {
            Ok(()) => Ok(true),
            Err(AuthenticateError::Store(error)) => Err(error),
            // It is not to be found, or over.
            Err(_) => Ok(false),
        }
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

struct EndStreams(Hub);

impl SignInEnded for EndStreams {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.0.sign_in_ended(account, sign_in);
    }
}
