//! A node's rooms for tests: over any store, with a clock that is set by hand, people who exist unless
//! they are said not to, and everything that is told written down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_membership::{JoinError, Membership};
use cluster_runtime::Tasks;
use cluster_store::{RangeQuery, Simulated, SimulatedDisk, Store, StoreError, Table, Transaction};
use cluster_types::{
    AccountId, Clock, DeploymentId, ManualClock, NodeId, Rng, RoomId, Seq, UnixMillis,
};
use parking_lot::Mutex;
use services_vault::{Generation, KeySource, Kms as _, MemoryKms, Parts, Vault};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::limits::EVENTS_PAGE_MAX;
use crate::{
    Action, ClientMessageId, Command, CommandError, Dependencies, Direction, Draft, Event,
    EventKind, Format, NewRoom, NoOtherNodes, Outcome, People, Priority, Published, Publisher,
    ReadMark, Role, Rooms, Start,
};

mod files;

use files::Kept;
pub(crate) use files::{attachment, edit_without, file, send_files};

pub(crate) const OWNER: AccountId = account(1);
pub(crate) const MODERATOR: AccountId = account(2);
pub(crate) const MEMBER: AccountId = account(3);
pub(crate) const STRANGER: AccountId = account(4);
/// Has no account.
pub(crate) const NOBODY: AccountId = account(0);

pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) const fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

/// The first byte of the keys of the membership.
const CLUSTER_AREA: u8 = 6;

/// Everybody but [`NOBODY`] exists.
#[derive(Debug)]
struct Everybody;

#[async_trait]
impl People for Everybody {
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError> {
        Ok(account != NOBODY)
    }
}

/// A clock that panics when it is told to: so does the actor that reads it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) clock: ManualClock,
    panics: AtomicU64,
}

impl Watch {
    /// The next readings, so many of them, panic.
    pub(crate) fn panic_next(&self, times: u64) {
        self.panics.store(times, Ordering::SeqCst);
    }
}

impl Clock for Watch {
    fn now(&self) -> UnixMillis {
        let panics = self.panics.load(Ordering::SeqCst);
        if panics > 0 {
            self.panics.store(panics - 1, Ordering::SeqCst);
            panic!("a defect, for a test");
        }
        self.clock.now()
    }
}

/// What was told besides events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Gained(RoomId, AccountId),
    Deleted(RoomId),
    Read(RoomId, AccountId, ReadMark),
    Typing(RoomId, AccountId),
}

/// A publisher that remembers.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) events: Mutex<Vec<Published>>,
    pub(crate) told: Mutex<Vec<Told>>,
    panics: AtomicBool,
    more: Notify,
}

impl Heard {
    /// The next event that is told panics.
    pub(crate) fn panic_next(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Waits until `found` finds something in the events heard so far.
    pub(crate) async fn until<T>(&self, found: impl Fn(&[Published]) -> Option<T>) -> T {
        loop {
            let more = self.more.notified();
            if let Some(found) = found(&self.events.lock()) {
                return found;
            }
            more.await;
        }
    }

    /// Waits until an event of the room has this place.
    pub(crate) async fn until_seq(&self, room: RoomId, seq: Seq) {
        let is_it = |event: &&Published| event.room == room && event.seq == seq;
        self.until(|events| events.iter().find(is_it).map(|_| ()))
            .await;
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    fn note(&self, told: Told) {
        self.told.lock().push(told);
    }
}

impl Publisher for Heard {
    fn event(&self, published: Published) {
        if self.panics.swap(false, Ordering::SeqCst) {
            panic!("a defect of the publisher, for a test");
        }
        self.events.lock().push(published);
        self.more.notify_waiters();
    }

    fn gained(&self, room: RoomId, account: AccountId) {
        self.note(Told::Gained(room, account));
    }

    fn deleted(&self, room: RoomId) {
        self.note(Told::Deleted(room));
    }

    fn read(&self, room: RoomId, account: AccountId, mark: ReadMark) {
        self.note(Told::Read(room, account, mark));
    }

    fn typing(&self, room: RoomId, account: AccountId) {
        self.note(Told::Typing(room, account));
    }
}

/// One node.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rooms: Rooms,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) watch: Arc<Watch>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) tasks: Tasks,
    rng: Rng,
}

impl World {
    /// A node on a store.
    pub(crate) async fn on(store: Store, rng: Rng) -> Self {
        let vault = vault(&store, &rng).await;
        Self::with(store, vault, rng).await
    }

