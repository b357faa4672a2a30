//! [`DevCluster`]: the nodes, and what can be done to them.
//!
//! A killed node is a runtime that is shut down: its tasks end where they are, and nobody is told a word. A paused
//! one has its only worker held: none of its tasks goes on, its clock does, and what is in its sockets waits, as
//! with SIGSTOP. One that is cut off reaches the store and no other node ([`trouble`]).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use cluster_membership::Membership;
use cluster_rpc::link::MemoryNetwork;
use cluster_store::{OpenError, Store};
use cluster_types::{Life, NodeId, Rng, RoomId, Shard};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use super::balancer::Balancer;
use crate::app::{App, StartError};
use crate::config::Config;
use crate::nodes::Among;
use crate::serve;
use crate::stores;

mod trouble;

/// How long the nodes get to share the rooms among them.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why the nodes did not start, or one did not come back.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A node does not start.
    #[error("node {number} does not start")]
    Start {
        /// Which.
        number: u8,
        /// Why not.
        source: Box<StartError>,
    },
    /// The store of all nodes does not open.
    #[error("the store of the nodes cannot be opened")]
    Store(#[from] Box<StartError>),
    /// The store is not one of this release.
    #[error("the store of the nodes cannot be used")]
    Open(#[from] OpenError),
    /// The system gives no threads.
    #[error("a node gets no threads")]
    Runtime(#[from] std::io::Error),
    /// There is no such node.
    #[error("there is no node {number}: 1 to {count} are")]
    NoSuchNode {
        /// Which was asked for.
        number: u8,
        /// How many there are.
        count: usize,
    },
    /// The node cannot do this now.
    #[error("node {number} is {standing}")]
    Standing {
        /// Which.
        number: u8,
        /// How it stands.
        standing: Standing,
    },
    /// The nodes have not found together.
    #[error("the nodes have not shared the rooms among them in {} seconds", SETTLES_WITHIN.as_secs())]
    Unsettled,
}

/// How a node stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Serves.
    Running,
    /// Stands still.
    Paused,
    /// Serves, and reaches no other node.
    CutOff,
    /// Was killed.
    Killed,
    /// Has left in good order.
    Left,
}

/// What there is to know of a node.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// From 1 on.
    pub number: u8,
    /// Its id in the cluster.
    pub id: NodeId,
    /// Where clients reach it.
    pub address: SocketAddr,
    /// How it stands.
    pub standing: Standing,
    /// Shards that it owns, as it knows; 0 if it does not run.
    pub shards: usize,
    /// Streams of clients.
    pub sessions: u64,
    /// Rooms in memory.
    pub rooms: usize,
}

/// Several nodes in this process.
#[derive(Debug)]
pub struct DevCluster {
    config: Config,
    store: Store,
    network: MemoryNetwork,
    balancer: Balancer,
    nodes: Vec<DevNode>,
}

#[derive(Debug)]
struct DevNode {
    number: u8,
    id: NodeId,
    address: SocketAddr,
    running: Option<Running>,
    standing: Standing,
}

/// A node that has not ended.
#[derive(Debug)]
struct Running {
    runtime: Runtime,
    app: App,
    /// Dropped, it lets a paused node go on.
    paused: Option<SyncSender<()>>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::CutOff => "cut off",
            Self::Killed => "killed",
            Self::Left => "left",
        })
    }
}

impl DevError {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Start { source, .. } | Self::Store(source) => serve::code(source),
            Self::Open(_)
            | Self::Runtime(_)
            | Self::NoSuchNode { .. }
            | Self::Standing { .. }
            | Self::Unsettled => crate::cli::EXIT_SOFTWARE,
        }
    }
}

impl DevCluster {
    /// Starts `count` nodes behind one address, that of `config`. They listen on the ports after it, or on any if it is
    /// 0. Returns once they have shared the rooms among them.
    ///
    /// # Errors
    /// If one of them does not start.
    pub async fn start(config: Config, count: u8) -> Result<Self, DevError> {
        let rng = Rng::from_os();
        let store = stores::open(&config, &rng).await.map_err(Box::new)?;
        let mut cluster = Self {
            balancer: Balancer::start(config.listen).await?,
            config,
            store,
            network: MemoryNetwork::new(),
            nodes: Vec::new(),
        };
        for number in 1..=count {
            let mut id = [0; 16];
            // Short to read, and the same in each run.
            id[0] = number << 3;
            let id = NodeId::from_bytes(id);
            let mut address = cluster.config.listen;
            if address.port() != 0 {
                address.set_port(address.port().saturating_add(u16::from(number)));
            }
            let running = cluster.run(number, id, address).await?;
            cluster.nodes.push(DevNode {
                number,
                id,
                address: running.app.gateway().local_addr(),
                running: Some(running),
                standing: Standing::Running,
            });
        }
        cluster.balance();
        cluster.settle().await?;
        Ok(cluster)
    }

