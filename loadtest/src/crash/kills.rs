//! Kills: a server under load is killed with -9 at a random moment and started again, and every message
//! that it had acknowledged is looked for.
//!
//! Senders keep sending through all of it; their sessions come back by themselves and send again what was
//! not answered, under the same id. Between two kills they rest for as long as the logs are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use cluster_types::Rng;
use futures::future::try_join_all;
use parking_lot::Mutex;
use rookery_client::{
    Backoff, Client, Incoming, Item, Outgoing, Server, Session, SessionOptions, Tuning,
};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::counted;
use super::ledger::{Found, Ledger, Verdict, digest_of};
use crate::console::{Console, Stage};
use crate::limits::SETTLE_WITHIN;
use crate::log;
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row};
use crate::rookery::Rookery;
use crate::stats::{median, number};

/// Rooms that are written to.
const ROOMS: usize = 8;

/// Sessions that write to each room.
const SESSIONS_PER_ROOM: usize = 2;

/// Messages that each session has under way.
const IN_FLIGHT_EACH: usize = 8;

/// Bodies have lengths from nothing to this, one after the other.
const LENGTHS: usize = 300;

/// The load runs for at least this long before a kill: long enough for groups to form.
const LOAD_MIN: Duration = Duration::from_millis(50);

/// A kill comes within so much more, at a random moment.
const LOAD_SPREAD: Duration = Duration::from_millis(450);

/// How sessions come back: quickly, since a kill a second is expected.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

/// How long a command waits for its answer, restarts included.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// What the senders share.
#[derive(Debug)]
struct Load {
    rooms: Vec<Room>,
    /// Held to read by whoever sends, to write while logs are compared.
    gate: RwLock<()>,
    retries: AtomicU64,
    reconnects: AtomicU64,
}

#[derive(Debug)]
struct Room {
    name: String,
    ledger: Mutex<Ledger>,
}

/// Kills the server `count` times, and says what came of it.
///
/// # Errors
/// If the server does not come back, or refuses what it should take.
pub(super) async fn run(
    count: u32,
    seed: u64,
    store: Option<&str>,
    console: Console,
) -> anyhow::Result<(Report, String)> {
    let rng = Rng::seeded(seed);
    let mut server = Rookery::start_on(store).await?;
    let sdk = server.server(Tuning::NORMAL)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let (load, sessions, mut tasks) = prepare(&administrator, &sdk, console).await?;
    // Nobody sends before the first round.
    let mut closed = Some(load.gate.write().await);
    for (number, session) in sessions.into_iter().enumerate() {
        for _ in 0..IN_FLIGHT_EACH {
            let sender = Sender {
                load: Arc::clone(&load),
                room: number / SESSIONS_PER_ROOM,
                session: session.clone(),
            };
            tasks.spawn(sender.run());
        }
    }

    let stage = console.stage("crash: kills", count.into());
    let (mut verdict, mut away) = (Verdict::default(), Vec::new());
    for _ in 0..count {
        drop(closed.take());
        sleep(LOAD_MIN + rng.jitter(LOAD_SPREAD)).await;
        server.kill()?;
        let killed = Instant::now();
        server.launch().await?;
        away.push(killed.elapsed().as_secs_f64() * 1e3);
        if let Some(ended) = tasks.try_join_next() {
            ended.context("a sender panicked")??;
        }
        let rested = timeout(SETTLE_WITHIN, load.gate.write()).await;
        server.lives()?;
        closed = Some(rested.context("messages under way were not answered after a restart")?);
        verdict = verdict.and(check(&administrator.client, &load).await?);
        stage.inc(1);
    }
    drop(stage);
    drop(tasks);
    let acks = load
        .rooms
        .iter()
        .map(|room| room.ledger.lock().acks())
        .sum();
    let report = report(seed, acks, verdict, &load, &away);
    let sentence = format!(
        "{} acknowledged messages, looked for {} times after {} kills: {} lost, {} doubled",
        counted(acks),
        counted(verdict.acked),
        away.len(),
        counted(verdict.lost),
        counted(verdict.doubled),
    );
    Ok((report, sentence))
}