    /// A node that seals nothing, so that tests find what lies where.
    pub(crate) async fn unsealed(store: Store, rng: Rng) -> Self {
        let vault = open(&store, KeySource::Unsealed, &rng).await;
        Self::with(store, vault, rng).await
    }

    async fn with(store: Store, vault: Vault, rng: Rng) -> Self {
        let watch = Arc::new(Watch {
            clock: ManualClock::at(NOW),
            panics: AtomicU64::new(0),
        });
        let (heard, tasks) = (Arc::new(Heard::default()), Tasks::new());
        let rooms = Rooms::start(Dependencies {
            store: store.clone(),
            vault: vault.clone(),
            clock: Arc::clone(&watch) as Arc<dyn Clock>,
            rng: rng.clone(),
            people: Arc::new(Everybody),
            attachments: Arc::new(Kept),
            publisher: Arc::clone(&heard) as Arc<dyn Publisher>,
            membership: alone(&store, &rng, &tasks).await,
            nodes: Arc::new(NoOtherNodes),
            tasks: tasks.clone(),
        });
        Self {
            rooms: rooms.await.expect("starts"),
            store,
            vault,
            watch,
            heard,
            tasks,
            rng,
        }
    }

    /// A node on a disk in memory on which nothing goes wrong yet.
    pub(crate) async fn simulated() -> (Self, SimulatedDisk) {
        let disk = SimulatedDisk::new();
        (Self::on_disk(&disk, 0).await, disk)
    }

    /// A node on this disk, which draws its luck from `seed`.
    pub(crate) async fn on_disk(disk: &SimulatedDisk, seed: u64) -> Self {
        let rng = Rng::seeded(seed);
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        Self::on(store, rng).await
    }

    /// Stops in order, as at the end of a process.
    pub(crate) async fn stop(self) {
        self.rooms.stop().await;
        self.tasks.stop();
        let left = self.tasks.ended(Duration::from_secs(60)).await;
        assert_eq!(left, 0, "all tasks end");
    }

    /// A room that [`OWNER`] owns, with a moderator and a member.
    pub(crate) async fn room(&self) -> RoomId {
        let room = self.lonely_room().await;
        for (account, role) in [(MODERATOR, Role::Moderator), (MEMBER, Role::Member)] {
            self.does(room, OWNER, Action::Add { account, role }).await;
        }
        room
    }

    /// A room with [`OWNER`] alone.
    pub(crate) async fn lonely_room(&self) -> RoomId {
        let new = NewRoom {
            display_name: "tea".to_owned(),
            topic: "and biscuits".to_owned(),
            request_id: self.id(),
        };
        let made = self.rooms.create(OWNER, &new).await;
        made.expect("a room can be made").room
    }

    /// Makes the keys that these accounts need to say something, so that saying it is one commit.
    pub(crate) async fn make_keys(&self, room: RoomId, accounts: &[AccountId]) {
        for account in accounts {
            let pair = self.vault.sealing_pair(*account, room, NOW).await;
            pair.expect("a key can be made");
        }
    }

    /// An id that no other message has.
    pub(crate) fn id(&self) -> ClientMessageId {
        ClientMessageId(self.rng.bytes())
    }

    /// Has something done, from a task of its own as a call has: so the caller may run before, between
    /// and after the actors.
    pub(crate) async fn act(
        &self,
        room: RoomId,
        account: AccountId,
        action: Action,
    ) -> Result<Outcome, CommandError> {
        let (mut task, rooms) = (JoinSet::new(), self.rooms.clone());
        task.spawn(async move { rooms.command(room, Command { account, action }).await });
        let outcome = task.join_next().await.expect("there is one task");
        outcome.expect("a caller does not panic")
    }

    pub(crate) async fn does(&self, room: RoomId, account: AccountId, action: Action) -> Outcome {
        self.act(room, account, action).await.expect("is done")
    }

    /// Says something; returns where.
    pub(crate) async fn says(&self, room: RoomId, account: AccountId, body: &str) -> Seq {
        self.does(room, account, send(self.id(), body)).await.seq
    }

    /// The whole log, as a member reads it.
    pub(crate) async fn log(&self, room: RoomId, account: AccountId) -> Vec<Event> {
        let mut log = Vec::new();
        let mut next = Some(Seq(1));
        while let Some(seq) = next {
            let page = self
                .rooms
                .events(
                    account,
                    room,
                    Start::Seq(seq),
                    Direction::Forward,
                    EVENTS_PAGE_MAX,
                )
                .await
                .expect("a member can read");
            log.extend(page.events);
            next = page.next;
        }
        log
    }

