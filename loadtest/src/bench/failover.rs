//! How long a room takes no messages when its node is killed, and when nodes are restarted one after the other; and
//! whether anything that was acknowledged is lost by it.
//!
//! Three nodes, and in each room one sender at each of them: so at any time two of three senders have a node that
//! lives, and the longest time between two acknowledgements of a room is what becomes of the room, and not of a
//! client that looks for another node.
//!
//! There is no baseline but the promise: two seconds for a kill, of which the lease is more than one, and a tenth
//! of a second for a node that leaves in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use parking_lot::Mutex;
use rookery_client::{Backoff, Client, Incoming, Outgoing, Session, SessionOptions, Tuning};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Scale;
use crate::console::{Console, Stage};
use crate::crash::ledger::{Found, Ledger, Verdict, digest_of};
use crate::dev_cluster::DevCluster;
use crate::limits::SETTLE_WITHIN;
use crate::log;
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row};
use crate::stats::{Latencies, number};

const NODES: u8 = 3;

/// Rooms that are written to.
const ROOMS: usize = 12;

/// Kills of a node that has rooms.
const KILLS: usize = 20;

/// Restarts of all nodes, one after the other.
const ROLLS: usize = 20;

/// How long the load runs before something is done to a node, and after it.
const LOAD_FOR: Duration = Duration::from_millis(500);

/// Time without a message to a room after its node was killed.
const KILL_GOAL_MS: f64 = 2_000.0;

/// Time without a message to a room after its node was asked to leave.
const DRAIN_GOAL_MS: f64 = 100.0;

/// How sessions come back.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

/// How long a message waits for its answer, restarts included.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// What the senders share.
#[derive(Debug)]
struct Load {
    rooms: Vec<Room>,
    /// Held to read by whoever sends, to write while logs are compared.
    gate: RwLock<()>,
    errors: AtomicU64,
}

#[derive(Debug)]
struct Room {
    name: String,
    ledger: Mutex<Ledger>,
    acked: Mutex<Acked>,
}

/// When messages were acknowledged, since it was last asked.
#[derive(Debug)]
struct Acked {
    last: Instant,
    pause_max: Duration,
}

pub(super) async fn run(scale: Scale, console: Console) -> anyhow::Result<Report> {
    let mut cluster = DevCluster::start(NODES).await?;
    let measured = measure(&mut cluster, scale, console).await;
    measured.with_context(|| cluster.log_end())
}

async fn measure(
    cluster: &mut DevCluster,
    scale: Scale,
    console: Console,
) -> anyhow::Result<Report> {
    let (kills, rolls) = (scale.sessions(KILLS), scale.sessions(ROLLS));
    let (administrator, load, mut senders) = prepare(cluster, console).await?;

    let stage = console.stage("failover: kills", kills as u64);
    let mut killed = Latencies::new();
    for kill in 0..kills {
        cluster.settle().await?;
        sleep(LOAD_FOR).await;
        let number = kill as u64 % u64::from(NODES) + 1;
        let rooms = rooms_of(cluster, &load, number).await?;
        forget(&load);
        cluster.wish(&format!("kill {number}")).await?;
        takes_messages(&load, &rooms).await?;
        rooms
            .iter()
            .for_each(|room| killed.record(load.rooms[*room].pause()));
        cluster.wish(&format!("restart {number}")).await?;
        alive(&mut senders)?;
        stage.inc(1);
    }
    drop(stage);

    let stage = console.stage("failover: restarts", (rolls * usize::from(NODES)) as u64);
    let mut drained = Latencies::new();
    let errors_before = load.errors.load(Ordering::Relaxed);
    for _ in 0..rolls {
        for number in 1..=u64::from(NODES) {
            cluster.settle().await?;
            let rooms = rooms_of(cluster, &load, number).await?;
            forget(&load);
            cluster.wish(&format!("drain {number}")).await?;
            takes_messages(&load, &rooms).await?;
            rooms
                .iter()
                .for_each(|room| drained.record(load.rooms[*room].pause()));
            cluster.wish(&format!("restart {number}")).await?;
            alive(&mut senders)?;
            stage.inc(1);
        }
    }
    drop(stage);

    cluster.settle().await?;
    let rested = timeout(SETTLE_WITHIN, load.gate.write()).await;
    let _closed = rested.context("messages under way were not answered")?;
    let verdict = check(&administrator.client, &load).await?;
    let errors = load.errors.load(Ordering::Relaxed) - errors_before;
    Ok(report(&load, verdict, &killed, &drained, errors))
}

fn report(
    load: &Load,
    verdict: Verdict,
    killed: &Latencies,
    drained: &Latencies,
    errors: u64,
) -> Report {
    let mut report = Report::new("failover");
    let most = |ms| Goal::AtMost(ms);
    report
        .row(Row::new(
            "killed: no message to a room, p50",
            "ms",
            killed.p50_ms(),
        ))
        .row(
            Row::new("killed: no message to a room, p99", "ms", killed.p99_ms())
                .goal(most(KILL_GOAL_MS)),
        )
        .row(Row::new(
            "left in order: no message to a room, p50",
            "ms",
            drained.p50_ms(),
        ))
        .row(
            Row::new(
                "left in order: no message to a room, p99",
                "ms",
                drained.p99_ms(),
            )
            .goal(most(DRAIN_GOAL_MS)),
        );
    for (figure, count) in [
        ("left in order: sends that failed", errors),
        ("acknowledged messages lost", verdict.lost),
        ("messages doubled", verdict.doubled),
        ("messages at another place or altered", verdict.altered),
        ("places missing or repeated in a log", verdict.broken),
    ] {
        report.row(Row::new(figure, "messages", number(count)).must(Goal::Exactly(0.0)));
    }
    let acks = load
        .rooms
        .iter()
        .map(|room| room.ledger.lock().acks())
        .sum();
    report
        .check("acks", acks)
        .check("acks looked for", verdict.acked)
        .check("rooms whose node was killed", killed.count())
        .check("rooms whose node left in order", drained.count())
        .detail("nodes", NODES)
        .detail("rooms", ROOMS);
    report
}

