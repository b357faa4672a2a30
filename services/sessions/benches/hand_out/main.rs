//! How fast a published event reaches many sessions: `cargo bench -p services-sessions`.
//!
//! From `Publisher::event` through relay, outbox and body, each body drained by a task of its own, as
//! the HTTP server does. Two figures for each number of sessions: one event at a time (each waits
//! until everybody has the one before), and as many under way as the outboxes take.
//!
//! Leaves out connections: what is measured is this crate.

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_membership::Membership;
use cluster_runtime::{TaskKind, Tasks};
use cluster_store::{Simulated, Store, StoreError};
use cluster_types::{
    AccountId, Caller, DeploymentId, NodeId, Rng, RoomId, Seq, SignInId, SystemClock,
};
use services_rooms::{
    Action, ClientMessageId, Command, NewRoom, People, Priority, Published, Publisher as _, Role,
    Rooms,
};
use services_sessions::{Alone, Dependencies, Hub, Pace, Sessions, SignIns};
use services_vault::{KeySource, MemoryKms, Parts, Vault};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of one encoded event: a short message with its names and ids.
const EVENT_BYTES: usize = 250;

/// Sessions of one account; the limit of the crate is 32.
const SESSIONS_PER_ACCOUNT: usize = 25;

/// Events under way at a time: below what an outbox holds, so that nothing falls back to the log.
const UNDER_WAY_MAX: u64 = 128;

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(4);

async fn vault(store: &Store, rng: &Rng) -> Vault {
    let opened = Vault::open(Parts {
        store: store.clone(),
        deployment: DeploymentId::random(rng),
        source: KeySource::Kms(Arc::new(MemoryKms::new(rng.fork()))),
        rng: rng.fork(),
    });
    opened.await.expect("a vault opens")
}

#[derive(Debug)]
struct Everybody;

#[async_trait]
impl People for Everybody {
    async fn exists(&self, _: AccountId) -> Result<bool, StoreError> {
        Ok(true)
    }
}

#[async_trait]
impl SignIns for Everybody {
    async fn is_current(&self, _: &Caller) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl Pace for Everybody {
    fn take(&self, _: &Caller, _: u32) -> Result<(), Duration> {
        Ok(())
    }
}

/// How far the slowest reader is, by the number of those that have finished each event.
#[derive(Debug, Default)]
struct Progress {
    delivered: AtomicU64,
    moved: Notify,
    wanted: AtomicU64,
}

impl Progress {
    fn add(&self, events: u64) {
        let delivered = self.delivered.fetch_add(events, Ordering::SeqCst) + events;
        if delivered >= self.wanted.load(Ordering::SeqCst) {
            self.moved.notify_one();
        }
    }

    async fn reached(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.delivered.load(Ordering::SeqCst) < wanted {
            self.moved.notified().await;
        }
    }
}

/// All rooms are here.
async fn alone(store: &Store, rng: &Rng, tasks: &Tasks) -> Membership {
    let node = NodeId::from_bytes([1; 16]);
    let (store, rng, tasks) = (store.clone(), rng.fork(), tasks.clone());
    let parts = cluster_membership::Parts::unreachable(store, node, rng, tasks);
    let membership = Membership::alone(parts).await;
    membership.expect("nobody else is there")
}

struct Bench {
    hub: Hub,
    room: RoomId,
    author: AccountId,
    sessions: u64,
    seq: Seq,
    progress: Arc<Progress>,
    /// Resident bytes of one idle session, with the reader's task.
    bytes_each: usize,
}

impl Bench {
    async fn set_up(count: usize, tasks: &Tasks) -> Self {
        let hub = Hub::start(2, Arc::new(Alone), tasks);
        let rng = Rng::seeded(1);
        let store = Store::new(Simulated::reliable());
        let rooms = Rooms::start(services_rooms::Dependencies {
            vault: vault(&store, &rng).await,
            membership: alone(&store, &rng, tasks).await,
            store,
            clock: Arc::new(SystemClock),
            rng: rng.clone(),
            people: Arc::new(Everybody),
            attachments: Arc::new(services_rooms::NoFiles),
            publisher: Arc::new(hub.clone()),
            nodes: Arc::new(services_rooms::NoOtherNodes),
            tasks: tasks.clone(),
        })
        .await
        .expect("rooms start");
        let with = Dependencies {
            rooms: rooms.clone(),
            sign_ins: Arc::new(Everybody),
            pace: Arc::new(Everybody),
            tasks: tasks.clone(),
            frame_bytes_max: 80 * 1024,
        };
        let sessions = Sessions::start(hub.clone(), with)
            .await
            .expect("sessions start");

        let author = AccountId::random(&rng);
        let new = NewRoom {
            display_name: "hot".to_owned(),
            topic: String::new(),
            request_id: ClientMessageId(rng.bytes()),
        };
        let room = rooms.create(author, &new).await.expect("a room").room;
        let progress = Arc::new(Progress::default());
        let live = Arc::new(Progress::default());
        // First all members, then the sessions: coming is an event too.
        let mut accounts = Vec::new();
        for _ in 0..count.div_ceil(SESSIONS_PER_ACCOUNT) {
            let account = AccountId::random(&rng);
            add(&rooms, room, author, account).await;
            accounts.push(account);
        }
        let before = resident_bytes();
        for number in 0..count {
            let caller = Caller {
                account: accounts[number / SESSIONS_PER_ACCOUNT],
                sign_in: SignInId::random(&rng),
                administrator: false,
            };
            let body = wire::connect(sessions.clone(), caller, room).await;
            let (live, progress) = (Arc::clone(&live), Arc::clone(&progress));
            tasks.spawn(TaskKind::Connection, "reader", async move {
                let body = wire::until_live(body, &live).await;
                wire::drain(body, &progress).await;
            });
        }
        live.reached(count as u64).await;
        let bytes_each = (resident_bytes().saturating_sub(before)) / count;
        let seq = rooms.view(author, room).await.expect("a view").head;
        Self {
            hub,
            room,
            author,
            sessions: count as u64,
            seq,
            progress,
            bytes_each,
        }
    }

