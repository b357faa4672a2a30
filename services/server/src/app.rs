//! [`App`]: a server that runs. Built from a configuration, taken down in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use cluster_membership::JoinError;
use cluster_rpc::link;
use cluster_runtime::Tasks;
use cluster_store::{OpenError, Store, StoreError};
use cluster_types::{Clock, DeploymentId, Rng, SystemClock};
use object_store::ObjectStore;
use proto::v1::accounts_server::AccountsServer;
use proto::v1::administration_server::AdministrationServer;
use proto::v1::files_server::FilesServer;
use proto::v1::messages_server::MessagesServer;
use proto::v1::rooms_server::RoomsServer;
use services_accounts::{Argon2id, HashCost, HashError, InvitationSecret};
use services_backup::socket;
use services_files::{PlaceError, SealedFiles};
use services_gateway::{
    AccountRates, CertificateError, CertificateSource, Certificates, Gateway, GatewayError,
    GatewayOptions, Handle, MessageLimits, listen,
};
use services_node::{Node, NodeError};
use services_sessions::SessionError;
use services_vault::Vault;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::adapters::{AsCalls, ByToken};
use crate::administration::Administration;
use crate::config::Config;
use crate::files::{self, FilesError};
use crate::keys::{self, PassphraseError};
use crate::nodes::{Among, Place};
use crate::rotation::Rotations;
use crate::stores::{self, StoreAt};
use crate::upgrade::Upgrading;
use crate::waiting::Waiting;