/// Rooms, and a sender for each at each node.
async fn prepare(
    cluster: &mut DevCluster,
    console: Console,
) -> anyhow::Result<(Person, Arc<Load>, JoinSet<anyhow::Result<()>>)> {
    let nodes = cluster.nodes().await?;
    let first = cluster.server(&nodes[0], Tuning::NORMAL)?;
    let administrator = people::administrator(&first, cluster.invitation()).await?;
    let stage = console.stage("failover: accounts", u64::from(NODES));
    let names = people::numbered(nodes.len());
    let people = people::people(&first, &administrator, &names, &stage).await?;
    let members: Vec<_> = people.iter().collect();
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        let name = format!("room {number}");
        let name = people::room(&administrator, &name, &members, &Stage::hidden()).await?;
        rooms.push(Room {
            name,
            ledger: Mutex::default(),
            acked: Mutex::new(Acked::new()),
        });
    }
    let load = Arc::new(Load {
        rooms,
        gate: RwLock::new(()),
        errors: AtomicU64::new(0),
    });
    let mut senders = JoinSet::new();
    for (node, person) in nodes.iter().zip(&people) {
        let server = cluster.server(node, Tuning::NORMAL)?;
        let client = server.connect().await?.with_token(person.token.clone())?;
        let options = SessionOptions::new()
            .backoff(BACKOFF)
            .command_deadline(COMMAND_DEADLINE);
        let (session, incoming) = client.session(options).await?;
        senders.spawn(listen(incoming));
        for room in 0..ROOMS {
            senders.spawn(send(Arc::clone(&load), room, session.clone()));
        }
    }
    Ok((administrator, load, senders))
}

async fn listen(mut incoming: Incoming) -> anyhow::Result<()> {
    while incoming.next().await.is_some() {}
    anyhow::bail!("a session ended")
}

/// Sends one message after the other to a room.
async fn send(load: Arc<Load>, room: usize, session: Session) -> anyhow::Result<()> {
    let room = &load.rooms[room];
    for count in 0_usize.. {
        let _sending = load.gate.read().await;
        let message = Outgoing::new(room.name.clone(), format!("message {count}"));
        let digest = digest_of(&message.request().body);
        room.ledger.lock().sent(message.id(), digest);
        // The session itself comes back once and sends again; what fails after that is counted.
        let sent = loop {
            match session.send_message(&message).await {
                Ok(sent) => break sent,
                Err(error) if error.is_transient() || error.may_have_happened() => {
                    load.errors.fetch_add(1, Ordering::Relaxed);
                    sleep(BACKOFF.first).await;
                }
                Err(error) => return Err(error).context("a message was refused"),
            }
        };
        room.ledger.lock().acked(message.id(), sent.seq);
        room.acked.lock().another();
    }
    Ok(())
}

impl Acked {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            pause_max: Duration::ZERO,
        }
    }

    fn another(&mut self) {
        let now = Instant::now();
        self.pause_max = self.pause_max.max(now - self.last);
        self.last = now;
    }
}

impl Room {
    /// The longest time without an acknowledgement.
    fn pause(&self) -> Duration {
        self.acked.lock().pause_max
    }
}

fn forget(load: &Load) {
    for room in &load.rooms {
        *room.acked.lock() = Acked::new();
    }
}

/// The places of the rooms that a node has.
async fn rooms_of(cluster: &mut DevCluster, load: &Load, node: u64) -> anyhow::Result<Vec<usize>> {
    let mut of_node = Vec::new();
    for (place, room) in load.rooms.iter().enumerate() {
        if cluster.owner(&room.name).await? == Some(node) {
            of_node.push(place);
        }
    }
    Ok(of_node)
}

/// Waits until all these rooms have taken messages for a while again.
async fn takes_messages(load: &Load, rooms: &[usize]) -> anyhow::Result<()> {
    let began = Instant::now();
    let again = |room: &usize| {
        let last = load.rooms[*room].acked.lock().last;
        last > began + LOAD_FOR
    };
    let all = async {
        while !rooms.iter().all(again) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let taken = timeout(SETTLE_WITHIN, all).await;
    taken.context("a room takes no messages any more")
}

/// Makes sure that nobody has given up.
fn alive(senders: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match senders.try_join_next() {
        Some(ended) => ended.context("a sender panicked")?,
        None => Ok(()),
    }
}

/// Compares every room's log with what was acknowledged.
async fn check(client: &Client, load: &Load) -> anyhow::Result<Verdict> {
    let logs = load.rooms.iter().map(|room| log::read(client, &room.name));
    let logs = try_join_all(logs).await?;
    let verdicts = load.rooms.iter().zip(logs).map(|(room, log)| {
        let log: Vec<_> = log.iter().map(Found::from).collect();
        room.ledger.lock().check(&log)
    });
    Ok(verdicts.fold(Verdict::default(), Verdict::and))
}
