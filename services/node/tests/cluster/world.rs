//! The nodes, and somebody who uses them.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster_membership::{Addresses, Membership, Myself, NodeState, Place, Timing};
use cluster_rpc::link::MemoryNetwork;
use cluster_runtime::Tasks;
use cluster_store::{Faults, Simulated, SimulatedDisk, Store};
use cluster_types::{
    AccountId, Caller, DeploymentId, ManualClock, NodeId, Rng, RoomId, Seq, Shard, UnixMillis,
};
use object_store::memory::InMemory;
use services_accounts::{Argon2id, HashCost};
use services_node::{Node, Parts};
use services_rooms::{
    Action, ClientMessageId, Command, CommandError, Direction, Draft, EventKind, Format, NewRoom,
    Outcome, Priority, Start,
};
use services_vault::{KeySource, MemoryKms, Vault};

use crate::wire;

const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);

/// Events in one page: more than any test makes.
const ALL: usize = 1_000;

/// What a call of the store takes at most, once it is slow.
const STORE_TAKES: Duration = Duration::from_millis(2);

pub(crate) struct World {
    pub(crate) nodes: Vec<Member>,
    pub(crate) network: MemoryNetwork,
    pub(crate) somebody: AccountId,
    /// What somebody's device shows.
    pub(crate) token: String,
    disk: SimulatedDisk,
    kms: MemoryKms,
    rng: Rng,
}

/// One node in one life.
pub(crate) struct Member {
    pub(crate) id: NodeId,
    pub(crate) node: Node,
    /// Its place for files, which goes with it.
    pub(crate) objects: Weak<InMemory>,
    tasks: Tasks,
}

/// Nobody is too fast.
#[derive(Debug)]
struct AnyPace;

impl services_sessions::Pace for AnyPace {
    fn take(&self, _: &Caller, _: u32) -> Result<(), Duration> {
        Ok(())
    }
}

impl services_files::Pace for AnyPace {
    fn take(&self, _: &Caller) -> Result<(), Duration> {
        Ok(())
    }
}

const fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 16])
}

impl World {
    /// Nodes that share the rooms among them.
    pub(crate) async fn new(nodes: u8) -> Self {
        let rng = Rng::seeded(1);
        let mut world = Self {
            nodes: Vec::new(),
            network: MemoryNetwork::new(),
            somebody: AccountId::from_bytes([0; 16]),
            token: String::new(),
            disk: SimulatedDisk::new(),
            kms: MemoryKms::new(rng.fork()),
            rng,
        };
        for number in 1..=nodes {
            world.add(id(number)).await;
        }
        world.settle().await;
        (world.somebody, world.token) = wire::register(&world.nodes[0].node).await;
        world
    }