    async fn run(&self, number: u8, id: NodeId, address: SocketAddr) -> Result<Running, DevError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // One, so that a node that is paused stands still.
            .worker_threads(1)
            .thread_name(format!("node-{number}"))
            .enable_all()
            .build()?;
        let config = Config {
            listen: address,
            ..self.config.clone()
        };
        let among = Among {
            store: self.store.clone(),
            node: id,
            network: Arc::new(self.network.node(id)),
        };
        let started = runtime
            .spawn(App::start_among(config, Some(among)))
            .await
            .map_err(std::io::Error::other)?;
        match started {
            Ok(app) => Ok(Running {
                runtime,
                app,
                paused: None,
            }),
            Err(source) => {
                runtime.shutdown_background();
                let source = Box::new(source);
                Err(DevError::Start { number, source })
            }
        }
    }

    /// Waits until every shard has an owner that serves and that all running nodes know.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn settle(&self) -> Result<(), DevError> {
        let settled = async {
            while !self.is_settled() {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(SETTLES_WITHIN, settled)
            .await
            .map_err(|_| DevError::Unsettled)
    }

    fn is_settled(&self) -> bool {
        let apps: Vec<_> = self.running().map(|running| &running.app).collect();
        let ids: Vec<_> = apps
            .iter()
            .map(|app| app.node.membership.myself())
            .collect();
        apps.iter().all(|app| {
            let view = app.node.membership.view();
            let owned: usize = ids.iter().map(|life| view.shards_of(*life).count()).sum();
            // Half of an even share: what is left to move is by chance.
            let share = usize::from(cluster_types::SHARDS) / ids.len() / 2;
            let is_fair = |life: &Life| view.shards_of(*life).count() > share;
            let shared = ids.iter().all(is_fair);
            let linked = app.node.linked().len() + 1 == ids.len();
            owned == usize::from(cluster_types::SHARDS) && shared && linked
        })
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        let is_running = |node: &&DevNode| node.standing == Standing::Running;
        self.nodes
            .iter()
            .filter(is_running)
            .filter_map(|node| node.running.as_ref())
    }

    /// All nodes.
    pub fn status(&self) -> Vec<NodeStatus> {
        let status = |node: &DevNode| {
            let app = node.running.as_ref().map(|running| &running.app);
            let shards = app.map(|app| {
                let view = app.node.membership.view();
                view.shards_of(view.me()).count()
            });
            NodeStatus {
                number: node.number,
                id: node.id,
                address: node.address,
                standing: node.standing,
                shards: shards.unwrap_or_default(),
                sessions: app.map_or(0, |app| app.node.hub.count()),
                rooms: app.map_or(0, |app| app.node.rooms.active()),
            }
        };
        self.nodes.iter().map(status).collect()
    }

    /// Where clients reach all of them.
    pub fn address(&self) -> SocketAddr {
        self.balancer.address
    }

    /// What each node that has not ended knows of the cluster.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = Membership> {
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        running.map(|running| running.app.node.membership.clone())
    }

    /// The store of all of them.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The node that has a room, as the first that runs knows.
    pub fn owner(&self, room: RoomId) -> Option<u8> {
        let knows = &self.running().next()?.app.node.membership;
        let owner = knows.view().owner(Shard::of_room(room)).life?;
        let node = self.nodes.iter().find(|node| node.id == owner.node)?;
        Some(node.number)
    }

    /// Sends clients to those that take them.
    fn balance(&self) {
        let takes = |node: &&DevNode| matches!(node.standing, Standing::Running | Standing::CutOff);
        let nodes = self.nodes.iter().filter(takes);
        let nodes = nodes.filter_map(|node| node.running.as_ref());
        let gateways = nodes.map(|running| running.app.gateway().clone());
        self.balancer.use_nodes(gateways.collect());
    }

    /// A running server, by its number from 1 on.
    pub fn app(&self, number: u8) -> Option<&App> {
        let node = self.nodes.iter().find(|node| node.number == number)?;
        node.running.as_ref().map(|running| &running.app)
    }

    /// Ends all nodes in good order, side by side, and then the store.
    pub async fn stop(mut self) {
        self.balancer.stop();
        for node in &mut self.nodes {
            if let Some(running) = &mut node.running {
                running.paused = None;
            }
        }
        let ending: Vec<_> = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.running.take())
            .map(|running| {
                let app = running.app.clone();
                let stopped = running.runtime.spawn(async move { app.stop().await });
                (running, stopped)
            })
            .collect();
        for (running, stopped) in ending {
            let _stopped = stopped.await;
            running.runtime.shutdown_background();
        }
        self.store.close().await;
    }
}
