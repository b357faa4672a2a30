//! Who listens: everybody, with a session on a connection of their own, in all rooms that they are in.
//!
//! Leaves out: what they should be given, and whether they are, which [`Hearing`] counts.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use loadtest_conversations::Hearing;
use rookery_client::{Backoff, Follow, Session, SessionOptions};
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
    /// What all of them together have been given.
    pub(super) hearing: Hearing,
    _tasks: JoinSet<()>,
}

impl Audience {
    /// Opens a session for everybody, which follows all their rooms.
    pub(super) async fn gather(cast: &Cast) -> anyhow::Result<Self> {
        let heads = cast.scenes.iter();
        let heads = heads.map(|scene| (scene.room.clone(), scene.head));
        let hearing = Hearing::new(heads.collect());
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
            tasks.spawn(hearing.clone().listen(incoming));
        }
        Ok(Self {
            sessions,
            hearing,
            _tasks: tasks,
        })
    }

    /// Waits until so many events have been given, or nothing comes any more.
    pub(super) async fn hears(&self, expected: u64) {
        let (mut last, mut since) = (self.hearing.events(), Instant::now());
        while last < expected && since.elapsed() < SILENCE_MAX {
            sleep(LOOK_EVERY).await;
            let heard = self.hearing.events();
            if heard != last {
                (last, since) = (heard, Instant::now());
            }
        }
    }
}