    /// Starts a node, in a new life.
    pub(crate) async fn add(&mut self, id: NodeId) {
        let tasks = Tasks::new();
        let store = Store::new(Simulated::new(self.disk.clone(), self.rng.fork()));
        let vault = Vault::open(services_vault::Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::Kms(Arc::new(self.kms.clone())),
            rng: self.rng.fork(),
        });
        let addresses = Addresses {
            cluster: id.to_string(),
            ..Addresses::default()
        };
        let membership = Membership::join(cluster_membership::Parts {
            store: store.clone(),
            rng: self.rng.fork(),
            tasks: tasks.clone(),
            myself: Myself {
                node: id,
                addresses,
                version: String::new(),
            },
            timing: Timing::default(),
        });
        let objects = Arc::new(InMemory::new());
        let node = Node::start(Parts {
            store,
            deployment: DEPLOYMENT,
            vault: vault.await.expect("a vault opens"),
            objects: objects.clone(),
            clock: Arc::new(ManualClock::at(UnixMillis(1_000_000_000))),
            rng: self.rng.fork(),
            tasks: tasks.clone(),
            hasher: Arc::new(Argon2id::new(HashCost::LEAST).expect("a hasher")),
            accounts: services_accounts::Options {
                self_registration: true,
                hashes_at_once: NonZeroUsize::MIN,
                ..Default::default()
            },
            files: services_files::Policy::default(),
            stream_pace: Arc::new(AnyPace),
            file_pace: Arc::new(AnyPace),
            frame_bytes_max: 80 * 1024,
            relay_shards: 1,
            membership: membership.await.expect("joins"),
            network: Some(Arc::new(self.network.node(id))),
        });
        let node = node.await.expect("starts");
        self.nodes.push(Member {
            id,
            node,
            objects: Arc::downgrade(&objects),
            tasks,
        });
    }

    /// Until every shard has an owner whom all nodes know, and all are linked and take part.
    pub(crate) async fn settle(&self) {
        let is_settled = |member: &Member| {
            let view = member.node.membership.view();
            let others = view.members().len() == self.nodes.len();
            let linked = member.node.linked().len() + 1 == self.nodes.len();
            let owned = Shard::all().all(|shard| {
                let place = member.node.membership.place(shard);
                !matches!(place, Place::Nobody)
            });
            let moved = view.members().all(|of| {
                let shards = view.shards_of(of.life).count();
                of.state == NodeState::Serving && shards > 1_024 / self.nodes.len() / 2
            });
            others && linked && owned && moved
        };
        while !self.nodes.iter().all(is_settled) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    // --- Rooms ---

    /// A room that this node has.
    pub(crate) async fn room_at(&self, place: usize) -> RoomId {
        loop {
            let new = NewRoom {
                display_name: "room".to_owned(),
                topic: String::new(),
                request_id: ClientMessageId(self.rng.bytes()),
            };
            let rooms = &self.nodes[place].node.rooms;
            let made = rooms.create(self.somebody, &new).await;
            let room = made.expect("a room").room;
            if self.owner(room) == Some(self.nodes[place].id) {
                return room;
            }
        }
    }

    /// Who has a room, as the last of the nodes knows.
    pub(crate) fn owner(&self, room: RoomId) -> Option<NodeId> {
        let last = self.nodes.last()?;
        match last.node.membership.place(Shard::of_room(room)) {
            Place::Here(_) => Some(last.id),
            Place::There(member, _) => Some(member.life.node),
            Place::Nobody => None,
        }
    }

    /// Says something by one of the nodes, under an id that may have been used before.
    pub(crate) async fn say(
        &self,
        place: usize,
        room: RoomId,
        id: u16,
    ) -> Result<Outcome, CommandError> {
        let command = self.message(id);
        self.nodes[place].node.rooms.command(room, command).await
    }

    /// Says some things together by one of the nodes.
    pub(crate) async fn say_all(&self, place: usize, room: RoomId, ids: Range<u16>) {
        let rooms = &self.nodes[place].node.rooms;
        let commands = ids.map(|id| self.message(id)).collect();
        let said = |_, outcome: Result<Outcome, CommandError>| assert!(outcome.is_ok());
        rooms.commands(room, commands, said).await;
    }

    fn message(&self, id: u16) -> Command {
        let draft = Draft {
            client_message_id: ClientMessageId(u128::from(id + 1).to_be_bytes()),
            body: format!("message {id}"),
            format: Format::Plain,
            priority: Priority::Normal,
            reply_to: None,
            files: Vec::new(),
        };
        Command {
            account: self.somebody,
            action: Action::Send(draft),
        }
    }

    /// All that was said in a room, as one of the nodes reads it.
    pub(crate) async fn said(&self, place: usize, room: RoomId) -> Vec<String> {
        let rooms = &self.nodes[place].node.rooms;
        let (start, forward) = (Start::Seq(Seq(1)), Direction::Forward);
        let page = rooms.events(self.somebody, room, start, forward, ALL).await;
        let events = page.expect("reads").events.into_iter();
        let bodies = events.filter_map(|event| match event.kind {
            EventKind::Message(message) => Some(message.body),
            EventKind::Edit { .. }
            | EventKind::Deletion { .. }
            | EventKind::Membership(_)
            | EventKind::Room(_) => None,
        });
        bodies.collect()
    }

    // --- Ends ---

    /// Ends a node as a kill does: nobody hears a word of it.
    pub(crate) fn kill(&mut self, place: usize) {
        let Member {
            id, node, tasks, ..
        } = self.nodes.remove(place);
        for other in &self.nodes {
            self.network.part(id, other.id);
            self.network.sever(id, other.id);
        }
        tasks.stop();
        drop(node);
    }

    /// From here on, the store takes a while for each call.
    pub(crate) fn slow_down(&self) {
        self.disk.set_faults(Faults {
            delay: 1_000_000,
            delay_max: STORE_TAKES,
            ..Faults::NONE
        });
    }
}

impl Member {
    /// Ends in good order, while others go on.
    pub(crate) async fn leave(self) -> NodeId {
        self.node.hand_over().await;
        self.node.drain();
        self.node.stop().await;
        self.node.leave().await;
        self.tasks.stop();
        self.id
    }
}
