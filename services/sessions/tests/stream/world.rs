//! A node without a network: store, rooms, hub and sessions, and people who use them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_membership::Membership;
use cluster_rpc::name;
use cluster_runtime::Tasks;
use cluster_store::{Simulated, SimulatedDisk, Store, StoreError};
use cluster_types::{
    AccountId, Caller, DeploymentId, ManualClock, NodeId, Rng, RoomId, Seq, SignInId, UnixMillis,
};
use parking_lot::Mutex;
use proto::v1::{FollowRoom, Hello, SendMessageRequest};
use services_rooms::{
    Action, ClientMessageId, Command as RoomCommand, Draft, Format, NewRoom, People, Priority,
    Role, Rooms,
};
use services_sessions::{Alone, Dependencies, Hub, Nodes, Pace, Sessions, SignIns};
use services_vault::{KeySource, MemoryKms, Parts, Vault};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::wire::{Client, Command, Item, Status, connect, connect_until};

/// Most bytes of a frame from a client, as the server is set up.
pub(crate) const FRAME_BYTES_MAX: usize = 80 * 1024;

const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);

/// When somebody who is too fast is told to come again.
pub(crate) const PACE_RETRY: Duration = Duration::from_millis(1_234);

/// Everybody exists; sign-ins stand until they are ended; nobody is too fast unless a test says so.
#[derive(Debug, Default)]
pub(crate) struct Everybody {
    ended: Mutex<BTreeSet<SignInId>>,
    /// While this is set, nobody is told whether a sign-in stands.
    pub(crate) silent: Mutex<bool>,
    pub(crate) asked: Notify,
    pub(crate) speaks: Notify,
    /// What the store fails with when it is asked for a sign-in.
    pub(crate) unreadable: Mutex<Option<StoreError>>,
    /// How many calls everybody together has left.
    pub(crate) calls_left: Mutex<Option<u32>>,
}

impl Pace for Everybody {
    fn take(&self, _: &Caller, calls: u32) -> Result<(), Duration> {
        if let Some(left) = &mut *self.calls_left.lock() {
            *left = left.checked_sub(calls).ok_or(PACE_RETRY)?;
        }
        Ok(())
    }
}

#[async_trait]
impl People for Everybody {
    async fn exists(&self, _: AccountId) -> Result<bool, StoreError> {
        Ok(true)
    }
}

#[async_trait]
impl SignIns for Everybody {
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError> {
        self.asked.notify_one();
        while *self.silent.lock() {
            self.speaks.notified().await;
        }
        if let Some(error) = &*self.unreadable.lock() {
            return Err(error.clone());
        }
        Ok(!self.ended.lock().contains(&caller.sign_in))
    }
}

pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) tasks: Tasks,
    pub(crate) hub: Hub,
    pub(crate) rooms: Rooms,
    pub(crate) sessions: Sessions,
    pub(crate) everybody: Arc<Everybody>,
    pub(crate) rng: Rng,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_clock(0, ManualClock::at(UnixMillis(1_000_000_000))).await
    }

    pub(crate) async fn seeded(seed: u64) -> Self {
        Self::with_clock(seed, ManualClock::at(UnixMillis(1_000_000_000))).await
    }

    pub(crate) async fn with_clock(seed: u64, clock: impl cluster_types::Clock) -> Self {
        let rng = Rng::seeded(seed);
        let kms = MemoryKms::new(rng.fork());
        let disk = SimulatedDisk::new();
        let membership = alone(&disk, &rng).await;
        Self::node(&rng, clock, &disk, &kms, membership, Arc::new(Alone)).await
    }

    /// One node of several on a disk.
    pub(crate) async fn node(
        rng: &Rng,
        clock: impl cluster_types::Clock,
        disk: &SimulatedDisk,
        kms: &MemoryKms,
        membership: Membership,
        nodes: Arc<dyn Nodes>,
    ) -> Self {
        let (rng, tasks) = (rng.fork(), Tasks::new());
        let everybody = Arc::new(Everybody::default());
        // One shard: what a later session has been given, an earlier one has been given before.
        let hub = Hub::start(1, nodes, &tasks);
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        let vault = Vault::open(Parts {
            store: store.clone(),
            deployment: DEPLOYMENT,
            source: KeySource::Kms(Arc::new(kms.clone())),
            rng: rng.fork(),
        });
        let rooms = services_rooms::Dependencies {
            store,
            vault: vault.await.expect("a vault opens"),
            clock: Arc::new(clock),
            rng: rng.fork(),
            people: Arc::clone(&everybody) as Arc<dyn People>,
            attachments: Arc::new(services_rooms::NoFiles),
            publisher: Arc::new(hub.clone()),
            membership,
            nodes: Arc::new(services_rooms::NoOtherNodes),
            tasks: tasks.clone(),
        };
        let rooms = Rooms::start(rooms).await.expect("rooms start");
        let sign_ins = Arc::clone(&everybody) as Arc<dyn SignIns>;
        let with = Dependencies {
            rooms: rooms.clone(),
            sign_ins,
            pace: Arc::clone(&everybody) as Arc<dyn Pace>,
            tasks: tasks.clone(),
            frame_bytes_max: FRAME_BYTES_MAX,
        };
        let sessions = Sessions::start(hub.clone(), with).await;
        Self {
            sessions: sessions.expect("sessions start"),
            disk: disk.clone(),
            tasks,
            hub,
            rooms,
            everybody,
            rng,
        }
    }

    // --- People ---

    /// Somebody new, on a device.
    pub(crate) fn person(&self) -> Caller {
        self.device(AccountId::random(&self.rng))
    }

    /// One more device.
    pub(crate) fn device(&self, account: AccountId) -> Caller {
        Caller {
            account,
            sign_in: SignInId::random(&self.rng),
            administrator: false,
        }
    }

    pub(crate) fn end_sign_in(&self, caller: Caller) {
        self.everybody.ended.lock().insert(caller.sign_in);
        self.hub.sign_in_ended(caller.account, caller.sign_in);
    }

    // --- Rooms ---

    /// A room of these people, who the first one owns. Its log holds one event for each.
    pub(crate) async fn room(&self, people: &[Caller]) -> RoomId {
        let new = NewRoom {
            display_name: "room".to_owned(),
            topic: String::new(),
            request_id: ClientMessageId(self.rng.bytes()),
        };
        let owner = people[0].account;
        let room = self.rooms.create(owner, &new).await.expect("a room").room;
        for member in &people[1..] {
            self.add(people[0], room, *member).await;
        }
        room
    }

    pub(crate) async fn act(&self, caller: Caller, room: RoomId, action: Action) -> Seq {
        let account = caller.account;
        let done = self.rooms.command(room, RoomCommand { account, action });
        done.await.expect("done").seq
    }

    pub(crate) async fn add(&self, by: Caller, room: RoomId, whom: Caller) -> Seq {
        let (account, role) = (whom.account, Role::Member);
        self.act(by, room, Action::Add { account, role }).await
    }

    pub(crate) async fn remove(&self, by: Caller, room: RoomId, whom: Caller) -> Seq {
        self.act(by, room, Action::Remove(whom.account)).await
    }

    /// Says something by a unary call.
    pub(crate) async fn say(&self, caller: Caller, room: RoomId, body: &str) -> Seq {
        self.say_with(caller, room, body, Priority::Normal).await
    }

    pub(crate) async fn say_with(
        &self,
        by: Caller,
        room: RoomId,
        body: &str,
        priority: Priority,
    ) -> Seq {
        let draft = Draft {
            client_message_id: ClientMessageId(self.rng.bytes()),
            body: body.to_owned(),
            format: Format::Plain,
            priority,
            reply_to: None,
            files: Vec::new(),
        };
        self.act(by, room, Action::Send(draft)).await
    }

    // --- Streams ---

    /// A stream that says nothing yet.
    pub(crate) async fn stream(&self, caller: Caller) -> Result<Client, Status> {
        connect(&self.sessions, Some(caller)).await
    }

    /// As [`Self::stream`], on a connection that has to go when `leaving` is cancelled.
    pub(crate) async fn stream_until(&self, caller: Caller, leaving: &CancellationToken) -> Client {
        let client = connect_until(&self.sessions, caller, leaving.clone()).await;
        client.expect("a stream")
    }

    /// A stream that has said hello. What came before the reply is not looked at.
    pub(crate) async fn client(&self, caller: Caller, follows: Vec<FollowRoom>) -> Client {
        let mut client = self.stream(caller).await.expect("a stream");
        client.hello(hello(follows)).await;
        client
    }

    /// A stream that follows a room and has everything of it.
    pub(crate) async fn follower(&self, caller: Caller, room: RoomId) -> Client {
        let mut client = self.stream(caller).await.expect("a stream");
        client.send_numbered(0, Command::Hello(hello(vec![from_head(room)])));
        client.until(|item| matches!(item, Item::Live(_))).await;
        client
    }
}

/// All rooms are on this node.
pub(crate) async fn alone(disk: &SimulatedDisk, rng: &Rng) -> Membership {
    let membership = Membership::alone(cluster_membership::Parts::unreachable(
        Store::new(Simulated::new(disk.clone(), rng.fork())),
        NodeId::from_bytes([1; 16]),
        rng.fork(),
        Tasks::new(),
    ));
    membership.await.expect("nobody else is there")
}

pub(crate) fn hello(follow_rooms: Vec<FollowRoom>) -> Hello {
    Hello { follow_rooms }
}

/// The room from this event on, without it.
pub(crate) fn after(room: RoomId, seq: u64) -> FollowRoom {
    FollowRoom {
        room: name::of_room(room),
        after_seq: seq,
        ..FollowRoom::default()
    }
}

pub(crate) fn from_head(room: RoomId) -> FollowRoom {
    FollowRoom {
        from_head: true,
        ..after(room, 0)
    }
}

pub(crate) fn send(room: RoomId, id: u128, body: &str) -> Command {
    Command::SendMessage(SendMessageRequest {
        room: name::of_room(room),
        client_message_id: uuid(id),
        body: body.to_owned(),
        ..SendMessageRequest::default()
    })
}

pub(crate) fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// Items in short.
pub(crate) fn texts(items: &[Item]) -> Vec<String> {
    items.iter().map(text).collect()
}

pub(crate) fn text(item: &Item) -> String {
    use proto::v1::event::Kind;
    match item {
        Item::Ready(_) => "ready".to_owned(),
        Item::Event(event) => match &event.kind {
            Some(Kind::Message(message)) => format!("{} {}", event.seq, message.body),
            Some(_) | None => format!("{} event", event.seq),
        },
        Item::Live(live) if live.rebuilt => format!("rebuilt {}", live.seq),
        Item::Live(live) => format!("live {}", live.seq),
        Item::RoomCounter(counter) => {
            format!(
                "{} of {} unread",
                counter.unread_count, counter.message_count
            )
        }
        Item::RoomGained(_) => "gained".to_owned(),
        Item::RoomLost(_) => "lost".to_owned(),
        Item::Reply(reply) => format!("reply {}", reply.request_id),
        Item::Typing(_) => "typing".to_owned(),
        Item::Presence(presence) => presence.state().as_str_name().to_owned(),
        Item::ReadMarker(marker) => format!("read {}", marker.seq),
        Item::Farewell(farewell) => farewell.reason().as_str_name().to_owned(),
    }
}
