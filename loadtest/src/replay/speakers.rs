//! Who speaks: one task for each room, which says the lines of its day in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rookery_client::{Outgoing, Session};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::audience::Audience;
use super::schedule;
use loadtest_conversations::Line;
use loadtest_conversations::{Conversations, Said};

/// How often the progress is looked at.
pub(super) const PROGRESS_POLL: Duration = Duration::from_millis(20);

/// Before a message is sent again whose fate is unknown. The session has waited before it gave up.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The room of one day.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// `rooms/{room}`
    pub(super) name: String,
    /// The newest event before the first message.
    pub(super) head: u64,
    /// People, by their places.
    pub(super) members: Vec<usize>,
}

/// Says everything. Returns what was said in each room, and how many sends were made again.
///
/// # Errors
/// If the server refuses a message for good.
pub(super) async fn speak(
    conversations: &Conversations,
    rooms: &[Room],
    audience: &Audience,
    speed: f64,
    said: &Arc<AtomicU64>,
) -> anyhow::Result<(Vec<Vec<Line>>, u64)> {
    let began = Instant::now();
    let retries = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for (place, (day, room)) in conversations.days().iter().zip(rooms).enumerate() {
        let speaker = |line: &Said| Speaker {
            account: audience.account(line.nick).to_owned(),
            session: audience.session(line.nick),
        };
        let due = schedule::due(&day.lines, speed);
        let turns: Vec<_> = day
            .lines
            .iter()
            .zip(due)
            .map(|(line, due)| (began + due, speaker(line), line.text.clone()))
            .collect();
        let (room, said, retries) = (room.clone(), Arc::clone(said), Arc::clone(&retries));
        tasks.spawn(async move {
            let lines = speak_in(&room, turns, &said, &retries).await;
            lines.map(|lines| (place, lines))
        });
    }
    let mut lines = vec![Vec::new(); rooms.len()];
    while let Some(done) = tasks.join_next().await {
        let (place, said) = done.context("a speaker panicked")??;
        lines[place] = said;
    }
    Ok((lines, retries.load(Ordering::Relaxed)))
}

struct Speaker {
    account: String,
    session: Session,
}

/// Says the lines of one room: each when it is due, and not before the one before it was acknowledged.
async fn speak_in(
    room: &Room,
    turns: Vec<(Instant, Speaker, String)>,
    said: &AtomicU64,
    retries: &AtomicU64,
) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::with_capacity(turns.len());
    for (due, speaker, text) in turns {
        sleep_until(due).await;
        let message = Outgoing::new(room.name.clone(), text);
        while let Err(error) = speaker.session.send_message(&message).await {
            if !error.is_transient() && !error.may_have_happened() {
                return Err(error).context("a message was refused");
            }
            retries.fetch_add(1, Ordering::Relaxed);
            sleep(AGAIN_AFTER).await;
        }
        said.fetch_add(1, Ordering::Relaxed);
        lines.push(Line {
            id: message.id().to_owned(),
            author: speaker.account,
            text: message.request().body.clone(),
        });
    }
    Ok(lines)
}
