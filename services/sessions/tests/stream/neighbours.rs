//! Two nodes on one store that deliver to each other, over a link that tests cut and fill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_runtime::TaskKind;
use cluster_store::SimulatedDisk;
use cluster_types::{Epoch, ManualClock, NodeId, Rng, RoomId, UnixMillis};
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

#[derive(Debug, Default)]
struct Shared {
    hubs: Mutex<Vec<Hub>>,
    queues: Mutex<Vec<mpsc::Sender<Bytes>>>,
    /// Where rooms are that are not at the first node, or are there anew.
    homes: Mutex<BTreeMap<RoomId, (usize, Epoch)>>,
    cut: AtomicBool,
    /// The first node owns its rooms and may not serve them.
    suspended: AtomicBool,
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

    /// The first node cannot renew, and then it can again.
    pub(crate) fn stalls(&self) {
        for suspended in [true, false] {
            self.between.suspended.store(suspended, Ordering::Release);
            self.home.hub.moved();
        }
    }

    /// Has a room move to the second node.
    pub(crate) fn moves_away(&self, room: RoomId) {
        self.between.homes.lock().insert(room, (1, Epoch(2)));
        self.home.hub.moved();
        self.away.hub.moved();
    }

    /// How often one node has told the other something since the last time.
    pub(crate) fn told(&self) -> usize {
        self.between.told.swap(0, Ordering::AcqRel)
    }
}

#[async_trait]
impl Nodes for End {
    fn home(&self, room: RoomId) -> Home {
        let homes = self.shared.homes.lock();
        let (node, epoch) = homes.get(&room).copied().unwrap_or((0, Epoch(1)));
        if node == self.me && node == 0 && self.shared.suspended.load(Ordering::Acquire) {
            Home::Nowhere
        } else if node == self.me {
            Home::Here(epoch)
        } else {
            Home::There(IDS[node], epoch)
        }
    }

    fn owns(&self, room: RoomId) -> bool {
        matches!(self.home(room), Home::Here(_) | Home::Nowhere)
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