    fn publish(&mut self, frame: &Bytes) {
        self.seq = self.seq.next();
        self.hub.event(Published {
            room: self.room,
            seq: self.seq,
            message_count: self.seq.0,
            actor: self.author,
            priority: Some(Priority::Normal),
            standing: None,
            frame: frame.clone(),
        });
    }

    /// Deliveries per second with `under_way` events published at a time; the next ones when everybody
    /// has these.
    async fn run(&mut self, under_way: u64) -> Figure {
        let frame = wire::event_of(EVENT_BYTES);
        let base = self.progress.delivered.load(Ordering::SeqCst);
        let (started, cpu) = (Instant::now(), cpu_time());
        let mut published = 0;
        while started.elapsed() < SPAN {
            for _ in 0..under_way {
                self.publish(&frame);
            }
            published += under_way;
            self.progress
                .reached(base + published * self.sessions)
                .await;
        }
        let deliveries = (published * self.sessions) as f64;
        Figure {
            per_second: deliveries / started.elapsed().as_secs_f64(),
            cpu_nanos: (cpu_time() - cpu).as_nanos() as f64 / deliveries,
        }
    }
}

/// Makes `account` a member.
async fn add(rooms: &Rooms, room: RoomId, author: AccountId, account: AccountId) {
    let role = Role::Member;
    let command = Command {
        account: author,
        action: Action::Add { account, role },
    };
    rooms.command(room, command).await.expect("added");
}

/// What was measured.
struct Figure {
    per_second: f64,
    /// Of all threads, for each delivery: says more than the rate on a busy machine.
    cpu_nanos: f64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12.0}/s {:>6.0} ns", self.per_second, self.cpu_nanos)
    }
}

/// Memory of this process that is in use.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split_whitespace().nth(1).expect("a field");
    pages.parse::<usize>().expect("a number") * 4096
}

/// Processor time of this process so far, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    let ticks = |field: usize| -> u64 {
        let text = after_name.split_whitespace().nth(field).expect("a field");
        text.parse().expect("a number")
    };
    // Fields 14 and 15, in hundredths of a second; two come before the name's end.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

#[expect(clippy::print_stdout, reason = "a bench tells its figures")]
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!(
        "{:>10} {:>8} {:>24} {:>24}",
        "sessions", "bytes", "one at a time", "many under way"
    );
    for count in [1_000, 10_000] {
        let tasks = Tasks::new();
        let mut bench = Bench::set_up(count, &tasks).await;
        let (one, many) = (bench.run(1).await, bench.run(UNDER_WAY_MAX).await);
        println!("{count:>10} {:>8} {one} {many}", bench.bytes_each);
        bench.hub.drain();
        tasks.stop();
        tasks.ended(Duration::from_secs(10)).await;
    }
}
