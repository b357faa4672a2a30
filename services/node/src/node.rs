//! [`Node`]: the services that run, and in which order they start and stop.

use std::sync::Arc;

use cluster_membership::Membership;
use cluster_rpc::link::Network;
use cluster_runtime::Tasks;
use cluster_store::{Store, StoreError};
use cluster_types::{Clock, DeploymentId, NodeId, Rng};
use object_store::ObjectStore;
use services_accounts::{Accounts, HashError, PasswordHasher};
use services_files::{Files, PlaceError, Transfers};
use services_rooms::Rooms;
use services_sessions::{Hub, SessionError, Sessions};
use services_vault::Vault;
use tokio::time::timeout;

use crate::cluster::{Answering, Cluster, Others};
use crate::files::{Carried, Members};
use crate::known::{EndStreams, Known};
use crate::limits::{LEAVE_WITHIN, LINKS_END_WITHIN, PLACE_ANSWERS_WITHIN};
use crate::ties::{Ties, Weakly};

/// What a node is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// What is kept there.
    pub deployment: DeploymentId,
    /// Seals it.
    pub vault: Vault,
    /// Where the bytes of files lie.
    pub objects: Arc<dyn ObjectStore>,
    /// Labels what happens.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and secrets.
    pub rng: Rng,
    /// Runs what goes on in the background.
    pub tasks: Tasks,
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// What an operator has set about accounts.
    pub accounts: services_accounts::Options,
    /// What an operator has set about files.
    pub files: services_files::Policy,
    /// Knows how fast each account goes on its streams.
    pub stream_pace: Arc<dyn services_sessions::Pace>,
    /// Knows how fast each account goes with its files.
    pub file_pace: Arc<dyn services_files::Pace>,
    /// Most bytes of one frame of a stream.
    pub frame_bytes_max: usize,
    /// Tasks that hand events out: one for each core.
    pub relay_shards: usize,
    /// This node among others: a member already, or alone.
    pub membership: Membership,
    /// How others are reached; `None` for a node that is alone.
    pub network: Option<Arc<dyn Network>>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The machine cannot hash passwords.
    #[error("passwords cannot be hashed")]
    Hash(#[from] HashError),
    /// The store fails.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The place of files is not this store's.
    #[error("files cannot be kept where they are to lie")]
    Place(#[from] PlaceError),
    /// The runtime is going down already.
    #[error("sessions cannot be served")]
    Sessions(#[from] SessionError),
}

/// The services of a node. Clones are the same node.
#[derive(Clone)]
pub struct Node {
    /// People, and who is signed in.
    pub accounts: Accounts,
    /// The same, as others need them.
    pub known: Arc<Known>,
    /// Files that people send.
    pub files: Files,
    /// The same, on their way to and from clients.
    pub transfers: Transfers,
    /// Rooms.
    pub rooms: Rooms,
    /// Delivers what happens.
    pub hub: Hub,
    /// Streams of clients.
    pub sessions: Sessions,
    /// Who else is there, and who has which rooms.
    pub membership: Membership,
    pub(crate) others: Others,
    _ties: Arc<Ties>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    /// Starts all services.
    ///
    /// # Errors
    /// What cannot be started; nothing is left running but tasks that end with the runtime.
    pub async fn start(parts: Parts) -> Result<Self, NodeError> {
        let accounts = accounts(&parts).await?;
        let known = Arc::new(Known(accounts.clone()));
        let others = Others::new(parts.membership.clone(), parts.tasks.clone());
        let hub = Hub::start(parts.relay_shards, Arc::new(others.clone()), &parts.tasks);
        let files = files(&parts, &known);
        check_place(&files).await?;
        let rooms = rooms(&parts, &known, &files, &hub, &others).await?;
        let transfers = Transfers::new(services_files::Dependencies {
            files: files.clone(),
            carriers: Arc::new(Members(rooms.clone())),
            sign_ins: known.clone(),
            pace: parts.file_pace,
        });
        transfers.sweep(&parts.membership, &parts.tasks);
        let streams = Arc::new(EndStreams {
            hub: hub.clone(),
            transfers: transfers.clone(),
            others: others.clone(),
        });
        end_streams(&accounts, &streams, parts.network.is_some()).await?;
        let dependencies = services_sessions::Dependencies {
            rooms: rooms.clone(),
            sign_ins: known.clone(),
            pace: parts.stream_pace,
            tasks: parts.tasks.clone(),
            frame_bytes_max: parts.frame_bytes_max,
        };
        let sessions = Sessions::start(hub.clone(), dependencies).await?;
        let ties = Ties {
            streams,
            rooms: Arc::new(rooms.clone()),
            answering: Arc::new(Answering {
                accounts: accounts.clone(),
                rooms: rooms.clone(),
                hub: hub.clone(),
                membership: parts.membership.clone(),
                tasks: parts.tasks.clone(),
            }),
        };
        let cluster = Cluster {
            membership: parts.membership.clone(),
            network: parts.network,
            deployment: parts.deployment,
            tasks: parts.tasks,
            rng: parts.rng,
        };
        cluster.follow(others.clone(), Arc::clone(&ties.answering), hub.clone());
        parts.membership.serve(Weakly::of(&ties.rooms));
        Ok(Self {
            accounts,
            known,
            files,
            transfers,
            rooms,
            hub,
            sessions,
            membership: parts.membership,
            others,
            _ties: Arc::new(ties),
        })
    }

    /// The nodes to which a link stands.
    pub fn linked(&self) -> Vec<NodeId> {
        self.others
            .links()
            .map_or_else(Vec::new, |links| links.linked())
    }

    /// Gives all rooms to other nodes, if there are any. Whoever waits for a room here is served meanwhile.
    pub async fn hand_over(&self) {
        self.membership.drain().await;
    }

    /// Takes no more streams and transfers, and asks all clients to come back, elsewhere or later.
    pub fn drain(&self) {
        self.hub.drain();
        self.transfers.drain();
    }

    /// Ends sessions, then rooms, once no client is there any more.
    pub async fn stop(&self) {
        self.sessions.stop().await;
        self.rooms.stop().await;
    }

    /// Leaves the cluster, however well the rooms have ended: what this node still owns is claimed by others at once,
    /// and what its rooms write later is fenced. Then ends the links, over which it has refused what was asked.
    pub async fn leave(&self) {
        if timeout(LEAVE_WITHIN, self.membership.leave())
            .await
            .is_err()
        {
            tracing::warn!("could not say in time that it leaves: others wait a lease for it");
        }
        if let Some(links) = self.others.links() {
            links.stop(LINKS_END_WITHIN).await;
        }
    }
}

async fn accounts(parts: &Parts) -> Result<Accounts, HashError> {
    let of_accounts = services_accounts::Parts {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        rng: parts.rng.fork(),
        tasks: parts.tasks.clone(),
        hasher: Arc::clone(&parts.hasher),
    };
    Accounts::start(of_accounts, parts.accounts).await
}

/// Has streams end with their sign-ins, also with those that other nodes end, if there are any.
async fn end_streams(
    accounts: &Accounts,
    streams: &Arc<EndStreams>,
    is_shared: bool,
) -> Result<(), StoreError> {
    // Nobody else has had the chance to be told, and nobody has a stream yet.
    let _first = accounts.on_sign_in_ended(Weakly::of(streams));
    if is_shared {
        accounts.follow_other_nodes().await?;
    }
    Ok(())
}

fn files(parts: &Parts, known: &Arc<Known>) -> Files {
    Files::new(services_files::Parts {
        store: parts.store.clone(),
        deployment: parts.deployment,
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        rng: parts.rng.fork(),
        objects: Arc::clone(&parts.objects),
        people: known.clone(),
        policy: parts.files.clone(),
        tasks: parts.tasks.clone(),
    })
}

async fn rooms(
    parts: &Parts,
    known: &Arc<Known>,
    files: &Files,
    hub: &Hub,
    others: &Others,
) -> Result<Rooms, StoreError> {
    let dependencies = services_rooms::Dependencies {
        store: parts.store.clone(),
        vault: parts.vault.clone(),
        clock: Arc::clone(&parts.clock),
        rng: parts.rng.fork(),
        people: known.clone(),
        attachments: Arc::new(Carried(files.clone())),
        publisher: Arc::new(hub.clone()),
        membership: parts.membership.clone(),
        nodes: Arc::new(others.clone()),
        tasks: parts.tasks.clone(),
    };
    Rooms::start(dependencies).await
}

/// Refuses a place of files that is another store's. One that does not answer is asked again by whoever needs it, and
/// messages go on meanwhile.
async fn check_place(of: &Files) -> Result<(), PlaceError> {
    match timeout(PLACE_ANSWERS_WITHIN, of.check_place()).await {
        Ok(Err(error)) if error.may_pass() => {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(
                cause,
                "whose the files are is not known yet, and none is taken"
            );
            Ok(())
        }
        Ok(checked) => checked,
        Err(_elapsed) => {
            tracing::error!("where files lie nothing answers; none is taken for now");
            Ok(())
        }
    }
}
