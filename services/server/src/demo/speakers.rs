//! Who speaks: one task for each room, which says its lines in their order.
//!
//! Invariant: a line is said when the one before it was acknowledged. Some are said again under the same id
//! after their acknowledgement, and have to be answered with the place that they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use loadtest_conversations::Line;
use parking_lot::Mutex;
use rookery_client::v1::SendMessageResponse;
use rookery_client::{Outgoing, Session};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::audience::Audience;
use super::cast::Cast;

/// From one line of a room to the next.
const LINE_EVERY: Duration = Duration::from_millis(50);

/// Of so many lines, one is said again.
const AGAIN_OF: usize = 10;

/// Before a message is sent once more that the session itself has given up.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// All rooms' speakers.
pub(super) struct Speakers {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<Said>>,
}

/// The place of a room, and what was said in it.
type Said = anyhow::Result<(usize, Vec<Line>)>;

/// What was said in the end.
pub(super) struct Spoken {
    /// In each room, in order.
    pub(super) lines: Vec<Vec<Line>>,
    /// Lines that were said again.
    pub(super) again: u64,
    /// Of these, those that were given another place.
    pub(super) moved: u64,
}

struct Shared {
    over: AtomicBool,
    said: AtomicU64,
    again: AtomicU64,
    moved: AtomicU64,
    acked: Vec<Mutex<Acked>>,
}

/// When a room's lines were acknowledged, since it was last asked.
struct Acked {
    last: Instant,
    pause_max: Duration,
}

struct Turn {
    author: String,
    session: Session,
    text: String,
}

impl Speakers {
    /// Begins to talk in all rooms.
    pub(super) fn start(cast: &Cast, audience: &Audience) -> Self {
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            said: AtomicU64::new(0),
            again: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            acked: cast
                .scenes
                .iter()
                .map(|_| Mutex::new(Acked::new()))
                .collect(),
        });
        let mut tasks = JoinSet::new();
        for (place, scene) in cast.scenes.iter().enumerate() {
            let turn = |line: &loadtest_conversations::Said| Turn {
                author: cast.people[line.nick].account.clone(),
                session: audience.sessions[line.nick].clone(),
                text: line.text.clone(),
            };
            let turns = scene.lines.iter().map(turn).collect();
            let (shared, room) = (Arc::clone(&shared), scene.room.clone());
            tasks.spawn(async move { Ok((place, shared.speak(place, &room, turns).await?)) });
        }
        Self {
            shared,
            tasks: Mutex::new(tasks),
        }
    }

    /// Lines that were acknowledged.
    pub(super) fn said(&self) -> u64 {
        self.shared.said.load(Ordering::Relaxed)
    }

    /// The longest that a room has waited for an acknowledgement since [`Speakers::forget_pauses`].
    pub(super) fn longest_pause(&self) -> Duration {
        let pauses = self.shared.acked.iter();
        let pauses = pauses.map(|acked| acked.lock().pause());
        pauses.max().unwrap_or_default()
    }

    pub(super) fn forget_pauses(&self) {
        for acked in &self.shared.acked {
            *acked.lock() = Acked::new();
        }
    }

    /// Ends the conversations, once what was being said is acknowledged.
    pub(super) async fn stop(&self) -> anyhow::Result<Spoken> {
        self.shared.over.store(true, Ordering::Relaxed);
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let mut lines = vec![Vec::new(); self.shared.acked.len()];
        while let Some(ended) = tasks.join_next().await {
            let (place, said) = ended.context("a speaker panicked")??;
            lines[place] = said;
        }
        Ok(Spoken {
            lines,
            again: self.shared.again.load(Ordering::Relaxed),
            moved: self.shared.moved.load(Ordering::Relaxed),
        })
    }
}

impl Shared {
    async fn speak(&self, place: usize, room: &str, turns: Vec<Turn>) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut ticks = interval(LINE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (count, turn) in turns.into_iter().enumerate() {
            ticks.tick().await;
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let message = Outgoing::new(room, turn.text);
            let sent = say(&turn.session, &message).await?;
            self.acked[place].lock().another();
            self.said.fetch_add(1, Ordering::Relaxed);
            if count % AGAIN_OF == 0 {
                let again = say(&turn.session, &message).await?;
                self.again.fetch_add(1, Ordering::Relaxed);
                let moved = u64::from(again.seq != sent.seq);
                self.moved.fetch_add(moved, Ordering::Relaxed);
            }
            lines.push(Line {
                id: message.id().to_owned(),
                author: turn.author,
                text: message.request().body.clone(),
            });
        }
        Ok(lines)
    }
}

/// Says something until it is acknowledged.
async fn say(session: &Session, message: &Outgoing) -> anyhow::Result<SendMessageResponse> {
    loop {
        match session.send_message(message).await {
            Ok(sent) => return Ok(sent),
            Err(error) if error.is_transient() || error.may_have_happened() => {
                sleep(AGAIN_AFTER).await;
            }
            Err(error) => return Err(error).context("a message was refused"),
        }
    }
}

impl Acked {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            pause_max: Duration::ZERO,
        }
    }

    fn another(&mut self) {
        self.pause_max = self.pause();
        self.last = Instant::now();
    }

    /// The longest so far, the one that is not over yet included.
    fn pause(&self) -> Duration {
        self.pause_max.max(self.last.elapsed())
    }
}
