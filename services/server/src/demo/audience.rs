//! Who listens: everybody, with a session on a connection of their own, in all rooms that they are in.
//!
//! Invariant: of each room a session is to be given every event after the head at which it began, once and in
//! order. What is not so is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use rookery_client::{Backoff, Follow, Incoming, Item, Session, SessionOptions};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cast::{Cast, Person};

/// Sessions that are opened at a time.
const OPENING_AT_ONCE: usize = 16;

/// How sessions come back.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

/// How long a message waits for its answer, whatever happens to nodes meanwhile.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// Nobody waits longer for what should have come.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// All sessions.
pub(super) struct Audience {
    /// By the places of their people.
    pub(super) sessions: Vec<Session>,
    ears: Arc<Ears>,
    _tasks: JoinSet<()>,
}

/// What all sessions together have been given.
#[derive(Debug, Default)]
struct Ears {
    events: AtomicU64,
    broken: AtomicU64,
    reconnects: AtomicU64,
}

impl Audience {
    /// Opens a session for everybody, which follows all their rooms.
    pub(super) async fn gather(cast: &Cast) -> anyhow::Result<Self> {
        let ears = Arc::new(Ears::default());
        let heads = cast.scenes.iter();
        let heads = heads.map(|scene| (scene.room.clone(), scene.head));
        let heads: Arc<HashMap<String, u64>> = Arc::new(heads.collect());
        let open = async |(place, person): (usize, &Person)| {
            let options = SessionOptions::new()
                .backoff(BACKOFF)
                .command_deadline(COMMAND_DEADLINE);
            let own = cast.scenes.iter();
            let own = own.filter(|scene| scene.members.contains(&place));
            let options = own.fold(options, |options, scene| {
                options.follow(Follow::after(&scene.room, scene.head, ""))
            });
            let client = cast.server.connect().await?;
            let client = client.with_token(person.token.clone())?;
            anyhow::Ok(client.session(options).await?)
        };
        let opened: Vec<_> = stream::iter(cast.people.iter().enumerate())
            .map(open)
            .buffered(OPENING_AT_ONCE)
            .try_collect()
            .await?;
        let (mut sessions, mut tasks) = (Vec::new(), JoinSet::new());
        for (session, incoming) in opened {
            sessions.push(session);
            tasks.spawn(listen(incoming, Arc::clone(&ears), Arc::clone(&heads)));
        }
        Ok(Self {
            sessions,
            ears,
            _tasks: tasks,
        })
    }

    /// Events that were given to sessions.
    pub(super) fn heard(&self) -> u64 {
        self.ears.events.load(Ordering::Relaxed)
    }

    /// Events that came twice, or before one that was to come first, and sessions that ended.
    pub(super) fn broken(&self) -> u64 {
        self.ears.broken.load(Ordering::Relaxed)
    }

    /// How often a session came back.
    pub(super) fn reconnects(&self) -> u64 {
        self.ears.reconnects.load(Ordering::Relaxed)
    }

    /// Waits until so many events have been given, or nothing comes any more.
    pub(super) async fn hears(&self, expected: u64) {
        let (mut last, mut since) = (self.heard(), Instant::now());
        while last < expected && since.elapsed() < SILENCE_MAX {
            sleep(LOOK_EVERY).await;
            let heard = self.heard();
            if heard != last {
                (last, since) = (heard, Instant::now());
            }
        }
    }
}

/// Counts what one session is given.
async fn listen(mut incoming: Incoming, ears: Arc<Ears>, heads: Arc<HashMap<String, u64>>) {
    let mut heard = HashMap::clone(&heads);
    while let Some(item) = incoming.next().await {
        match item {
            Item::Event(event) => {
                let last = heard.entry(event.room).or_default();
                if event.seq != *last + 1 {
                    ears.broken.fetch_add(1, Ordering::Relaxed);
                }
                *last = event.seq;
                ears.events.fetch_add(1, Ordering::Relaxed);
            }
            Item::Gap { .. }
            | Item::Rebuilt { .. }
            | Item::RoomLost { .. }
            | Item::Ended(_)
            | Item::SignedOut => {
                ears.broken.fetch_add(1, Ordering::Relaxed);
            }
            Item::Reconnected => {
                ears.reconnects.fetch_add(1, Ordering::Relaxed);
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