    /// The bodies of all messages, as they stand.
    pub(crate) async fn bodies(&self, room: RoomId, account: AccountId) -> Vec<String> {
        let log = self.log(room, account).await;
        log.into_iter().filter_map(body).collect()
    }

    /// Every row but those of the vault that are of no room.
    pub(crate) async fn rows(&self) -> Vec<(Bytes, Bytes)> {
        let read = |tx: Transaction| async move {
            let mut rows = Vec::new();
            let mut next = Some(RangeQuery::new(&[][..], &[0xff][..]));
            while let Some(query) = next {
                let page = tx.get_range(query.clone()).await?;
                next = query.after(&page);
                rows.extend(page.rows.into_iter().filter(|(key, _)| is_of_a_room(key)));
            }
            Ok::<_, StoreError>(rows)
        };
        self.store.read(read).await.expect("can be read")
    }

    /// How many rows each table of rooms holds; tables without rows are left out.
    pub(crate) async fn rows_by_table(&self) -> BTreeMap<Table, usize> {
        let mut counts = BTreeMap::new();
        // But for who owns which shard.
        let is_cluster = |key: &[u8]| key.starts_with(&[CLUSTER_AREA]);
        for (key, _) in self
            .rows()
            .await
            .into_iter()
            .filter(|(key, _)| !is_cluster(key))
        {
            *counts.entry(table(&key)).or_default() += 1;
        }
        counts
    }

    /// The tables that mention these bytes, in a key or in a value, once for each row.
    pub(crate) async fn mentions(&self, bytes: &[u8]) -> Vec<Table> {
        let holds = |hay: &[u8]| hay.windows(bytes.len()).any(|window| window == bytes);
        let rows = self.rows().await.into_iter();
        rows.filter(|(key, value)| holds(key) || holds(value))
            .map(|(key, _)| table(&key))
            .collect()
    }

    /// Waits, at the pace of the runtime's clock, until `done`.
    pub(crate) async fn until(&self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The vault of a deployment whose outer key is always the same, so that every node of a disk opens it.
pub(crate) async fn vault(store: &Store, rng: &Rng) -> Vault {
    let kms = MemoryKms::new(Rng::seeded(1));
    kms.make(Generation::FIRST).await.expect("is in memory");
    open(store, KeySource::Kms(Arc::new(kms)), rng).await
}

async fn open(store: &Store, source: KeySource, rng: &Rng) -> Vault {
    let opened = Vault::open(Parts {
        store: store.clone(),
        deployment: DeploymentId::from_bytes([1; 16]),
        source,
        rng: rng.fork(),
    });
    opened.await.expect("opens")
}

fn is_of_a_room(key: &[u8]) -> bool {
    !matches!(
        table(key),
        Table::Vault | Table::ServerKey | Table::AccountKey
    )
}

fn table(key: &[u8]) -> Table {
    Table::of_key(key).expect("every key is of a table")
}

/// What a message says.
pub(crate) fn body(event: Event) -> Option<String> {
    if let EventKind::Message(message) = event.kind {
        Some(message.body)
    } else {
        None
    }
}

pub(crate) fn draft(id: ClientMessageId, body: &str) -> Draft {
    Draft {
        client_message_id: id,
        body: body.to_owned(),
        format: Format::Plain,
        priority: Priority::Normal,
        reply_to: None,
        files: Vec::new(),
    }
}

pub(crate) fn send(id: ClientMessageId, body: &str) -> Action {
    Action::Send(draft(id, body))
}

pub(crate) fn edit(target: Seq, id: ClientMessageId, body: &str) -> Action {
    let draft = draft(id, body);
    Action::Edit { target, draft }
}

/// The only node on a store, which may be a rough one.
pub(crate) async fn alone(store: &Store, rng: &Rng, tasks: &Tasks) -> Membership {
    loop {
        let membership = Membership::alone(cluster_membership::Parts::unreachable(
            store.clone(),
            NodeId::from_bytes([1; 16]),
            rng.fork(),
            tasks.clone(),
        ));
        match membership.await {
            Ok(membership) => return membership,
            Err(JoinError::Store(_)) => {}
            Err(refused) => panic!("nobody else is there: {refused}"),
        }
    }
}