/// Why a server did not start. Each text says what to do, or has a cause that does.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {}: choose another --data-dir", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store does not open.
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    /// The store of a cluster does not open.
    #[cfg(feature = "foundationdb")]
    #[error("the store of the cluster cannot be opened")]
    Cluster(#[from] cluster_store_fdb::OpenError),
    /// The prefix in the cluster is none.
    #[cfg(feature = "foundationdb")]
    #[error("the prefix in the cluster cannot be used")]
    Prefix(#[source] cluster_store_fdb::PrefixError),
    /// The store opened and fails.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The passphrase of the key cannot be read.
    #[error("the passphrase of the key cannot be used")]
    Passphrase(#[from] PassphraseError),
    /// The store does not open with the key that was given.
    #[error("what is stored cannot be opened or sealed")]
    Vault(#[from] services_vault::OpenError),
    /// Files cannot be kept.
    #[error("files cannot be kept")]
    Files(#[from] FilesError),
    /// The place of files is not this store's.
    #[error("files cannot be kept where they are to lie")]
    Place(#[from] PlaceError),
    /// The store is somebody else's, or this node cannot work beside those that use it.
    #[error("this node cannot use the store")]
    Join(#[from] JoinError),
    /// The certificate cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: stop what does, or choose another --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificate of this node cannot be used.
    #[error("the certificate for other nodes cannot be used")]
    Links(#[from] link::certificates::CertificateError),
    /// The address for other nodes cannot be listened on.
    #[error(
        "cannot listen on {address} for other nodes: stop what does, or choose another cluster.listen"
    )]
    ListenForNodes {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system does not tell of signals.
    #[error("signals cannot be received, so nothing could stop the server in order")]
    Signals(#[source] std::io::Error),
    /// The machine cannot hash passwords.
    #[error("passwords cannot be hashed")]
    Hash(#[from] HashError),
    /// The edge cannot be put together.
    #[error("the edge cannot be put together")]
    Gateway(#[from] GatewayError),
    /// The runtime is going down already.
    #[error("sessions cannot be served")]
    Sessions(#[from] SessionError),
}

/// A server that runs.
#[derive(Clone)]
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    /// Other nodes of this process use it too.
    pub(crate) is_store_shared: bool,
    pub(crate) vault: Vault,
    /// The key file, if this start has made it.
    pub(crate) key_file_made: Option<PathBuf>,
    pub(crate) node: Node,
    pub(crate) gateway: Handle,
    pub(crate) tasks: Tasks,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl From<NodeError> for StartError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Hash(error) => Self::Hash(error),
            NodeError::Store(error) => Self::Store(error),
            NodeError::Place(error) => Self::Place(error),
            NodeError::Sessions(error) => Self::Sessions(error),
        }
    }
}

impl App {
    /// Starts everything, and takes connections when it returns.
    ///
    /// # Errors
    /// What cannot be started; nothing is left running but tasks that end with the runtime.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_among(config, None).await
    }

    /// Starts everything as one node of several in this process, if there are others.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start_among(config: Config, others: Option<Among>) -> Result<Self, StartError> {
        let (rng, clock) = (Rng::from_os(), Arc::new(SystemClock) as Arc<dyn Clock>);
        let tasks = Tasks::new();
        let shared = others.as_ref().map(|others| others.store.clone());
        let is_shared = shared.is_some();
        let (listener, certificates, store) = open(&config, shared, &clock, &rng).await?;
        let objects = files::open(&config).await?;
        let deployment = match stores::deployment(&store, &rng).await? {
            Some(deployment) => deployment,
            None => {
                let waiting = Waiting::start(&config, &listener, &certificates, &tasks, &rng);
                let waiting = waiting.await?;
                let deployment = stores::when_it_answers(&store, &rng).await?;
                waiting.end().await;
                deployment
            }
        };
        if !is_shared {
            let sealed = SealedFiles::new(Arc::clone(&objects));
            offer_backups(&config, &store, sealed, &tasks);
        }
        let (vault, key_file_made) = keys::open(&config, &store, deployment, &rng).await?;
        let base = Base {
            store,
            deployment,
            vault,
            objects,
            clock,
            rng,
            tasks,
        };
        let place = match others {
            Some(others) => Some(Place::among(others, listener.local_addr().ok())),
            None => Place::configured(&config, &base.clock, &base.tasks).await?,
        };
        let place = place.unwrap_or_else(|| Place::alone(deployment));
        let services = Services::start(&config, &base, &place).await?;
        keys::take_care(&base.vault, &config, &base.tasks, &services.node.membership);
        let upgrading = Upgrading::start(&base.store, &services.node, &base.tasks).await?;
        let administration = Administration {
            node: services.node.clone(),
            certificates: Arc::clone(&certificates),
            upgrading,
            rotations: Rotations::new(base.vault.clone(), base.tasks.clone()),
        };
        let gateway = gateway(&config, &base, &services, certificates, administration);
        let gateway = gateway.serve(listener).await?;
        place.tell_ready(&services.node, &gateway, &base.tasks);
        Ok(Self {
            config: Arc::new(config),
            is_store_shared: is_shared,
            store: base.store,
            vault: base.vault,
            key_file_made,
            node: services.node,
            gateway,
            tasks: base.tasks,
        })
    }

    /// The secret that makes whoever has it the first administrator; `None` once there is one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn first_invitation(&self) -> Result<Option<InvitationSecret>, StoreError> {
        self.node.accounts.ensure_administrator_invitation().await
    }

    /// What seals all that is stored.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The edge: its address, its certificate, its counters.
    pub fn gateway(&self) -> &Handle {
        &self.gateway
    }
}

/// Lets `rookery backup` read a store, and its files, that only this process can open. Without that a server still serves.
fn offer_backups(config: &Config, store: &Store, files: SealedFiles, tasks: &Tasks) {
    if config.store != StoreAt::Embedded {
        return;
    }
    let path = socket::path_in(&config.data_dir);
    if let Err(error) = socket::listen(&path, store.clone(), files, tasks) {
        let path = path.display();
        tracing::warn!(%path, %error, "no backup can be made while the server runs: it cannot listen there");
    }
}

/// What every service stands on.
pub(crate) struct Base {
    pub(crate) store: Store,
    deployment: DeploymentId,
    vault: Vault,
    objects: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    pub(crate) rng: Rng,
    pub(crate) tasks: Tasks,
}

/// The services that run, and how fast each account may go.
struct Services {
    node: Node,
    account_rates: AccountRates,
}

impl Services {
    async fn start(config: &Config, base: &Base, place: &Place) -> Result<Self, StartError> {
        let membership = place.take(base).await?;
        let account_rates = AccountRates::new(&config.limits.calls);
        let pace = Arc::new(AsCalls(account_rates.clone()));
        let node = Node::start(services_node::Parts {
            store: base.store.clone(),
            deployment: base.deployment,
            vault: base.vault.clone(),
            objects: Arc::clone(&base.objects),
            clock: Arc::clone(&base.clock),
            rng: base.rng.fork(),
            tasks: base.tasks.clone(),
            hasher: Arc::new(Argon2id::new(HashCost::STANDARD)?),
            accounts: config.account_options(),
            files: config.files.policy(),
            stream_pace: pace.clone(),
            file_pace: pace,
            frame_bytes_max: config.limits.messages.request_bytes_max.as_usize(),
            relay_shards: available_parallelism().map_or(1, usize::from),
            membership,
            network: place.network.clone(),
        })
        .await?;
        Ok(Self {
            node,
            account_rates,
        })
    }
}

/// The edge, in front of all services.
fn gateway(
    config: &Config,
    base: &Base,
    services: &Services,
    certificates: Arc<Certificates>,
    administration: Administration,
) -> Gateway {
    Gateway {
        routes: routes(&config.limits.messages, services, administration),
        authenticate: Arc::new(ByToken(services.node.accounts.clone())),
        certificates,
        account_rates: services.account_rates.clone(),
        options: GatewayOptions {
            tls_min: config.tls_min,
            reflection: config.reflection,
            web_origins: config.web_origins.clone(),
        },
        limits: config.limits.clone(),
        tasks: base.tasks.clone(),
        rng: base.rng.fork(),
    }
}

fn routes(limits: &MessageLimits, services: &Services, administration: Administration) -> Routes {
    let (request, response) = (
        limits.request_bytes_max.as_usize(),
        limits.response_bytes_max.as_usize(),
    );
    macro_rules! bounded {
        ($server:ident, $service:expr) => {
            $server::new($service)
                .max_decoding_message_size(request)
                .max_encoding_message_size(response)
        };
    }
    Routes::new(bounded!(AccountsServer, services.node.accounts.clone()))
        .add_service(bounded!(AdministrationServer, administration))
        .add_service(bounded!(RoomsServer, services.node.rooms.clone()))
        .add_service(bounded!(MessagesServer, services.node.rooms.clone()))
        .add_service(bounded!(FilesServer, services.node.transfers.clone()))
        .add_service(services.node.sessions.clone())
}

/// What an operator may have to mend: the address, the certificate, the store. In this order, so that what
/// is refused is refused before anything is written.
async fn open(
    config: &Config,
    shared: Option<Store>,
    clock: &Arc<dyn Clock>,
    rng: &Rng,
) -> Result<(TcpListener, Arc<Certificates>, Store), StartError> {
    let listener = listen(config.listen, &config.limits.connections);
    let listener = listener.map_err(|source| StartError::Listen {
        address: config.listen,
        source,
    })?;
    let dir = &config.data_dir;
    let (certificates, store) = match (&config.tls_cert, &config.tls_key) {
        (Some(chain), Some(key)) => {
            let source = CertificateSource::Files {
                chain: chain.clone(),
                key: key.clone(),
                password: config.tls_key_password_file.clone(),
            };
            let certificates = load_certificates(source, dir, clock).await?;
            (certificates, store_of(shared, config, rng).await?)
        }
        _ => {
            // One that is made lies beside the store, in the folder which that makes.
            let store = store_of(shared, config, rng).await?;
            let source = CertificateSource::Generated {
                dir: dir.clone(),
                names: config.tls_names.clone(),
            };
            (load_certificates(source, dir, clock).await?, store)
        }
    };
    Ok((listener, certificates, store))
}

/// The store that is shared, or this server's own.
async fn store_of(shared: Option<Store>, config: &Config, rng: &Rng) -> Result<Store, StartError> {
    match shared {
        Some(store) => Ok(store),
        None => stores::open(config, rng).await,
    }
}

async fn load_certificates(
    source: CertificateSource,
    data_dir: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Certificates>, StartError> {
    let clock = Arc::clone(clock);
    let load = tokio::task::spawn_blocking(move || Certificates::load(source, clock));
    let loaded = load.await.map_err(|panic| StartError::DataDir {
        path: data_dir.to_owned(),
        source: std::io::Error::other(panic),
    })?;
    Ok(Arc::new(loaded?))
}
