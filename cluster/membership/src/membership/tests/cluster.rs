//! Several memberships on one simulated disk, under paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_runtime::Tasks;
use cluster_store::{Backend, Simulated, SimulatedDisk, Snapshot, Store, StoreError};
use cluster_types::{Epoch, NodeId, Rng, Shard};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::{Addresses, JoinError, Membership, Myself, Owner, Parts, Place, Tenant, Timing, View};

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

/// A disk with nodes on it.
pub(super) struct Cluster {
    pub(super) disk: SimulatedDisk,
    rng: Rng,
    peers: Peers,
}

/// Where the rooms of a node find others, as links do.
type Peers = Arc<Mutex<BTreeMap<NodeId, Membership>>>;

/// A node that can be cut off from the store, or killed.
pub(super) struct Node {
    pub(super) membership: Membership,
    pub(super) rooms: Arc<Rooms>,
    pub(super) tasks: Tasks,
    pub(super) store: Store,
    gate: watch::Sender<bool>,
}

/// What a tenant was told.
pub(super) struct Rooms {
    peers: Peers,
    pub(super) told: Mutex<Told>,
}

#[derive(Debug, Default)]
pub(super) struct Told {
    /// When each shard was released, and when gained.
    pub(super) released: BTreeMap<Shard, Instant>,
    pub(super) gained: BTreeMap<Shard, Instant>,
    pub(super) lost: Vec<Shard>,
    pub(super) handed: usize,
}

/// A client of the disk that hangs while its gate is closed.
#[derive(Debug)]
struct Gated {
    inner: Simulated,
    open: watch::Receiver<bool>,
}

impl Cluster {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            disk: SimulatedDisk::new(),
            rng: Rng::seeded(seed),
            peers: Peers::default(),
        }
    }

    /// A cluster of so many nodes, each with the shards that fall to it.
    pub(super) async fn of(seed: u64, nodes: usize) -> (Self, Vec<Node>) {
        let cluster = Self::new(seed);
        let mut all = Vec::new();
        for _ in 0..nodes {
            all.push(cluster.start(cluster.id()).await);
        }
        settled(&all).await;
        (cluster, all)
    }

    pub(super) fn id(&self) -> NodeId {
        NodeId::random(&self.rng)
    }

    /// A node that serves.
    pub(super) async fn start(&self, node: NodeId) -> Node {
        let node = self.join(node).await.expect("joins");
        self.peers
            .lock()
            .insert(node.membership.myself().node, node.membership.clone());
        node.membership
            .serve(Arc::clone(&node.rooms) as Arc<dyn Tenant>);
        node
    }

    /// A node that belongs to the cluster and does not serve.
    pub(super) async fn join(&self, node: NodeId) -> Result<Node, JoinError> {
        let (parts, gate) = self.parts(node);
        let (tasks, store) = (parts.tasks.clone(), parts.store.clone());
        let membership = Membership::join(parts).await?;
        let rooms = self.rooms();
        Ok(Node {
            membership,
            rooms,
            tasks,
            store,
            gate,
        })
    }

    pub(super) fn rooms(&self) -> Arc<Rooms> {
        Arc::new(Rooms {
            peers: Arc::clone(&self.peers),
            told: Mutex::default(),
        })
    }

    pub(super) fn parts(&self, node: NodeId) -> (Parts, watch::Sender<bool>) {
        let gate = watch::Sender::new(true);
        let gated = Gated {
            inner: Simulated::new(self.disk.clone(), self.rng.fork()),
            open: gate.subscribe(),
        };
        let myself = Myself {
            node,
            addresses: Addresses::default(),
            version: "1.0".into(),
        };
        let parts = Parts {
            store: Store::with_jitter(gated, self.rng.fork()),
            rng: self.rng.fork(),
            tasks: Tasks::new(),
            myself,
            timing: Timing::default(),
        };
        (parts, gate)
    }
}

impl Node {
    pub(super) fn id(&self) -> NodeId {
        self.membership.myself().node
    }

    pub(super) fn owned(&self) -> usize {
        let view = self.membership.view();
        view.shards_of(view.me()).count()
    }

    /// Shards that are here, and under which epochs.
    pub(super) fn here(&self) -> BTreeMap<Shard, Epoch> {
        let here = |shard| match self.membership.place(shard) {
            Place::Here(ownership) => Some((shard, ownership.epoch)),
            Place::There(..) | Place::Nobody => None,
        };
        Shard::all().filter_map(here).collect()
    }

    /// Nothing of it happens any more, and nobody is told.
    pub(super) fn kill(&self) {
        self.tasks.stop();
    }

    /// The store does not answer it any more, or does again.
    pub(super) fn cut_off(&self, cut_off: bool) {
        self.gate.send_replace(!cut_off);
    }

    /// Waits for a view like this.
    pub(super) async fn until(&self, mut done: impl FnMut(&Arc<View>) -> bool) {
        let mut view = self.membership.view();
        let waited = timeout(LONG, async {
            while !done(&view) {
                view = self.membership.view_after(&view).await;
            }
        });
        let waited = waited.await;
        assert!(
            waited.is_ok(),
            "{:?} of {:?}",
            self.owned(),
            self.membership
        );
    }
}

/// Waits until each shard is here on one of these nodes, and all of them know where each is.
pub(super) async fn settled(nodes: &[Node]) {
    let began = Instant::now();
    let is_settled = || {
        let here: Vec<_> = nodes.iter().map(Node::here).collect();
        let all = here.iter().map(BTreeMap::len).sum::<usize>() == Shard::all().len();
        let agreed = nodes.iter().all(|node| {
            let view = node.membership.view();
            here.iter().zip(nodes).all(|(here, owner)| {
                let life = owner.membership.myself();
                view.shards_of(life).eq(here.keys().copied())
            })
        });
        let fair = here
            .iter()
            .all(|here| here.len() * nodes.len() > Shard::all().len() / 2);
        all && agreed && fair
    };
    while !is_settled() {
        assert!(
            began.elapsed() < LONG,
            "{:?}",
            nodes.iter().map(Node::owned).collect::<Vec<_>>()
        );
        nodes[0].membership.look().await;
    }
}

#[async_trait]
impl Tenant for Rooms {
    async fn release(&self, shards: &[Shard]) {
        let now = Instant::now();
        let released = shards.iter().map(|shard| (*shard, now));
        self.told.lock().released.extend(released);
    }

    fn handed(&self, handed: &[(Shard, Owner)]) {
        self.told.lock().handed += handed.len();
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        for peer in peers {
            peer.hear(handed);
        }
    }

    fn lost(&self, shards: &[Shard]) {
        self.told.lock().lost.extend(shards);
    }

    fn gained(&self, shards: &[Shard]) {
        let now = Instant::now();
        let gained = shards.iter().map(|shard| (*shard, now));
        self.told.lock().gained.extend(gained);
    }
}

#[async_trait]
impl Backend for Gated {
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut open = self.open.clone();
        let opened = open.wait_for(|open| *open).await;
        opened.map(drop).map_err(|_| StoreError::Closed)?;
        self.inner.begin().await
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
