//! Commits by hand, each held against the owner of its room.

use std::sync::Arc;

use cluster_store::schema::{Node, RoomHead, Row as _, ShardOwner};
use cluster_store::{Simulated, SimulatedDisk, Store, Transaction, Witness};
use cluster_types::{Rng, RoomId, Shard};
use proto::storage::v1;

use super::Owners;
use crate::history::{What, World as Happened};
use crate::node::node_id;
use crate::world::World;

const ROOM: RoomId = RoomId::from_bytes([7; 16]);

/// A disk on which node 1 has made a room and owns it, and node 2 is a member, too.
struct Witnessed {
    disk: SimulatedDisk,
    world: World,
    owners: Arc<Owners>,
}

impl Witnessed {
    async fn new() -> Self {
        let (disk, world) = (SimulatedDisk::new(), World::default());
        let owners = Arc::new(Owners::new(world.clone()));
        disk.show(Arc::clone(&owners) as Arc<dyn Witness>);
        let witnessed = Self {
            disk,
            world,
            owners,
        };
        for node in [1, 2] {
            witnessed.enters(node, b"first").await;
        }
        witnessed.writes(1, false).await;
        witnessed.owns(1, b"first").await;
        witnessed
    }

    fn store(&self, node: u32) -> Store {
        let disk = self.disk.clone();
        Store::new(Simulated::numbered(disk, node, Rng::seeded(0)))
    }

    /// A node enters with a new boot id.
    async fn enters(&self, node: u32, boot: &'static [u8]) {
        let enter = |tx: Transaction, _| async move {
            let key = Node {
                node: node_id(node),
            };
            let boot_id = boot.into();
            let row = v1::Node {
                boot_id,
                ..Default::default()
            };
            tx.set_row(&key, &row)
        };
        self.store(node).run(enter).await.expect("written");
    }

    /// From here on a node has the room's shard.
    async fn owns(&self, node: u32, boot: &'static [u8]) {
        let own = |tx: Transaction, _| async move {
            let shard = Shard::of_room(ROOM);
            let row = v1::ShardOwner {
                node_id: node_id(node).as_bytes().to_vec().into(),
                boot_id: boot.into(),
                ..Default::default()
            };
            tx.set_row(&ShardOwner { shard }, &row)
        };
        self.store(node).run(own).await.expect("written");
    }

    /// A node writes to the room.
    async fn writes(&self, node: u32, looks: bool) {
        let write = |tx: Transaction, _| async move {
            if looks {
                let shard = Shard::of_room(ROOM);
                tx.get(&ShardOwner { shard }.encode()).await?;
            }
            tx.set(&RoomHead { room: ROOM }.encode(), b"")
        };
        self.store(node).run(write).await.expect("written");
    }

    /// What was said of it.
    fn said(&self) -> Vec<Happened> {
        let entries = self.world.take_history().entries.into_iter();
        let said = entries.map(|entry| {
            let What::World(said) = entry.what else {
                panic!("nobody but the witness speaks: {entry}");
            };
            said
        });
        said.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_looks_whose_the_room_is_may_write() {
    let witnessed = Witnessed::new().await;
    witnessed.writes(1, true).await;
    assert_eq!(witnessed.said(), []);
    assert_eq!(
        witnessed.owners.writes(),
        1,
        "the room's making is no write to it"
    );
}

#[tokio::test(start_paused = true)]
async fn another_node_that_writes_is_found() {
    let witnessed = Witnessed::new().await;
    witnessed.writes(2, true).await;
    assert!(matches!(&witnessed.said()[..], [Happened::Stray(_)]));
}

#[tokio::test(start_paused = true)]
async fn what_an_evicted_node_has_under_way_may_be_written_until_somebody_else_owns_the_room() {
    let witnessed = Witnessed::new().await;
    witnessed.enters(1, b"second").await;
    witnessed.writes(1, true).await;
    assert_eq!(witnessed.said(), []);
    witnessed.owns(2, b"first").await;
    witnessed.writes(1, true).await;
    assert!(matches!(&witnessed.said()[..], [Happened::Stray(_)]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_started_anew_and_writes_for_its_earlier_life_is_found() {
    let witnessed = Witnessed::new().await;
    witnessed.owners.starts(1);
    witnessed.enters(1, b"second").await;
    witnessed.writes(1, true).await;
    assert!(matches!(&witnessed.said()[..], [Happened::Stray(_)]));
    witnessed.owns(1, b"second").await;
    witnessed.writes(1, true).await;
    assert_eq!(witnessed.said(), []);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_look_whose_the_room_is_is_found() {
    let witnessed = Witnessed::new().await;
    witnessed.writes(1, false).await;
    assert!(matches!(&witnessed.said()[..], [Happened::Unfenced(_)]));
}
