//! Who listens: everybody, each with a session of the SDK on a connection of its own, in all rooms that
//! they spoke in.
//!
//! Invariant: of each room, a session is given every event after the room's head at the beginning, once
//! and in order. What is not so is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use rookery_client::{Backoff, Error, Follow, Incoming, Item, Server, Session, SessionOptions};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::speakers::{PROGRESS_POLL, Room};
use crate::console::{Console, Stage};
use crate::limits::{OPENING_AT_ONCE, SETTLE_WITHIN};
use crate::people::Person;
use loadtest_conversations::Line;

/// How sessions come back. Thousands do so at once, to a server that has just started.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(3),
};

/// How long a message waits for its answer, restarts and the storms after them included.
const COMMAND_DEADLINE: Duration = Duration::from_secs(120);

/// All sessions.
#[derive(Debug)]
pub(super) struct Audience {
    accounts: Vec<String>,
    sessions: Vec<Session>,
    ears: Arc<Ears>,
    _tasks: JoinSet<()>,
}

/// What all sessions together have heard.
#[derive(Debug, Default)]
struct Ears {
    events: AtomicU64,
    broken: AtomicU64,
    reconnects: AtomicU64,
    failure: Mutex<Option<Error>>,
}

/// What was heard in the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Events that were given to sessions.
    pub(super) events: u64,
    /// Events that should have been.
    pub(super) expected: u64,
    /// Events that came twice, or before one that was to come first.
    pub(super) broken: u64,
    /// How often a stream came back.
    pub(super) reconnects: u64,
}

impl Audience {
    /// Opens a session for everybody, which follows all their rooms.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub(super) async fn gather(
        server: &Server,
        people: &[Person],
        rooms: &[Room],
        stage: &Stage,
    ) -> anyhow::Result<Self> {
        let ears = Arc::new(Ears::default());
        let open = async |(place, person): (usize, &Person)| {
            let options = SessionOptions::new()
                .backoff(BACKOFF)
                .command_deadline(COMMAND_DEADLINE);
            let own = rooms.iter().filter(|room| room.members.contains(&place));
            let options = own.fold(options, |options, room| {
                options.follow(Follow::after(&room.name, room.head, ""))
            });
            let client = server.connect().await?.with_token(person.token.clone())?;
            let opened = client.session(options).await?;
            stage.inc(1);
            anyhow::Ok(opened)
        };
        let opened: Vec<_> = stream::iter(people.iter().enumerate())
            .map(open)
            .buffered(OPENING_AT_ONCE)
            .try_collect()
            .await?;
        let heads: Arc<HashMap<String, u64>> = Arc::new(
            rooms
                .iter()
                .map(|room| (room.name.clone(), room.head))
                .collect(),
        );
        let (mut sessions, mut tasks) = (Vec::with_capacity(people.len()), JoinSet::new());
        for (session, incoming) in opened {
            sessions.push(session);
            tasks.spawn(listen(incoming, Arc::clone(&ears), Arc::clone(&heads)));
        }
        Ok(Self {
            accounts: people.iter().map(|person| person.account.clone()).collect(),
            sessions,
            ears,
            _tasks: tasks,
        })
    }

    /// `accounts/{account}` of the person at this place.
    pub(super) fn account(&self, place: usize) -> &str {
        &self.accounts[place]
    }

    /// The session of the person at this place.
    pub(super) fn session(&self, place: usize) -> Session {
        self.sessions[place].clone()
    }

    /// Waits until everybody has heard everything that was said in their rooms.
    ///
    /// # Errors
    /// If nothing comes any more, and something is missing.
    pub(super) async fn until_all_is_heard(
        &self,
        rooms: &[Room],
        said: &[Vec<Line>],
        console: Console,
    ) -> anyhow::Result<Heard> {
        let each = rooms.iter().zip(said);
        let expected = each
            .map(|(room, lines)| lines.len() as u64 * room.members.len() as u64)
            .sum();
        let stage = console.stage("replay: until everybody has heard it", expected);
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let events = self.ears.events.load(Ordering::Relaxed);
            stage.set(events);
            if let Some(error) = self.ears.failure.lock().take() {
                return Err(error).context("a session ended");
            }
            if events != last {
                (last, since) = (events, Instant::now());
            }
            // What is short by then is missing, and the report says so.
            if events >= expected || since.elapsed() > SETTLE_WITHIN {
                return Ok(Heard {
                    events,
                    expected,
                    broken: self.ears.broken.load(Ordering::Relaxed),
                    reconnects: self.ears.reconnects.load(Ordering::Relaxed),
                });
            }
            sleep(PROGRESS_POLL).await;
        }
    }
}

/// Hears what one session is given.
async fn listen(mut incoming: Incoming, ears: Arc<Ears>, heads: Arc<HashMap<String, u64>>) {
    let mut heard: HashMap<String, u64> = HashMap::new();
    while let Some(item) = incoming.next().await {
        match item {
            Item::Event(event) => {
                let last = match heard.get_mut(&event.room) {
                    Some(last) => last,
                    None => {
                        let head = heads.get(&event.room).copied().unwrap_or_default();
                        heard.entry(event.room).or_insert(head)
                    }
                };
                if event.seq != *last + 1 {
                    ears.broken.fetch_add(1, Ordering::Relaxed);
                }
                *last = event.seq;
                ears.events.fetch_add(1, Ordering::Relaxed);
            }
            Item::Gap { .. } | Item::Rebuilt { .. } | Item::RoomLost { .. } => {
                ears.broken.fetch_add(1, Ordering::Relaxed);
            }
            Item::Reconnected => {
                ears.reconnects.fetch_add(1, Ordering::Relaxed);
            }
            Item::Ended(error) => {
                ears.failure.lock().get_or_insert(error);
            }
            Item::SignedOut => {
                ears.failure.lock().get_or_insert(Error::SignedOut);
            }
            Item::Ready { .. }
            | Item::Live { .. }
            | Item::RoomCounter(_)
            | Item::RoomGained { .. }
            | Item::Typing(_)
            | Item::Presence(_)
            | Item::ReadMarker(_)
            | Item::Reconnecting { .. } => {}
        }
    }
}
