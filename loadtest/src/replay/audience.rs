//! Who listens: everybody, each with a session of the SDK on a connection of its own, in all rooms that
//! they spoke in.
//!
//! Leaves out: what they should be given, and whether they are, which [`Hearing`] counts.

use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use loadtest_conversations::{Hearing, Line};
use rookery_client::{Backoff, Follow, Server, Session, SessionOptions};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::speakers::{PROGRESS_POLL, Room};
use crate::console::{Console, Stage};
use crate::limits::{OPENING_AT_ONCE, SETTLE_WITHIN};
use crate::people::Person;

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
    hearing: Hearing,
    _tasks: JoinSet<()>,
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
        let heads = rooms.iter().map(|room| (room.name.clone(), room.head));
        let hearing = Hearing::new(heads.collect());
        let (mut sessions, mut tasks) = (Vec::with_capacity(people.len()), JoinSet::new());
        for (session, incoming) in opened {
            sessions.push(session);
            tasks.spawn(hearing.clone().listen(incoming));
        }
        Ok(Self {
            accounts: people.iter().map(|person| person.account.clone()).collect(),
            sessions,
            hearing,
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
            let events = self.hearing.events();
            stage.set(events);
            if let Some(error) = self.hearing.take_end() {
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
                    broken: self.hearing.broken(),
                    reconnects: self.hearing.reconnects(),
                });
            }
            sleep(PROGRESS_POLL).await;
        }
    }
}
