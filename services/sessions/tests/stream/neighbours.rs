//! Two nodes on one store that deliver to each other, over a link that tests cut and fill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_runtime::TaskKind;
use cluster_store::SimulatedDisk;
use cluster_types::{Epoch, ManualClock, NodeId, Rng, RoomId, Shard, UnixMillis};
use parking_lot::Mutex;
use proto::cluster::v1;
use services_sessions::{Home, Hub, Nodes};
use services_vault::MemoryKms;
use tokio::sync::mpsc;

use crate::world::{World, alone};

/// Frames on their way: as many as no test sends.
const ON_THE_WAY_MAX: usize = 10_000;

const IDS: [NodeId; 2] = [NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16])];

/// Both nodes.
pub(crate) struct Neighbours {
    pub(crate) home: World,
    pub(crate) away: World,
    between: Arc<Shared>,
}

/// Which node a shard is at, and under which epoch.
type Believed = Option<(usize, Epoch)>;

#[derive(Debug, Default)]
struct Shared {
    hubs: Mutex<Vec<Hub>>,
    queues: Mutex<Vec<mpsc::Sender<Bytes>>>,
    /// Where a node believes shards to be that are not at the first one.
    homes: Mutex<BTreeMap<(usize, Shard), Believed>>,
    cut: AtomicBool,
    full: AtomicBool,
    told: AtomicUsize,
}

/// One node, as the other one sees it.
#[derive(Debug)]
struct End {
    me: usize,
    shared: Arc<Shared>,
}

impl Neighbours {
    pub(crate) async fn new() -> Self {
        let (rng, disk) = (Rng::seeded(1), SimulatedDisk::new());
        let kms = MemoryKms::new(rng.fork());
        let between = Arc::new(Shared::default());
        // Which node a room is on is for the tests to say: to the store they are one.
        let membership = alone(&disk, &rng).await;
        let node = async |me: usize| {
            let clock = ManualClock::at(UnixMillis(1_000_000_000));
            let shared = Arc::clone(&between);
            let nodes = Arc::new(End { me, shared });
            World::node(&rng, clock, &disk, &kms, membership.clone(), nodes).await
        };
        let (home, away) = (node(0).await, node(1).await);
        for (me, world) in [&home, &away].into_iter().enumerate() {
            let (queue, mut told) = mpsc::channel::<Bytes>(ON_THE_WAY_MAX);
            between.queues.lock().push(queue);
            between.hubs.lock().push(world.hub.clone());
            let hub = world.hub.clone();
            world
                .tasks
                .spawn(TaskKind::Relay, "test: link", async move {
                    while let Some(told) = told.recv().await {
                        hub.told(IDS[1 - me], told);
                    }
                });
        }
        let neighbours = Self {
            home,
            away,
            between,
        };
        neighbours.link();
        neighbours
    }

    pub(crate) fn link(&self) {
        self.between.cut.store(false, Ordering::Release);
        self.home.hub.linked(IDS[1]);
        self.away.hub.linked(IDS[0]);
    }

    pub(crate) fn cut(&self) {
        self.between.cut.store(true, Ordering::Release);
        self.home.hub.unlinked(IDS[1]);
        self.away.hub.unlinked(IDS[0]);
    }

    /// From here on, there is no place on the link for anything, or there is again.
    pub(crate) fn fill(&self, full: bool) {
        self.between.full.store(full, Ordering::Release);
    }

    /// Has one of the nodes believe a room to be at one of them under an epoch, or nowhere.
    pub(crate) fn believes(&self, me: usize, room: RoomId, home: Option<(usize, u64)>) {
        let home = home.map(|(node, epoch)| (node, Epoch(epoch)));
        let key = (me, Shard::of_room(room));
        self.between.homes.lock().insert(key, home);
        let hub = self.between.hubs.lock()[me].clone();
        hub.moved();
    }

    /// Has a room move to the second node, which hears of it last: for a while nobody has it, as far as they know.
    pub(crate) fn moves_away(&self, room: RoomId) {
        for home in [None, Some((1, 2))] {
            self.believes(0, room, home);
            self.believes(1, room, home);
        }
    }

    /// How often one node has told the other something since the last time.
    pub(crate) fn told(&self) -> usize {
        self.between.told.swap(0, Ordering::AcqRel)
    }
}

#[async_trait]
impl Nodes for End {
    fn home(&self, shard: Shard) -> Home {
        let homes = self.shared.homes.lock();
        let first = Some((0, Epoch(1)));
        match homes.get(&(self.me, shard)).copied().unwrap_or(first) {
            Some((node, epoch)) if node == self.me => Home::Here(epoch),
            Some((node, epoch)) => Home::There(IDS[node], epoch),
            None => Home::Nowhere,
        }
    }

    async fn look(&self) {}

    fn linked(&self) -> Vec<NodeId> {
        let cut = self.shared.cut.load(Ordering::Acquire);
        let other = (!cut).then_some(IDS[1 - self.me]);
        other.into_iter().collect()
    }

    fn tell(&self, node: NodeId, told: Bytes) -> bool {
        let stands = self.linked().contains(&node) && !self.shared.full.load(Ordering::Acquire);
        if stands {
            self.shared.told.fetch_add(1, Ordering::AcqRel);
            let queue = self.shared.queues.lock()[1 - self.me].clone();
            queue.try_send(told).expect("a test sends little");
        }
        stands
    }

    async fn subscribe(&self, node: NodeId, rooms: v1::Subscribe) -> Option<v1::Subscribed> {
        if !self.linked().contains(&node) {
            return None;
        }
        let hub = self.shared.hubs.lock()[1 - self.me].clone();
        Some(hub.subscribe(IDS[self.me], &rooms))
    }
}
