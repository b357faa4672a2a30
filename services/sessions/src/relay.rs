//! The relay: from one published event to every outbox that wants it.
//!
//! Sessions are split over shards by their number, and each shard has one task and one queue: so a
//! session gets events in the order in which they were published, and a large room keeps every core
//! busy. A queue that is full forgets an event and remembers the room: its sessions then read the log.
//!
//! Who leaves a room is taken out here and at once, before the event that says so is queued: what lies
//! in a queue does not reach it any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::{AccountId, RoomId};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::actor::{Session, SessionId};
use crate::limits::{MARKER_WATCHERS_MAX, RELAY_QUEUE_MAX, TYPING_EVERY};
use crate::outbox::{Delivery, Note};

/// Events taken from a queue at a time: those of one room go to each session together.
const BATCH_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Relay {
    shards: Vec<Arc<Shard>>,
    typing: Mutex<BTreeMap<(RoomId, AccountId), Instant>>,
}

type Watchers = BTreeMap<SessionId, Arc<Session>>;

#[derive(Debug)]
struct Shard {
    topics: Mutex<BTreeMap<RoomId, Arc<Mutex<Watchers>>>>,
    queue: mpsc::Sender<Delivery>,
    // Rooms of which an event did not fit into the queue.
    lost: Mutex<BTreeSet<RoomId>>,
}

impl Relay {
    /// Starts `shards` tasks, which end with the relay.
    pub(crate) fn start(shards: usize, tasks: &Tasks) -> Self {
        let start_shard = |_| {
            let (queue, deliveries) = mpsc::channel(RELAY_QUEUE_MAX);
            let shard = Arc::new(Shard {
                topics: Mutex::default(),
                queue,
                lost: Mutex::default(),
            });
            let stopping = tasks.stopping().clone();
            let work = Arc::clone(&shard).run(deliveries);
            tasks.spawn(TaskKind::Relay, "sessions: relay", async move {
                // Cancelled: what has not been delivered is in the log.
                let _cancelled = stopping.run_until_cancelled(work).await;
            });
            shard
        };
        Self {
            shards: (0..shards.max(1)).map(start_shard).collect(),
            typing: Mutex::default(),
        }
    }

    /// From here on, `session` hears of `room`.
    pub(crate) fn watch(&self, room: RoomId, session: &Arc<Session>) {
        let topic = Arc::clone(
            self.shard(session.id)
                .topics
                .lock()
                .entry(room)
                .or_default(),
        );
        let mut watchers = topic.lock();
        // Who has ended has been taken out everywhere, and is not put back.
        if !session.has_ended() {
            watchers.insert(session.id, Arc::clone(session));
        }
    }

    /// From here on, `session` hears nothing of `room`.
    pub(crate) fn unwatch(&self, room: RoomId, session: SessionId) {
        let mut topics = self.shard(session).topics.lock();
        let Some(topic) = topics.get(&room) else {
            return;
        };
        let is_empty = {
            let mut watchers = topic.lock();
            watchers.remove(&session);
            watchers.is_empty()
        };
        if is_empty {
            topics.remove(&room);
        }
    }

    /// Hands an event to all who watch its room.
    pub(crate) fn deliver(&self, delivery: &Delivery) {
        for shard in &self.shards {
            if !shard.topics.lock().contains_key(&delivery.room) {
                continue;
            }
            if shard.queue.try_send(delivery.clone()).is_err() {
                shard.lost.lock().insert(delivery.room);
            }
        }
    }

    /// Takes all watchers of a room out.
    pub(crate) fn close(&self, room: RoomId) -> Vec<Arc<Session>> {
        let mut sessions = Vec::new();
        for shard in &self.shards {
            if let Some(topic) = shard.topics.lock().remove(&room) {
                sessions.extend(std::mem::take(&mut *topic.lock()).into_values());
            }
        }
        sessions
    }

    /// Shows all who follow the room that a member writes, if that was not shown just now.
    pub(crate) fn typing(&self, room: RoomId, account: AccountId) {
        let now = Instant::now();
        {
            let mut typing = self.typing.lock();
            typing.retain(|_, at| now.duration_since(*at) < TYPING_EVERY);
            if typing.contains_key(&(room, account)) {
                return;
            }
            typing.insert((room, account), now);
        }
        self.note(room, account, Note::Typing { room, account });
    }

    /// Tells those who follow a small room how far a member has read.
    pub(crate) fn read(&self, note: Note, room: RoomId, account: AccountId) {
        let watchers = |shard: &Arc<Shard>| shard.topic(room).map_or(0, |topic| topic.lock().len());
        if self.shards.iter().map(watchers).sum::<usize>() <= MARKER_WATCHERS_MAX {
            self.note(room, account, note);
        }
    }

    fn note(&self, room: RoomId, about: AccountId, note: Note) {
        for topic in self.shards.iter().filter_map(|shard| shard.topic(room)) {
            for session in topic
                .lock()
                .values()
                .filter(|session| session.account != about)
            {
                session.outbox.with(|state| {
                    if state.follows(room) {
                        state.note(note);
                    }
                });
            }
        }
    }

    fn shard(&self, session: SessionId) -> &Shard {
        // The remainder is below the number of shards.
        #[expect(clippy::cast_possible_truncation)]
        let index = (session.0 % self.shards.len() as u64) as usize;
        &self.shards[index]
    }
}

impl Shard {
    fn topic(&self, room: RoomId) -> Option<Arc<Mutex<Watchers>>> {
        self.topics.lock().get(&room).cloned()
    }

    async fn run(self: Arc<Self>, mut deliveries: mpsc::Receiver<Delivery>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while deliveries.recv_many(&mut batch, BATCH_MAX).await > 0 {
            for of_one_room in batch.chunk_by(|a, b| a.room == b.room) {
                self.hand_out(of_one_room).await;
            }
            batch.clear();
            let lost = std::mem::take(&mut *self.lost.lock());
            for room in lost {
                self.distrust(room);
            }
        }
    }

    /// Gives events of one room to its watchers, all of them to one session before the next.
    async fn hand_out(&self, events: &[Delivery]) {
        let Some(topic) = events.first().and_then(|event| self.topic(event.room)) else {
            return;
        };
        let mut after = None;
        loop {
            // In pieces, so that a large room does not keep others from the thread or the lock.
            let (last, more) = hand_out_some(&topic.lock(), after, events);
            if !more {
                return;
            }
            after = last;
            tokio::task::yield_now().await;
        }
    }

    fn distrust(&self, room: RoomId) {
        let Some(topic) = self.topic(room) else {
            return;
        };
        for session in topic.lock().values() {
            let want = session.outbox.with(|state| state.distrust(room));
            session.answer(want);
        }
    }
}

/// Sessions given an event in one go.
const HAND_OUT_AT_ONCE: usize = 512;

fn hand_out_some(
    watchers: &Watchers,
    after: Option<SessionId>,
    events: &[Delivery],
) -> (Option<SessionId>, bool) {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, Excluded);
    let mut sessions = watchers.range((from, Unbounded));
    let mut last = after;
    for (id, session) in sessions.by_ref().take(HAND_OUT_AT_ONCE) {
        for event in events {
            let want = session.outbox.with(|state| state.deliver(event));
            session.answer(want);
        }
        last = Some(*id);
    }
    (last, sessions.next().is_some())
}
