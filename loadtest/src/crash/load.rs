//! The load under which servers are killed: senders who keep sending through all of it, and listeners who
//! hear every room.
//!
//! Sessions come back by themselves and send again what was not answered, under the same id. Senders rest
//! while the logs are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use parking_lot::Mutex;
use rookery_client::{
    Backoff, Client, Follow, Incoming, Item, Outgoing, Server, Session, SessionOptions,
};
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::ledger::{Found, Ledger, Verdict, digest_of};
use crate::console::{Console, Stage};
use crate::limits::SETTLE_WITHIN;
use crate::log;
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row};
use crate::stats::number;

/// Rooms that are written to.
const ROOMS: usize = 8;

/// Bodies have lengths from nothing to this, one after the other.
const LENGTHS: usize = 300;

/// How sessions come back: quickly, since a kill a second is expected.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

/// How long a command waits for its answer, restarts included.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked whether listeners have heard all.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    /// Sessions that write to each room and follow it, at one server after the other.
    pub(super) sessions_per_room: usize,
    /// Messages that each of them has under way.
    pub(super) in_flight_each: usize,
}

/// Senders and listeners.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<anyhow::Result<()>>,
    amount: Amount,
}

/// What they share.
#[derive(Debug)]
struct Shared {
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
    /// How far each who follows it has come.
    heard: Vec<AtomicU64>,
    /// Events that came to one of them out of order, or were missing at first.
    astray: AtomicU64,
}

/// While this is held, nobody sends.
pub(super) type Rest<'a> = RwLockWriteGuard<'a, ()>;

impl Load {
    /// Makes rooms and people, with a session each at one of the servers. They send once [`Rest`] is over,
    /// which [`Load::rest`] begins.
    ///
    /// # Errors
    /// If a server refuses.
    pub(super) async fn start(
        administrator: &Person,
        servers: &[Server],
        amount: Amount,
        console: Console,
    ) -> anyhow::Result<Self> {
        let first = servers.first().context("no server")?;
        let count = ROOMS * amount.sessions_per_room;
        let stage = console.stage("crash: accounts", count as u64);
        let names = people::numbered(count);
        let people = people::people(first, administrator, &names, &stage).await?;
        let mut rooms = Vec::new();
        for (number, members) in people.chunks(amount.sessions_per_room).enumerate() {
            let members: Vec<_> = members.iter().collect();
            let name = format!("room {number}");
            rooms.push(Room {
                name: people::room(administrator, &name, &members, &Stage::hidden()).await?,
                ledger: Mutex::default(),
                heard: members.iter().map(|_| AtomicU64::new(0)).collect(),
                astray: AtomicU64::new(0),
            });
        }
        let shared = Arc::new(Shared {
            rooms,
            gate: RwLock::new(()),
            retries: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let closed = shared.gate.write().await;
        for (place, person) in people.iter().enumerate() {
            let part = Part {
                shared: Arc::clone(&shared),
                room: place / amount.sessions_per_room,
                member: place % amount.sessions_per_room,
            };
            let options = SessionOptions::new()
                .follow(Follow::from_head(&part.room().name))
                .backoff(BACKOFF)
                .command_deadline(COMMAND_DEADLINE);
            let server = &servers[place % servers.len()];
            let client = server.connect().await?.with_token(person.token.clone())?;
            let (session, incoming) = client.session(options).await?;
            for _ in 0..amount.in_flight_each {
                tasks.spawn(part.clone().send_all(session.clone()));
            }
            tasks.spawn(part.listen(incoming));
        }
        drop(closed);
        Ok(Self {
            shared,
            tasks,
            amount,
        })
    }

    /// Makes sure that nobody has given up.
    ///
    /// # Errors
    /// Why somebody has.
    pub(super) fn lives(&mut self) -> anyhow::Result<()> {
        match self.tasks.try_join_next() {
            Some(ended) => ended.context("a sender panicked")?,
            None => Ok(()),
        }
    }

    /// Waits until all that is under way is answered. Nobody sends until what is returned is dropped.
    ///
    /// # Errors
    /// If that takes too long.
    pub(super) async fn rest(&self) -> anyhow::Result<Rest<'_>> {
        let rested = timeout(SETTLE_WITHIN, self.shared.gate.write()).await;
        rested.context("messages under way were not answered after a restart")
    }

    /// Compares every room's log with what was acknowledged and with what everybody has heard.
    ///
    /// # Errors
    /// If a log cannot be read.
    pub(super) async fn check(&self, client: &Client, _rest: &Rest<'_>) -> anyhow::Result<Verdict> {
        let rooms = &self.shared.rooms;
        let logs = rooms.iter().map(|room| log::read(client, &room.name));
        let logs = try_join_all(logs).await?;
        let mut verdict = Verdict::default();
        for (room, log) in rooms.iter().zip(logs) {
            let head = log.last().map_or(0, |event| event.seq);
            let log: Vec<_> = log.iter().map(Found::from).collect();
            verdict = verdict.and(room.ledger.lock().check(&log));
            verdict.unheard += room.unheard(head).await + room.astray.swap(0, Ordering::Relaxed);
        }
        Ok(verdict)
    }

    /// Messages that were acknowledged.
    pub(super) fn acks(&self) -> u64 {
        let acks = |room: &Room| room.ledger.lock().acks();
        self.shared.rooms.iter().map(acks).sum()
    }

    /// A report with what has to be, whatever was done to the servers.
    pub(super) fn report(&self, seed: u64, verdict: Verdict) -> Report {
        let mut report = Report::new("crash");
        for (figure, count) in [
            ("acknowledged messages lost", verdict.lost),
            ("messages doubled", verdict.doubled),
            ("messages at another place or altered", verdict.altered),
            ("places missing or repeated in a log", verdict.broken),
            (
                "events that a listener missed or had out of order",
                verdict.unheard,
            ),
        ] {
            report.row(Row::new(figure, "messages", number(count)).goal(Goal::Exactly(0.0)));
        }
        let (acks, count) = (self.acks(), |of: &AtomicU64| of.load(Ordering::Relaxed));
        let looked_for = Row::new("acknowledged messages", "messages", number(acks));
        let Amount {
            sessions_per_room,
            in_flight_each,
        } = self.amount;
        report
            .row(looked_for.goal(Goal::AtLeast(1.0)))
            .check("acks", acks)
            .check("acks looked for, over all restarts", verdict.acked)
            .check("streams that came back", count(&self.shared.reconnects))
            .check(
                "sends that failed and were made again",
                count(&self.shared.retries),
            )
            .detail("seed", seed)
            .detail("rooms", ROOMS)
            .detail(
                "messages under way",
                ROOMS * sessions_per_room * in_flight_each,
            );
        report
    }
}

impl Room {
    /// Waits until everybody has come as far as the log. Returns how many events did not come, all listeners
    /// together.
    async fn unheard(&self, head: u64) -> u64 {
        let missing = || {
            let heard = self.heard.iter().map(|heard| heard.load(Ordering::Relaxed));
            heard.map(|heard| head.abs_diff(heard)).sum()
        };
        let began = Instant::now();
        while missing() > 0 && began.elapsed() < SETTLE_WITHIN {
            sleep(LOOK_EVERY).await;
        }
        missing()
    }
}

/// What one member of a room does.
#[derive(Clone)]
struct Part {
    shared: Arc<Shared>,
    room: usize,
    member: usize,
}

impl Part {
    fn room(&self) -> &Room {
        &self.shared.rooms[self.room]
    }