fn report(seed: u64, acks: u64, verdict: Verdict, load: &Load, away: &[f64]) -> Report {
    let mut report = Report::new("crash");
    for (figure, count) in [
        ("acknowledged messages lost", verdict.lost),
        ("messages doubled", verdict.doubled),
        ("messages at another place or altered", verdict.altered),
        ("places missing or repeated in a log", verdict.broken),
    ] {
        report.row(Row::new(figure, "messages", number(count)).goal(Goal::Exactly(0.0)));
    }
    let looked_for = Row::new("acknowledged messages", "messages", number(acks));
    report
        .row(looked_for.goal(Goal::AtLeast(1.0)))
        .row(Row::new(
            "from a kill to the next connection",
            "ms",
            median(away).unwrap_or(f64::NAN),
        ))
        .check("acks", acks)
        .check("acks looked for, over all restarts", verdict.acked)
        .check("kills", away.len() as u64)
        .check(
            "streams that came back",
            load.reconnects.load(Ordering::Relaxed),
        )
        .check(
            "sends that failed and were made again",
            load.retries.load(Ordering::Relaxed),
        )
        .detail("seed", seed)
        .detail("rooms", ROOMS)
        .detail(
            "messages under way",
            ROOMS * SESSIONS_PER_ROOM * IN_FLIGHT_EACH,
        );
    report
}

/// Rooms, people and their sessions.
async fn prepare(
    administrator: &Person,
    sdk: &Server,
    console: Console,
) -> anyhow::Result<(Arc<Load>, Vec<Session>, JoinSet<anyhow::Result<()>>)> {
    let count = ROOMS * SESSIONS_PER_ROOM;
    let stage = console.stage("crash: accounts", count as u64);
    let people = people::people(sdk, administrator, &people::numbered(count), &stage).await?;
    let mut rooms = Vec::new();
    for (number, members) in people.chunks(SESSIONS_PER_ROOM).enumerate() {
        let members: Vec<_> = members.iter().collect();
        let name = format!("room {number}");
        let name = people::room(administrator, &name, &members, &Stage::hidden()).await?;
        let ledger = Mutex::default();
        rooms.push(Room { name, ledger });
    }
    let load = Arc::new(Load {
        rooms,
        gate: RwLock::new(()),
        retries: AtomicU64::new(0),
        reconnects: AtomicU64::new(0),
    });
    let (mut sessions, mut tasks) = (Vec::new(), JoinSet::new());
    for person in &people {
        let options = SessionOptions::new()
            .backoff(BACKOFF)
            .command_deadline(COMMAND_DEADLINE);
        let client = sdk.connect().await?.with_token(person.token.clone())?;
        let (session, incoming) = client.session(options).await?;
        sessions.push(session);
        tasks.spawn(listen(incoming, Arc::clone(&load)));
    }
    Ok((load, sessions, tasks))
}

/// Takes in what comes, and counts how often the stream came back.
async fn listen(mut incoming: Incoming, load: Arc<Load>) -> anyhow::Result<()> {
    while let Some(item) = incoming.next().await {
        if matches!(item, Item::Reconnected) {
            load.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        if let Item::Ended(error) = item {
            return Err(error).context("a session ended");
        }
    }
    anyhow::bail!("a session was signed out")
}

/// Sends one message after the other.
struct Sender {
    load: Arc<Load>,
    room: usize,
    session: Session,
}

impl Sender {
    async fn run(self) -> anyhow::Result<()> {
        let room = &self.load.rooms[self.room];
        for number in 0_usize.. {
            let _sending = self.load.gate.read().await;
            let body = format!("{number}: {}", "x".repeat(number % LENGTHS));
            let message = Outgoing::new(room.name.clone(), body);
            let digest = digest_of(&message.request().body);
            room.ledger.lock().sent(message.id(), digest);
            let seq = self.send(&message).await?;
            room.ledger.lock().acked(message.id(), seq);
        }
        Ok(())
    }

    /// Sends until there is an answer. It carries its id, so sending it again is safe.
    async fn send(&self, message: &Outgoing) -> anyhow::Result<u64> {
        loop {
            match self.session.send_message(message).await {
                Ok(sent) => return Ok(sent.seq),
                Err(error) if error.is_transient() || error.may_have_happened() => {
                    self.load.retries.fetch_add(1, Ordering::Relaxed);
                    sleep(BACKOFF.first).await;
                }
                Err(error) => return Err(error).context("a message was refused"),
            }
        }
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