    /// Takes in what comes: each event of the room is one further than the one before.
    async fn listen(self, mut incoming: Incoming) -> anyhow::Result<()> {
        let room = self.room();
        let heard = &room.heard[self.member];
        while let Some(item) = incoming.next().await {
            match item {
                Item::Live { seq, .. } if heard.load(Ordering::Relaxed) == 0 => {
                    heard.store(seq, Ordering::Relaxed);
                }
                Item::Event(event) => {
                    let before = heard.swap(event.seq, Ordering::Relaxed);
                    let is_next = before == 0 || event.seq == before + 1;
                    room.astray
                        .fetch_add(u64::from(!is_next), Ordering::Relaxed);
                }
                Item::Gap { .. } | Item::Rebuilt { .. } => {
                    room.astray.fetch_add(1, Ordering::Relaxed);
                }
                Item::Reconnected => {
                    self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
                }
                Item::Ended(error) => return Err(error).context("a session ended"),
                Item::Ready { .. }
                | Item::Live { .. }
                | Item::RoomCounter(_)
                | Item::RoomGained { .. }
                | Item::RoomLost { .. }
                | Item::Typing(_)
                | Item::Presence(_)
                | Item::ReadMarker(_)
                | Item::Reconnecting { .. }
                | Item::SignedOut => {}
            }
        }
        anyhow::bail!("a session was signed out")
    }

    /// Sends one message after the other.
    async fn send_all(self, session: Session) -> anyhow::Result<()> {
        let room = self.room();
        for number in 0_usize.. {
            let _sending = self.shared.gate.read().await;
            let body = format!("{number}: {}", "x".repeat(number % LENGTHS));
            let message = Outgoing::new(room.name.clone(), body);
            let digest = digest_of(&message.request().body);
            room.ledger.lock().sent(message.id(), digest);
            let seq = self.send(&session, &message).await?;
            room.ledger.lock().acked(message.id(), seq);
        }
        Ok(())
    }

    /// Sends until there is an answer. It carries its id, so sending it again is safe.
    async fn send(&self, session: &Session, message: &Outgoing) -> anyhow::Result<u64> {
        loop {
            match session.send_message(message).await {
                Ok(sent) => return Ok(sent.seq),
                Err(error) if error.is_transient() || error.may_have_happened() => {
                    self.shared.retries.fetch_add(1, Ordering::Relaxed);
                    sleep(BACKOFF.first).await;
                }
                Err(error) => return Err(error).context("a message was refused"),
            }
        }
    }
}
